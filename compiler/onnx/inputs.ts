/**
 * Shapes and elements of the graph inputs. A program has static shapes: an open first axis is the batch and becomes 1, any other open
 * axis needs a number from the user. Images handed in as integers are read as the same numbers in f32.
 */
import type { OnnxGraph, OnnxNode, OnnxValue } from '../../backends/onnx/model.ts';
import { f32, fail, type TensorType } from '../../ir/index.ts';
import { checkHolds, type ImportContext } from './context.ts';
import { NodeScope } from './node-scope.ts';
import { elementOf, quantizationOf } from './ops/quantization.ts';
import { dataTypeOf, isReal } from './static-tensor.ts';

/** Extents by name of dimension (`batch`), or by input and axis (`image:2`). */
export type InputDims = Readonly<Record<string, number>>;

/** Adds the inputs of the graph to the program: those that are not initializers. */
export function importInputs(
  context: ImportContext,
  graph: OnnxGraph,
  inputDims: InputDims,
  opset: number,
): void {
  const initialized = new Set([...graph.initializers.map(({ name }) => name), ...graph.sparseInitializers]);
  const used = new Set<string>();
  for (const input of graph.inputs) {
    if (initialized.has(input.name)) continue;
    const shape = shapeOf(input, inputDims, used);
    checkHolds(shape, `input ${JSON.stringify(input.name)}`);
    const type = typeOf(context, graph, input, shape, opset);
    context.builder.input(input.name, type);
    context.values.set(input.name, { kind: 'value', name: input.name });
  }
  const unknown = Object.keys(inputDims).find((name) => !used.has(name));
  if (unknown !== undefined) {
    fail('onnx/input-dim', `no input has an open dimension ${JSON.stringify(unknown)}`, {
      help: openDimensions(graph, initialized),
    });
  }
}

function openDimensions(graph: OnnxGraph, initialized: ReadonlySet<string>): string {
  const open = graph.inputs.flatMap(({ name, type }) =>
    initialized.has(name) || type.kind !== 'tensor'
      ? []
      : (type.dims ?? []).flatMap((extent, axis) =>
          typeof extent === 'number' && extent > 0 ? [] : [extent ?? `${name}:${axis}`],
        ),
  );
  return open.length === 0
    ? 'all input shapes are fixed'
    : `open dimensions: ${[...new Set(open)].map((name) => JSON.stringify(name)).join(', ')}`;
}

function shapeOf({ name, type }: OnnxValue, inputDims: InputDims, used: Set<string>): number[] {
  const label = `input ${JSON.stringify(name)}`;
  if (type.kind === 'other')
    return fail('onnx/non-tensor', `${label} is ${type.what}; only tensors are supported`);
  if (type.dims === undefined) {
    return fail('onnx/unknown-shape', `${label} has no shape, not even a number of axes`, {
      help: 'export the model with the shape of its input, or run shape inference on it',
    });
  }
  return type.dims.map((extent, axis) => {
    if (typeof extent === 'number' && extent > 0) return extent;
    for (const key of [`${name}:${axis}`, ...(typeof extent === 'string' ? [extent] : [])]) {
      if (!Object.hasOwn(inputDims, key)) continue;
      used.add(key);
      return inputDims[key]!;
    }
    if (typeof extent === 'number') {
      return fail(
        'onnx/bad-shape',
        `${label} has extent ${extent} on axis ${axis}, expected a positive extent`,
        {
          help: `if it stands for an open dimension, give it a number: --input-dim ${name}:${axis}=1`,
        },
      );
    }
    if (axis === 0) return 1;
    const dimension = typeof extent === 'string' ? extent : `${name}:${axis}`;
    return fail(
      'onnx/dynamic-dim',
      `${label} has an open dimension ${JSON.stringify(dimension)} on axis ${axis}`,
      {
        help: `give it a number: --input-dim ${dimension}=224`,
      },
    );
  });
}

function typeOf(
  context: ImportContext,
  graph: OnnxGraph,
  { name, type }: OnnxValue,
  shape: readonly number[],
  opset: number,
): TensorType {
  const label = `input ${JSON.stringify(name)}`;
  const code = type.kind === 'tensor' ? type.dataType : 0;
  const dataType = dataTypeOf(code);
  if (dataType === undefined) return fail('onnx/data-type', `${label} is of data type ${code}`);
  if (isReal(dataType)) {
    if (dataType !== 'float') {
      context.warn('onnx/real-input', `${label} is ${dataType} in the model and f32 in the program`);
    }
    return f32(shape);
  }
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(name));
  const [first] = readers;
  if (first !== undefined && readers.every((reader) => scaleBehind(reader, name) !== undefined)) {
    return { element: integerElement(context, first, name, shape, opset), shape };
  }
  if (readers.length > 0 && readers.every(castsToReal)) {
    context.warn(
      'onnx/integer-input',
      `${label} is ${dataType} in the model; the program takes the same numbers as f32`,
    );
    return f32(shape);
  }
  return fail('onnx/data-type', `${label} is of data type ${dataType}, expected floating point`, {
    help: 'integers are accepted where the model first casts them to float or dequantizes them',
  });
}

function castsToReal({ opType, attributes }: OnnxNode): boolean {
  const to = attributes['to'];
  if (opType !== 'Cast' || to?.kind !== 'int') return false;
  const type = dataTypeOf(to.value);
  return type !== undefined && isReal(type);
}

/** Operands of the operators that dequantize what they read: scale and zero point stand behind them. */
const scaledOperands: Readonly<Record<string, readonly number[]>> = {
  DequantizeLinear: [0],
  QGemm: [0],
  QLinearAdd: [0, 3],
  QLinearAveragePool: [0],
  QLinearConv: [0],
  QLinearGlobalAveragePool: [0],
  QLinearLeakyRelu: [0],
  QLinearMatMul: [0],
  QLinearMul: [0, 3],
  QLinearSigmoid: [0],
  QLinearSoftmax: [0],
};

/** The operand that holds the scale of `name`, where this reader dequantizes it. */
function scaleBehind({ opType, inputs }: OnnxNode, name: string): number | undefined {
  const positions = Object.hasOwn(scaledOperands, opType) ? scaledOperands[opType]! : [];
  const found = inputs.indexOf(name);
  return positions.includes(found) ? found + 1 : undefined;
}

/** The quantization of an input of integers is what its first reader says; a second that disagrees is refused when it is imported. */
function integerElement(
  context: ImportContext,
  node: OnnxNode,
  name: string,
  shape: readonly number[],
  opset: number,
): TensorType['element'] {
  const label = node.name || (node.outputs[0] ?? node.opType);
  const scope = new NodeScope(context, { node, label, location: { kind: 'onnx', node: label } }, opset);
  const scale = scaleBehind(node, name)!;
  return elementOf(scope, quantizationOf(scope, scale, scale + 1, shape, scope.int('axis', 1), 'uint8'));
}
