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

/** One pair of bounds that holds for every channel. */
export function hull({ min, max }: Bounds): Bounds {
  const least = min.reduce((a, b) => Math.min(a, b), Infinity);
  const most = max.reduce((a, b) => Math.max(a, b), -Infinity);
  return { min: [least], max: [most] };
}

/** What element `index` of operand `operand` can be: its value where it is a constant, its bounds otherwise, 0 where it is absent. */
export function rangeOf(
  { bounds, constants }: BoundsQuery<unknown>,
  operand: number,
): (index: number) => readonly [min: number, max: number] {
  const data = constants[operand]?.data;
  if (data !== undefined) return (index) => [data[index]!, data[index]!];
  const known = bounds[operand];
  if (known === undefined) return () => [0, 0];
  const { min, max } = hull(known);
  return () => [min[0]!, max[0]!];
}

/**
 * Bounds of `bias[o] + sum of weight[o, ...] * (x - zeroPoint)` for every output channel: each weight meets the worst
 * activation for its sign. Taps in the padding contribute 0, which is why the interval of the activations is widened to hold it.
 */
export function accumulatorBounds(query: BoundsQuery<unknown>): Bounds {
  const [x, weight] = query.operands;
  const zeroPoint = isQuantized(x!) ? x.element.zeroPoint : 0;
  const inputs = hull(query.bounds[0]!);
  const low = Math.min(0, inputs.min[0]! - zeroPoint);
  const high = Math.max(0, inputs.max[0]! - zeroPoint);
  const outputs = weight!.shape[0]!;
  const taps = elementCount(weight!.shape) / outputs;
  const weightRange = rangeOf(query, 1);
  const biasRange = rangeOf(query, 2);
  const min: number[] = [];
  const max: number[] = [];
  for (let o = 0; o < outputs; o++) {
    let [least, most] = biasRange(o);
    for (let i = 0; i < taps; i++) {
      const [smallest, largest] = weightRange(o * taps + i);
      least += Math.min(smallest * high, largest * low);
      most += Math.max(smallest * low, largest * high);
    }
    min.push(least);
    max.push(most);
  }
  return { min, max };
}
