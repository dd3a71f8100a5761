/**
 * QuantizeLinear and DequantizeLinear: the bridges of a QDQ graph, which imports into the quantized level.
 *
 * In the IR the quantization of integers is their type, so a DequantizeLinear must name the scale and zero point that its operand was
 * quantized with. Constant integers become weights, a dequantized int32 constant (a bias) plain numbers.
 */
import type { DataType } from '../../../backends/onnx/model.ts';
import {
  type Element,
  formatElement,
  isQuantized,
  perAxis,
  perTensor,
  type QuantizedElement,
  quantizeValue,
  sameElement,
} from '../../../ir/index.ts';
import {
  type Imported,
  integerTypes,
  type QuantizedWeights,
  realWeights,
  signedWeights,
  storageOf,
} from '../imported.ts';
import type { NodeScope, OpImporter } from '../node-scope.ts';
import { allocateStatic, dataTypeOf, type StaticTensor, staticTensor } from '../static-tensor.ts';

/** What scale and zero point operands say. */
export interface Quantization {
  readonly type: DataType;
  readonly steps: Float32Array;
  /** As many as steps. */
  readonly zeroPoints: readonly number[];
  /** Absent for one step for all. */
  readonly axis?: number;
}

/** Reads scale and zero point operands. `axis` is where more than one scale lies along. */
export function quantizationOf(
  node: NodeScope,
  scaleIndex: number,
  zeroPointIndex: number,
  shape: readonly number[],
  axis: number,
  missingType: DataType,
): Quantization {
  const scale = node.fixed(scaleIndex, 'the scale');
  const zeroPoint = node.has(zeroPointIndex) ? node.fixed(zeroPointIndex, 'the zero point') : undefined;
  const steps = Float32Array.from(scale.data);
  const wrong = steps.find((step) => !(step > 0) || !Number.isFinite(step));
  if (wrong !== undefined) {
    node.fail(
      'onnx/bad-scale',
      `scale ${JSON.stringify(scale.name)} holds ${wrong}, which is no positive step`,
    );
  }
  const zeroPoints = zeroPoint === undefined ? steps.map(() => 0) : zeroPoint.data;
  if (zeroPoints.length !== steps.length) {
    node.fail('onnx/bad-shape', `${steps.length} scales with ${zeroPoints.length} zero points`);
  }
  const type = zeroPoint?.type ?? missingType;
  const base = { type, steps, zeroPoints: Array.from(zeroPoints) };
  if (steps.length === 1) return base;
  const along = node.axis(axis, shape.length);
  if (scale.dims.length !== 1 || shape[along] !== steps.length) {
    node.unsupported(
      `scales of shape [${scale.dims.join(', ')}] for a tensor of shape [${shape.join(', ')}]`,
      'one scale, or one for each index of the axis',
    );
  }
  return { ...base, axis: along };
}

/** The element type of an activation quantized so. */
export function elementOf(node: NodeScope, { type, steps, zeroPoints, axis }: Quantization): Element {
  const storage = storageOf(type);
  if (storage === undefined) node.unsupported(`integers of type ${type}`, integerTypes);
  if (axis === undefined) return perTensor(storage, steps[0]!, zeroPoints[0]);
  if (zeroPoints.some((zeroPoint) => zeroPoint !== 0)) {
    node.unsupported('zero points along an axis of a computed value', 'zero point 0 along an axis');
  }
  return perAxis(storage, node.context.scale(`${node.result}.scale`, steps), axis);
}

export const quantizeLinear: OpImporter = (node) => {
  node.ignore('saturate', 'precision');
  const shape = node.shape(0);
  const axis = node.int('axis', 1);
  refuseBlocks(node);
  const missing = dataTypeOf(node.int('output_dtype', 0)) ?? 'uint8';
  const quantization = quantizationOf(node, 1, 2, shape, axis, missing);
  const known = node.known(0);
  if (known !== undefined) return { kind: 'static', tensor: quantizeStatic(node, known, quantization) };
  return {
    kind: 'value',
    name: node.emitQuantized(node.real(0), elementOf(node, quantization)),
  };
};

export const dequantizeLinear: OpImporter = (node) => {
  node.ignore('output_dtype');
  const shape = node.shape(0);
  const axis = node.int('axis', 1);
  refuseBlocks(node);
  const operand = node.operand(0);
  const own = operand.kind === 'static' ? operand.tensor.type : 'uint8';
  const quantization = quantizationOf(node, 1, 2, shape, axis, own);
  if (operand.kind === 'static') return weightsOf(node, operand.tensor, quantization);
  return { kind: 'value', name: dequantizeAs(node, operand, quantization, node.result) };
};

function refuseBlocks(node: NodeScope): void {
  const size = node.int('block_size', 0);
  if (size !== 0) node.unsupported(`block_size ${size}`, 'scales per tensor or per axis');
}

/** Known integers as weights, which stay integers where the IR has a type for them, and as numbers where not. */
export function weightsOf(
  node: NodeScope,
  ints: StaticTensor,
  { steps, zeroPoints, axis }: Quantization,
): Imported {
  const storage = storageOf(ints.type);
  if (storage === undefined) node.unsupported(`integers of type ${ints.type}`, integerTypes);
  const inner = axis === undefined ? 1 : ints.dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  if (storage === 'i32' || zeroPoints.some((zeroPoint) => zeroPoint !== zeroPoints[0])) {
    if (storage !== 'i32') warnAsymmetric(node, ints.name);
    const values = allocateStatic('float', ints.data.length);
    for (let i = 0; i < values.length; i++) {
      const c = axis === undefined ? 0 : Math.floor(i / inner) % steps.length;
      values[i] = (ints.data[i]! - zeroPoints[c]!) * steps[c]!;
    }
    return { kind: 'static', tensor: staticTensor(ints.name, 'float', ints.dims, values) };
  }
  const weights: QuantizedWeights = {
    kind: 'weights',
    ints,
    storage,
    steps,
    zeroPoint: zeroPoints[0]!,
    ...(axis === undefined ? {} : { axis }),
  };
  if (axis !== undefined && signedWeights(weights).zeroPoint !== 0) {
    warnAsymmetric(node, ints.name);
    return { kind: 'static', tensor: realWeights(weights) };
  }
  return weights;
}

function warnAsymmetric(node: NodeScope, name: string): void {
  node.context.warn(
    'onnx/asymmetric-weights',
    `${JSON.stringify(name)} has zero points other than 0 along its axis; its integers are read as real numbers`,
    node.location,
  );
}

function quantizeStatic(
  node: NodeScope,
  known: StaticTensor,
  { type, steps, zeroPoints, axis }: Quantization,
): StaticTensor {
  const storage = storageOf(type);
  if (storage === undefined) node.unsupported(`integers of type ${type}`, integerTypes);
  const inner = axis === undefined ? 1 : known.dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const data = allocateStatic(type, known.data.length);
  for (let i = 0; i < data.length; i++) {
    const c = axis === undefined ? 0 : Math.floor(i / inner) % steps.length;
    data[i] = quantizeValue(known.data[i]!, steps[c]!, zeroPoints[c]!, storage);
  }
  return { name: node.result, type, dims: known.dims, data };
}

/** The real numbers of a quantized value, after checking that it was quantized so. */
export function dequantizeAs(
  node: NodeScope,
  operand: Imported,
  quantization: Quantization,
  wish?: string,
): string {
  if (operand.kind !== 'value') return node.context.real(operand, node.location);
  const found = node.context.typeOf(operand.name);
  if (!isQuantized(found)) {
    return node.fail(
      'onnx/data-type',
      `${node.node.opType} reads a value of real numbers, expected integers`,
    );
  }
  const { steps, zeroPoints, axis } = quantization;
  const element = node.context.writtenElement(operand.name) as QuantizedElement;
  // Per-axis scales are compared by value: each reader names a constant of its own.
  const agrees =
    axis === undefined
      ? sameElement(element, perTensor(element.storage, steps[0]!, zeroPoints[0]))
      : element.axis === axis &&
        typeof element.scale === 'string' &&
        node.context.builder.constantOf(element.scale)?.data.every((step, i) => step === steps[i]) === true;
  if (!agrees) {
    node.unsupported(
      `a scale or zero point other than its operand's, which is ${formatElement(element)}`,
      'the scale and zero point of the QuantizeLinear before it',
    );
  }
  return node.context.dequantize(operand.name, node.location, wish);
}
