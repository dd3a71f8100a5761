/** From the times of an artifact's steps to those of the layers of its program. */
import type { Graph } from '../../ir/index.ts';
import { producersOf } from '../../ir/index.ts';
import { layerBitsOf } from '../layer-bits.ts';
import type { ProfileRun } from './profile.ts';

export interface TimedSteps {
  readonly target: string;
  readonly device: string;
  readonly isa: string | null;
  readonly threads: number;
  /** By the last value of each step. */
  readonly steps: readonly { readonly name: string; readonly milliseconds: number }[];
  /** Names of the values that the artifact stores. */
  readonly stored: readonly string[];
}

/**
 * A step is the layer whose result flows into its last value without being stored on the way. What several steps make of one layer adds up; a
 * step that holds several layers is divided among them by their multiplications.
 */
export function profileRun(program: Graph, timed: TimedSteps): ProfileRun {
  const layers = layerBitsOf(program);
  const at = new Map(layers.map(({ value }, i) => [value, i]));
  const makers = producersOf(program);
  const stored = new Set(timed.stored);
  const times = layers.map(() => 0);
  let other = 0;
  for (const { name, milliseconds } of timed.steps) {
    const inside = layersBehind(name);
    const macs = inside.reduce((sum, layer) => sum + layers[layer]!.macs, 0);
    if (inside.length === 0) other += milliseconds;
    for (const layer of inside) times[layer]! += (milliseconds * layers[layer]!.macs) / macs;
  }
  return {
    target: timed.target,
    device: timed.device,
    isa: timed.isa,
    threads: timed.threads,
    layers: layers.map((layer, i) => ({
      name: layer.name,
      op: layer.op,
      shape: layer.shape,
      macs: layer.macs,
      weights: layer.weights,
      weight_bits: layer.weightBits,
      activation_bits: layer.activationBits,
      milliseconds: times[i]!,
    })),
    other_ms: other,
  };

  function layersBehind(result: string): number[] {
    const found = new Set<number>();
    const seen = new Set<string>();
    const visit = (name: string): void => {
      if (seen.has(name)) return;
      seen.add(name);
      const maker = makers.get(name);
      if (maker === undefined || (name !== result && stored.has(name))) return;
      const layer = at.get(name);
      if (layer === undefined) for (const operand of maker.operands) visit(operand);
      else found.add(layer);
    };
    visit(result);
    return [...found];
  }
}
