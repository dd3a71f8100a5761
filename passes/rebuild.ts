/**
 * The one way passes change a graph: walk it in order, let a rule look at each node, and copy what no rule replaced. Names of
 * untouched values stay, a replaced node's value keeps its name on whatever replaces it, and a walk that changed nothing
 * returns the graph it was given.
 */
import { type Graph, GraphBuilder, type Node, opOf } from '../ir/index.ts';

/**
 * Looks at a node whose operands are already those of the new graph. Returns the name of the value that stands for the node's
 * result from here on, having added to `builder` what it needs; or undefined to keep the node.
 */
export type Rule = (node: Node, builder: GraphBuilder) => string | undefined;

export function rebuild(graph: Graph, rule: Rule): Graph {
  const builder = new GraphBuilder(graph.name);
  for (const [name, value] of graph.constants) builder.constant(name, value);
  for (const input of graph.inputs) builder.addInput(input);
  const renamed = new Map<string, string>();
  const rename = (name: string): string => renamed.get(name) ?? name;
  let changed = false;
  for (const original of graph.nodes) {
    const operands = original.operands.map(rename);
    const moved = operands.some((operand, i) => operand !== original.operands[i]);
    const node = moved ? { ...original, operands } : original;
    const replacement = rule(node, builder);
    if (replacement !== undefined) {
      changed = true;
      if (replacement !== original.result.name) renamed.set(original.result.name, replacement);
    } else if (moved) {
      // The operand's type may have changed with its maker: infer the result anew.
      const { op, attributes, result, location } = node;
      const free = opOf(op).element === 'declared' || opOf(op).element === 'accumulator';
      const name = builder.add(op, operands, attributes, {
        name: result.name,
        ...(free ? { element: result.type.element } : {}),
        location,
        notes: result.notes,
      });
      if (name !== result.name) renamed.set(result.name, name);
    } else {
      builder.addNode(node);
    }
  }
  return changed ? builder.finish(graph.outputs.map(rename)) : graph;
}
