/**
 * Zero borders move into the windows that read them. A convolution's own padding is the real number 0, so it may always take them
 * over. A pool's padding is not counted: the maximum may take zeros over where no element is below 0, the mean never.
 */
import { type Node, nodeProblem, opOf } from '../../ir/index.ts';
import type { GraphView } from '../graph-editor.ts';
import { isNonNegative } from '../non-negative.ts';
import { defineRewrite, list, number, type Rewrite } from '../rewrite.ts';

interface BorderedWindow {
  readonly pad: Node;
  readonly attributes: Node['attributes'];
}

function borderedWindow(root: Node, graph: GraphView): BorderedWindow | undefined {
  const pad = graph.producer(root.operands[0]!);
  if (pad?.op !== 'pad') return undefined;
  const [, , top, left, , , bottom, right] = list(pad, 'pads') as readonly [number, number, ...number[]];
  const pads = [top!, left!, bottom!, right!].map((extent, i) => extent + list(root, 'pads')[i]!);
  return { pad, attributes: { ...root.attributes, pads } };
}

/** Why a border is not a window's padding, whatever the window computes. */
function borderProblem({ pad }: BorderedWindow): string | undefined {
  const value = number(pad, 'value');
  if (value !== 0) return `%${pad.result.name} pads with ${value}, not with 0`;
  const [n, c, , , nEnd, cEnd] = list(pad, 'pads');
  return n === 0 && c === 0 && nEnd === 0 && cEnd === 0
    ? undefined
    : `%${pad.result.name} pads batch or channels too`;
}

const takeOver = {
  match: borderedWindow,
  apply: ({ pad, attributes }: BorderedWindow, draft: Parameters<Rewrite['apply']>[1], root: Node): string =>
    draft.add(root.op, [pad.operands[0]!, ...root.operands.slice(1)], attributes, {
      from: [root, pad],
      element: root.result.type.element,
    }),
};

export const pads: readonly Rewrite[] = [
  defineRewrite<BorderedWindow>({
    name: 'pad-into-conv2d',
    summary: 'conv2d(pad(x)) -> conv2d(x) with the border in its pads',
    roots: ['conv2d'],
    ...takeOver,
    unless: (match, graph) => {
      const problem = borderProblem(match);
      if (problem !== undefined) return problem;
      const { name } = match.pad.result;
      const other = graph.users(name).find((user) => user.op !== 'conv2d');
      if (other !== undefined) return `%${name} is read by ${other.op} %${other.result.name} too`;
      return graph.isOutput(name) ? `%${name} is a graph output` : undefined;
    },
  }),
  defineRewrite<BorderedWindow>({
    name: 'pad-into-pool',
    summary: 'max_pool2d(pad(x)) -> max_pool2d(x) with the border in its pads, where x is nowhere below 0',
    roots: ['max_pool2d', 'average_pool2d'],
    ...takeOver,
    unless: (match, graph, root) => {
      const { pad, attributes } = match;
      if (root.op === 'average_pool2d') return 'its mean counts the zeros of the border';
      const problem = borderProblem(match);
      if (problem !== undefined) return problem;
      if (!graph.isUsedOnce(pad.result.name)) return `%${pad.result.name} is read elsewhere too`;
      const x = pad.operands[0]!;
      if (!isNonNegative(x, graph))
        return `%${x} may be below 0, where the zeros of the border are the maximum`;
      return nodeProblem(opOf(root.op), [graph.typeOf(x)], attributes, root.result.type)?.message;
    },
  }),
];
