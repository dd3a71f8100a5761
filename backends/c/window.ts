/** Windows over the two spatial axes of a channels-last tensor: which taps of a window lie inside the input, known early where it can be. */
import type { Node, TensorType } from '../../ir/index.ts';
import { add, and, bool, type Expression, ge, lt, mul, sub } from '../kernel/index.ts';

export interface WindowAxis {
  readonly extent: number;
  readonly outputs: number;
  readonly taps: number;
  readonly stride: number;
  readonly pad: number;
  readonly dilation: number;
}

export interface SlidingWindow {
  readonly y: WindowAxis;
  readonly x: WindowAxis;
}

/** The window of a convolution or pool of `kernel` taps. */
export function slidingWindow(
  node: Node,
  input: TensorType,
  kernel: readonly [height: number, width: number],
): SlidingWindow {
  const ints = (name: string, fallback: readonly number[]): readonly number[] =>
    (node.attributes[name] as readonly number[] | undefined) ?? fallback;
  const axis = (i: 0 | 1): WindowAxis => ({
    extent: input.shape[i + 2] ?? 1,
    outputs: node.result.type.shape[i + 2] ?? 1,
    taps: kernel[i],
    stride: ints('strides', [1, 1])[i]!,
    pad: ints('pads', [0, 0, 0, 0])[i]!,
    dilation: ints('dilations', [1, 1])[i]!,
  });
  return { y: axis(0), x: axis(1) };
}

/** Where tap `tap` of the window at output `position` reads: may lie outside the input. */
export const tapIndex = (axis: WindowAxis, position: Expression, tap: Expression): Expression =>
  sub(add(mul(position, axis.stride), mul(tap, axis.dilation)), axis.pad);

/** Largest index any tap reaches. */
const furthest = (axis: WindowAxis): number =>
  (axis.outputs - 1) * axis.stride + (axis.taps - 1) * axis.dilation - axis.pad;

/** True when no window leaves the input along this axis. */
export const neverOutside = (axis: WindowAxis): boolean => axis.pad === 0 && furthest(axis) < axis.extent;

/** The condition that `index` and the `span - 1` indices after it lie inside; constant where the axis is never left. */
export function inside(axis: WindowAxis, index: Expression, span = 1): Expression {
  return and(
    axis.pad === 0 ? bool(true) : ge(index, 0),
    furthest(axis) < axis.extent ? bool(true) : lt(index, axis.extent - span + 1),
  );
}
