/**
 * Operations without tensors of their own, on images [N, H, W, C] and everything else as it is. Attributes that count axes are
 * already in that layout. Those that compiled programs do on integers hand the integers on (`integers.ts`).
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Geometry } from './convolution.ts';
import { meanOf, moved, onCounts, sumOf } from './integers.ts';

export type Tensor = tf.Tensor;

export const relu = (x: Tensor): Tensor => onCounts(x, tf.relu);
export const sigmoid = (x: Tensor): Tensor => tf.sigmoid(x);
export const leakyRelu = (x: Tensor, alpha: number): Tensor => tf.leakyRelu(x, alpha);
export const clip = (x: Tensor, min: number, max: number): Tensor => tf.clipByValue(x, min, max);
export const hardSigmoid = (x: Tensor, alpha: number, beta: number): Tensor =>
  tf.clipByValue(tf.add(tf.mul(x, alpha), beta), 0, 1);
export const hardSwish = (x: Tensor): Tensor => tf.mul(x, hardSigmoid(x, 1 / 6, 0.5));

export const add = (a: Tensor, b: Tensor): Tensor => sumOf(a, b) ?? tf.add(a, b);
export const sub = (a: Tensor, b: Tensor): Tensor => tf.sub(a, b);
export const mul = (a: Tensor, b: Tensor): Tensor => tf.mul(a, b);
export const div = (a: Tensor, b: Tensor): Tensor => tf.div(a, b);

/** gain[c] x + shift[c]. */
export const affine = (x: Tensor, gain: Tensor, shift: Tensor): Tensor => tf.add(tf.mul(x, gain), shift);

export const transpose = (x: Tensor, perm: readonly number[]): Tensor => moved(tf.transpose(x, [...perm]), x);
export const concat = (parts: readonly Tensor[], axis: number): Tensor =>
  moved(tf.concat([...parts], axis), ...parts);
export const softmax = (x: Tensor, axis: number): Tensor => tf.softmax(x, axis);
export const mean = (x: Tensor, axes: readonly number[], keep: boolean): Tensor =>
  tf.mean(x, [...axes], keep);

/** To another shape; 0 stands for the size of the batch. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  const whole = shape.map((extent, axis) => (axis === 0 && extent === 0 ? x.shape[0] : extent));
  return moved(tf.reshape(x, whole), x);
}

/** One [before, after] for each axis. */
export function pad(x: Tensor, amounts: readonly (readonly [number, number])[], value = 0): Tensor {
  const padded = tf.pad(
    x,
    amounts.map(([before, after]) => [before, after]),
    value,
  );
  return value === 0 ? moved(padded, x) : padded;
}

/**
 * From `begin` to before `end` in strides, all of them as counts from the front; a stride below 0 goes backwards, and an end of null is the
 * end of the axis it goes towards.
 */
export function slice(
  x: Tensor,
  begin: readonly number[],
  end: readonly (number | null)[],
  strides: readonly number[],
): Tensor {
  let result = x;
  for (const [axis, stride] of strides.entries()) {
    const extent = x.shape[axis]!;
    const [first, last] =
      stride > 0
        ? [begin[axis]!, end[axis] ?? extent]
        : [extent - 1 - begin[axis]!, extent - 1 - (end[axis] ?? -1)];
    if (stride === 1 && first === 0 && last === extent) continue;
    result = everyNth(stride > 0 ? result : tf.reverse(result, axis), axis, first, last, Math.abs(stride));
  }
  return moved(result, x);
}

/** Indices first, first + n, ... before last, of one axis. (The strided slice of TensorFlow.js has no gradient; these have.) */
function everyNth(x: Tensor, axis: number, first: number, last: number, n: number): Tensor {
  const count = Math.max(Math.ceil((last - first) / n), 0);
  const { shape } = x;
  const begin = shape.map((_, a) => (a === axis ? first : 0));
  const reach = Math.min(count * n, shape[axis]! - first);
  const run = tf.slice(
    x,
    begin,
    shape.map((extent, a) => (a === axis ? reach : extent)),
  );
  if (n === 1) return run;
  const outer = shape.slice(0, axis).reduce((product, extent) => product * extent, 1);
  const inner = shape.slice(axis + 1).reduce((product, extent) => product * extent, 1);
  const whole = tf.pad(tf.reshape(run, [outer, reach, inner]), [
    [0, 0],
    [0, count * n - reach],
    [0, 0],
  ]);
  const heads = tf.slice(tf.reshape(whole, [outer, count, n, inner]), [0, 0, 0, 0], [outer, count, 1, inner]);
  return tf.reshape(
    heads,
    shape.map((extent, a) => (a === axis ? count : extent)),
  );
}

export interface Window extends Partial<Geometry> {
  readonly kernel: readonly [number, number];
}

/** Greatest value under a window; a border counts for nothing. */
export function maxPool(x: Tensor, { kernel, strides = [1, 1], pads = [0, 0, 0, 0] }: Window): Tensor {
  return moved(tf.maxPool(bordered(x, pads, -3e38) as tf.Tensor4D, [...kernel], [...strides], 'valid'), x);
}

/** Mean of what a window covers of the image; a border counts for nothing. */
export function averagePool(x: Tensor, { kernel, strides = [1, 1], pads = [0, 0, 0, 0] }: Window): Tensor {
  const [, h, w] = x.shape as [number, number, number, number];
  const borders = Math.max(...pads) > 0;
  if (!borders && kernel[0] === h && kernel[1] === w) return meanOf(tf.mean(x, [1, 2], true), x, h * w);
  const pooled = (image: Tensor): Tensor =>
    tf.avgPool(bordered(image, pads, 0) as tf.Tensor4D, [...kernel], [...strides], 'valid');
  return borders
    ? tf.div(pooled(x), pooled(tf.ones([1, h, w, 1])))
    : meanOf(pooled(x), x, kernel[0] * kernel[1]);
}

function bordered(x: Tensor, [top, left, bottom, right]: readonly number[], value: number): Tensor {
  if (Math.max(top!, left!, bottom!, right!) === 0) return x;
  return tf.pad(
    x,
    [
      [0, 0],
      [top!, bottom!],
      [left!, right!],
      [0, 0],
    ],
    value,
  );
}
