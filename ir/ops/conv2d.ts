/**
 * conv2d: two-dimensional cross-correlation, NCHW input, OIHW weights.
 *
 *     y[n, o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] * x[n, group(o) * C/groups + c, i*s + u*d - p, ...]
 *
 * On integers the activation's zero point is subtracted first and taps in the padding add nothing, so padding is the real
 * number 0. The result is an exact int32 accumulator whose step is scale(x) * scale(weight)[o].
 */
import { accumulatorBounds, checkAccumulators } from './accumulate.ts';
import { defineOp } from '../op.ts';
import { rowMajorStrides } from '../tensor.ts';
import { isF32 } from '../types.ts';
import { layerOperands } from './signature.ts';
import {
  fittingWindow,
  spatialInput,
  tapSpan,
  windowAttributes,
  windowedExtent,
  wellFormedWindow,
} from './window.ts';
import { centred } from './accumulate.ts';

export const conv2d = defineOp({
  name: 'conv2d',
  summary: 'Two-dimensional convolution with grouped, strided, dilated and padded windows.',
  levels: ['float', 'quantized', 'integer'],
  operands: [
    { name: 'x', summary: 'activations [N, C, H, W]' },
    { name: 'weight', summary: 'weights [O, C/groups, kernel height, kernel width]' },
    { name: 'bias', summary: 'one value per output channel [O]', optional: true },
  ],
  attributes: { ...windowAttributes, groups: { kind: 'int', summary: 'channel groups', default: 1 } },
  traits: { layer: true, accumulates: true },
  element: 'accumulator',
  constraints: [
    spatialInput,
    layerOperands,
    wellFormedWindow,
    {
      name: 'weight-shape',
      summary: 'weights have four axes and O and C are divisible by groups',
      check: ({ operands, attributes }) => {
        const [x, weight] = operands;
        if (weight!.shape.length !== 4) return `weights have ${weight!.shape.length} axes, expected 4 (OIHW)`;
        const { groups } = attributes;
        if (groups < 1) return `groups is ${groups}, expected at least 1`;
        if (weight!.shape[1]! * groups !== x!.shape[1]!) {
          return `weights read ${weight!.shape[1]!} channels in ${groups} groups, the input has ${x!.shape[1]!}`;
        }
        if (weight!.shape[0]! % groups !== 0)
          return `${weight!.shape[0]!} output channels do not divide into ${groups} groups`;
        return undefined;
      },
    },
    {
      name: 'bias-shape',
      summary: 'bias has one element per output channel',
      check: ({ operands }) => {
        const [, weight, bias] = operands;
        if (bias === undefined || (bias.shape.length === 1 && bias.shape[0] === weight!.shape[0]))
          return undefined;
        return `bias of shape [${bias.shape.join(', ')}], expected [${weight!.shape[0]!}]`;
      },
    },
    fittingWindow((_, operands) => operands[1]!.shape.slice(2)),
  ],
  shape: ([x, weight], attributes) => [
    x!.shape[0]!,
    weight!.shape[0]!,
    windowedExtent(attributes, 0, x!.shape[2]!, weight!.shape[2]!),
    windowedExtent(attributes, 1, x!.shape[3]!, weight!.shape[3]!),
  ],
  evaluate: ({ tensors, attributes, result }) => {
    const [x, weight, bias] = tensors;
    const [batch, outputs, height, width] = result.shape as [number, number, number, number];
    const [, inputsPerGroup, kernelHeight, kernelWidth] = weight!.type.shape as [
      number,
      number,
      number,
      number,
    ];
    const [, inputs, inputHeight, inputWidth] = x!.type.shape as [number, number, number, number];
    const outputsPerGroup = outputs / attributes.groups;
    const xs = centred(x!);
    const ws = centred(weight!);
    const weightStride = rowMajorStrides(weight!.type.shape)[0]!;
    const y = new Float64Array(batch * outputs * height * width);
    const plane = new Float64Array(height * width);
    const strideX = attributes.strides[1]!;
    const strideY = attributes.strides[0]!;
    for (let n = 0; n < batch; n++) {
      for (let o = 0; o < outputs; o++) {
        plane.fill(bias === undefined ? 0 : bias.data[o]!);
        const firstInput = Math.floor(o / outputsPerGroup) * inputsPerGroup;
        for (let c = 0; c < inputsPerGroup; c++) {
          const xPlane = (n * inputs + firstInput + c) * inputHeight * inputWidth;
          for (let u = 0; u < kernelHeight; u++) {
            const rows = tapSpan(attributes, 0, u, inputHeight, height);
            for (let v = 0; v < kernelWidth; v++) {
              const w = ws[o * weightStride + (c * kernelHeight + u) * kernelWidth + v]!;
              if (w === 0) continue;
              const columns = tapSpan(attributes, 1, v, inputWidth, width);
              for (let i = rows.first; i < rows.end; i++) {
                let from = xPlane + (rows.start + (i - rows.first) * strideY) * inputWidth + columns.start;
                const row = i * width;
                for (let j = columns.first; j < columns.end; j++) {
                  plane[row + j]! += w * xs[from]!;
                  from += strideX;
                }
              }
            }
          }
        }
        y.set(plane, (n * outputs + o) * plane.length);
      }
    }
    return isF32(result) ? Float32Array.from(y) : checkAccumulators(y, 'conv2d');
  },
  bound: accumulatorBounds,
});
