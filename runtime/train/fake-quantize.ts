/**
 * Fake quantization: real numbers rounded to the grid that integers will stand on, with a gradient that pretends otherwise.
 *
 *     q = clip(round(x / step), min, max)        y = q * step
 *     dx = dy where x / step lies within [min, max], else 0                               (straight-through estimator)
 *     dstep = sum dy (q - [inside] x / step) * gradientScale                              (learned step, LSQ, arXiv 1902.08153)
 *
 * A step is one number or one for each index of the last axis. Rounding is half to even on float32(x / step), which is the compiler's
 * `quantize` bit for bit. `floor` is what AQT does to unsigned activations.
 *
 * Written in the operations that WASM has vector kernels for: comparisons and selects there take fifteen times as long.
 */
import * as tf from '@tensorflow/tfjs-core';

export type Rounding = 'half-even' | 'floor';

/** Both inclusive. */
export interface IntegerRange {
  readonly min: number;
  readonly max: number;
}

/** Activations: [0, 2^b - 1] where nothing is below 0, else the narrow signed range. */
export function activationRange(bits: number, signed: boolean): IntegerRange {
  return signed ? weightRange(bits) : { min: 0, max: 2 ** bits - 1 };
}

/** Weights: narrow and symmetric, 4 bits are [-7, 7]. */
export function weightRange(bits: number): IntegerRange {
  const max = 2 ** (bits - 1) - 1;
  return { min: -max, max };
}

export interface FakeQuantization {
  readonly range: IntegerRange;
  /** Default: `half-even`. */
  readonly rounding?: Rounding;
  /** Factor of the step's gradient. Absent: the step has none. */
  readonly gradientScale?: number;
  /** True where the step leaves nothing outside the range, so that every gradient passes, also at the very bound. */
  readonly covering?: boolean;
}

/** x on the grid of `step`: a scalar, or one step for each index of the last axis. */
export function fakeQuantize<T extends tf.Tensor>(x: T, step: tf.Tensor, how: FakeQuantization): T {
  const { range, rounding = 'half-even', gradientScale, covering = false } = how;
  const round = rounding === 'floor' ? tf.floor : tf.round;
  const op = tf.customGrad((...inputs) => {
    const [real, steps, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const ratio = tf.div(real, steps);
    const value = tf.mul(tf.clipByValue(round(ratio), range.min, range.max), steps);
    save(gradientScale === undefined ? [ratio, steps] : [ratio, steps, real, value]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [ratios, used, before, after] = saved;
        const dx = covering ? tf.clone(dy) : tf.mul(dy, inside(ratios!, range));
        if (gradientScale === undefined) return [dx, tf.zerosLike(used!)];
        const moved = tf.sub(tf.mul(dy, after!), tf.mul(dx, before!));
        const sums =
          used!.rank === 0
            ? tf.sum(moved)
            : tf.sum(
                moved,
                moved.shape.slice(1).map((_, axis) => axis),
              );
        return [dx, tf.mul(tf.div(sums, used!), gradientScale)];
      },
    };
  });
  return op(x, step) as T;
}

/** 1 where the ratio is within the range, 0 elsewhere. At 0 of an unsigned range 0, as the gradient of a ReLU is. */
function inside(ratio: tf.Tensor, { min, max }: IntegerRange): tf.Tensor {
  const below = (limited: tf.Tensor): tf.Tensor => tf.sub(1, tf.step(tf.sub(limited, max)));
  return min === 0 ? tf.mul(tf.step(ratio), below(ratio)) : below(tf.abs(ratio));
}

/** Factor of the gradient of a learned step: 1 / sqrt(n * max), n being how many numbers of one sample share the step. */
export function stepGradientScale(count: number, { max }: IntegerRange): number {
  return 1 / Math.sqrt(count * max);
}
