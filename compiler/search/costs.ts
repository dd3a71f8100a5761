/**
 * What each choice costs in each layer. The cost of a program is the sum over its layers, plus what no choice changes (`fixed`):
 *
 *     compute_cost, compute_cost_linear, memory_cost     the paper's models, as `qc cost` counts them
 *     latency:c, latency:wgsl                             milliseconds of each layer's kernel on this machine, from profiles
 */
import { fail } from '../../ir/index.ts';
import type { Layer } from '../../passes/layers.ts';
import { nearestName } from '../../passes/nearest-name.ts';
import type { Precision } from '../../passes/selector/index.ts';
import { type Cost, costOf } from '../cost.ts';
import { unquantizedBits } from '../layer-bits.ts';
import { type LatencyProfile, profiledCosts } from './profile.ts';

export const paperModels = ['compute_cost', 'compute_cost_linear', 'memory_cost'] as const;
export type PaperModel = (typeof paperModels)[number];

export const costModels = [...paperModels, 'latency:c', 'latency:wgsl'] as const;
export type CostModel = (typeof costModels)[number];

export interface CostTable {
  readonly model: CostModel;
  /** MAC*bit^2, MAC*bit, bits or ms. */
  readonly unit: string;
  /** `costs[layer][choice]`. */
  readonly costs: readonly (readonly number[])[];
  /** Part of every program's cost. */
  readonly fixed: number;
  /** Of the program in bfloat16, where the model knows one. */
  readonly bfloat16: number | null;
  /** Where the numbers come from, for a reader. */
  readonly source: string;
}

export const units: Readonly<Record<CostModel, string>> = {
  compute_cost: 'MAC·bit²',
  compute_cost_linear: 'MAC·bit',
  memory_cost: 'bit',
  'latency:c': 'ms',
  'latency:wgsl': 'ms',
};

/** The cost model of a name. Fails with `search/cost-model`. */
export function costModelOf(name: string): CostModel {
  const found = costModels.find((model) => model === name);
  if (found !== undefined) return found;
  const nearest = nearestName(name, costModels);
  return fail('search/cost-model', `there is no cost model ${JSON.stringify(name)}`, {
    help: `${nearest === undefined ? '' : `did you mean ${nearest}? `}the models are ${costModels.join(', ')}`,
  });
}

/** The target whose latency a model counts; undefined for the paper's models. */
export function latencyTarget(model: CostModel): 'c' | 'wgsl' | undefined {
  if (model === 'latency:c') return 'c';
  return model === 'latency:wgsl' ? 'wgsl' : undefined;
}

/** The paper's costs of a program: `bits` for each layer. */
export function paperCosts(layers: readonly Layer[], bits: readonly Precision[]): Cost {
  return costOf(layers.map(({ macs, weights }, i) => ({ macs, weights, ...bits[i]! })));
}

/** Costs of every layer at every choice. Fails with `profile/missing` where a profile lacks some. */
export function costTable(
  model: CostModel,
  layers: readonly Layer[],
  choices: readonly Precision[],
  profiles: readonly LatencyProfile[] = [],
): CostTable {
  const target = latencyTarget(model);
  if (target !== undefined) {
    const { costs, fixed, source } = profiledCosts(target, layers, choices, profiles);
    return { model, unit: units[model], costs, fixed, bfloat16: null, source };
  }
  const paper = model as PaperModel;
  const floating: Precision = { weightBits: unquantizedBits, activationBits: unquantizedBits } as never;
  return {
    model,
    unit: units[model],
    costs: layers.map((layer) => choices.map((choice) => paperCosts([layer], [choice])[paper])),
    fixed: 0,
    bfloat16: paperCosts(
      layers,
      layers.map(() => floating),
    )[paper],
    source: 'counted',
  };
}
