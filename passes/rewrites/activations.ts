/**
 * Activations that exporters spell out. A function of one variable is one table at the integer level; a product of two variables is an
 * accumulator, a rounding and half its precision gone.
 */
import type { Node } from '../../ir/index.ts';
import type { GraphView } from '../graph-editor.ts';
import { defineRewrite, number, type Rewrite } from '../rewrite.ts';
import { affineTables } from './arithmetic.ts';

const nearly = (value: number, wanted: number): boolean => Math.abs(value - wanted) < 1e-6;

/** The operand of an `affine` that has this gain and this shift in every channel. */
function scaled(node: Node | undefined, gain: number, shift: number, graph: GraphView): string | undefined {
  const tables = affineTables(node, graph);
  return tables?.gain.every((value) => nearly(value, gain)) === true &&
    tables.shift.every((value) => nearly(value, shift))
    ? node!.operands[0]
    : undefined;
}

/** x where the value is clip(x + 3, 0, 6). */
function sixfoldGate(name: string, graph: GraphView): string | undefined {
  const clip = graph.producer(name);
  if (clip?.op !== 'clip' || number(clip, 'min') !== 0 || number(clip, 'max') !== 6) return undefined;
  return scaled(graph.producer(clip.operands[0]!), 1, 3, graph);
}

/** x where the value is hard_sigmoid(x) with the slope and offset of hard_swish, in either spelling. */
function gate(name: string, graph: GraphView): string | undefined {
  const node = graph.producer(name);
  if (node?.op === 'hard_sigmoid')
    return nearly(number(node, 'alpha'), 1 / 6) && nearly(number(node, 'beta'), 0.5)
      ? node.operands[0]
      : undefined;
  const clipped = scaled(node, 1 / 6, 0, graph);
  return clipped === undefined ? undefined : sixfoldGate(clipped, graph);
}

/** x where the node is x * gateOf(x), on either side. */
function gated(
  node: Node | undefined,
  graph: GraphView,
  gateOf: (name: string, graph: GraphView) => string | undefined,
): string | undefined {
  if (node?.op !== 'mul') return undefined;
  const [a, b] = node.operands as readonly [string, string];
  if (gateOf(b, graph) === a) return a;
  return gateOf(a, graph) === b ? b : undefined;
}

export const activations: readonly Rewrite[] = [
  defineRewrite({
    name: 'hard-swish',
    summary: 'x * hard_sigmoid(x, 1/6, 1/2), x * (clip(x + 3, 0, 6) / 6) -> hard_swish(x)',
    roots: ['mul'],
    match: (root, graph) => gated(root, graph, gate),
    apply: (x, draft) => draft.add('hard_swish', [x]),
  }),
  defineRewrite({
    name: 'hard-swish-of-six',
    summary: 'x * clip(x + 3, 0, 6) / 6 -> hard_swish(x)',
    roots: ['affine'],
    match: (root, graph) => {
      const product = scaled(root, 1 / 6, 0, graph);
      return product === undefined ? undefined : gated(graph.producer(product), graph, sixfoldGate);
    },
    apply: (x, draft) => draft.add('hard_swish', [x]),
  }),
];
