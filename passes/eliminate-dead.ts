/**
 * eliminate-dead: removes nodes whose result nothing reads and constants that neither a node nor a type names.
 *
 *     %a = relu(%x)
 *     %b = sigmoid(%x)        ->        %a = relu(%x)
 *     return %a                         return %a
 *
 * Graph inputs stay: they are what the program's caller was promised.
 */
import { type Graph, isQuantized, type Node, type TensorType, typesOf } from '../ir/index.ts';
import { definePass } from './pass.ts';

function eliminate(graph: Graph): Graph {
  const live = new Set(graph.outputs);
  const nodes: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!live.has(node.result.name)) continue;
    nodes.push(node);
    for (const operand of node.operands) live.add(operand);
  }
  nodes.reverse();
  const types = typesOf(graph);
  for (const name of [...live, ...graph.inputs.map((input) => input.name)]) {
    const scale = scaleName(types.get(name));
    if (scale !== undefined) live.add(scale);
  }
  const constants = new Map([...graph.constants].filter(([name]) => live.has(name)));
  return nodes.length === graph.nodes.length && constants.size === graph.constants.size
    ? graph
    : { ...graph, nodes, constants };
}

function scaleName(type: TensorType | undefined): string | undefined {
  return type !== undefined && isQuantized(type) && typeof type.element.scale === 'string'
    ? type.element.scale
    : undefined;
}

export const eliminateDead = definePass({
  name: 'eliminate-dead',
  summary: 'Removes nodes and constants that nothing reads.',
  options: {},
  run: eliminate,
});
