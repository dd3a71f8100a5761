/**
 * Which layers each timed step of an artifact computes. A step stores a tensor; the layers that lie between it and what other steps
 * have stored before are its own. Nothing is assumed of names or of what a backend fuses.
 */
import { type Graph, producersOf } from '../ir/index.ts';
import { type LayerBits, layerBitsOf } from '../compiler/layer-bits.ts';

export interface StepTime {
  /** Name of the tensor that the step stores last. */
  readonly name: string;
  readonly milliseconds: number;
}

export interface StepLayers extends StepTime {
  readonly layers: readonly LayerBits[];
  /** Multiplications of all its layers. */
  readonly macs: number;
}

/** The steps with their layers; `stored` names every tensor that some step stores, `program` is what the artifact implements. */
export function stepLayers(
  steps: readonly StepTime[],
  stored: ReadonlySet<string>,
  program: Graph,
): StepLayers[] {
  const makers = producersOf(program);
  const layers = new Map(layerBitsOf(program).map((layer) => [layer.value, layer]));
  const taken = new Set<string>();
  return steps.map((step) => {
    const own: LayerBits[] = [];
    const names = [step.name];
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      const maker = makers.get(name);
      if (maker === undefined || taken.has(name) || (name !== step.name && stored.has(name))) continue;
      taken.add(name);
      const layer = layers.get(name);
      if (layer !== undefined) own.unshift(layer);
      names.push(...maker.operands);
    }
    return { ...step, layers: own, macs: own.reduce((sum, { macs }) => sum + macs, 0) };
  });
}
