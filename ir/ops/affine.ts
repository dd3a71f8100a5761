/**
 * affine: one gain and one shift per channel, y[n, c, ...] = gain[c] * x[n, c, ...] + shift[c]. What is left of a batch norm or
 * an input normalisation that no layer could absorb. On integers: an int32 accumulator of step scale(x) * scale(gain)[c].
 */
import type { Bounds } from '../op.ts';
import { defineOp } from '../op.ts';
import { elementCount, isF32, isQuantized } from '../types.ts';
import { centred, checkAccumulators, hull, rangeOf } from './accumulate.ts';
import { layerOperands, perChannelVector } from './signature.ts';

export const affine = defineOp({
  name: 'affine',
  summary: 'Gain and shift per channel.',
  levels: ['float', 'quantized', 'integer'],
  operands: [
    { name: 'x', summary: 'activations [N, C, ...]' },
    { name: 'gain', summary: 'one factor per channel [C]' },
    { name: 'shift', summary: 'one summand per channel [C]' },
  ],
  attributes: {},
  traits: { accumulates: true },
  element: 'accumulator',
  constraints: [
    {
      name: 'affine-input',
      summary: 'x has a channel axis',
      check: ({ operands }) =>
        operands[0]!.shape.length >= 2
          ? undefined
          : `x has ${operands[0]!.shape.length} axes, expected at least 2`,
    },
    perChannelVector(1, 'gain'),
    perChannelVector(2, 'shift'),
    layerOperands,
  ],
  shape: ([x]) => x!.shape,
  evaluate: ({ tensors, result }) => {
    const [x, gain, shift] = tensors;
    const channels = x!.type.shape[1]!;
    const inner = elementCount(x!.type.shape.slice(2));
    const xs = centred(x!);
    const y = new Float64Array(xs.length);
    for (let i = 0; i < y.length; i++) {
      const c = Math.floor(i / inner) % channels;
      y[i] = gain!.data[c]! * xs[i]! + shift!.data[c]!;
    }
    return isF32(result) ? Float32Array.from(y) : checkAccumulators(y, 'affine');
  },
  bound: (query): Bounds => {
    const [x] = query.operands;
    const zeroPoint = isQuantized(x!) ? x.element.zeroPoint : 0;
    const inputs = hull(query.bounds[0]!);
    const ends = [inputs.min[0]! - zeroPoint, inputs.max[0]! - zeroPoint];
    const [gainRange, shiftRange] = [rangeOf(query, 1), rangeOf(query, 2)];
    const min: number[] = [];
    const max: number[] = [];
    for (let c = 0; c < x!.shape[1]!; c++) {
      const products = gainRange(c).flatMap((gain) => ends.map((end) => gain * end));
      const [least, most] = shiftRange(c);
      min.push(least + Math.min(...products));
      max.push(most + Math.max(...products));
    }
    return { min, max };
  },
});
