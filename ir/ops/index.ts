/** The table of all ops. A new op is a file beside this one and a row here; the completeness test names what else it needs. */
import type { OpDefinition } from '../op.ts';
import { affine } from './affine.ts';
import { batchNorm } from './batch-norm.ts';
import { add, div, mul, sub } from './binary.ts';
import { conv2d } from './conv2d.ts';
import { dense } from './dense.ts';
import { lookup } from './lookup.ts';
import { concat, pad, reshape, slice, transpose } from './movement.ts';
import { averagePool2d, maxPool2d } from './pool.ts';
import { dequantize, quantize } from './quantize.ts';
import { reduceMean } from './reduce-mean.ts';
import { requantize } from './requantize.ts';
import { softmax } from './softmax.ts';
import { clip, hardSigmoid, hardSwish, leakyRelu, relu, sigmoid } from './unary.ts';

export const ops = {
  conv2d,
  dense,
  affine,
  batch_norm: batchNorm,
  relu,
  clip,
  leaky_relu: leakyRelu,
  sigmoid,
  hard_sigmoid: hardSigmoid,
  hard_swish: hardSwish,
  add,
  sub,
  mul,
  div,
  max_pool2d: maxPool2d,
  average_pool2d: averagePool2d,
  reduce_mean: reduceMean,
  reshape,
  transpose,
  pad,
  slice,
  concat,
  softmax,
  quantize,
  dequantize,
  requantize,
  lookup,
} as const satisfies Record<string, OpDefinition>;

export type OpName = keyof typeof ops;

/** The ops a backend of the integer level must lower. Held equal to the declarations by a test. */
export const integerOps = [
  'conv2d',
  'dense',
  'affine',
  'add',
  'sub',
  'mul',
  'max_pool2d',
  'average_pool2d',
  'reshape',
  'transpose',
  'pad',
  'slice',
  'concat',
  'softmax',
  'quantize',
  'dequantize',
  'requantize',
  'lookup',
] as const satisfies readonly OpName[];

export type IntegerOp = (typeof integerOps)[number];

export function isOpName(name: string): name is OpName {
  return Object.hasOwn(ops, name);
}

/** The declaration of an op. Asking for an unknown name is a bug: the verifier and the parser ask `isOpName` first. */
export function opOf(name: string): OpDefinition {
  if (!isOpName(name)) throw new Error(`unknown op ${name}`);
  return ops[name];
}
