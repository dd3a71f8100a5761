/**
 * softmax along one axis, in f32, shifted by the maximum. It may stay at the edge of an integer program, outside the promise of
 * equal bits: exp differs between machines.
 */
import { defineOp } from '../op.ts';
import { elementCount } from '../types.ts';
import { f32Operands } from './signature.ts';

export const softmax = defineOp({
  name: 'softmax',
  summary: 'exp(x) over its sum along one axis.',
  levels: ['float', 'quantized', 'integer'],
  operands: [{ name: 'x', summary: 'f32, any shape' }],
  attributes: { axis: { kind: 'int', summary: 'axis that sums to 1' } },
  traits: { boundary: true },
  element: 'f32',
  constraints: [
    f32Operands,
    {
      name: 'softmax-axis',
      summary: 'axis is an axis of x',
      check: ({ operands, attributes: { axis } }) =>
        axis >= 0 && axis < operands[0]!.shape.length
          ? undefined
          : `axis ${axis} of a tensor with ${operands[0]!.shape.length} axes`,
    },
  ],
  shape: ([x]) => x!.shape,
  evaluate: ({ tensors, attributes: { axis } }) => {
    const [x] = tensors;
    const extent = x!.type.shape[axis]!;
    const inner = elementCount(x!.type.shape.slice(axis + 1));
    const y = new Float32Array(x!.data.length);
    for (let start = 0; start < y.length; start += extent * inner) {
      for (let lane = start; lane < start + inner; lane++) {
        let largest = -Infinity;
        for (let k = 0; k < extent; k++) largest = Math.max(largest, x!.data[lane + k * inner]!);
        let sum = 0;
        for (let k = 0; k < extent; k++) sum += Math.exp(x!.data[lane + k * inner]! - largest);
        for (let k = 0; k < extent; k++) {
          y[lane + k * inner] = Math.exp(x!.data[lane + k * inner]! - largest) / sum;
        }
      }
    }
    return y;
  },
});
