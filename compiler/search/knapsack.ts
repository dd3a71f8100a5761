/**
 * The multiple-choice knapsack for every budget at once: of each item exactly one option is taken, and the answer is the whole Pareto front
 * of (sum of costs, sum of losses).
 *
 * Dynamic programming over non-dominated states. After k items the states are the front of the first k, ascending in cost and strictly
 * descending in loss; a state that another one of the same items dominates can never be part of a better whole (losses and costs only
 * add), so nothing is lost. Exact, whatever the numbers: there is no grid of budgets.
 *
 * The number of states is bounded by `mostStates`, which networks of ordinary size do not reach. Beyond it states are thinned, and `gap` says
 * by how much at most: for every point of the true front there is one here that costs no more and loses at most (1 + gap) times as much.
 */

export interface KnapsackOption {
  /** Not negative. */
  readonly cost: number;
  /** Not negative. */
  readonly loss: number;
}

export interface KnapsackPoint {
  readonly cost: number;
  readonly loss: number;
  /** The option taken of each item. */
  readonly picks: readonly number[];
}

export interface KnapsackFront {
  /** Ascending in cost, strictly descending in loss. */
  readonly size: number;
  readonly costs: Float64Array;
  readonly losses: Float64Array;
  /** The point of a state. */
  readonly point: (state: number) => KnapsackPoint;
  /** 0 where the front is exact. */
  readonly gap: number;
}

interface Stage {
  readonly costs: Float64Array;
  readonly losses: Float64Array;
  /** State of the stage before. */
  readonly parents: Int32Array;
  readonly picks: Int32Array;
}

/** The front of all choices. An item without options is an error of the caller; `mostStates` is at least 2. */
export function paretoFront(
  items: readonly (readonly KnapsackOption[])[],
  mostStates = 2 ** 17,
): KnapsackFront {
  const stages: Stage[] = [];
  let costs: Float64Array = new Float64Array(1);
  let losses: Float64Array = new Float64Array(1);
  let gap = 0;
  for (const [i, options] of items.entries()) {
    if (options.length === 0) throw new Error(`item ${i} of a knapsack has no option`);
    const stage = extended(costs, losses, options);
    const { kept, ratio } = thinned(stage, mostStates);
    gap = (1 + gap) * (1 + ratio) - 1;
    stages.push(kept);
    ({ costs, losses } = kept);
  }
  return { size: costs.length, costs, losses, gap, point: (state) => pointOf(stages, costs, losses, state) };
}

/** Every state with every option, without those that are dominated. */
function extended(costs: Float64Array, losses: Float64Array, options: readonly KnapsackOption[]): Stage {
  const states = costs.length;
  const count = states * options.length;
  const allCosts = new Float64Array(count);
  const allLosses = new Float64Array(count);
  for (const [pick, { cost, loss }] of options.entries()) {
    for (let s = 0; s < states; s++) {
      allCosts[pick * states + s] = costs[s]! + cost;
      allLosses[pick * states + s] = losses[s]! + loss;
    }
  }
  const order = new Uint32Array(count).map((_, i) => i);
  order.sort((a, b) => allCosts[a]! - allCosts[b]! || allLosses[a]! - allLosses[b]! || a - b);
  let kept = 0;
  let least = Infinity;
  for (const index of order) {
    if (!(allLosses[index]! < least)) continue;
    least = allLosses[index]!;
    order[kept++] = index;
  }
  return chosen(order.subarray(0, kept), allCosts, allLosses, (index) => [
    index % states,
    Math.floor(index / states),
  ]);
}

function chosen(
  indices: Uint32Array,
  costs: Float64Array,
  losses: Float64Array,
  origin: (index: number) => readonly [parent: number, pick: number],
): Stage {
  const stage: Stage = {
    costs: new Float64Array(indices.length),
    losses: new Float64Array(indices.length),
    parents: new Int32Array(indices.length),
    picks: new Int32Array(indices.length),
  };
  for (const [to, index] of indices.entries()) {
    const [parent, pick] = origin(index);
    stage.costs[to] = costs[index]!;
    stage.losses[to] = losses[index]!;
    stage.parents[to] = parent;
    stage.picks[to] = pick;
  }
  return stage;
}

/**
 * At most `most` states: one is left out where a kept, cheaper one loses at most (1 + ratio) times as much. The ratio is the smallest power of
 * two that is enough. The state that loses least always stays: it may lose nothing, and then no ratio reaches it.
 */
function thinned(stage: Stage, most: number): { kept: Stage; ratio: number } {
  const { costs, losses, parents, picks } = stage;
  if (costs.length <= most) return { kept: stage, ratio: 0 };
  for (let ratio = 2 ** -40; ; ratio *= 2) {
    const indices: number[] = [];
    let last = Infinity;
    for (let s = 0; s < costs.length && indices.length <= most; s++) {
      if (s < costs.length - 1 && last <= losses[s]! * (1 + ratio)) continue;
      last = losses[s]!;
      indices.push(s);
    }
    if (indices.length > most) continue;
    const kept = chosen(Uint32Array.from(indices), costs, losses, (s) => [parents[s]!, picks[s]!]);
    return { kept, ratio };
  }
}

function pointOf(
  stages: readonly Stage[],
  costs: Float64Array,
  losses: Float64Array,
  state: number,
): KnapsackPoint {
  const picks: number[] = [];
  let at = state;
  for (let i = stages.length - 1; i >= 0; i--) {
    picks[i] = stages[i]!.picks[at]!;
    at = stages[i]!.parents[at]!;
  }
  return { cost: costs[state]!, loss: losses[state]!, picks };
}
