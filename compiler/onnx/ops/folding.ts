/**
 * Arithmetic on numbers that are known at compile time: shapes and what exporters compute from them, scales, axes. These ops take no
 * part in the program; each is a function on static tensors, run when all its operands are known.
 */
import type { DataType } from '../../../backends/onnx/model.ts';
import { broadcastShape } from '../../../ir/index.ts';
import { indexBroadcast } from '../broadcast.ts';
import type { Imported } from '../imported.ts';
import type { NodeScope, OpImporter } from '../node-scope.ts';
import {
  allocateStatic,
  checkDims,
  countOf,
  dataTypeOf,
  inlineTensor,
  isReal,
  roundToType,
  type StaticTensor,
} from '../static-tensor.ts';

/** Result larger than this is no shape arithmetic. */
const largestFolded = 2 ** 24;

function checkFolded(node: NodeScope, dims: readonly number[]): void {
  checkDims(dims, `value ${JSON.stringify(node.result)}`);
  if (countOf(dims) > largestFolded) {
    node.fail(
      'onnx/too-large',
      `a constant of shape [${dims.join(', ')}] is computed, more than 2^24 elements`,
    );
  }
}

/** The shape of any value is known, also where its elements are not. `start` and `end` choose axes. */
export const shape: OpImporter = (node) => {
  const dims = node.shape(0);
  const bound = (axis: number): number =>
    Math.min(Math.max(axis < 0 ? axis + dims.length : axis, 0), dims.length);
  const part = dims.slice(bound(node.int('start', 0)), bound(node.int('end', dims.length)));
  return node.answer('int64', [part.length], part);
};

export const size: OpImporter = (node) => node.answer('int64', [], [countOf(node.shape(0))]);

/** All the ways to write a value; a plain number is a scalar. */
export const constant: OpImporter = (node) => {
  const tensor = node.tensor('value');
  if (tensor !== undefined) {
    return { kind: 'static', tensor: inlineTensor({ ...tensor, name: node.result }) };
  }
  if (node.hasAttribute('sparse_value')) {
    node.fail('onnx/sparse', 'Constant holds a sparse tensor, which is not supported');
  }
  if (node.hasAttribute('value_float')) return node.answer('float', [], [node.float('value_float', 0)]);
  if (node.hasAttribute('value_int')) return node.answer('int64', [], [node.int('value_int', 0)]);
  const floats = node.floats('value_floats');
  if (floats !== undefined) return node.answer('float', [floats.length], floats);
  const ints = node.ints('value_ints');
  if (ints !== undefined) return node.answer('int64', [ints.length], ints);
  return node.unsupported(
    'a value that is text or missing',
    'value, value_float, value_floats, value_int, value_ints',
  );
};

export const constantOfShape: OpImporter = (node) => {
  const dims = node.fixedInts(0, 'the shape');
  const given = node.tensor('value');
  const value = given === undefined ? undefined : inlineTensor(given);
  const type = value?.type ?? 'float';
  checkFolded(node, dims);
  return node.answer(type, dims, allocateStatic(type, countOf(dims)).fill(value?.data[0] ?? 0));
};

export const range: OpImporter = (node) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => node.fixedScalar(i, 'an operand')) as [
    number,
    number,
    number,
  ];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  checkFolded(node, [count]);
  const { type } = node.fixed(0, 'the start');
  return node.answer(
    type,
    [count],
    Array.from({ length: count }, (_, i) => start + i * delta),
  );
};

export const gather: OpImporter = (node) => {
  const { type, dims, data } = node.fixed(0, 'the data');
  const indices = node.fixed(1, 'the indices');
  const axis = node.axis(node.int('axis', 0), dims.length);
  const extent = dims[axis]!;
  const inner = countOf(dims.slice(axis + 1));
  const result = [...dims.slice(0, axis), ...indices.dims, ...dims.slice(axis + 1)];
  checkFolded(node, result);
  const values = allocateStatic(type, countOf(result));
  for (let i = 0; i < values.length; i++) {
    const chosen = indices.data[Math.floor(i / inner) % indices.data.length]!;
    const index = chosen < 0 ? chosen + extent : chosen;
    if (index < 0 || index >= extent)
      node.fail('onnx/bad-shape', `index ${chosen} of an axis of extent ${extent}`);
    const outer = Math.floor(i / inner / indices.data.length);
    values[i] = data[(outer * extent + index) * inner + (i % inner)]!;
  }
  return node.answer(type, result, values);
};

export const expand: OpImporter = (node) => {
  const source = node.fixed(0, 'the data');
  const dims = broadcastShape(source.dims, node.fixedInts(1, 'the shape'));
  if (dims === undefined) return node.fail('onnx/bad-shape', 'the shapes do not broadcast');
  checkFolded(node, dims);
  const index = indexBroadcast(source.dims, dims);
  return node.answer(
    source.type,
    dims,
    Array.from({ length: countOf(dims) }, (_, i) => source.data[index(i)]!),
  );
};

/** To any type; reals become integers by dropping the fraction, anything becomes a truth value by not being 0. */
export const foldCast: OpImporter = (node) => {
  node.ignore('saturate', 'round_mode');
  const type = dataTypeOf(node.int('to', 0));
  if (type === undefined) return node.unsupported('a cast to an unknown data type', 'a cast to a number');
  return castTo(node, type);
};

export const foldCastLike: OpImporter = (node) => {
  node.ignore('saturate', 'round_mode');
  return castTo(node, node.fixed(1, 'the type').type);
};

function castTo(node: NodeScope, type: DataType): Imported {
  const { data, dims } = node.fixed(0, 'the operand');
  const convert = (value: number): number => {
    if (type === 'bool') return value === 0 ? 0 : 1;
    return isReal(type) ? roundToType(value, type) : Math.trunc(value);
  };
  return node.answer(type, dims, Array.from(data, convert));
}

/** A function of two numbers, or of any number from the left; `integers` where the integer form differs. */
export function foldBinary(
  real: (a: number, b: number) => number,
  integers: (a: number, b: number) => number = real,
  resultType?: DataType,
): OpImporter {
  return (node) => {
    let result = node.fixed(0, 'an operand');
    for (let i = 1; i < node.operandCount; i++) {
      const apply = isReal(result.type) ? real : integers;
      result = combine(node, result, node.fixed(i, 'an operand'), apply);
    }
    return checked(node, { ...result, type: resultType ?? result.type });
  };
}

function combine(
  node: NodeScope,
  a: StaticTensor,
  b: StaticTensor,
  apply: (a: number, b: number) => number,
): StaticTensor {
  const dims = broadcastShape(a.dims, b.dims);
  if (dims === undefined) {
    return node.fail(
      'onnx/bad-shape',
      `shapes [${a.dims.join(', ')}] and [${b.dims.join(', ')}] do not broadcast`,
    );
  }
  checkFolded(node, dims);
  const [left, right] = [indexBroadcast(a.dims, dims), indexBroadcast(b.dims, dims)];
  const data = new Float64Array(countOf(dims));
  for (let i = 0; i < data.length; i++) data[i] = apply(a.data[left(i)]!, b.data[right(i)]!);
  return { name: node.result, type: a.type, dims, data };
}

export function foldUnary(apply: (value: number) => number): OpImporter {
  return (node) => {
    const { type, dims, data } = node.fixed(0, 'the operand');
    return checked(node, { name: node.result, type, dims, data: Float64Array.from(data, apply) });
  };
}

/** Integers that are none (a division by 0) stop here, before they become an extent. */
function checked(node: NodeScope, { type, dims, data }: StaticTensor): Imported {
  if (!isReal(type) && data.some((value) => !Number.isInteger(value))) {
    node.fail('onnx/bad-shape', `${node.node.opType} of known integers has no integer result`);
  }
  return node.answer(type, dims, data);
}

/** Product, sum, smallest or largest along axes (an attribute, or operand 1 in later versions). */
export function foldReduce(initial: number, apply: (a: number, b: number) => number): OpImporter {
  return (node) => {
    const { type, dims, data } = node.fixed(0, 'the operand');
    const keeps = node.int('keepdims', 1) !== 0;
    const given = node.has(1) ? node.fixedInts(1, 'axes') : node.ints('axes');
    const none = given === undefined || given.length === 0;
    if (none && node.int('noop_with_empty_axes', 0) !== 0) return node.answer(type, dims, data);
    const axes = none ? dims.map((_, axis) => axis) : given.map((axis) => node.axis(axis, dims.length));
    const kept = dims.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    const index = indexBroadcast(kept, dims);
    const values = new Array<number>(countOf(kept)).fill(initial);
    for (let i = 0; i < data.length; i++) values[index(i)] = apply(values[index(i)]!, data[i]!);
    const result = keeps ? kept : dims.filter((_, axis) => !axes.includes(axis));
    return node.answer(type, result, values);
  };
}

export const where: OpImporter = (node) => {
  const [condition, yes, no] = [0, 1, 2].map((i) => node.fixed(i, 'an operand')) as [
    StaticTensor,
    StaticTensor,
    StaticTensor,
  ];
  const pair = broadcastShape(yes.dims, no.dims);
  const dims = pair === undefined ? undefined : broadcastShape(pair, condition.dims);
  if (dims === undefined) return node.fail('onnx/bad-shape', 'the shapes do not broadcast');
  checkFolded(node, dims);
  const [c, y, n] = [condition, yes, no].map((tensor) => indexBroadcast(tensor.dims, dims)) as [
    (i: number) => number,
    (i: number) => number,
    (i: number) => number,
  ];
  return node.answer(
    yes.type,
    dims,
    Array.from({ length: countOf(dims) }, (_, i) =>
      condition.data[c(i)] === 0 ? no.data[n(i)]! : yes.data[y(i)]!,
    ),
  );
};
