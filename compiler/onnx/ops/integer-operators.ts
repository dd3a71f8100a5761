/**
 * Operators on integers with scales as operands (QLinearConv and its kin, ONNX's own and com.microsoft's). Each is dequantize, the real
 * op, quantize, and imports as that: one meaning for both ways to write a quantized model.
 */
import type { Imported } from '../imported.ts';
import type { NodeScope, OpImporter } from '../node-scope.ts';
import { allocateStatic } from '../static-tensor.ts';
import { convolve, multiplyMatrices } from './layers.ts';
import { averageWindows } from './pooling.ts';
import { dequantizeAs, elementOf, quantizationOf, weightsOf } from './quantization.ts';

/** The operand at `index`, its scale and zero point right behind it, as real numbers. */
function realAt(node: NodeScope, index: number): string {
  const operand = node.operand(index);
  const quantization = quantizationOf(node, index + 1, index + 2, node.shape(index), 1, 'uint8');
  if (operand.kind !== 'static') return dequantizeAs(node, operand, quantization);
  return node.context.real(weightsOf(node, operand.tensor, quantization), node.location);
}

/** The weights at `index`, behind them scale and zero point, one for each index of `axis` or one for all. */
function weightsAt(node: NodeScope, index: number, axis: number): Imported {
  const ints = node.fixed(index, 'the weights');
  return weightsOf(node, ints, quantizationOf(node, index + 1, index + 2, ints.dims, axis, ints.type));
}

/** Quantizes `real` with the scale at `index` and the zero point behind it. */
function finish(node: NodeScope, real: string, index: number): Imported {
  const shape = node.context.typeOf(real).shape;
  const element = elementOf(node, quantizationOf(node, index, index + 1, shape, 1, 'uint8'));
  return { kind: 'value', name: node.emitQuantized(real, element) };
}

function nameOf(imported: Imported): string {
  if (imported.kind !== 'value') throw new Error('a computed value has a name');
  return imported.name;
}

/** An int32 bias at `index`, in steps of scale(x) * scale(weights). */
function biasAt(node: NodeScope, index: number, xScale: number, weights: Imported): string | undefined {
  if (!node.has(index)) return undefined;
  const ints = node.fixed(index, 'the bias');
  const steps =
    weights.kind === 'weights' ? weights.steps : Float32Array.from(node.fixed(4, 'the scale').data);
  const values = allocateStatic('float', ints.data.length);
  for (let c = 0; c < values.length; c++) {
    values[c] = ints.data[c]! * Math.fround(xScale * steps[steps.length === 1 ? 0 : c]!);
  }
  return node.context.constant(
    { name: ints.name, type: 'float', dims: ints.dims, data: values },
    node.location,
  );
}

export const qLinearConv: OpImporter = (node) => {
  const x = realAt(node, 0);
  const weights = weightsAt(node, 3, 0);
  const bias = biasAt(node, 8, node.fixedScalar(1, 'the scale'), weights);
  return finish(node, nameOf(convolve(node, x, weights, bias, 'real')), 6);
};

export const qLinearMatMul: OpImporter = (node) => {
  const x = realAt(node, 0);
  return finish(node, nameOf(multiplyMatrices(node, x, weightsAt(node, 3, 1), 'real')), 6);
};

/** com.microsoft: A * B + C with int32 C; without an output scale the result is real. */
export const qGemm: OpImporter = (node) => {
  if (node.float('alpha', 1) !== 1 || node.int('transA', 0) !== 0) {
    node.unsupported('alpha or transA', 'alpha 1 and transA 0');
  }
  const turned = node.int('transB', 0) !== 0;
  const x = realAt(node, 0);
  const given = weightsAt(node, 3, turned ? 0 : 1);
  const weights = turned ? given : node.rearrange('transpose', [given], { perm: [1, 0] }, (axis) => 1 - axis);
  const bias = biasAt(node, 6, node.fixedScalar(1, 'the scale'), given);
  const operands = [x, node.layerWeights(weights), ...(bias === undefined ? [] : [bias])];
  if (!node.has(7)) return node.emit('dense', operands);
  return finish(node, node.step('real', 'dense', operands), 7);
};

function integerBinary(op: string): OpImporter {
  return (node) => finish(node, node.step('real', op, [realAt(node, 0), realAt(node, 3)]), 6);
}

export const qLinearAdd = integerBinary('add');
export const qLinearMul = integerBinary('mul');

export const qLinearSigmoid: OpImporter = (node) =>
  finish(node, node.step('real', 'sigmoid', [realAt(node, 0)]), 3);

export const qLinearLeakyRelu: OpImporter = (node) => {
  const alpha = Math.fround(node.float('alpha', 0.01));
  return finish(node, node.step('real', 'leaky_relu', [realAt(node, 0)], { alpha }), 3);
};

function refuseChannelsLast(node: NodeScope): void {
  if (node.int('channels_last', 0) !== 0) node.unsupported('channels_last', 'channels on axis 1');
}

export const qLinearAveragePool: OpImporter = (node) => {
  refuseChannelsLast(node);
  return finish(node, nameOf(averageWindows(node, realAt(node, 0), 'real')), 3);
};

export const qLinearGlobalAveragePool: OpImporter = (node) => {
  refuseChannelsLast(node);
  const x = realAt(node, 0);
  const kernel = node.context.typeOf(x).shape.slice(2);
  return finish(node, node.step('real', 'average_pool2d', [x], { kernel }), 3);
};

/** The version of Softmax that it follows is an attribute. */
export const qLinearSoftmax: OpImporter = (node) => {
  const version = node.int('opset', 0);
  const x = realAt(node, 0);
  const shape = node.context.typeOf(x).shape;
  const axis = node.axis(node.int('axis', -1), shape.length);
  if (version < 13 && axis !== shape.length - 1) {
    node.unsupported(`axis ${axis} of opset ${version}`, 'the last axis');
  }
  return finish(node, node.step('real', 'softmax', [x], { axis }), 3);
};

/** Output scale and zero point come first, then each part with its own. */
export const qLinearConcat: OpImporter = (node) => {
  const parts: string[] = [];
  for (let i = 2; i < node.operandCount; i += 3) parts.push(realAt(node, i));
  if (parts.length === 0) node.fail('onnx/missing-operand', 'QLinearConcat has nothing to join');
  const axis = node.axis(node.int('axis', 1), node.context.typeOf(parts[0]!).shape.length);
  return finish(node, node.step('real', 'concat', parts, { axis }), 0);
};
