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
  return rewriteInStages(graph, [rewrites], by, explain);
}

/** Applies each stage's rewrites until none applies, one stage after another. Of refusals only the last stage's are told. */
export function rewriteInStages(
  graph: Graph,
  stages: readonly (readonly Rewrite[])[],
  by: string,
  explain: (sentence: string) => void,
): Graph {
  const editor = new GraphEditor(graph);
  let refusals: readonly string[] = [];
  for (const rewrites of stages) refusals = settle(editor, rewrites, by, explain);
  refusals.forEach(explain);
  return editor.finish();
}

/** Rewrites until nothing changes. Returns what was refused then. */
function settle(
  editor: GraphEditor,
  rewrites: readonly Rewrite[],
  by: string,
  explain: (sentence: string) => void,
): readonly string[] {
  const byRoot = new Map<string, Rewrite[]>();
  const candidates = (op: string): readonly Rewrite[] => {
    const known = byRoot.get(op);
    if (known !== undefined) return known;
    const fitting = rewrites.filter(
      ({ roots }) => roots === undefined || (roots as readonly string[]).includes(op),
    );
    byRoot.set(op, fitting);
    return fitting;
  };
  let budget = patience * (editor.order.length + 16);
  while (true) {
    const refusals: string[] = [];
    let settled = true;
    for (let i = 0; i < editor.order.length;) {
      const root = editor.node(editor.order[i]!);
      const from = rewriteOne(editor, root, i, candidates(root.op), by, explain, refusals);
      if (from !== undefined) settled = false;
      if (from !== undefined && --budget < 0) return [`${by}: stopped, the rewrites do not come to an end`];
      i = from ?? i + 1;
    }
    if (settled) return refusals;
  }
}

/** Applies the first rewrite that fits the node at position `at`. Returns the position to go on from, or undefined if none fits. */
function rewriteOne(
  editor: GraphEditor,
  root: Node,
  at: number,
  rewrites: readonly Rewrite[],
  by: string,
  explain: (sentence: string) => void,
  refusals: string[],
): number | undefined {
  const label = `${root.op} %${formatName(root.result.name)}`;
  for (const rewrite of rewrites) {
    const match = rewrite.match(root, editor);
    if (match === undefined) continue;
    const reason = rewrite.unless?.(match, editor, root);
    const draft = editor.draft(root, by);
    const refused = reason ?? editor.commit(draft, rewrite.apply(match, draft, root));
    if (refused === undefined) {
      explain(`${by}: ${rewrite.name} at ${label}`);
      return revisitFrom(editor, draft, at);
    }
    refusals.push(`${by}: ${rewrite.name} leaves ${label}: ${refused}`);
  }
  return undefined;
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
