/** NumPy broadcasting, as ONNX uses it: shapes align at the right, an extent of 1 repeats. */
import { constraint, type Constraint } from '../op.ts';
import { rowMajorStrides } from '../tensor.ts';
import { elementCount } from '../types.ts';

/** The common shape, or undefined when the shapes do not broadcast. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] | undefined {
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

/** For each element of `to`, in row-major order, the index of the element of `from` that broadcasts to it. */
export function broadcastIndices(from: readonly number[], to: readonly number[]): Int32Array {
  const strides = rowMajorStrides(from);
  const lead = to.length - from.length;
  const indices = new Int32Array(elementCount(to));
  const toStrides = rowMajorStrides(to);
  for (let i = 0; i < indices.length; i++) {
    let index = 0;
    for (let axis = 0; axis < from.length; axis++) {
      if (from[axis] === 1) continue;
      index += (Math.floor(i / toStrides[axis + lead]!) % to[axis + lead]!) * strides[axis]!;
    }
    indices[i] = index;
  }
  return indices;
}

export const broadcastable: Constraint<unknown> = constraint(
  'broadcastable',
  'the two shapes broadcast',
  ({ operands }) =>
    broadcastShape(operands[0]!.shape, operands[1]!.shape) === undefined
      ? `shapes [${operands[0]!.shape.join(', ')}] and [${operands[1]!.shape.join(', ')}] do not broadcast`
      : undefined,
);
