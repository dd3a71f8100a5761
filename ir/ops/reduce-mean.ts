/** reduce_mean: the mean over the named axes. Over the two spatial axes it canonicalises to `average_pool2d`. */
import { defineOp } from '../op.ts';
import { rowMajorStrides } from '../tensor.ts';
import { elementCount } from '../types.ts';
import { f32Operands } from './signature.ts';

export const reduceMean = defineOp({
  name: 'reduce_mean',
  summary: 'Mean over axes.',
  levels: ['float', 'quantized'],
  operands: [{ name: 'x', summary: 'any shape' }],
  attributes: {
    axes: { kind: 'ints', summary: 'axes to reduce, ascending' },
    keepdims: { kind: 'bool', summary: 'keep reduced axes with extent 1', default: true },
  },
  traits: {},
  element: 'f32',
  constraints: [
    f32Operands,
    {
      name: 'reduced-axes',
      summary: 'axes are distinct, ascending axes of x',
      check: ({ operands, attributes: { axes } }) => {
        const rank = operands[0]!.shape.length;
        return axes.every((axis, i) => axis >= 0 && axis < rank && (i === 0 || axis > axes[i - 1]!))
          ? undefined
          : `axes [${axes.join(', ')}] of a tensor with ${rank} axes`;
      },
    },
  ],
  shape: ([x], { axes, keepdims }) =>
    keepdims
      ? x!.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent))
      : x!.shape.filter((_, axis) => !axes.includes(axis)),
  evaluate: ({ tensors, attributes: { axes }, result }) => {
    const [x] = tensors;
    const shape = x!.type.shape;
    const kept = rowMajorStrides(shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent)));
    const strides = rowMajorStrides(shape);
    const sums = new Float64Array(elementCount(result.shape));
    for (let i = 0; i < x!.data.length; i++) {
      let to = 0;
      for (let axis = 0; axis < shape.length; axis++) {
        if (!axes.includes(axis)) to += (Math.floor(i / strides[axis]!) % shape[axis]!) * kept[axis]!;
      }
      sums[to]! += x!.data[i]!;
    }
    return Float32Array.from(sums, (sum) => (sum * sums.length) / x!.data.length);
  },
});
