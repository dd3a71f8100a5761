/** Schedule, descent, loss, batches and files: each against its equation. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { drawCurves } from './curves.ts';
import { BatchReader, channelTables, type ImageSet } from './image-set.ts';
import { crossEntropy, divergence } from './loss.ts';
import { readLabels, readNpy } from './npy.ts';
import { NesterovOptimizer } from './optimizer.ts';
import { learningRate } from './schedule.ts';
import './gradients.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('the learning rate', () => {
  const schedule = { peak: 0.4, steps: 100, warmUp: 10, coolDown: 20 };
  it('rises in a line, falls as a cosine, ends in a line at zero', () => {
    expect(learningRate(schedule, 0)).toBeCloseTo(0.04, 12);
    expect(learningRate(schedule, 9)).toBeCloseTo(0.4, 12);
    expect(learningRate(schedule, 55)).toBeCloseTo(0.2, 12);
    const knee = 0.2 * (1 + Math.cos((Math.PI * 70) / 90));
    expect(learningRate(schedule, 80)).toBeCloseTo(knee, 12);
    expect(learningRate(schedule, 90)).toBeCloseTo(knee / 2, 12);
    expect(learningRate(schedule, 99)).toBeCloseTo(knee / 20, 12);
  });
});

it('descent is Nesterov, and decays what has more than one axis', () => {
  const optimizer = new NesterovOptimizer({ momentum: 0.9, weightDecay: 0.1 });
  const parameters = new Map<string, tf.Variable>([
    ['w', tf.variable(tf.tensor2d([[2]]))],
    ['b', tf.variable(tf.tensor1d([2]))],
  ]);
  let [w, b, vw, vb] = [2, 2, 0, 0];
  for (let i = 0; i < 3; i++) {
    optimizer.apply(parameters, { w: tf.tensor2d([[1]]), b: tf.tensor1d([1]) }, () => 0.5);
    const gw = 1 + 0.1 * w;
    vw = 0.9 * vw + gw;
    w -= 0.5 * (gw + 0.9 * vw);
    vb = 0.9 * vb + 1;
    b -= 0.5 * (1 + 0.9 * vb);
  }
  expect(parameters.get('w')!.dataSync()[0]).toBeCloseTo(w, 4);
  expect(parameters.get('b')!.dataSync()[0]).toBeCloseTo(b, 4);
});

it.each(['cpu', 'wasm'])(
  'losses on %s: cross entropy of labels, divergence from a teacher',
  async (backend) => {
    expect(await tf.setBackend(backend)).toBe(true);
    const logits = tf.tensor2d([[1, 2, 4], [0, 0, 0]]); // prettier-ignore
    const p = [1, 2, 4].map((z) => Math.exp(z) / (Math.E + Math.exp(2) + Math.exp(4)));
    expect(crossEntropy(logits, tf.tensor1d([2, 0], 'int32')).dataSync()[0]).toBeCloseTo(
      -(Math.log(p[2]!) + Math.log(1 / 3)) / 2,
      5,
    );
    expect(divergence(logits, logits, 2).dataSync()[0]).toBeCloseTo(0, 6);
    const teacher = tf.tensor2d([[4, 2, 1], [0, 0, 0]]); // prettier-ignore
    const soft = (row: number[]): number[] => {
      const e = row.map((z) => Math.exp(z / 2));
      return e.map((x) => x / e.reduce((s, y) => s + y));
    };
    const [t, s] = [soft([4, 2, 1]), soft([1, 2, 4])];
    const kl = t.reduce((sum, q, i) => sum + q * Math.log(q / s[i]!), 0);
    expect(divergence(logits, teacher, 2).dataSync()[0]).toBeCloseTo((4 * kl) / 2, 5);
  },
);

describe('batches', () => {
  const count = 7;
  const set: ImageSet = {
    count,
    height: 2,
    width: 3,
    channels: 3,
    pixels: Uint8Array.from({ length: count * 18 }, (_, i) => i),
    labels: Int32Array.from({ length: count }, (_, i) => i),
  };
  const scale = { scale: 1 / 255, mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] };
  const still = { flip: false, shift: 0 };

  it('show every image once an epoch, in another order the next', () => {
    const reader = new BatchReader(set, scale);
    const drawn = Array.from({ length: 7 }, (_, step) => [
      ...reader.trainingBatch(step, 2, 5, still).labels,
    ]).flat();
    expect(drawn.slice(0, 7).toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(drawn.slice(7).toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(drawn.slice(0, 7)).not.toEqual(drawn.slice(7));
  });

  it('depend on seed and step alone', () => {
    const move = { flip: true, shift: 1 };
    const [a, b] = [new BatchReader(set, scale), new BatchReader(set, scale)];
    for (let step = 0; step < 9; step++) a.trainingBatch(step, 3, 1, move);
    expect(a.trainingBatch(4, 3, 1, move)).toEqual(b.trainingBatch(4, 3, 1, move));
    expect(a.trainingBatch(4, 3, 1, move)).not.toEqual(b.trainingBatch(4, 3, 2, move));
  });

  it('go through the table of each channel', () => {
    const { images } = new BatchReader(set, scale).batch(2, 1);
    const tables = channelTables(scale);
    expect([...images.subarray(0, 3)]).toEqual([36, 37, 38].map((byte, c) => tables[c]![byte]));
    const turned = new BatchReader(set, { ...scale, source: [2, 1, 0] }).batch(2, 1).images;
    expect([...turned.subarray(0, 3)]).toEqual([38, 37, 36].map((byte, c) => tables[c]![byte]));
  });

  it('refuse images of other channels than the model was told about', () => {
    expect(() => new BatchReader({ ...set, channels: 1 }, scale)).toThrow(/1 channels/);
  });
});

describe('npy', () => {
  const file = (descr: string, shape: string, data: Uint8Array): Uint8Array => {
    const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117) + '\n';
    return Uint8Array.from([
      ...Buffer.from('\x93NUMPY\x01\x00v\x00', 'latin1'),
      ...Buffer.from(header),
      ...data,
    ]);
  };
  it('reads bytes and 64-bit labels', () => {
    expect(readNpy(file('|u1', '(2, 2)', Uint8Array.of(1, 2, 3, 4)), 'x')).toEqual({
      shape: [2, 2],
      data: Uint8Array.of(1, 2, 3, 4),
    });
    const labels = new Uint8Array(BigInt64Array.of(3n, 9n).buffer);
    expect(readLabels(file('<i8', '(2,)', labels), 'y')).toEqual(Int32Array.of(3, 9));
  });
  it.each([
    [new Uint8Array(40), 'x is not an .npy file'],
    [file('<c8', '(1,)', new Uint8Array(8)), 'x holds <c8'],
    [file('<f4', '(3,)', new Uint8Array(8)), 'x holds 8 bytes of data; <f4 (3) takes 12'],
  ])('refuses what is no such file', (bytes, message) => {
    expect(() => readNpy(bytes, 'x')).toThrow(message);
  });
});

it('curves are an SVG whose text is escaped', () => {
  const svg = drawCurves('a<b', [
    { step: 10, rate: 1, loss: 2, train_accuracy: 50 },
    { step: 20, rate: 1, loss: 1, train_accuracy: 60, eval_accuracy: 55, eval_loss: 1 },
  ]);
  expect(svg).toContain('a&#60;b');
  expect(svg.match(/<polyline/g)).toHaveLength(3);
});
