/** Functions of one variable, sums and products. */
import { type Attributes, broadcastShape, type QuantizedElement, storageRange } from '../../../ir/index.ts';
import type { Imported } from '../imported.ts';
import type { NodeScope, OpImporter } from '../node-scope.ts';
import { isReal } from '../static-tensor.ts';

function unary(op: string, attributes: (node: NodeScope) => Attributes = () => ({})): OpImporter {
  return (node) => {
    node.ignore('consumed_inputs');
    return node.emit(op, [node.real(0)], attributes(node));
  };
}

function binary(op: string): OpImporter {
  return (node) => {
    node.ignore('consumed_inputs');
    return node.emit(op, [node.real(0), node.real(1)]);
  };
}

export const relu = unary('relu');
export const sigmoid = unary('sigmoid');
export const hardSwish = unary('hard_swish');
export const leakyRelu = unary('leaky_relu', (node) => ({ alpha: Math.fround(node.float('alpha', 0.01)) }));
export const hardSigmoid = unary('hard_sigmoid', (node) => ({
  alpha: Math.fround(node.float('alpha', 0.2)),
  beta: Math.fround(node.float('beta', 0.5)),
}));

/** Bounds were attributes before opset 11 and are operands since; an absent one does not bound. */
export const clip: OpImporter = (node) => {
  node.ignore('consumed_inputs');
  const min = node.has(1) ? node.fixedScalar(1, 'min') : node.float('min', -Infinity);
  const max = node.has(2) ? node.fixedScalar(2, 'max') : node.float('max', Infinity);
  const operand = node.operand(0);
  if (operand.kind === 'value') {
    const { element } = node.context.typeOf(operand.name);
    if (element.kind === 'quantized') return clipIntegers(node, operand.name, element, min, max);
  }
  return node.emit('clip', [node.real(0)], { min: Math.fround(min), max: Math.fround(max) });
};

/**
 * Clamped integers. Where the clamp leaves the range of a narrower storage, as models with 4-bit activations in 8-bit types have it, the
 * value is of that storage: quantizing saturates. Elsewhere the same clamp on the real numbers that the integers stand for.
 */
function clipIntegers(
  node: NodeScope,
  name: string,
  element: QuantizedElement,
  min: number,
  max: number,
): Imported {
  const [smallest, largest] = storageRange(element.storage);
  const [low, high] = [Math.max(min, smallest), Math.min(max, largest)];
  const { scale, axis, zeroPoint } = element;
  const narrow = (['u4', 'i4', 'u2', 'i2'] as const)
    .filter((storage) => {
      const [from, to] = storageRange(storage);
      return to - from === high - low;
    })
    .map((storage) => ({ ...element, storage, zeroPoint: zeroPoint - low + storageRange(storage)[0] }))
    .find((candidate) => candidate.zeroPoint === 0);
  const source = node.context.quantizedFrom(name);
  if (narrow !== undefined && source !== undefined) {
    const made = node.emitQuantized(source, narrow);
    node.context.noteWritten(made, element);
    return { kind: 'value', name: made };
  }
  if (typeof scale !== 'number') {
    return node.unsupported(`integers with a scale for each index of axis ${axis}`, 'one scale for all');
  }
  const [from, to] = [low, high].map((bound) => Math.fround((bound - zeroPoint) * scale)) as [number, number];
  const clamped = node.step('real', 'clip', [node.real(0)], { min: from, max: to });
  return { kind: 'value', name: node.emitQuantized(clamped, element) };
}

/** The larger or smaller of a value and a number is a clip. */
function bounded(side: 'min' | 'max'): OpImporter {
  return (node) => {
    const indices = Array.from({ length: node.operandCount }, (_, i) => i);
    const computed = indices.filter((i) => node.known(i) === undefined);
    if (computed.length !== 1)
      return node.unsupported('two computed values', 'one number and one computed value');
    const [x] = computed as [number];
    const shape = node.shape(x);
    let bound = side === 'min' ? -Infinity : Infinity;
    for (const i of indices.filter((index) => index !== x)) {
      const { data, dims } = node.fixed(i, 'the bound');
      const value = data[0] ?? NaN;
      if (data.some((other) => other !== value) || broadcastShape(dims, shape)?.join() !== shape.join()) {
        return node.unsupported('a bound that is not one number', 'one number and one computed value');
      }
      bound = side === 'min' ? Math.max(bound, value) : Math.min(bound, value);
    }
    return node.emit('clip', [node.real(x)], { [side]: Math.fround(bound) });
  };
}

export const max = bounded('min');
export const min = bounded('max');

export const add = binary('add');
export const sub = binary('sub');
export const mul = binary('mul');
export const div = binary('div');

/** Any number of summands, from the left. */
export const sum: OpImporter = (node) => {
  let total = node.real(0);
  if (node.operandCount === 1) return { kind: 'value', name: total };
  for (let i = 1; i < node.operandCount - 1; i++) total = node.step(`sum${i}`, 'add', [total, node.real(i)]);
  return node.emit('add', [total, node.real(node.operandCount - 1)]);
};

export const identity: OpImporter = (node) => node.operand(0);

const realTypes = [1, 10, 11, 16];

/** A program computes in f32: a cast between floating types changes nothing here. */
export const cast: OpImporter = (node) => {
  node.ignore('saturate', 'round_mode');
  const to = node.int('to', 0);
  const operand = node.operand(0);
  if (!realTypes.includes(to)) {
    node.unsupported(`a cast of a computed value to data type ${to}`, 'a cast to a floating point type');
  }
  if (operand.kind === 'static' && !isReal(operand.tensor.type)) {
    return node.answer('float', operand.tensor.dims, operand.tensor.data);
  }
  return operand;
};

/** As the second operand, only the type counts. */
export const castLike: OpImporter = (node) => {
  node.ignore('saturate', 'round_mode');
  const like = node.operand(1);
  if (like.kind === 'static' && !isReal(like.tensor.type)) {
    node.unsupported(`a cast to ${like.tensor.type}`, 'a cast to a floating point type');
  }
  return node.operand(0);
};

/**
 * From opset 13 on along one axis. Before, the axis split the shape in two and everything behind it was one row; that is a reshape,
 * a softmax and a reshape back, unless the axis is the last with more than one element.
 */
export const softmax: OpImporter = (node) => {
  const operand = node.operand(0);
  const shape = node.context.shapeOf(operand);
  const axis = node.axis(node.int('axis', node.opset >= 13 ? -1 : 1), shape.length);
  const x = node.real(0);
  if (node.opset >= 13 || shape.slice(axis + 1).every((extent) => extent === 1)) {
    return node.emit('softmax', [x], { axis });
  }
  const count = (part: readonly number[]): number => part.reduce((product, extent) => product * extent, 1);
  const rows = node.step('rows', 'reshape', [x], {
    shape: [count(shape.slice(0, axis)), count(shape.slice(axis))],
  });
  const probabilities = node.step('softmax', 'softmax', [rows], { axis: 1 });
  return node.emit('reshape', [probabilities], { shape });
};
