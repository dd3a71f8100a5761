/**
 * eliminate-common: of nodes that compute the same from the same, keeps the first.
 *
 *     %a = relu(%x)
 *     %b = relu(%x)
 *     %c = add(%a, %b)        ->        %a = relu(%x)
 *                                       %c = add(%a, %a)
 */
import { formatType, type Node } from '../ir/index.ts';
import { definePass } from './pass.ts';
import { defineRewrite, rewriteToFixpoint } from './rewrite.ts';

/** Equal keys, equal results: op, operands, attributes and the type of the result. */
function key(node: Node): string {
  const attributes = Object.entries(node.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([
    node.op,
    node.operands,
    attributes.map(([name, value]) => [name, spell(value)]),
    formatType(node.result.type),
  ]);
}

/** JSON has no infinities and no -0; attributes have. */
function spell(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(spell);
  return typeof value === 'number' ? (Object.is(value, -0) ? '-0' : String(value)) : value;
}

const share = defineRewrite({
  name: 'share',
  summary: 'a node that computes what an earlier one computed -> the earlier one',
  match: (root, graph) => {
    const same = key(root);
    return graph
      .users(root.operands[0]!)
      .find((other) => other.op === root.op && graph.precedes(other, root) && key(other) === same);
  },
  apply: (other) => other.result.name,
});

export const eliminateCommon = definePass({
  name: 'eliminate-common',
  summary: 'Keeps one of several nodes that compute the same.',
  options: {},
  run: (graph, _, { explain }) => rewriteToFixpoint(graph, [share], 'eliminate-common', explain),
});
