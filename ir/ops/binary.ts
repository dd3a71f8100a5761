/**
 * add, sub, mul, div of two broadcast tensors. On integers: `add` and `sub` join two int32 accumulators of one scale, `mul` makes
 * an int32 accumulator of step scale(a) * scale(b) from two tensors of at most 8 bits. There is no integer division.
 */
import { type Bounds, constraint, type Constraint, defineOp, type Level, type OpDefinition } from '../op.ts';
import { bitWidth, formatElement, isF32, isQuantized, type TensorType } from '../types.ts';
import { broadcastable, broadcastIndices, broadcastShape } from './broadcast.ts';
import { centred, checkAccumulators, hull } from './accumulate.ts';

interface Binary {
  readonly name: string;
  readonly summary: string;
  readonly levels: readonly Level[];
  readonly commutative: boolean;
  readonly integers: Constraint<unknown>;
  readonly apply: (a: number, b: number) => number;
}

const accumulatorPair: Constraint<unknown> = constraint(
  'accumulator-pair',
  'both operands are f32, or both i32 of one scale',
  ({ operands }) => {
    if (operands.every(isF32)) return undefined;
    const wrong = operands.find((type) => type.element.storage !== 'i32');
    if (wrong !== undefined) return `operand of type ${formatElement(wrong.element)}, expected i32`;
    const [a, b] = operands;
    if (isQuantized(a!) && isQuantized(b!) && formatElement(a.element) !== formatElement(b.element)) {
      return `accumulators ${formatElement(a.element)} and ${formatElement(b.element)} have different scales`;
    }
    return undefined;
  },
);

const narrowPair: Constraint<unknown> = constraint(
  'narrow-pair',
  'both operands are f32, or both quantized per tensor to at most 8 bits',
  ({ operands }) => {
    if (operands.every(isF32)) return undefined;
    const wrong = operands.find(
      (type) => !isQuantized(type) || bitWidth(type.element.storage) > 8 || type.element.axis !== undefined,
    );
    return wrong === undefined
      ? undefined
      : `operand of type ${formatElement(wrong.element)}, expected at most 8 bits with one scale`;
  },
);

const realPair: Constraint<unknown> = constraint('real-pair', 'both operands are f32', ({ operands }) =>
  operands.every(isF32) ? undefined : 'an operand is not f32',
);

type Range = readonly [min: number, max: number];

/** Bounds by channels of the result; one pair where the operand's axis 1 does not meet that of the result. */
function perChannelOf(result: TensorType, operand: TensorType, bounds: Bounds): Bounds {
  const aligned =
    operand.shape.length === result.shape.length && bounds.min.length === (result.shape[1] ?? 1);
  return aligned ? bounds : hull(bounds);
}

function binary({ name, summary, levels, commutative, integers, apply }: Binary): OpDefinition {
  return defineOp({
    name,
    summary,
    levels,
    operands: [
      { name: 'a', summary: 'any shape' },
      { name: 'b', summary: 'a shape that broadcasts with it' },
    ],
    attributes: {},
    traits: { accumulates: levels.includes('integer'), commutative },
    element: 'accumulator',
    constraints: [broadcastable, integers],
    shape: ([a, b]) => broadcastShape(a!.shape, b!.shape)!,
    evaluate: ({ tensors, result }) => {
      const [a, b] = tensors;
      const as = centred(a!);
      const bs = centred(b!);
      const aIndex = broadcastIndices(a!.type.shape, result.shape);
      const bIndex = broadcastIndices(b!.type.shape, result.shape);
      const y = new Float64Array(aIndex.length);
      for (let i = 0; i < y.length; i++) y[i] = apply(as[aIndex[i]!]!, bs[bIndex[i]!]!);
      return isF32(result) ? Float32Array.from(y) : checkAccumulators(y, name);
    },
    bound: ({ operands, bounds, result }): Bounds => {
      const sides = operands.map((type, side) => {
        const zeroPoint = isQuantized(type) ? type.element.zeroPoint : 0;
        const { min, max } = perChannelOf(result, type, bounds[side]!);
        return min.map((low, c) => [low - zeroPoint, max[c]! - zeroPoint] as const);
      });
      const [left, right] = sides as [Range[], Range[]];
      const channels = Math.max(left.length, right.length);
      const corners = Array.from({ length: channels }, (_, c) =>
        left[left.length === 1 ? 0 : c]!.flatMap((a) =>
          right[right.length === 1 ? 0 : c]!.map((b) => apply(a, b)),
        ),
      );
      return {
        min: corners.map((values) => Math.min(...values)),
        max: corners.map((values) => Math.max(...values)),
      };
    },
  });
}

export const add = binary({
  name: 'add',
  summary: 'Sum of two tensors.',
  levels: ['float', 'quantized', 'integer'],
  commutative: true,
  integers: accumulatorPair,
  apply: (a, b) => a + b,
});

export const sub = binary({
  name: 'sub',
  summary: 'Difference of two tensors.',
  levels: ['float', 'quantized', 'integer'],
  commutative: false,
  integers: accumulatorPair,
  apply: (a, b) => a - b,
});

export const mul = binary({
  name: 'mul',
  summary: 'Product of two tensors.',
  levels: ['float', 'quantized', 'integer'],
  commutative: true,
  integers: narrowPair,
  apply: (a, b) => a * b,
});

export const div = binary({
  name: 'div',
  summary: 'Quotient of two tensors.',
  levels: ['float', 'quantized'],
  commutative: false,
  integers: realPair,
  apply: (a, b) => a / b,
});
