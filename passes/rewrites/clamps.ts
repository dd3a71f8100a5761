/**
 * Clamps. A clamp is min(max(x, low), high); two in a row are one:
 *
 *     clamp[c, d](clamp[a, b](x)) = clamp[clamp[c, d](a), clamp[c, d](b)](x)
 */
import { type Node, opOf, saturate } from '../../ir/index.ts';
import { type Draft } from '../graph-editor.ts';
import { defineRewrite, type Rewrite } from '../rewrite.ts';

function interval(node: Node): readonly [low: number, high: number] | undefined {
  return opOf(node.op).traits.clamp?.(node.attributes);
}

function addClamp(draft: Draft, x: string, low: number, high: number, from: readonly Node[]): string {
  return low === 0 && high === Infinity
    ? draft.add('relu', [x], {}, { from })
    : draft.add('clip', [x], { min: low, max: high }, { from });
}

export const clamps: readonly Rewrite[] = [
  defineRewrite({
    name: 'merge-clamps',
    summary: 'clamp(clamp(x)) -> one clamp',
    roots: ['relu', 'clip'],
    match: (root, graph) => {
      const inner = graph.producer(root.operands[0]!);
      const [first, second] = [inner && interval(inner), interval(root)];
      return inner === undefined || first === undefined || second === undefined
        ? undefined
        : { inner, first, second };
    },
    unless: ({ inner }, graph) =>
      graph.isUsedOnce(inner.result.name) ? undefined : `%${inner.result.name} is read elsewhere too`,
    apply: ({ inner, first, second: [c, d] }, draft, root) =>
      addClamp(draft, inner.operands[0]!, saturate(first[0], c, d), saturate(first[1], c, d), [root, inner]),
  }),
  defineRewrite({
    name: 'clip-to-relu',
    summary: 'clip(x, 0, inf) -> relu(x)',
    roots: ['clip'],
    match: (root) => {
      const [low, high] = interval(root)!;
      return low === 0 && high === Infinity ? root.operands[0]! : undefined;
    },
    apply: (x, draft, root) => addClamp(draft, x, 0, Infinity, [root]),
  }),
];
