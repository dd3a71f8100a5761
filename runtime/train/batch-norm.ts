/**
 * Batch normalisation as training sees it, over all axes but the last:
 *
 *     y = gamma (x - mean) / sqrt(variance + epsilon) + beta
 *
 * with the mean and variance of the batch, through which the gradient flows, or with fixed ones, through which it does not. Sums over
 * a channel are products with a row of ones: the quickest sum there is on every backend.
 */
import * as tf from '@tensorflow/tfjs-core';

/** Sum over all axes but the last: [C]. */
function channelSum(x: tf.Tensor): tf.Tensor1D {
  const channels = x.shape.at(-1)!;
  const rows = x.size / channels;
  return tf.reshape(tf.matMul(tf.ones([1, rows]), tf.reshape(x, [rows, channels])), [channels]);
}

export interface Moments {
  readonly mean: tf.Tensor1D;
  /** Biased: divided by the count. */
  readonly variance: tf.Tensor1D;
}

/** Mean and variance of each channel. No gradient flows through them. */
export function channelMoments(x: tf.Tensor): Moments {
  return tf.tidy(() => {
    const rows = x.size / x.shape.at(-1)!;
    const mean = tf.div(channelSum(x), rows);
    const variance = tf.div(channelSum(tf.square(tf.sub(x, mean))), rows);
    return { mean: mean as tf.Tensor1D, variance: variance as tf.Tensor1D };
  });
}

/** Normalised by the batch itself, whose moments are given: the gradient takes into account that they depend on x. */
export function normalizeByBatch<T extends tf.Tensor>(
  x: T,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  { mean, variance }: Moments,
  epsilon: number,
): T {
  const rows = x.size / x.shape.at(-1)!;
  const op = tf.customGrad((...inputs) => {
    const [real, gains, shifts, save] = inputs as unknown as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.GradSaveFunc,
    ];
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const normal = tf.mul(tf.sub(real, mean), inverse);
    save([normal, tf.mul(gains, inverse)]);
    return {
      value: tf.add(tf.mul(normal, gains), shifts),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [unit, factor] = saved as [tf.Tensor, tf.Tensor];
        const dbeta = channelSum(dy);
        const dgamma = channelSum(tf.mul(dy, unit));
        const common = tf.add(tf.div(dbeta, rows), tf.mul(unit, tf.div(dgamma, rows)));
        return [tf.mul(tf.sub(dy, common), factor), dgamma, dbeta];
      },
    };
  });
  return op(x, gamma, beta) as T;
}

/** Normalised by fixed moments: a gain and a shift per channel. */
export function normalizeByStatistics<T extends tf.Tensor>(
  x: T,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  { mean, variance }: Moments,
  epsilon: number,
): T {
  const op = tf.customGrad((...inputs) => {
    const [real, gains, shifts, save] = inputs as unknown as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.GradSaveFunc,
    ];
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const factor = tf.mul(gains, inverse);
    save([real, factor, mean, inverse]);
    return {
      value: tf.add(tf.mul(real, factor), tf.sub(shifts, tf.mul(mean, factor))),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [before, gain, centre, scale] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const dbeta = channelSum(dy);
        const dgamma = tf.mul(tf.sub(channelSum(tf.mul(dy, before)), tf.mul(dbeta, centre)), scale);
        return [tf.mul(dy, gain), dgamma, dbeta];
      },
    };
  });
  return op(x, gamma, beta) as T;
}
