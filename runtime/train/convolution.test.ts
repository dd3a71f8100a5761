/** Both gradients of a convolution, against those TensorFlow.js has itself on its CPU backend and against finite differences. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-layers';
import { convolution, type Geometry } from './convolution.ts';

interface Case {
  readonly x: readonly [number, number, number, number];
  readonly filter: readonly [number, number, number, number];
  readonly geometry: Geometry;
}

const cases: Case[] = [];
for (const [u, v] of [
  [1, 1],
  [3, 3],
  [2, 3],
  [5, 4],
  [7, 7],
] as const) {
  for (const strides of [
    [1, 1],
    [2, 2],
    [3, 2],
    [2, 1],
  ] as const) {
    for (const pads of [
      [0, 0, 0, 0],
      [1, 1, 1, 1],
      [0, 0, 1, 1],
      [3, 2, 1, 0],
    ] as const) {
      for (const [h, w] of [
        [8, 9],
        [7, 7],
      ] as const) {
        cases.push({
          x: [2, h, w, 3],
          filter: [u, v, 3, 4],
          geometry: { strides, pads, dilations: [1, 1] },
        });
      }
    }
  }
}
for (const dilations of [
  [2, 2],
  [1, 3],
] as const) {
  cases.push({
    x: [2, 9, 10, 3],
    filter: [3, 2, 3, 4],
    geometry: { strides: [1, 1], pads: [2, 1, 0, 2], dilations },
  });
}

type Convolve = (x: tf.Tensor4D, filter: tf.Tensor4D) => tf.Tensor4D;

/** The filter with zeros between its taps: TensorFlow.js has no gradient of a dilated convolution. */
function spread(filter: tf.Tensor4D, [dy, dx]: readonly [number, number]): tf.Tensor4D {
  const [u, v, c, k] = filter.shape;
  const cells = tf.pad(tf.reshape(filter, [u, 1, v, 1, c * k]), [
    [0, 0],
    [0, dy - 1],
    [0, 0],
    [0, dx - 1],
    [0, 0],
  ]);
  return tf.slice(
    tf.reshape<tf.Rank.R4>(cells, [u * dy, v * dx, c, k]),
    [0, 0, 0, 0],
    [(u - 1) * dy + 1, (v - 1) * dx + 1, c, k],
  );
}

const reference =
  ({ strides, pads, dilations }: Geometry): Convolve =>
  (x, filter) =>
    tf.conv2d(
      tf.pad(x, [
        [0, 0],
        [pads[0], pads[2]],
        [pads[1], pads[3]],
        [0, 0],
      ]),
      spread(filter, dilations),
      [...strides],
      'valid',
    );

/** Value and both gradients of sum(f(x, w) * r), r fixed. */
async function values(f: Convolve, c: Case): Promise<Float32Array[]> {
  const x = tf.randomUniform<tf.Rank.R4>([...c.x], -1, 1, 'float32', 1);
  const w = tf.randomUniform<tf.Rank.R4>([...c.filter], -1, 1, 'float32', 2);
  const y = f(x, w);
  const r = tf.randomUniform(y.shape, -1, 1, 'float32', 3);
  const [dx, dw] = tf.grads((a, b) => tf.sum(tf.mul(f(a as tf.Tensor4D, b as tf.Tensor4D), r)))([x, w]);
  expect([dx!.shape, dw!.shape]).toEqual([c.x, c.filter]);
  return Promise.all([y, dx!, dw!].map(async (tensor) => (await tensor.data()) as Float32Array));
}

function largestDistance(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

const expected = new Map<Case, Float32Array[]>();

beforeAll(async () => {
  await tf.setBackend('cpu');
  for (const c of cases) expected.set(c, await values(reference(c.geometry), c));
});

describe.each(['cpu', 'wasm'])('on %s', (backend) => {
  beforeAll(async () => {
    expect(await tf.setBackend(backend)).toBe(true);
  });

  it.each(cases)('$x $filter $geometry', async (c) => {
    const fits = c.x[1] + c.geometry.pads[0] + c.geometry.pads[2] >= c.filter[0];
    expect(fits).toBe(true);
    const actual = await values((x, w) => convolution(x, w, c.geometry), c);
    for (const [i, tensor] of actual.entries()) {
      expect(tensor.length).toBe(expected.get(c)![i]!.length);
      expect(largestDistance(tensor, expected.get(c)![i]!)).toBeLessThan(1e-4);
    }
  });

  it('agrees with finite differences', async () => {
    const geometry: Geometry = { strides: [2, 2], pads: [1, 0, 0, 1], dilations: [1, 1] };
    const x = tf.randomUniform<tf.Rank.R4>([1, 5, 6, 2], -1, 1, 'float32', 4);
    const w = tf.randomUniform<tf.Rank.R4>([3, 3, 2, 2], -1, 1, 'float32', 5);
    // A quadratic in each single element: central differences are exact but for rounding.
    const loss = (a: tf.Tensor, b: tf.Tensor): tf.Scalar =>
      tf.sum(tf.square(convolution(a as tf.Tensor4D, b as tf.Tensor4D, geometry)));
    const gradients = tf.grads(loss)([x, w]);
    for (const [which, tensor] of [x, w].entries()) {
      const analytic = (await gradients[which]!.data()) as Float32Array;
      const data = (await tensor.data()) as Float32Array;
      for (let i = 0; i < data.length; i += 5) {
        const at = (delta: number): number => {
          const moved = Float32Array.from(data);
          moved[i]! += delta;
          const changed = tf.tensor(moved, tensor.shape);
          return loss(which === 0 ? changed : x, which === 1 ? changed : w).dataSync()[0]!;
        };
        const delta = 2 ** -6;
        expect(Math.abs((at(delta) - at(-delta)) / (2 * delta) - analytic[i]!)).toBeLessThan(2e-3);
      }
    }
  });

  it('of groups is one convolution a group', async () => {
    const x = tf.randomUniform<tf.Rank.R4>([1, 5, 5, 4], -1, 1, 'float32', 6);
    const w = tf.randomUniform<tf.Rank.R4>([3, 3, 2, 6], -1, 1, 'float32', 7);
    const y = await convolution(x, w, {}, 2).data();
    const halves = [0, 1].map((g) =>
      tf.conv2d(
        tf.slice(x, [0, 0, 0, 2 * g], [1, 5, 5, 2]),
        tf.slice(w, [0, 0, 0, 3 * g], [3, 3, 2, 3]),
        1,
        'valid',
      ),
    );
    const whole = await tf.concat(halves as tf.Tensor[], 3).data();
    expect(largestDistance(y as Float32Array, whole as Float32Array)).toBeLessThan(1e-5);
  });
});

it('refuses a stride with a dilation', () => {
  const x = tf.zeros<tf.Rank.R4>([1, 5, 5, 1]);
  const w = tf.zeros<tf.Rank.R4>([3, 3, 1, 1]);
  expect(() => convolution(x, w, { strides: [2, 2], dilations: [2, 2] })).toThrow(RangeError);
});

afterAll(() => {
  tf.disposeVariables();
});
