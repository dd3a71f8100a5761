/**
 * Local rewrites as data, and the loop that applies them until none applies.
 *
 * A rewrite looks at one node, the root, and at what surrounds it. `match` says whether the shape is there; `unless` may still say
 * no and must then say why, in words that `--explain` shows; `apply` drafts what stands in the root's place. Because a refusal
 * may be lifted by another rewrite, refusals are told only once nothing changes any more.
 */
import { formatName, type Graph, type Node, type OpName } from '../ir/index.ts';
import { type Draft, GraphEditor, type GraphView } from './graph-editor.ts';

export interface Rewrite<M = unknown> {
  readonly name: string;
  /** Before and after, in one sentence. */
  readonly summary: string;
  /** Ops a root may have; absent: any. */
  readonly roots?: readonly OpName[];
  readonly match: (root: Node, graph: GraphView) => M | undefined;
  /** Why a match stays as it is, in words, or undefined. */
  readonly unless?: (match: M, graph: GraphView, root: Node) => string | undefined;
  /** Drafts the replacement and returns the name of the value that stands for the root. */
  readonly apply: (match: M, draft: Draft, root: Node) => string;
}

/** Types a rewrite against what it matches, then forgets that type so that all rewrites fit one list. */
export function defineRewrite<M>(rewrite: Rewrite<M>): Rewrite {
  return Object.freeze(rewrite) as unknown as Rewrite;
}

/** Replacements per node of the program before the loop suspects two rewrites of undoing one another, and stops. */
const patience = 64;

/** Applies `rewrites`, the earlier of them first, until none applies. `by` names the pass in locations and explanations. */
export function rewriteToFixpoint(
  graph: Graph,
  rewrites: readonly Rewrite[],
  by: string,
  explain: (sentence: string) => void,
): Graph {
  const editor = new GraphEditor(graph);
  const byRoot = new Map<string, Rewrite[]>();
  const candidates = (op: string): readonly Rewrite[] => {
    const known = byRoot.get(op);
    if (known !== undefined) return known;
    const list = rewrites.filter(
      ({ roots }) => roots === undefined || (roots as readonly string[]).includes(op),
    );
    byRoot.set(op, list);
    return list;
  };
  const label = (node: Node): string => `${node.op} %${formatName(node.result.name)}`;
  let budget = patience * (graph.nodes.length + 16);

  for (let settled = false; !settled;) {
    settled = true;
    const refusals: string[] = [];
    for (let i = 0; i < editor.order.length;) {
      const root = editor.node(editor.order[i]!);
      let earliest: number | undefined;
      for (const rewrite of candidates(root.op)) {
        const match = rewrite.match(root, editor);
        if (match === undefined) continue;
        const refuse = (reason: string): void => {
          refusals.push(`${by}: ${rewrite.name} leaves ${label(root)}: ${reason}`);
        };
        const reason = rewrite.unless?.(match, editor, root);
        if (reason !== undefined) {
          refuse(reason);
          continue;
        }
        const draft = editor.draft(root, by);
        const conflict = editor.commit(draft, rewrite.apply(match, draft, root));
        if (conflict !== undefined) {
          refuse(conflict);
          continue;
        }
        explain(`${by}: ${rewrite.name} at ${label(root)}`);
        settled = false;
        earliest = revisitFrom(editor, draft, i);
        break;
      }
      if (earliest !== undefined && --budget < 0) {
        explain(`${by}: stopped, the rewrites do not come to an end`);
        return editor.finish();
      }
      i = earliest ?? i + 1;
    }
    if (settled) refusals.forEach(explain);
  }
  return editor.finish();
}

/** Position of the first node that a replacement at `at` may have made rewritable: the makers of what it reads, or itself. */
function revisitFrom(editor: GraphEditor, draft: Draft, at: number): number {
  let earliest = Math.min(at, editor.order.length);
  for (const node of draft.nodes) {
    for (const operand of node.operands) {
      const position = editor.order.indexOf(operand);
      if (position >= 0) earliest = Math.min(earliest, position);
    }
  }
  return Math.max(0, Math.min(earliest, at - 1));
}

/** An `ints` or `floats` attribute. */
export function list(node: Node, attribute: string): readonly number[] {
  return node.attributes[attribute] as readonly number[];
}

/** A numeric attribute. */
export function number(node: Node, attribute: string): number {
  return node.attributes[attribute] as number;
}
