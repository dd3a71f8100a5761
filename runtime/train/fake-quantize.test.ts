/** Fake quantizers round as the compiler's numerics do, and their gradients are what their equations say, on CPU and WASM. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { narrowLimit, quantizeValue } from '../../ir/numerics.ts';
import { boundOf } from './bound-rule.ts';
import { activationRange, fakeQuantize, stepGradientScale, weightRange } from './fake-quantize.ts';
import './gradients.ts';

const fround = Math.fround;

describe.each(['cpu', 'wasm'])('on %s', (backend) => {
  beforeAll(async () => {
    expect(await tf.setBackend(backend)).toBe(true);
  });

  it.each(['u4', 'u8', 'i8', 'u2'] as const)(
    '%s rounds as ir/numerics does, ties and ends too',
    (storage) => {
      const [bits, signed] = [Number(storage.slice(1)), storage.startsWith('i')];
      for (const step of [1, 0.25, fround(0.1), fround(0.0186)]) {
        const real = Float32Array.from({ length: 4001 }, (_, i) => (i / 8 - 250) * step);
        const range = activationRange(bits, signed);
        const actual = fakeQuantize(tf.tensor1d(real), tf.scalar(step), { range }).dataSync();
        // A signed activation never reaches the least integer: scales come from symmetric bounds.
        const expected = real.map((x) =>
          fround(Math.max(range.min, quantizeValue(x, step, 0, storage)) * step),
        );
        expect(Array.from(actual, (x) => x + 0)).toEqual(Array.from(expected, (x) => x + 0));
      }
    },
  );

  it.each([2, 4, 8])('weights of %i bits are narrow', (bits) => {
    expect(weightRange(bits)).toEqual({ min: -narrowLimit(bits), max: narrowLimit(bits) });
  });

  it('passes gradients inside the range and stops them outside', () => {
    const x = tf.tensor1d([-1, 0.2, 3.9, 15, 15.2, 40]);
    const dx = tf.grad((v) => tf.sum(fakeQuantize(v, tf.scalar(1), { range: activationRange(4, false) })))(x);
    expect(Array.from(dx.dataSync())).toEqual([0, 1, 1, 1, 0, 0]);
    const signed = tf.grad((v) => tf.sum(fakeQuantize(v, tf.scalar(1), { range: weightRange(4) })))(
      tf.tensor1d([-8, -7, 0, 7, 7.5]),
    );
    expect(Array.from(signed.dataSync())).toEqual([0, 1, 1, 1, 0]);
  });

  it('lets every gradient pass where the range covers all there is', () => {
    const x = tf.tensor1d([-0.3, 0.1, 0.7]);
    const step = tf.div(boundOf(x, { kind: 'max' }), 7);
    const dx = tf.grad((v) => tf.sum(fakeQuantize(v, step, { range: weightRange(4), covering: true })))(x);
    expect(Array.from(dx.dataSync())).toEqual([1, 1, 1]);
  });

  it('learns a step by the equation of LSQ', () => {
    const values = [-3, 0.26, 1.9, 7.4, 30];
    const upstream = [1, -2, 0.5, 3, -1];
    const [step, range] = [0.5, activationRange(4, false)];
    const gradientScale = stepGradientScale(values.length, range);
    const [, dstep] = tf.grads((x, s) =>
      tf.sum(tf.mul(fakeQuantize(x, s, { range, gradientScale }), tf.tensor1d(upstream))),
    )([tf.tensor1d(values), tf.scalar(step)]);
    const expected = values.reduce((sum, x, i) => {
      const v = x / step;
      const q = Math.min(Math.max(Math.round(v), range.min), range.max);
      return sum + upstream[i]! * (v > range.min && v <= range.max ? q - v : q);
    }, 0);
    expect(gradientScale).toBeCloseTo(1 / Math.sqrt(5 * 15), 12);
    expect(dstep!.dataSync()[0]).toBeCloseTo(expected * gradientScale, 4);
  });

  it('learns one step a channel from that channel alone', () => {
    const x = tf.tensor2d([[0.3, 30], [0.7, -0.2]]); // prettier-ignore
    const steps = tf.tensor1d([0.1, 1]);
    const how = { range: weightRange(4), gradientScale: 1 };
    const [, both] = tf.grads((a, s) => tf.sum(fakeQuantize(a, s, how)))([x, steps]);
    const alone = [0, 1].map((c) => {
      const column = tf.slice(x, [0, c], [2, 1]);
      const [, one] = tf.grads((a, s) => tf.sum(fakeQuantize(a, s, how)))([column, tf.slice(steps, c, 1)]);
      return one!.dataSync()[0]!;
    });
    for (const c of [0, 1]) expect(both!.dataSync()[c]).toBeCloseTo(alone[c]!, 5);
  });

  it('rounds down as AQT does when asked to, over 2^b steps of the bound', () => {
    const bound = 4;
    const y = fakeQuantize(tf.tensor1d([0.24, 0.26, 3.99, 9]), tf.scalar(bound / 16), {
      range: activationRange(4, false),
      rounding: 'floor',
    });
    expect(Array.from(y.dataSync())).toEqual([0, 0.25, 3.75, 3.75]);
  });

  it('bounds by AQT', () => {
    const x = tf.tensor1d([0, 0, 3, -4]);
    const at = (...args: Parameters<typeof boundOf> extends [unknown, ...infer R] ? R : never): number =>
      boundOf(x, ...args).dataSync()[0]!;
    expect(at({ kind: 'max' })).toBe(4);
    expect(at({ kind: 'deviation', mix: 1, rms: 2, absolute: 0 })).toBeCloseTo(5, 5);
    expect(at({ kind: 'deviation', mix: 1, rms: 2, absolute: 0 }, { withoutZeros: true })).toBeCloseTo(
      2 * Math.sqrt(12.5),
      5,
    );
    expect(at({ kind: 'deviation', mix: 0, rms: 0, absolute: 2 }, { withoutZeros: true })).toBeCloseTo(7, 5);
    expect(at({ kind: 'mean-std', deviations: 2 })).toBeCloseTo(0.25 + 2 * Math.sqrt(6.25 - 0.0625), 5);
    const channels = boundOf(tf.tensor2d([[1, -5], [-2, 3]]), { kind: 'max' }, { perChannel: true }); // prettier-ignore
    expect(Array.from(channels.dataSync())).toEqual([2, 5]);
  });
});
