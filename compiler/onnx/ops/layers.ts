/** Conv, Gemm and MatMul: the ops with weights. All become `conv2d` or `dense`, whose weights come output channels first. */
import { isF32 } from '../../../ir/index.ts';
import type { Imported } from '../imported.ts';
import type { NodeScope, OpImporter } from '../node-scope.ts';
import { type StaticTensor, staticTensor } from '../static-tensor.ts';
import { explicitWindow } from './window.ts';

export const conv: OpImporter = (node) =>
  convolve(node, node.real(0), node.operand(1), node.has(2) ? node.real(2) : undefined);

/** `part` names the convolution when it is not yet the result. */
export function convolve(
  node: NodeScope,
  x: string,
  weights: Imported,
  bias: string | undefined,
  part?: string,
): Imported {
  const weightShape = node.context.shapeOf(weights);
  const kernel = node.ints('kernel_shape') ?? weightShape.slice(2);
  if (kernel.some((extent, i) => extent !== weightShape[i + 2])) {
    node.fail(
      'onnx/bad-attribute',
      `kernel_shape [${kernel.join(', ')}] does not agree with weights of shape [${weightShape.join(', ')}]`,
    );
  }
  const window = explicitWindow(node, node.context.typeOf(x).shape, kernel);
  const operands = [x, node.layerWeights(weights), ...(bias === undefined ? [] : [bias])];
  const attributes = { ...window, groups: node.int('group', 1) };
  return part === undefined
    ? node.emit('conv2d', operands, attributes)
    : { kind: 'value', name: node.step(part, 'conv2d', operands, attributes) };
}

/** alpha * A * B + beta * C. What alpha and beta do to known numbers is done now. */
export const gemm: OpImporter = (node) => {
  const alpha = node.float('alpha', 1);
  const beta = node.float('beta', 1);
  let x = node.real(0);
  requireRank(node, node.context.typeOf(x).shape, 2, 'A');
  if (node.int('transA', 0) !== 0) x = node.step('a', 'transpose', [x], { perm: [1, 0] });
  let weights = outputsFirst(node, node.operand(1), node.int('transB', 0) !== 0);
  if (alpha !== 1) {
    const known = knownReal(node, weights);
    if (known === undefined) return node.unsupported(`alpha ${alpha} on computed weights`, 'alpha 1');
    weights = { kind: 'static', tensor: scaled(known, alpha) };
  }
  if (!node.has(2) || beta === 0) return node.emit('dense', [x, node.layerWeights(weights)]);

  const outputs = node.context.shapeOf(weights)[0]!;
  const known = node.known(2);
  const bias = known === undefined ? undefined : rowBias(beta === 1 ? known : scaled(known, beta), outputs);
  if (bias !== undefined) {
    return node.emit('dense', [x, node.layerWeights(weights), node.context.constant(bias, node.location)]);
  }
  if (beta !== 1) node.unsupported(`beta ${beta} and a bias that is not one row`, 'beta 1');
  const product = node.step('product', 'dense', [x, node.layerWeights(weights)]);
  return node.emit('add', [product, node.real(2)]);
};

/** x * W with W of two axes. More than two axes of x are rows all the same. */
export const matMul: OpImporter = (node) => multiplyMatrices(node, node.real(0), node.operand(1));

export function multiplyMatrices(node: NodeScope, x: string, right: Imported, part?: string): Imported {
  const shape = node.context.typeOf(x).shape;
  const rightShape = node.context.shapeOf(right);
  if (rightShape.length !== 2) {
    node.unsupported(
      `a right side of ${rightShape.length} axes`,
      'a right side of two axes: weights [in, out]',
    );
  }
  const weights = node.layerWeights(outputsFirst(node, right, false));
  const finish = (op: string, operands: readonly string[], attributes = {}): Imported =>
    part === undefined
      ? node.emit(op, operands, attributes)
      : { kind: 'value', name: node.step(part, op, operands, attributes) };
  if (shape.length === 2) return finish('dense', [x, weights]);
  const channels = shape.at(-1)!;
  const rows = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
  const flat = node.step('rows', 'reshape', [x], { shape: [rows, channels] });
  const product = node.step('product', 'dense', [flat, weights]);
  return finish('reshape', [product], { shape: [...shape.slice(0, -1), rightShape[1]!] });
}

/** Weights [in, out] turned to [out, in], as integers where they are integers. */
function outputsFirst(node: NodeScope, weights: Imported, already: boolean): Imported {
  requireRank(node, node.context.shapeOf(weights), 2, 'B');
  if (already) return weights;
  if (weights.kind === 'value') {
    const real = node.context.real(weights, node.location);
    return { kind: 'value', name: node.step('b', 'transpose', [real], { perm: [1, 0] }) };
  }
  const turned = node.rearrange('transpose', [weights], { perm: [1, 0] }, (axis) => 1 - axis);
  // The constant keeps the name of its initializer.
  if (turned.kind === 'static' && weights.kind === 'static') {
    return { kind: 'static', tensor: { ...turned.tensor, name: weights.tensor.name } };
  }
  if (turned.kind === 'weights' && weights.kind === 'weights') {
    return { ...turned, ints: { ...turned.ints, name: weights.ints.name } };
  }
  return turned;
}

function requireRank(node: NodeScope, shape: readonly number[], rank: number, name: string): void {
  if (shape.length !== rank) {
    node.unsupported(`${name} of ${shape.length} axes`, `${name} of ${rank} axes`);
  }
}

function knownReal(node: NodeScope, imported: Imported): StaticTensor | undefined {
  if (imported.kind === 'static') return imported.tensor;
  if (imported.kind !== 'weights') return undefined;
  const name = node.context.real(imported, node.location);
  const tensor = node.context.builder.constantOf(name);
  return tensor !== undefined && isF32(tensor.type)
    ? staticTensor(imported.ints.name, 'float', tensor.type.shape, tensor.data)
    : undefined;
}

function scaled(tensor: StaticTensor, factor: number): StaticTensor {
  return staticTensor(
    tensor.name,
    'float',
    tensor.dims,
    Float32Array.from(tensor.data, (value) => value * factor),
  );
}

/** The vector [outputs] that a bias adds to every row, if it does. */
function rowBias(bias: StaticTensor, outputs: number): StaticTensor | undefined {
  const isRow = bias.dims.slice(0, -1).every((extent) => extent === 1);
  if (isRow && bias.dims.at(-1) === outputs)
    return bias.dims.length === 1 ? bias : { ...bias, dims: [outputs] };
  if (bias.data.length !== 1) return undefined;
  return staticTensor(bias.name, 'float', [outputs], new Float32Array(outputs).fill(bias.data[0]!));
}
