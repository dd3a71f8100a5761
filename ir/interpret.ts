/**
 * The interpreter: the definition of what a program computes. It runs nodes in order by each op's `evaluate` and frees a value
 * after its last use, so memory follows the widest point of the network and not its length.
 */
import type { Graph } from './graph.ts';
import { opOf } from './ops/index.ts';
import type { Tensor } from './tensor.ts';
import { formatName, formatType, sameType } from './types.ts';

export interface InterpretOptions {
  /** Called with every input and result as it is made, before it can be freed. */
  readonly observe?: (name: string, tensor: Tensor) => void;
}

/** Evaluates one node on operand tensors. `constant` resolves names of scales. */
export function evaluateNode(
  node: Graph['nodes'][number],
  tensors: readonly Tensor[],
  constant: (name: string) => Tensor | undefined,
): Tensor {
  const data = opOf(node.op).evaluate({
    tensors,
    operands: tensors.map((tensor) => tensor.type),
    attributes: node.attributes,
    result: node.result.type,
    scales: (name) => {
      const scale = constant(name);
      if (scale === undefined) throw new Error(`no constant named ${name}`);
      return scale.data as Float32Array;
    },
  });
  return { type: node.result.type, data };
}

/**
 * Runs a verified graph. `inputs` in the order of `graph.inputs`; the result in the order of `graph.outputs`.
 * Throws when an input is not of the declared type.
 */
export function interpret(graph: Graph, inputs: readonly Tensor[], options: InterpretOptions = {}): Tensor[] {
  const values = new Map<string, Tensor>(graph.constants);
  if (inputs.length !== graph.inputs.length) {
    throw new Error(`${inputs.length} inputs for a program of ${graph.inputs.length}`);
  }
  for (const [i, { name, type }] of graph.inputs.entries()) {
    const input = inputs[i]!;
    if (!sameType(input.type, type)) {
      throw new Error(
        `input %${formatName(name)} is ${formatType(input.type)}, expected ${formatType(type)}`,
      );
    }
    values.set(name, input);
    options.observe?.(name, input);
  }
  const lastUse = new Map<string, number>();
  for (const [i, node] of graph.nodes.entries()) for (const operand of node.operands) lastUse.set(operand, i);
  const kept = new Set(graph.outputs);

  for (const [i, node] of graph.nodes.entries()) {
    const tensors = node.operands.map((operand) => values.get(operand)!);
    const result = evaluateNode(node, tensors, (name) => graph.constants.get(name));
    values.set(node.result.name, result);
    options.observe?.(node.result.name, result);
    for (const operand of [...node.operands, node.result.name]) {
      if ((lastUse.get(operand) ?? i) <= i && !kept.has(operand)) values.delete(operand);
    }
  }
  return graph.outputs.map((output) => values.get(output)!);
}
