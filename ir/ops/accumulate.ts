/**
 * What layers share: operands as exact doubles, int32 accumulators out of them, and the bound of a weighted sum.
 *
 * Double arithmetic is the plainest exact integer arithmetic JavaScript has: sums of products of 8-bit integers stay far below
 * 2^53, so the float and the integer meaning of a layer are one loop. An accumulator that leaves int32 is a broken promise of
 * the bounds analysis, and stops the interpreter.
 */
import type { Bounds, BoundsQuery } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { elementCount, isQuantized } from '../types.ts';

/** Elements as doubles, with the zero point subtracted. */
export function centred(tensor: Tensor): Float64Array {
  const values = Float64Array.from(tensor.data);
  const zeroPoint = isQuantized(tensor.type) ? tensor.type.element.zeroPoint : 0;
  if (zeroPoint !== 0) for (let i = 0; i < values.length; i++) values[i]! -= zeroPoint;
  return values;
}

/** Narrows exact sums to int32. */
export function checkAccumulators(sums: Float64Array, op: string): Int32Array {
  const narrow = Int32Array.from(sums);
  for (let i = 0; i < sums.length; i++) {
    if (narrow[i] !== sums[i]) throw new Error(`${op}: accumulator ${sums[i]!} leaves int32`);
  }
  return narrow;
}

/**
 * Bounds of `bias[o] + sum of weight[o, ...] * (x - zeroPoint)` for every output channel: each weight meets the worst
 * activation for its sign. Taps in the padding contribute 0, which the zero-point-centred interval contains.
 */
export function accumulatorBounds({ operands, bounds, constants }: BoundsQuery<unknown>): Bounds {
  const [x, weight] = operands;
  const zeroPoint = isQuantized(x!) ? x.element.zeroPoint : 0;
  const low = Math.min(0, Math.min(...bounds[0]!.min) - zeroPoint);
  const high = Math.max(0, Math.max(...bounds[0]!.max) - zeroPoint);
  const outputs = weight!.shape[0]!;
  const taps = elementCount(weight!.shape) / outputs;
  const weights = constants[1]?.data;
  const bias = constants[2]?.data;
  const min: number[] = [];
  const max: number[] = [];
  for (let o = 0; o < outputs; o++) {
    let least = bias?.[o] ?? 0;
    let most = least;
    for (let i = 0; i < taps; i++) {
      const w = weights === undefined ? bounds[1]!.max[0]! : weights[o * taps + i]!;
      least += w > 0 ? w * low : w * high;
      most += w > 0 ? w * high : w * low;
    }
    min.push(least);
    max.push(most);
  }
  return { min, max };
}
