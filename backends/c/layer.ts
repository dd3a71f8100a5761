/**
 * What a conv2d or dense layer asks of whoever computes it, in one vocabulary for all kernels.
 *
 * Kernels multiply unsigned bytes with weights. Stored integers become unsigned by adding `offset` (0, or half the range of a signed storage);
 * padding holds the offset zero point, the integer that stands for 0; and
 *
 *     sum of w * (x - zero point) = sum of w * (x + offset) - (zero point + offset) * sum of w
 *
 * puts all of that into the bias. Both sides are exact; the sums on the right are larger, so where they might leave int32 (`element` i16) kernels
 * multiply x - zero point instead, which needs no correction.
 */
import {
  bitWidth,
  isQuantized,
  isSigned,
  type Node,
  storageRange,
  type Tensor,
  type TensorType,
} from '../../ir/index.ts';
import { add, type Expression, sub } from '../kernel/index.ts';
import { slidingWindow, type SlidingWindow } from './window.ts';

/** How kernels see the input, and what that does to the bias. */
export interface InputForm {
  readonly element: 'u8' | 'i16';
  /** Added to a stored value to make it unsigned. */
  readonly offset: number;
  /** What padding holds. */
  readonly padding: number;
  /** Largest element. */
  readonly highest: number;
  /** The element for an i32 stored value. */
  readonly ofValue: (value: Expression) => Expression;
}

export interface Layer {
  readonly node: Node;
  readonly batch: number;
  readonly channels: number;
  readonly outputs: number;
  readonly groups: number;
  readonly window: SlidingWindow;
  readonly taps: number;
  readonly form: InputForm;
  readonly weight: Tensor;
  readonly weightBits: number;
  /** Accumulators start here, one per output channel. */
  readonly bias: readonly number[];
  /** The accumulators' range, one per output channel. */
  readonly lowest: readonly number[];
  readonly highest: readonly number[];
}

/** Where a layer's types and weights are known. */
interface ProgramFacts {
  readonly typeOf: (name: string) => TensorType;
  readonly operandConstant: (node: Node, index: number) => Tensor | undefined;
}

const largestInt = 2 ** 31 - 1;

/** The facts of a conv2d or dense node. */
export function layerOf(facts: ProgramFacts, node: Node): Layer {
  const x = facts.typeOf(node.operands[0]!);
  const weight = facts.operandConstant(node, 1);
  if (weight === undefined) throw new Error(`weights of ${node.result.name} are not constant`);
  const { storage } = x.element;
  if (storage === 'f32') throw new Error('a convolution of floats at the integer level');
  const [, , height = 1, width = 1] = weight.type.shape;
  const zeroPoint = isQuantized(x) ? x.element.zeroPoint : 0;
  const offset = isSigned(storage) ? 2 ** (bitWidth(storage) - 1) : 0;
  const outputs = weight.type.shape[0]!;
  const given = facts.operandConstant(node, 2)?.data ?? new Int32Array(outputs);

  const unsigned = boundsOf(weight, given, zeroPoint + offset, 0, storageRange(storage)[1] + offset);
  const fits = unsigned.highest.every((high, o) => high <= largestInt && unsigned.lowest[o]! >= -largestInt);
  const [low, high] = storageRange(storage).map((value) => value - zeroPoint) as [number, number];
  return {
    node,
    batch: x.shape[0]!,
    channels: x.shape[1]!,
    outputs,
    groups: (node.attributes['groups'] as number | undefined) ?? 1,
    window: slidingWindow(node, x, [height, width]),
    taps: height * width,
    form: fits
      ? {
          element: 'u8',
          offset,
          padding: zeroPoint + offset,
          highest: storageRange(storage)[1] + offset,
          ofValue: (stored) => add(stored, offset),
        }
      : {
          element: 'i16',
          offset: 0,
          padding: 0,
          highest: high,
          ofValue: (stored) => sub(stored, zeroPoint),
        },
    weight,
    weightBits: bitWidth(weight.type.element.storage),
    ...(fits ? unsigned : boundsOf(weight, given, 0, low, high)),
  };
}

/** Bias corrected for inputs that are `zero` too large, and the range of the accumulators for inputs of low..high. */
function boundsOf(
  { data, type }: Tensor,
  given: ArrayLike<number>,
  zero: number,
  low: number,
  high: number,
): Pick<Layer, 'bias' | 'lowest' | 'highest'> {
  const outputs = type.shape[0]!;
  const rowLength = data.length / outputs;
  const [bias, lowest, highest]: [number[], number[], number[]] = [[], [], []];
  for (let o = 0; o < outputs; o++) {
    let positive = 0;
    let negative = 0;
    for (let i = o * rowLength; i < (o + 1) * rowLength; i++) {
      const w = data[i]!;
      if (w > 0) positive += w;
      else negative += w;
    }
    const start = given[o]! - zero * (positive + negative);
    bias.push(start);
    lowest.push(start + positive * low + negative * high);
    highest.push(start + positive * high + negative * low);
  }
  return { bias, lowest, highest };
}
