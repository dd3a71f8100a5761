/**
 * A program: one graph in static single assignment, immutable and topologically ordered.
 *
 * Every value has a name, unique in its graph, and every node exactly one result. References go by name, which is what makes
 * the text form exact and keeps the names of the ONNX file as debug information. Inputs, results and constants share the one
 * name space. A pass returns the same object when it changed nothing.
 */
import type { Attributes } from './attributes.ts';
import type { Location } from './diagnostics.ts';
import type { Notes } from './notes.ts';
import type { Tensor } from './tensor.ts';
import type { TensorType } from './types.ts';

/** A graph input or the result of a node. */
export interface Value {
  readonly name: string;
  readonly type: TensorType;
  /** What passes found out about the value: ranges, chosen bit-widths. Notes never change what a program computes. */
  readonly notes?: Notes;
}

export interface Node {
  readonly op: string;
  /** Names of inputs, earlier results or constants. Optional trailing operands are simply absent. */
  readonly operands: readonly string[];
  readonly attributes: Attributes;
  readonly result: Value;
  readonly location?: Location;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly nodes: readonly Node[];
  /** Names of the values the program returns. */
  readonly outputs: readonly string[];
}

/** The type of every name in the graph. */
export function typesOf(graph: Graph): Map<string, TensorType> {
  const types = new Map<string, TensorType>();
  for (const [name, constant] of graph.constants) types.set(name, constant.type);
  for (const input of graph.inputs) types.set(input.name, input.type);
  for (const node of graph.nodes) types.set(node.result.name, node.result.type);
  return types;
}

/** The node that makes each result. */
export function producersOf(graph: Graph): Map<string, Node> {
  return new Map(graph.nodes.map((node) => [node.result.name, node]));
}

/** The nodes that read each name, once per operand, in program order. Being a graph output is not a use. */
export function usersOf(graph: Graph): Map<string, Node[]> {
  const users = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const operand of node.operands) {
      const list = users.get(operand);
      if (list === undefined) users.set(operand, [node]);
      else list.push(node);
    }
  }
  return users;
}

/** Every input and result, in program order. */
export function valuesOf(graph: Graph): Value[] {
  return [...graph.inputs, ...graph.nodes.map((node) => node.result)];
}
