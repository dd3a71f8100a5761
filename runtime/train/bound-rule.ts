/**
 * How far a quantizer reaches, from what it sees: AQT's bounds.
 *
 *     max         max |x|
 *     deviation   mix * a * sqrt(mean x^2) + (1 - mix) * b * mean |x|
 *     mean-std    |mean x| + k * std x
 *
 * Zeros can be left out of the means: after a ReLU half of all values are zeros and say nothing about how far the others reach.
 */
import * as tf from '@tensorflow/tfjs-core';

export type BoundRule =
  | { readonly kind: 'max' }
  | {
      readonly kind: 'deviation';
      /** Share of the root mean square, in [0, 1]. */
      readonly mix: number;
      /** Factor of the root mean square. */
      readonly rms: number;
      /** Factor of the mean absolute value. */
      readonly absolute: number;
    }
  | { readonly kind: 'mean-std'; readonly deviations: number };

/** AQT's coefficients. */
export const defaultDeviationRule: BoundRule = { kind: 'deviation', mix: 0.5, rms: 3, absolute: 4 };

/**
 * The bound of x: one number, or with `perChannel` one for each index of the last axis. 0 where there is nothing to measure.
 * `withoutZeros` leaves zeros out of every mean.
 */
export function boundOf(
  x: tf.Tensor,
  rule: BoundRule,
  { perChannel = false, withoutZeros = false }: { perChannel?: boolean; withoutZeros?: boolean } = {},
): tf.Tensor {
  return tf.tidy(() => {
    const axes = x.shape.map((_, axis) => axis).slice(0, perChannel ? -1 : undefined);
    const absolute = tf.abs(x);
    if (rule.kind === 'max') return tf.max(absolute, axes);
    const count = withoutZeros
      ? tf.maximum(tf.sum(tf.step(absolute), axes), 1)
      : tf.scalar(axes.reduce((product, axis) => product * x.shape[axis]!, 1));
    const mean = (values: tf.Tensor): tf.Tensor => tf.div(tf.sum(values, axes), count);
    const meanSquare = mean(tf.square(x));
    if (rule.kind === 'deviation') {
      return tf.add(
        tf.mul(tf.sqrt(meanSquare), rule.mix * rule.rms),
        tf.mul(mean(absolute), (1 - rule.mix) * rule.absolute),
      );
    }
    const centre = mean(x);
    const variance = tf.relu(tf.sub(meanSquare, tf.square(centre)));
    return tf.add(tf.abs(centre), tf.mul(tf.sqrt(variance), rule.deviations));
  });
}
