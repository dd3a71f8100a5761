/**
 * dense: a fully connected layer, y[n, o] = bias[o] + sum over c of weight[o, c] * x[n, c].
 * On integers the result is an int32 accumulator of step scale(x) * scale(weight)[o].
 */
import { defineOp } from '../op.ts';
import { isF32 } from '../types.ts';
import { accumulatorBounds, centred, checkAccumulators } from './accumulate.ts';
import { layerOperands } from './signature.ts';

export const dense = defineOp({
  name: 'dense',
  summary: 'Fully connected layer.',
  levels: ['float', 'quantized', 'integer'],
  operands: [
    { name: 'x', summary: 'activations [N, C]' },
    { name: 'weight', summary: 'weights [O, C]' },
    { name: 'bias', summary: 'one value per output [O]', optional: true },
  ],
  attributes: {},
  traits: { layer: true, accumulates: true },
  element: 'accumulator',
  constraints: [
    {
      name: 'dense-shape',
      summary: 'x is [N, C], weight [O, C], bias [O]',
      check: ({ operands }) => {
        const [x, weight, bias] = operands;
        if (x!.shape.length !== 2 || weight!.shape.length !== 2) {
          return `x has ${x!.shape.length} axes and weight ${weight!.shape.length}, expected 2 and 2`;
        }
        if (x!.shape[1] !== weight!.shape[1])
          return `x has ${x!.shape[1]!} channels, weight ${weight!.shape[1]!}`;
        if (bias !== undefined && (bias.shape.length !== 1 || bias.shape[0] !== weight!.shape[0])) {
          return `bias of shape [${bias.shape.join(', ')}], expected [${weight!.shape[0]!}]`;
        }
        return undefined;
      },
    },
    layerOperands,
  ],
  shape: ([x, weight]) => [x!.shape[0]!, weight!.shape[0]!],
  evaluate: ({ tensors, result }) => {
    const [x, weight, bias] = tensors;
    const [batch, outputs] = result.shape as [number, number];
    const channels = x!.type.shape[1]!;
    const xs = centred(x!);
    const ws = centred(weight!);
    const y = new Float64Array(batch * outputs);
    for (let n = 0; n < batch; n++) {
      for (let o = 0; o < outputs; o++) {
        let sum: number = bias === undefined ? 0 : bias.data[o]!;
        for (let c = 0; c < channels; c++) sum += ws[o * channels + c]! * xs[n * channels + c]!;
        y[n * outputs + o] = sum;
      }
    }
    return isF32(result) ? Float32Array.from(y) : checkAccumulators(y, 'dense');
  },
  bound: accumulatorBounds,
});
