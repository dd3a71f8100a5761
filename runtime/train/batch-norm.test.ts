/** Gradients of both forms of batch norm against those that TensorFlow.js derives from the plain formula. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { channelMoments, normalizeByBatch, normalizeByStatistics } from './batch-norm.ts';
import './gradients.ts';

const epsilon = 1e-3;
const x = (): tf.Tensor => tf.randomNormal([3, 4, 5, 6], 2, 3, 'float32', 1);
const gamma = (): tf.Tensor => tf.randomNormal([6], 1, 1, 'float32', 2);
const beta = (): tf.Tensor => tf.randomNormal([6], 0, 1, 'float32', 3);
const upstream = (): tf.Tensor => tf.randomNormal([3, 4, 5, 6], 0, 1, 'float32', 4);

function gradients(f: (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) => tf.Tensor): number[][] {
  const all = tf.grads((a, g, b) => tf.sum(tf.mul(f(a, g, b), upstream())))([x(), gamma(), beta()]);
  return all.map((gradient) => Array.from(gradient.dataSync()));
}

function plain(
  x: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  mean: tf.Tensor,
  variance: tf.Tensor,
): tf.Tensor {
  return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, epsilon))), gamma), beta);
}

describe.each(['cpu', 'wasm'])('on %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });

  it('by the moments of the batch', () => {
    const actual = gradients((a, g, b) =>
      normalizeByBatch(a, g as tf.Tensor1D, b as tf.Tensor1D, channelMoments(a), epsilon),
    );
    const expected = gradients((a, g, b) => {
      const mean = tf.mean(a, [0, 1, 2]);
      return plain(a, g, b, mean, tf.mean(tf.square(tf.sub(a, mean)), [0, 1, 2]));
    });
    for (const [i, gradient] of actual.entries()) {
      for (const [j, value] of gradient.entries()) expect(value).toBeCloseTo(expected[i]![j]!, 3);
    }
  });

  it('by fixed moments', () => {
    const fixed = { mean: tf.fill<tf.Rank.R1>([6], 1.5), variance: tf.fill<tf.Rank.R1>([6], 4) };
    const actual = gradients((a, g, b) =>
      normalizeByStatistics(a, g as tf.Tensor1D, b as tf.Tensor1D, fixed, epsilon),
    );
    const expected = gradients((a, g, b) => plain(a, g, b, fixed.mean, fixed.variance));
    for (const [i, gradient] of actual.entries()) {
      for (const [j, value] of gradient.entries()) expect(value).toBeCloseTo(expected[i]![j]!, 3);
    }
  });
});
