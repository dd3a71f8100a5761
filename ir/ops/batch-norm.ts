/**
 * batch_norm: y = scale[c] * (x - mean[c]) / sqrt(variance[c] + epsilon) + bias[c], in inference form. Kept unfolded as imported
 * so that training can see it; `fold-batchnorm` makes it disappear.
 */
import { defineOp } from '../op.ts';
import { elementCount } from '../types.ts';
import { f32Operands, perChannelVector } from './signature.ts';

export const batchNorm = defineOp({
  name: 'batch_norm',
  summary: 'Batch normalisation with fixed statistics.',
  levels: ['float', 'quantized'],
  operands: [
    { name: 'x', summary: 'activations [N, C, ...]' },
    { name: 'scale', summary: 'gamma [C]' },
    { name: 'bias', summary: 'beta [C]' },
    { name: 'mean', summary: 'running mean [C]' },
    { name: 'variance', summary: 'running variance [C]' },
  ],
  attributes: { epsilon: { kind: 'float', summary: 'added to the variance', default: Math.fround(1e-5) } },
  traits: { normalizes: true },
  element: 'f32',
  constraints: [
    f32Operands,
    {
      name: 'batch-norm-input',
      summary: 'x has a channel axis',
      check: ({ operands }) =>
        operands[0]!.shape.length >= 2
          ? undefined
          : `x has ${operands[0]!.shape.length} axes, expected at least 2`,
    },
    perChannelVector(1, 'scale'),
    perChannelVector(2, 'bias'),
    perChannelVector(3, 'mean'),
    perChannelVector(4, 'variance'),
  ],
  shape: ([x]) => x!.shape,
  evaluate: ({ tensors, attributes }) => {
    const [x, scale, bias, mean, variance] = tensors;
    const channels = x!.type.shape[1]!;
    const inner = elementCount(x!.type.shape.slice(2));
    return Float32Array.from(x!.data, (value, i) => {
      const c = Math.floor(i / inner) % channels;
      const gain = scale!.data[c]! / Math.sqrt(variance!.data[c]! + attributes.epsilon);
      return gain * (value - mean!.data[c]!) + bias!.data[c]!;
    });
  },
});
