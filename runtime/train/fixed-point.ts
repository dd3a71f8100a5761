/**
 * Integers that change their step, as compiled programs do it: one product with a multiplier of 15 bits, one rounding. The functions are
 * those of the compiler's `ir/numerics`, on tensors of integers that are held in float32.
 *
 *     ratio ~ m / 2^s, m of 15 bits        requantize(n) = floor(n * m / 2^s + 1/2)
 *
 * n * m / 2^s has up to 39 bits and float32 holds 24. Where that could be seen, n is taken in parts of 8 bits, whose products are exact; only their
 * fractions are added with an error, of 2^-23.
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

/**
 * Integers below 2^24 counted in other steps: one ratio of old step to new, or one for each index of the last axis. Results of at most
 * `widest` in magnitude are wanted; larger ones may be wrong in their last bits.
 */
export function requantize(counts: tf.Tensor, ratios: readonly number[], widest: number): tf.Tensor {
  return tf.tidy(() => {
    const factor = vector(ratios.map(fixedPoint));
    // Of a product below 16 the error is 2^-21: no better than that of the fractions by much.
    if (widest < 16) return tf.floor(tf.add(tf.mul(counts, factor), 0.5));
    const high = wholes(counts, 2 ** 16);
    const rest = tf.sub(counts, high);
    const middle = wholes(rest, 2 ** 8);
    const products = [high, middle, tf.sub(rest, middle)].map((part) => tf.mul(part, factor));
    const floors = products.map((product) => tf.floor(product));
    const fractions = products.map((product, i) => tf.sub(product, floors[i]!));
    return tf.add(tf.addN(floors), tf.floor(tf.add(tf.addN(fractions), 0.5)));
  });
}

/** The largest multiples of a power of two that are not above n. */
function wholes(n: tf.Tensor, unit: number): tf.Tensor {
  return tf.mul(tf.floor(tf.mul(n, 1 / unit)), unit);
}

/** One number as a scalar, more as what broadcasts along the last axis. */
export function vector(values: ArrayLike<number>): tf.Tensor {
  return values.length === 1 ? tf.scalar(values[0]!) : tf.tensor1d(Array.from(values));
}
