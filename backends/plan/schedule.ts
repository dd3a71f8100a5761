/**
 * From a program to steps. Each boundary, window or movement op opens a step; elementwise ops join the step that holds an operand
 * of theirs in a register. The laws of `step.ts` follow: every node that reaches an output is computed, in some step, after what
 * it reads; nothing is stored that only its own step reads.
 *
 * Three things are less plain than that.
 *
 * - A `requantize` from a stored narrow tensor to i32 is how a shortcut is brought to the scale of the accumulator it is added to.
 *   It is *lazy*: cheaper to compute again than to store, so each step that needs it computes it.
 * - `add(accumulator of A, shortcut)` joins A even when the shortcut's producer comes later in program order, as a projection
 *   does that is listed after the main branch; the residual sum is then never stored as i32. It may not when the shortcut's
 *   producer itself depends on A. That is why steps are sorted at the end and not simply kept in the order they were opened.
 * - A reshape that moves no byte under the backend's layouts is no step at all but a second name for the same bytes.
 */
import {
  bitWidth,
  type Graph,
  type IntegerOp,
  type Node,
  sameShape,
  type TensorType,
  typesOf,
  usersOf,
} from '../../ir/index.ts';
import type { StoredLayout } from '../../runtime/manifest.ts';
import { sameBytes } from './layout.ts';
import { boundaryOps, elementwiseOps, type Schedule, type Step } from './step.ts';

const isElementwise = (op: string): boolean =>
  (elementwiseOps as readonly IntegerOp[]).includes(op as IntegerOp);
const isBoundary = (op: string): boolean => (boundaryOps as readonly IntegerOp[]).includes(op as IntegerOp);

/** A step while nodes still join it. */
interface Draft {
  readonly anchor: Node | undefined;
  readonly space: TensorType;
  readonly body: Set<Node>;
  /** Steps that make what this one reads from memory. */
  readonly needs: Set<Draft>;
}

/** Cuts a verified integer-level program into steps. `layoutOf` is the backend's layout of stored tensors. */
export function schedule(graph: Graph, layoutOf: (type: TensorType) => StoredLayout): Schedule {
  return new Scheduler(graph, layoutOf).run();
}

class Scheduler {
  readonly #graph: Graph;
  readonly #layoutOf: (type: TensorType) => StoredLayout;
  readonly #types: ReadonlyMap<string, TensorType>;
  readonly #order: ReadonlyMap<Node, number>;
  readonly #users: ReadonlyMap<string, readonly Node[]>;
  readonly #drafts: Draft[] = [];
  /** The step that computes a value. */
  readonly #home = new Map<string, Draft>();
  readonly #lazy = new Map<string, Node>();
  readonly #aliases = new Map<string, string>();

  constructor(graph: Graph, layoutOf: (type: TensorType) => StoredLayout) {
    this.#graph = graph;
    this.#layoutOf = layoutOf;
    this.#types = typesOf(graph);
    this.#order = new Map(graph.nodes.map((node, i) => [node, i]));
    this.#users = usersOf(graph);
  }

  run(): Schedule {
    for (const node of liveNodes(this.#graph)) this.#place(node);
    const stored = this.#storedValues();
    const steps = this.#sorted().map((draft) => this.#finish(draft, stored));
    return { steps, aliases: this.#aliases };
  }

  #place(node: Node): void {
    if (this.#isFreeReshape(node)) {
      this.#aliases.set(node.result.name, this.#root(node.operands[0]!));
    } else if (this.#isLazy(node)) {
      this.#lazy.set(node.result.name, node);
    } else if (isElementwise(node.op)) {
      const draft = this.#claimable(node) ?? this.#open(undefined, node.result.type);
      this.#join(node, draft);
    } else {
      const draft = this.#open(node, node.result.type);
      this.#home.set(node.result.name, draft);
      for (const operand of node.operands) this.#need(draft, operand);
    }
  }

  #isFreeReshape(node: Node): boolean {
    if (node.op !== 'reshape') return false;
    const from = this.#types.get(node.operands[0]!)!;
    const to = node.result.type;
    return (
      !this.#graph.constants.has(node.operands[0]!) &&
      sameBytes(from.shape, this.#layoutOf(from), to.shape, this.#layoutOf(to))
    );
  }

  #isLazy({ op, operands, result }: Node): boolean {
    return (
      op === 'requantize' &&
      result.type.element.storage === 'i32' &&
      bitWidth(this.#types.get(operands[0]!)!.element.storage) <= 8 &&
      !this.#graph.outputs.includes(result.name) &&
      (this.#users.get(result.name) ?? []).every(
        (user) => isElementwise(user.op) && sameShape(user.result.type.shape, result.type.shape),
      )
    );
  }

  /**
   * The step an elementwise node joins: one that holds an accumulator of it before one that holds a narrow operand (or the source of a
   * lazy one), the latest opened first.
   */
  #claimable(node: Node): Draft | undefined {
    const accumulators: Draft[] = [];
    const others: Draft[] = [];
    for (const operand of node.operands) {
      const lazy = this.#lazy.get(operand);
      const home = this.#home.get(lazy === undefined ? operand : lazy.operands[0]!);
      if (home === undefined) continue;
      const wide = lazy === undefined && bitWidth(this.#types.get(operand)!.element.storage) > 8;
      (wide ? accumulators : others).push(home);
    }
    const latestFirst = (a: Draft, b: Draft): number => this.#drafts.indexOf(b) - this.#drafts.indexOf(a);
    return [...accumulators.sort(latestFirst), ...others.sort(latestFirst)].find((draft) =>
      this.#mayJoin(node, draft),
    );
  }

  #mayJoin(node: Node, draft: Draft): boolean {
    if (draft.anchor !== undefined && isBoundary(draft.anchor.op)) return false;
    if (!sameShape(node.result.type.shape, draft.space.shape)) return false;
    return node.operands.every((operand) => {
      const maker = this.#makerOf(operand);
      return maker === undefined || maker === draft || !dependsOn(maker, draft);
    });
  }

  #join(node: Node, draft: Draft): void {
    for (const operand of node.operands) {
      const lazy = this.#lazy.get(operand);
      if (lazy === undefined) {
        this.#need(draft, operand);
      } else {
        draft.body.add(lazy);
        this.#need(draft, lazy.operands[0]!);
      }
    }
    draft.body.add(node);
    this.#home.set(node.result.name, draft);
  }

  #open(anchor: Node | undefined, space: TensorType): Draft {
    const draft: Draft = { anchor, space, body: new Set(), needs: new Set() };
    this.#drafts.push(draft);
    return draft;
  }

  /** Notes that `draft` reads a value, from a register or from memory. */
  #need(draft: Draft, name: string): void {
    const maker = this.#makerOf(name);
    if (maker !== undefined && maker !== draft) draft.needs.add(maker);
  }

  /** The step after which a value can be read; undefined for inputs and constants. */
  #makerOf(name: string): Draft | undefined {
    const lazy = this.#lazy.get(name);
    return this.#home.get(this.#root(lazy === undefined ? name : lazy.operands[0]!));
  }

  #root(name: string): string {
    return this.#aliases.get(name) ?? name;
  }

  /** Everything returned, read by another step than its own, or named again by an alias. */
  #storedValues(): ReadonlySet<string> {
    const stored = new Set<string>(this.#graph.outputs);
    for (const root of this.#aliases.values()) stored.add(root);
    for (const draft of this.#drafts) {
      for (const node of nodesOf(draft)) {
        for (const operand of node.operands) if (!this.#inRegister(draft, operand)) stored.add(operand);
      }
    }
    return stored;
  }

  #inRegister(draft: Draft, operand: string): boolean {
    const lazy = this.#lazy.get(operand);
    return lazy === undefined ? this.#home.get(operand) === draft : draft.body.has(lazy);
  }

  /** Steps in an order that respects what they need; among those ready, the one opened first. */
  #sorted(): Draft[] {
    const sorted: Draft[] = [];
    const waiting = new Set(this.#drafts);
    while (waiting.size > 0) {
      const ready = [...waiting].find((draft) => [...draft.needs].every((need) => !waiting.has(need)));
      if (ready === undefined) throw new Error('steps depend on one another in a circle');
      waiting.delete(ready);
      sorted.push(ready);
    }
    return sorted;
  }

  #finish(draft: Draft, stored: ReadonlySet<string>): Step {
    const body = [...draft.body].sort((a, b) => this.#order.get(a)! - this.#order.get(b)!);
    const nodes = draft.anchor === undefined ? body : [draft.anchor, ...body];
    const inputs = new Set<string>();
    for (const node of nodes) {
      for (const operand of node.operands) {
        if (!this.#graph.constants.has(operand) && !this.#inRegister(draft, operand)) inputs.add(operand);
      }
    }
    const made = nodes.filter((node) => !this.#lazy.has(node.result.name)).map((node) => node.result.name);
    return {
      name: nodes.at(-1)!.result.name,
      ...(draft.anchor === undefined ? {} : { anchor: draft.anchor }),
      body,
      inputs: [...inputs],
      outputs: made.filter((name) => stored.has(name)),
      space: draft.space,
    };
  }
}

const nodesOf = (draft: Draft): readonly Node[] =>
  draft.anchor === undefined ? [...draft.body] : [draft.anchor, ...draft.body];

/** True when `step` runs after `other` because something it needs, however far back, is made there. */
function dependsOn(step: Draft, other: Draft): boolean {
  const seen = new Set<Draft>();
  const open = [step];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === other) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    open.push(...next.needs);
  }
  return false;
}

/** The nodes that an output depends on, in program order. */
function liveNodes(graph: Graph): Node[] {
  const wanted = new Set(graph.outputs);
  const live: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!wanted.has(node.result.name)) continue;
    live.push(node);
    for (const operand of node.operands) wanted.add(operand);
  }
  return live.reverse();
}

/** True when the step is the work of a boundary op alone. */
export function isBoundaryStep(step: Step): boolean {
  return step.anchor !== undefined && isBoundary(step.anchor.op);
}
