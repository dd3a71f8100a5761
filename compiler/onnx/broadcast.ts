/** Broadcasting of static tensors, which unlike those of the IR may be empty. */
import { rowMajorStrides } from '../../ir/index.ts';

/** The common shape, or undefined when there is none. */
export function broadcastShapes(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) return undefined;
    shape.push(left === 1 ? right : left);
  }
  return shape;
}

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
