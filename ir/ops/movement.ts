/**
 * Ops that rearrange or select elements without computing: reshape, transpose, pad, slice, concat. They keep the element type,
 * quantization included, so they mean the same at every level.
 */
import { defineOp } from '../op.ts';
import { allocate, rowMajorStrides, type TensorData } from '../tensor.ts';
import { elementCount, isQuantized, type TensorType } from '../types.ts';
import { quantizeValue } from '../numerics.ts';
import { equalElements, perTensorOperands } from './signature.ts';

const everywhere = ['float', 'quantized', 'integer'] as const;

/** Builds `result` from `x` by asking, per output element, for the input index; -1 takes `fill`. */
function gather(
  x: TensorData,
  type: TensorType,
  fill: number,
  indexOf: (position: readonly number[]) => number,
): TensorData {
  const y = allocate(type.element.storage, elementCount(type.shape));
  const position = new Array<number>(type.shape.length).fill(0);
  for (let i = 0; i < y.length; i++) {
    const from = indexOf(position);
    y[i] = from < 0 ? fill : x[from]!;
    for (let axis = position.length - 1; axis >= 0; axis--) {
      position[axis]! += 1;
      if (position[axis]! < type.shape[axis]!) break;
      position[axis] = 0;
    }
  }
  return y;
}

export const reshape = defineOp({
  name: 'reshape',
  summary: 'The same elements in the same row-major order under another shape.',
  levels: everywhere,
  operands: [{ name: 'x', summary: 'any shape' }],
  attributes: { shape: { kind: 'ints', summary: 'shape of the result' } },
  traits: { transparent: true },
  element: 'same',
  constraints: [
    perTensorOperands,
    {
      name: 'reshape-count',
      summary: 'the number of elements stays',
      check: ({ operands, attributes }) =>
        elementCount(attributes.shape) === elementCount(operands[0]!.shape) &&
        attributes.shape.every((extent) => extent > 0)
          ? undefined
          : `[${operands[0]!.shape.join(', ')}] cannot become [${attributes.shape.join(', ')}]`,
    },
  ],
  shape: (_, { shape }) => shape,
  evaluate: ({ tensors }) => tensors[0]!.data,
});

export const transpose = defineOp({
  name: 'transpose',
  summary: 'Permutes axes: axis i of the result is axis perm[i] of the operand.',
  levels: everywhere,
  operands: [{ name: 'x', summary: 'any shape' }],
  attributes: { perm: { kind: 'ints', summary: 'a permutation of the axes' } },
  traits: { transparent: true },
  element: 'same',
  constraints: [
    perTensorOperands,
    {
      name: 'permutation',
      summary: 'perm names every axis once',
      check: ({ operands, attributes }) => {
        const rank = operands[0]!.shape.length;
        const seen = [...attributes.perm].sort((a, b) => a - b);
        return seen.length === rank && seen.every((axis, i) => axis === i)
          ? undefined
          : `perm [${attributes.perm.join(', ')}] is not a permutation of ${rank} axes`;
      },
    },
  ],
  shape: ([x], { perm }) => perm.map((axis) => x!.shape[axis]!),
  evaluate: ({ tensors, attributes, result }) => {
    const strides = rowMajorStrides(tensors[0]!.type.shape);
    const permuted = attributes.perm.map((axis) => strides[axis]!);
    return gather(tensors[0]!.data, result, 0, (position) =>
      position.reduce((index, p, axis) => index + p * permuted[axis]!, 0),
    );
  },
});

export const pad = defineOp({
  name: 'pad',
  summary: 'Adds a border of one real value; quantized tensors take its quantized value.',
  levels: everywhere,
  operands: [{ name: 'x', summary: 'any shape' }],
  attributes: {
    pads: { kind: 'ints', summary: 'extent added before every axis, then after every axis' },
    value: { kind: 'float', summary: 'real value of the border', default: 0 },
  },
  traits: { transparent: true },
  element: 'same',
  constraints: [
    perTensorOperands,
    {
      name: 'pad-extents',
      summary: 'pads holds two extents of at least 0 per axis',
      check: ({ operands, attributes }) =>
        attributes.pads.length === 2 * operands[0]!.shape.length &&
        attributes.pads.every((extent) => extent >= 0)
          ? undefined
          : `pads [${attributes.pads.join(', ')}] do not fit ${operands[0]!.shape.length} axes`,
    },
  ],
  shape: ([x], { pads }) =>
    x!.shape.map((extent, axis) => extent + pads[axis]! + pads[axis + x!.shape.length]!),
  evaluate: ({ tensors, attributes, result }) => {
    const [x] = tensors;
    const shape = x!.type.shape;
    const strides = rowMajorStrides(shape);
    return gather(x!.data, result, borderValue(result, attributes.value), (position) => {
      let index = 0;
      for (let axis = 0; axis < shape.length; axis++) {
        const from = position[axis]! - attributes.pads[axis]!;
        if (from < 0 || from >= shape[axis]!) return -1;
        index += from * strides[axis]!;
      }
      return index;
    });
  },
});

/** What `pad` writes into the border of a tensor of this type. */
export function borderValue(type: TensorType, value: number): number {
  if (!isQuantized(type)) return value;
  const { storage, scale, zeroPoint } = type.element;
  if (typeof scale !== 'number') throw new Error('a border has one value: a type with one scale');
  return quantizeValue(value, scale, zeroPoint, storage);
}

export const slice = defineOp({
  name: 'slice',
  summary: 'Every steps-th element from starts, up to and without ends, along every axis.',
  levels: everywhere,
  operands: [{ name: 'x', summary: 'any shape' }],
  attributes: {
    starts: { kind: 'ints', summary: 'first index along every axis' },
    ends: {
      kind: 'ints',
      summary: 'index after the last along every axis; -1 with a negative step means through index 0',
    },
    steps: { kind: 'ints', summary: 'step along every axis, not 0' },
  },
  traits: { transparent: true },
  element: 'same',
  constraints: [
    perTensorOperands,
    {
      name: 'slice-range',
      summary: 'starts and ends lie in the tensor and select something',
      check: ({ operands, attributes }) => {
        const shape = operands[0]!.shape;
        const { starts, ends, steps } = attributes;
        if ([starts, ends, steps].some((list) => list.length !== shape.length)) {
          return `starts, ends and steps do not have ${shape.length} entries each`;
        }
        for (const [axis, extent] of shape.entries()) {
          const [start, end, step] = [starts[axis]!, ends[axis]!, steps[axis]!];
          const inside =
            step > 0
              ? start >= 0 && start < end && end <= extent
              : step < 0 && start < extent && end < start && end >= -1;
          if (!inside) return `[${start}:${end}:${step}] selects nothing of axis ${axis} of extent ${extent}`;
        }
        return undefined;
      },
    },
  ],
  shape: ([x], { starts, ends, steps }) =>
    x!.shape.map((_, axis) => Math.ceil((ends[axis]! - starts[axis]!) / steps[axis]!)),
  evaluate: ({ tensors, attributes, result }) => {
    const strides = rowMajorStrides(tensors[0]!.type.shape);
    return gather(tensors[0]!.data, result, 0, (position) =>
      position.reduce(
        (index, p, axis) => index + (attributes.starts[axis]! + p * attributes.steps[axis]!) * strides[axis]!,
        0,
      ),
    );
  },
});

export const concat = defineOp({
  name: 'concat',
  summary: 'Joins tensors along one axis.',
  levels: everywhere,
  operands: [{ name: 'parts', summary: 'equal but for the extent of the axis', variadic: true }],
  attributes: { axis: { kind: 'int', summary: 'axis to join along' } },
  traits: { transparent: true },
  element: 'same',
  constraints: [
    perTensorOperands,
    equalElements,
    {
      name: 'concat-shapes',
      summary: 'ranks agree and extents agree but along the axis',
      check: ({ operands, attributes: { axis } }) => {
        const first = operands[0]!.shape;
        if (axis < 0 || axis >= first.length) return `axis ${axis} of a tensor with ${first.length} axes`;
        const odd = operands.find(
          ({ shape }) =>
            shape.length !== first.length || shape.some((extent, i) => i !== axis && extent !== first[i]),
        );
        return odd === undefined
          ? undefined
          : `[${first.join(', ')}] and [${odd.shape.join(', ')}] do not join along axis ${axis}`;
      },
    },
  ],
  shape: (operands, { axis }) =>
    operands[0]!.shape.map((extent, i) =>
      i === axis ? operands.reduce((sum, { shape }) => sum + shape[axis]!, 0) : extent,
    ),
  evaluate: ({ tensors, attributes, result }) => {
    const y = allocate(result.element.storage, elementCount(result.shape));
    const inner = elementCount(result.shape.slice(attributes.axis));
    let offset = 0;
    for (const { type, data } of tensors) {
      const run = elementCount(type.shape.slice(attributes.axis));
      for (let from = 0, to = offset; from < data.length; from += run, to += inner) {
        y.set(data.subarray(from, from + run), to);
      }
      offset += run;
    }
    return y;
  },
});
