/** The arithmetic of tensors against the compiler's own, number by number. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from '@jest/globals';
import * as numerics from '../../ir/numerics.ts';
import { fixedPoint, requantize, roundHalfEven } from './fixed-point.ts';
import { randomFor } from './random.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const ratios = [1, 0.5, 1 / 3, 2 ** -20, 1 - 2 ** -17, 0.99999, 7.3, 1000.7, 3e-9, 2 ** -59];

describe('fixedPoint', () => {
  it.each(ratios)('%d is what the compiler makes of it', (ratio) => {
    const { multiplier, shift } = numerics.encodeRatio(ratio);
    expect(fixedPoint(ratio)).toBe(multiplier / 2 ** shift);
    expect(fixedPoint(-ratio)).toBe(-multiplier / 2 ** shift);
  });

  it('is 0 where lowering writes 0', () => {
    expect(fixedPoint(2 ** -61)).toBe(0);
  });
});

it('roundHalfEven is that of the compiler', () => {
  for (const value of [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4999, -2.51, 7, 1e15 + 1])
    expect(roundHalfEven(value) + 0).toBe(numerics.roundHalfEven(value) + 0);
});

describe('requantize', () => {
  it('halves go up, whatever the sign', () => {
    expect([...requantize(tf.tensor1d([-3, -1, 1, 3, 5]), [0.5]).dataSync()]).toEqual([-1, 0, 1, 2, 3]);
  });

  it.each([
    [15, 30_000],
    [255, 2 ** 23],
  ])('to at most %d makes of accumulators what the compiled program makes of them', async (widest, reach) => {
    const random = randomFor(5, 0, 0);
    const counts = Int32Array.from({ length: 40_000 }, () => random.below(2 * reach + 1) - reach);
    const factors = [0.37, 0.61, 0.9, 1 / 3].map((share) => (share * widest) / reach);
    const expected = Array.from(counts, (count, i) => {
      const { multiplier, shift } = numerics.encodeRatio(factors[i % 4]!);
      return numerics.requantizeValue(count, multiplier, shift) + 0;
    });
    const found = requantize(tf.tensor2d(Float32Array.from(counts), [10_000, 4]), factors);
    expect(Array.from(await found.data(), (value) => value + 0)).toEqual(expected);
  });

  it('rounds what is a hair from a half to its own side', () => {
    // n m / 2^24 is a half and 2^-24 either way, in its fraction: a float32 of the sum would say one half of both.
    const [multiplier, shift] = [19_661, 24];
    let inverse = multiplier;
    for (let i = 0; i < 5; i++) inverse = Math.imul(inverse, 2 - Math.imul(multiplier, inverse));
    const near = [-1, 1].map((off) => Math.imul(inverse, 2 ** 23 + off) & (2 ** shift - 1));
    expect(near.map((n) => (n * multiplier) % 2 ** shift)).toEqual([2 ** 23 - 1, 2 ** 23 + 1]);
    expect([...requantize(tf.tensor1d(near), [multiplier / 2 ** shift]).dataSync()]).toEqual(
      near.map((n) => numerics.requantizeValue(n, multiplier, shift)),
    );
  });
});
