/**
 * What each op becomes in ONNX: one row an op, for the float and the quantized level. Versions of operators are those of `emittedOpset`.
 *
 * A storage narrower than the type it is written in is clamped behind QuantizeLinear, as integers: rounding and saturating to 8 bits first
 * changes nothing, and an engine still finds the quantizer right behind the layer, where it fuses the two.
 */
import {
  elementCount,
  type IntegerOp,
  isQuantized,
  type Node,
  type OpName,
  type QuantizedElement,
  storageRange,
  type TensorType,
} from '../../ir/index.ts';
import type { Emission } from './emission.ts';
import type { OnnxAttribute } from './model.ts';
import { bitsOf, integers } from './integers.ts';
import { int64List, numbers } from './tensors.ts';

/** Ops of the float and the quantized level. */
export type EmittedOp = Exclude<OpName, Extract<IntegerOp, 'requantize' | 'lookup'>>;

/** Adds to the model what computes the node's result under the node's result name. */
export type Lowering = (node: Node, emission: Emission) => void;

const int = (value: number): OnnxAttribute => ({ kind: 'int', value });
const ints = (value: readonly number[]): OnnxAttribute => ({ kind: 'ints', value });
const float = (value: number): OnnxAttribute => ({ kind: 'float', value });

/** A list attribute; verified programs have it. */
function listOf(node: Node, name: string): readonly number[] {
  return node.attributes[name] as readonly number[];
}

function numberOf(node: Node, name: string): number {
  return node.attributes[name] as number;
}

/** An operator with the same operands and nothing else. */
function plainly(
  opType: string,
  attributes: (node: Node) => Record<string, OnnxAttribute> = () => ({}),
): Lowering {
  return (node, emission) => {
    emission.push(opType, node.operands, node.result.name, attributes(node));
  };
}

/**
 * Pads that the windows really reach. The rest of a pad changes nothing here, but ONNX Runtime refuses pads as large as the kernel.
 */
function reachedPads(node: Node, input: readonly number[]): number[] {
  const [strides, pads, dilations, kernel] = ['strides', 'pads', 'dilations', 'kernel'].map((name) =>
    listOf(node, name),
  ) as [number[], number[], number[], number[]];
  const output = node.result.type.shape;
  const reached = [...pads];
  for (const axis of [0, 1]) {
    const reach = dilations[axis]! * (kernel[axis]! - 1) + 1;
    const end = (output[axis + 2]! - 1) * strides[axis]! + reach - pads[axis]!;
    reached[axis + 2] = Math.max(0, end - input[axis + 2]!);
  }
  return reached;
}

/** True where one window is the whole image. */
function coversAll(node: Node, [, , ...extents]: readonly number[]): boolean {
  const whole = listOf(node, 'kernel').every((extent, axis) => extent === extents[axis]);
  return (
    whole && [...listOf(node, 'pads'), ...listOf(node, 'dilations')].every((n, i) => n === (i < 4 ? 0 : 1))
  );
}

function pool(opType: string, more: Record<string, OnnxAttribute>): Lowering {
  return (node, emission) => {
    const dilations = listOf(node, 'dilations');
    const { shape } = emission.typeOf(node.operands[0]!);
    if (opType === 'AveragePool' && coversAll(node, shape)) {
      emission.push('GlobalAveragePool', node.operands, node.result.name);
      return;
    }
    emission.push(opType, node.operands, node.result.name, {
      kernel_shape: ints(listOf(node, 'kernel')),
      strides: ints(listOf(node, 'strides')),
      pads: ints(reachedPads(node, shape)),
      // Left out where it says nothing: integer forms of the pools that engines put in place do not know it.
      ...(dilations.some((step) => step > 1) ? { dilations: ints(dilations) } : {}),
      ...more,
    });
  };
}

/** A vector along the channels, as broadcasting needs it: [C, 1, ...]. A constant is written in that shape. */
function alongChannels(emission: Emission, vector: string, rank: number, result: string): string {
  const extent = emission.typeOf(vector).shape[0]!;
  const shape = [extent, ...new Array<number>(rank - 2).fill(1)];
  const constant = emission.graph.constants.get(vector);
  if (constant !== undefined) {
    return emission.initializer(
      numbers(`${result}/${vector}`, 'float', constant.data as Float32Array, shape),
    );
  }
  const wanted = emission.shared(`shape ${shape.join()}`, () => int64List(`shape.${shape.join('x')}`, shape));
  return emission.step('Reshape', [vector, wanted], result);
}

function axisAttribute(element: QuantizedElement): Record<string, OnnxAttribute> {
  return element.axis === undefined ? {} : { axis: int(element.axis) };
}

function quantizedElement(type: TensorType): QuantizedElement {
  if (!isQuantized(type)) throw new Error('expected a quantized type');
  return type.element;
}

/**
 * Scale and zero point of a quantized value or constant, named as other tools name them: `x_scale`, `x_zero_point`. An int32 has no
 * zero point, and must not have one.
 */
function quantizationOperands(emission: Emission, name: string): readonly string[] {
  const { scale, storage, zeroPoint } = quantizedElement(emission.typeOf(name));
  const base = name.replace(/_(QuantizeLinear_Output|quantized)(?=\.\d+$|$)/, '');
  const scaleName =
    typeof scale === 'string'
      ? scale
      : emission.shared(`scale of ${name}`, () => numbers(`${base}_scale`, 'float', [scale], []));
  if (storage === 'i32') return [scaleName];
  const { type, shift } = emission.writtenAs(name);
  const dims = typeof scale === 'string' ? emission.typeOf(scale).shape : [];
  const zeroPoints = emission.shared(`zero point of ${name}`, () =>
    integers(`${base}_zero_point`, type, new Array<number>(elementCount(dims)).fill(zeroPoint + shift), dims),
  );
  return [scaleName, zeroPoints];
}

export const lowerings = {
  conv2d: (node, emission) => {
    emission.push('Conv', node.operands, node.result.name, {
      kernel_shape: ints(emission.typeOf(node.operands[1]!).shape.slice(2)),
      strides: ints(listOf(node, 'strides')),
      pads: ints(listOf(node, 'pads')),
      dilations: ints(listOf(node, 'dilations')),
      group: int(numberOf(node, 'groups')),
    });
  },
  dense: plainly('Gemm', () => ({ transB: int(1) })),
  affine: (node, emission) => {
    const [x, gain, shift] = node.operands as [string, string, string];
    const rank = node.result.type.shape.length;
    const { name } = node.result;
    const scaled = emission.step('Mul', [x, alongChannels(emission, gain, rank, name)], name);
    emission.push('Add', [scaled, alongChannels(emission, shift, rank, name)], name);
  },
  batch_norm: plainly('BatchNormalization', (node) => ({
    epsilon: float(numberOf(node, 'epsilon')),
  })),
  relu: plainly('Relu'),
  clip: (node, emission) => {
    const bound = (value: number): string =>
      Number.isFinite(value)
        ? emission.shared(`bound ${value}`, () => numbers('bound', 'float', [value], []))
        : '';
    const operands = [node.operands[0]!, bound(numberOf(node, 'min')), bound(numberOf(node, 'max'))];
    while (operands.at(-1) === '') operands.pop();
    emission.push('Clip', operands, node.result.name);
  },
  leaky_relu: plainly('LeakyRelu', (node) => ({ alpha: float(numberOf(node, 'alpha')) })),
  sigmoid: plainly('Sigmoid'),
  hard_sigmoid: plainly('HardSigmoid', (node) => ({
    alpha: float(numberOf(node, 'alpha')),
    beta: float(numberOf(node, 'beta')),
  })),
  hard_swish: plainly('HardSwish'),
  add: plainly('Add'),
  sub: plainly('Sub'),
  mul: plainly('Mul'),
  div: plainly('Div'),
  max_pool2d: pool('MaxPool', {}),
  average_pool2d: pool('AveragePool', { count_include_pad: int(0) }),
  reduce_mean: (node, emission) => {
    const [x] = node.operands as [string];
    // An empty list would mean all axes, were it not for the attribute.
    emission.push(
      'ReduceMean',
      [x, emission.initializer(int64List(`${node.result.name}.axes`, listOf(node, 'axes')))],
      node.result.name,
      {
        keepdims: int(Number(node.attributes['keepdims'])),
        noop_with_empty_axes: int(1),
      },
    );
  },
  reshape: (node, emission) => {
    const shape = listOf(node, 'shape');
    const wanted = emission.shared(`shape ${shape.join()}`, () =>
      int64List(`shape.${shape.join('x')}`, shape),
    );
    emission.push('Reshape', [node.operands[0]!, wanted], node.result.name);
  },
  transpose: plainly('Transpose', (node) => ({ perm: ints(listOf(node, 'perm')) })),
  pad: (node, emission) => {
    const value = numberOf(node, 'value');
    const { name } = node.result;
    const extents = emission.initializer(int64List(`${name}.pads`, listOf(node, 'pads')));
    const border = emission.shared(`border ${value}`, () => numbers('border', 'float', [value], []));
    emission.push('Pad', [node.operands[0]!, extents, border], name);
  },
  slice: (node, emission) => {
    const [starts, steps] = [listOf(node, 'starts'), listOf(node, 'steps')];
    const { name } = node.result;
    // -1 would count from the end: "through index 0" is anything below every index.
    const before = Number.MIN_SAFE_INTEGER;
    const lists = {
      starts,
      ends: listOf(node, 'ends').map((end, axis) => (steps[axis]! < 0 && end < 0 ? before : end)),
      axes: starts.map((_, axis) => axis),
      steps,
    };
    const operands = Object.entries(lists).map(([part, list]) =>
      emission.initializer(int64List(`${name}.${part}`, list)),
    );
    emission.push('Slice', [node.operands[0]!, ...operands], name);
  },
  concat: plainly('Concat', (node) => ({ axis: int(numberOf(node, 'axis')) })),
  softmax: plainly('Softmax', (node) => ({ axis: int(numberOf(node, 'axis')) })),
  quantize: (node, emission) => {
    const { name } = node.result;
    const element = quantizedElement(node.result.type);
    const { type, shift } = emission.writtenAs(name);
    const operands = [node.operands[0]!, ...quantizationOperands(emission, name)];
    const [min, max] = storageRange(element.storage);
    if (max - min + 1 === 2 ** bitsOf(type)) {
      emission.push('QuantizeLinear', operands, name, axisAttribute(element));
      return;
    }
    const wide = emission.step('QuantizeLinear', operands, name, axisAttribute(element));
    const bounds = [min, max].map((bound) =>
      emission.shared(`${type} ${bound + shift}`, () =>
        integers(bound === min ? 'smallest' : 'largest', type, [bound + shift], []),
      ),
    );
    emission.push('Clip', [wide, ...bounds], name);
  },
  dequantize: (node, emission) => {
    const [x] = node.operands as [string];
    emission.push(
      'DequantizeLinear',
      [x, ...quantizationOperands(emission, x)],
      node.result.name,
      axisAttribute(quantizedElement(emission.typeOf(x))),
    );
  },
} as const satisfies Record<EmittedOp, Lowering>;

/** The row of an op, if it can be written. */
export function loweringOf(op: string): Lowering | undefined {
  return Object.hasOwn(lowerings, op) ? lowerings[op as EmittedOp] : undefined;
}
