/**
 * Integers that change their step, as compiled programs do it: one product with a multiplier of 15 bits, one rounding. The functions are
 * those of the compiler's `ir/numerics`, on tensors of integers that are held in float32.
 *
 *     ratio ~ m / 2^s, m of 15 bits        requantize(n) = floor(n * m / 2^s + 1/2)
 *
 * n * m / 2^s has up to 39 bits. A backend's float32 holds 24, and a value in a million would be rounded to the other side; numbers of JavaScript hold
 * 53, so the elements are computed here, one by one, wherever the tensor lives.
 */
import * as tf from '@tensorflow/tfjs-core';

const multiplierBits = 15;
const maxShift = 46;
/** A ratio below this is 0. */
const leastRatio = 2 ** -60;

/** The number nearest to a ratio that has 15 significant bits; the sign stays. */
export function fixedPoint(ratio: number): number {
  const size = Math.abs(ratio);
  if (size < leastRatio) return 0;
  const shift = Math.min(maxShift, multiplierBits - 1 - Math.floor(Math.log2(size)));
  const multiplier = Math.round(size * 2 ** shift);
  // A multiplier rounded up to 2^15 is 2^14 with one shift less: the same number.
  return (Math.sign(ratio) * multiplier) / 2 ** shift;
}

/** Half to even, on numbers: `tf.round` does it on tensors. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const fraction = value - below;
  if (fraction !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Integers below 2^24 counted in other steps: one ratio of old step to new, or one for each index of the last axis. */
export function requantize(counts: tf.Tensor, ratios: readonly number[]): tf.Tensor {
  const factors = Float64Array.from(ratios, fixedPoint);
  const from = counts.dataSync();
  const to = new Float32Array(from.length);
  for (let i = 0, k = 0; i < to.length; i++, k = k + 1 === factors.length ? 0 : k + 1)
    to[i] = Math.floor(from[i]! * factors[k]! + 0.5);
  return tf.tensor(to, counts.shape);
}

/** One number as a scalar, more as what broadcasts along the last axis. */
export function vector(values: ArrayLike<number>): tf.Tensor {
  return values.length === 1 ? tf.scalar(values[0]!) : tf.tensor1d(Array.from(values));
}
