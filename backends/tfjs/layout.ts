/**
 * Layouts: the program counts axes as [N, C, H, W]; what is emitted keeps images as [N, H, W, C], filters as [U, V, C, K] and dense
 * weights as [inputs, outputs], as TensorFlow.js computes them.
 */
import { elementCount, type Tensor } from '../../ir/index.ts';

/** Axis j of a channels-last image is axis `channelsLast[j]` of the program's. */
export const channelsLast = [0, 2, 3, 1] as const;

/** Where axis a of the program's image is in a channels-last one. */
export const channelsLastAxis = [0, 3, 1, 2] as const;

const filterOrder = [2, 3, 1, 0] as const;

/** Elements of a float tensor with its axes in another order, and the shape they then have. */
export function permuted(
  { type: { shape }, data }: Tensor,
  perm: readonly number[],
): { shape: number[]; data: Float32Array } {
  const result = perm.map((axis) => shape[axis]!);
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
  const steps = perm.map((axis) => strides[axis]!);
  const values = new Float32Array(data.length);
  const position = result.map(() => 0);
  for (let i = 0; i < values.length; i++) {
    values[i] = data[position.reduce((index, p, axis) => index + p * steps[axis]!, 0)]!;
    for (let axis = position.length - 1; axis >= 0; axis--) {
      position[axis]! += 1;
      if (position[axis]! < result[axis]!) break;
      position[axis] = 0;
    }
  }
  return { shape: result, data: values };
}

/** The weights of a layer as training keeps them. */
export function trainingWeights(weights: Tensor): { shape: number[]; data: Float32Array } {
  return permuted(weights, weights.type.shape.length === 4 ? filterOrder : [1, 0]);
}

/** Weights from training in the program's order: the inverse of `trainingWeights`. */
export function programWeights(weights: Tensor): { shape: number[]; data: Float32Array } {
  return permuted(weights, weights.type.shape.length === 4 ? [3, 2, 0, 1] : [1, 0]);
}
