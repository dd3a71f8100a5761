/**
 * A program of the float or quantized level as an ONNX model: what an engine runs, and what is exported. Names of values stay, so that
 * any of them can be asked for as an output; what the outputs do not need is left out.
 */
import { fail, formatName, type Graph, type Node, producersOf } from '../../ir/index.ts';
import { Emission } from './emission.ts';
import { constantTensor } from './integers.ts';
import { loweringOf } from './lower.ts';
import { dataTypeCode, type OnnxModel, type OnnxValue } from './model.ts';
import { type IntegerForm, plainForm } from './profile.ts';

/** Version of the ONNX operators that are written: the first with 16 and 4-bit QuantizeLinear. */
export const emittedOpset = 21;
/** The first with 2-bit integers: written only where there are any. */
const twoBitOpset = 25;
/** The version of the file format that belongs to each. */
const irVersions: Readonly<Record<number, number>> = { [emittedOpset]: 10, [twoBitOpset]: 13 };

export interface EmitOptions {
  /** Names of the values that the model returns. Default: the outputs of the program. */
  readonly outputs?: readonly string[];
  /** How integers are written. Default: in bytes, as they are. */
  readonly form?: IntegerForm;
}

/**
 * Writes the program. An output that no node makes (an input, a constant) or that is named twice gets a name of its own. Throws a
 * QcError `onnx/not-emittable` for ops of the integer level.
 */
export function emitOnnx(graph: Graph, options: EmitOptions = {}): OnnxModel {
  const emission = new Emission(graph, options.form ?? plainForm);
  const wanted = options.outputs ?? graph.outputs;
  const nodes = neededNodes(graph, wanted);
  const read = new Set([...nodes.flatMap((node) => node.operands), ...wanted]);
  for (const node of nodes) {
    for (const type of [node.result.type, ...node.operands.map((operand) => emission.typeOf(operand))]) {
      if (type.element.kind === 'quantized' && typeof type.element.scale === 'string')
        read.add(type.element.scale);
    }
  }
  for (const [name, constant] of graph.constants) {
    if (read.has(name)) emission.initializers.push(constantTensor(name, constant, emission.form));
  }
  for (const node of nodes) {
    const lowering = loweringOf(node.op);
    if (lowering === undefined) {
      fail('onnx/not-emittable', `%${formatName(node.result.name)}: ${node.op} has no form in ONNX`, {
        help: 'only the float and the quantized level can be written as ONNX',
      });
    }
    emission.begin(node);
    lowering(node, emission);
  }
  const made = new Set(nodes.map((node) => node.result.name));
  const outputs = wanted.map((name, i): OnnxValue => {
    const own = made.has(name) && wanted.indexOf(name) === i;
    return valueOf(
      own ? name : emission.push('Identity', [name], emission.fresh(`${name}.output`)),
      emission,
      name,
    );
  });
  // A constant may have been written in another shape than the program has it.
  const readers = new Set([
    ...emission.nodes.flatMap(({ inputs }) => inputs),
    ...outputs.map(({ name }) => name),
  ]);
  const twoBits = emission.initializers.some(({ dataType }) =>
    [dataTypeCode.int2, dataTypeCode.uint2].includes(dataType as 25),
  );
  const opset = twoBits ? twoBitOpset : emittedOpset;
  return {
    irVersion: irVersions[opset]!,
    producer: 'qc',
    opsets: new Map([['', opset]]),
    graph: {
      name: graph.name,
      inputs: graph.inputs.map(({ name }) => valueOf(name, emission, name)),
      outputs,
      initializers: emission.initializers.filter(({ name }) => readers.has(name)),
      sparseInitializers: [],
      nodes: emission.nodes,
    },
    functions: [],
  };
}

function valueOf(name: string, emission: Emission, typed: string): OnnxValue {
  const { shape } = emission.typeOf(typed);
  const { type } = emission.writtenAs(typed);
  return { name, type: { kind: 'tensor', dataType: dataTypeCode[type], dims: shape } };
}

function neededNodes(graph: Graph, wanted: readonly string[]): Node[] {
  const producers = producersOf(graph);
  const needed = new Set<Node>();
  const names = [...wanted];
  for (let name = names.pop(); name !== undefined; name = names.pop()) {
    const node = producers.get(name);
    if (node === undefined || needed.has(node)) continue;
    needed.add(node);
    names.push(...node.operands);
  }
  return graph.nodes.filter((node) => needed.has(node));
}
