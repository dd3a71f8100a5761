/** Which values can be shown to be nowhere below zero, from the ops that make them. */
import { type Node, opOf } from '../ir/index.ts';
import type { GraphView } from './graph-editor.ts';

const always: readonly string[] = ['sigmoid', 'hard_sigmoid', 'softmax'];
const whenOperandsAre: readonly string[] = ['add', 'mul', 'average_pool2d', 'reduce_mean'];

/** True when no element of the value is below 0, NaN aside; false when that cannot be shown. */
export function isNonNegative(
  name: string,
  graph: Pick<GraphView, 'producer' | 'constant'>,
  known = new Map<string, boolean>(),
): boolean {
  const before = known.get(name);
  if (before !== undefined) return before;
  const node = graph.producer(name);
  const answer =
    node === undefined
      ? (graph.constant(name)?.data.every((value) => value >= 0) ?? false)
      : isMadeNonNegative(node, (operand) => isNonNegative(operand, graph, known));
  known.set(name, answer);
  return answer;
}

function isMadeNonNegative(node: Node, isOperand: (name: string) => boolean): boolean {
  const { traits } = opOf(node.op);
  const clamp = traits.clamp?.(node.attributes);
  if (clamp !== undefined) return clamp[0] >= 0 && clamp[1] >= 0;
  if (always.includes(node.op)) return true;
  if (node.attributes['value'] !== undefined && (node.attributes['value'] as number) < 0) return false;
  return (traits.transparent === true || whenOperandsAre.includes(node.op)) && node.operands.every(isOperand);
}
