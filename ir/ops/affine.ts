/**
 * affine: one gain and one shift per channel, y[n, c, ...] = gain[c] * x[n, c, ...] + shift[c]. What is left of a batch norm or
 * an input normalisation that no layer could absorb. On integers: an int32 accumulator of step scale(x) * scale(gain)[c].
 */
import type { Bounds } from '../op.ts';
import { defineOp } from '../op.ts';
import { elementCount, isF32, isQuantized } from '../types.ts';
import { centred, checkAccumulators } from './accumulate.ts';
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
  bound: ({ operands, bounds, constants }): Bounds => {
    const [x] = operands;
    const zeroPoint = isQuantized(x!) ? x.element.zeroPoint : 0;
    const low = Math.min(...bounds[0]!.min) - zeroPoint;
    const high = Math.max(...bounds[0]!.max) - zeroPoint;
    const gains = [...(constants[1]?.data ?? [])];
    const shifts = constants[2]?.data;
    return {
      min: gains.map((gain, c) => Math.min(gain * low, gain * high) + (shifts?.[c] ?? 0)),
      max: gains.map((gain, c) => Math.max(gain * low, gain * high) + (shifts?.[c] ?? 0)),
    };
  },
});
