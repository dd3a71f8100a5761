/**
 * A part of a program that can be run by itself: from values already at hand to values wanted. The pieces of a program that is walked layer
 * by layer are such slices.
 */
import { type Graph, isQuantized, producersOf, type Tensor, typesOf, valuesOf } from '../../ir/index.ts';

/** The program that computes `wanted` from those of `available` that it needs. */
export function sliceOf(graph: Graph, available: ReadonlySet<string>, wanted: readonly string[]): Graph {
  const makers = producersOf(graph);
  const needed = new Set<string>();
  const visit = (name: string): void => {
    if (needed.has(name)) return;
    needed.add(name);
    if (!available.has(name)) for (const operand of makers.get(name)?.operands ?? []) visit(operand);
  };
  for (const name of wanted) visit(name);
  const inputs = valuesOf(graph).filter(({ name }) => available.has(name) && needed.has(name));
  const nodes = graph.nodes.filter(({ result: { name } }) => needed.has(name) && !available.has(name));
  const types = typesOf(graph);
  const constants = new Map<string, Tensor>();
  for (const name of needed) {
    const type = types.get(name);
    for (const constant of [name, type !== undefined && isQuantized(type) ? type.element.scale : undefined]) {
      if (typeof constant !== 'string') continue;
      const value = graph.constants.get(constant);
      if (value !== undefined) constants.set(constant, value);
    }
  }
  return {
    name: graph.name,
    inputs: inputs.map(({ name, type }) => ({ name, type })),
    constants,
    nodes,
    outputs: wanted,
  };
}

/**
 * Where a program is cut when everything in `done` has been computed: the computed values that something not computed reads. A
 * dequantized value is replaced by the integers it comes from, which are a quarter of its size, and what depends on constants
 * only is made again.
 */
export function cutAfter(graph: Graph, done: ReadonlySet<string>): Set<string> {
  const makers = producersOf(graph);
  const cut = new Set<string>();
  const keep = (name: string): void => {
    if (graph.constants.has(name)) return;
    const maker = makers.get(name);
    if (maker !== undefined && isConstant(name)) return;
    if (maker?.op === 'dequantize') keep(maker.operands[0]!);
    else cut.add(name);
  };
  const constant = new Map<string, boolean>();
  const isConstant = (name: string): boolean => {
    const known = constant.get(name);
    if (known !== undefined) return known;
    const maker = makers.get(name);
    const found = graph.constants.has(name) || (maker?.operands.every(isConstant) ?? false);
    constant.set(name, found);
    return found;
  };
  for (const node of graph.nodes) {
    if (done.has(node.result.name)) continue;
    for (const operand of node.operands) {
      if (done.has(operand) || graph.inputs.some(({ name }) => name === operand)) keep(operand);
    }
  }
  return cut;
}
