/** Indices of broadcast static tensors, which unlike those of the IR may be empty; the rule for shapes is the IR's. */
import { rowMajorStrides } from '../../ir/index.ts';

/** For the position of an element of `to`, the position of the element of `from` that broadcasts to it. */
export function indexBroadcast(from: readonly number[], to: readonly number[]): (position: number) => number {
  const strides = rowMajorStrides(from);
  const steps = rowMajorStrides(to);
  const lead = to.length - from.length;
  return (position) =>
    from.reduce(
      (index, extent, axis) =>
        extent === 1 ? index : index + (Math.floor(position / steps[axis + lead]!) % extent) * strides[axis]!,
      0,
    );
}
