/**
 * The names that ONNX Runtime's quantizer gives and that people look for in Netron:
 *
 *     x  ->  x_QuantizeLinear_Output  ->  x_DequantizeLinear_Output
 *     w  ->  w_quantized, w_scale     ->  w_DequantizeLinear_Output
 *
 * (The emitter derives `x_scale`, `x_zero_point` and the names of nodes from these.) Inputs keep their names; outputs get those that the
 * model given had, whatever passes made of them.
 */
import { type Element, type Graph, type Node, producersOf, type Value, valuesOf } from '../../ir/index.ts';

/** The same program under standard names, its outputs called `outputs`. */
export function withStandardNames(graph: Graph, outputs: readonly string[]): Graph {
  const names = namesOf(graph, outputs);
  const name = (old: string): string => names.get(old) ?? old;
  const element = (given: Element): Element =>
    given.kind === 'quantized' && typeof given.scale === 'string'
      ? { ...given, scale: name(given.scale) }
      : given;
  const value = <V extends Value>(given: V): V => ({
    ...given,
    name: name(given.name),
    type: { ...given.type, element: element(given.type.element) },
  });
  return {
    name: graph.name,
    inputs: graph.inputs.map(value),
    constants: new Map(
      [...graph.constants].map(([old, { type, data }]) => [
        name(old),
        { type: { ...type, element: element(type.element) }, data },
      ]),
    ),
    nodes: graph.nodes.map((node) => ({
      ...node,
      operands: node.operands.map(name),
      result: value(node.result),
    })),
    outputs: graph.outputs.map(name),
  };
}

/** Old name -> new name, for what is renamed. */
function namesOf(graph: Graph, outputs: readonly string[]): Map<string, string> {
  const makers = producersOf(graph);
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const names = new Map<string, string>();
  const taken = new Set(inputs);
  const claim = (old: string, wish: string): void => {
    let name = wish;
    for (let i = 1; taken.has(name); i++) name = `${wish}.${i}`;
    taken.add(name);
    if (name !== old) names.set(old, name);
    claimed.add(old);
  };
  const claimed = new Set(inputs);

  for (const [i, old] of graph.outputs.entries()) {
    if (!claimed.has(old) && makers.has(old)) claim(old, outputs[i] ?? old);
  }
  for (const node of graph.nodes) {
    if (node.op !== 'dequantize') continue;
    const stored = node.operands[0]!;
    const constant = graph.constants.get(stored);
    if (constant === undefined) continue;
    const base = stored.replace(/(\.i\d+|\.integer|_quantized)(?=\.\d+$|$)/, '');
    if (!claimed.has(stored)) claim(stored, `${base}_quantized`);
    const { scale } = constant.type.element as { readonly scale?: unknown };
    if (typeof scale === 'string' && !claimed.has(scale)) claim(scale, `${base}_scale`);
    if (!claimed.has(node.result.name)) claim(node.result.name, `${base}_DequantizeLinear_Output`);
  }
  for (const node of graph.nodes) {
    if (claimed.has(node.result.name)) continue;
    if (node.op === 'quantize')
      claim(node.result.name, `${rootOf(node.operands[0]!, makers)}_QuantizeLinear_Output`);
    if (node.op === 'dequantize')
      claim(node.result.name, `${rootOf(node.operands[0]!, makers)}_DequantizeLinear_Output`);
  }
  for (const { name } of valuesOf(graph)) if (!claimed.has(name)) claim(name, name);
  for (const name of graph.constants.keys()) if (!claimed.has(name)) claim(name, name);
  return names;
}

/** The value that a chain of quantizers began with. */
function rootOf(name: string, makers: ReadonlyMap<string, Node>): string {
  const maker = makers.get(name);
  const passes = maker?.op === 'quantize' || maker?.op === 'dequantize';
  return passes ? rootOf(maker.operands[0]!, makers) : name;
}
