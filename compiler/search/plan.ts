/**
 * From a point of a front to layer rules, which say in a pipeline string what was chosen. The point must be meant for the model: same layers,
 * by name, op and size. A model with the same layers and other weights (trained on since) is a warning: the bits fit, the losses may not.
 *
 * Names come from the model and stand in the rules as quoted strings. A quoted name matches any of a layer's names, so a model can be built
 * in which one name means two layers: what the rules decide is compared with the point, and such a model is refused.
 */
import { type Diagnostic, fail } from '../../ir/index.ts';
import { layerFacts } from '../../passes/assign-bits.ts';
import type { Layer } from '../../passes/layers.ts';
import { nearestName } from '../../passes/nearest-name.ts';
import { parseLayerRules, precisionFor } from '../../passes/selector/index.ts';
import type { FrontLayer, PlanFront } from './front.ts';

export interface Plan {
  /** Rules for `assign-bits`, one a layer. */
  readonly layerBits: string;
  readonly round: string;
  readonly warnings: readonly Diagnostic[];
}

/** The rules of a point, checked against the layers of a float program. `what` names the front in errors. */
export function planOf(
  front: PlanFront,
  id: string,
  { layers, digest }: { readonly layers: readonly Layer[]; readonly digest: string },
  what: string,
): Plan {
  const all = [...front.points, ...front.baselines];
  const point = all.find((candidate) => candidate.id === id);
  if (point === undefined) {
    const ids = all.map((candidate) => candidate.id);
    const nearest = nearestName(id, ids);
    return fail('plan/point', `${what} has no point ${JSON.stringify(id)}`, {
      help: `${nearest === undefined ? '' : `did you mean ${nearest}? `}its points are ${ids.join(', ')}`,
    });
  }
  checkLayers(front, layers, what);
  if (point.layers.length !== layers.length || point.layers.some(({ name }, i) => name !== layers[i]!.name)) {
    fail('plan/front', `point ${id} of ${what} does not list the layers of its own model`, {
      help: 'run qc search again',
    });
  }
  const wide = point.layers.find((layer) => ![layer.weight_bits, layer.activation_bits].every(isWidth));
  if (wide !== undefined) {
    fail(
      'plan/bits',
      `point ${id} of ${what} gives ${JSON.stringify(wide.name)} ${wide.weight_bits} and ${wide.activation_bits} bits; 2, 4 and 8 can be compiled`,
    );
  }
  const layerBits = rulesOf(point.layers, layers, what);
  const warnings: Diagnostic[] =
    digest === front.model.digest
      ? []
      : [
          {
            code: 'plan/model',
            severity: 'warning',
            message: `${what} was measured on a model with the same layers and other weights: its losses may not hold here`,
            help: 'run qc search on this model, and measure with qc eval --against',
          },
        ];
  return { layerBits, round: front.round, warnings };
}

const isWidth = (bits: number): boolean => bits === 2 || bits === 4 || bits === 8;

function checkLayers({ model }: PlanFront, layers: readonly Layer[], what: string): void {
  const help = `it was searched for ${JSON.stringify(model.name)}; run qc search on this model`;
  if (model.layers.length !== layers.length) {
    fail('plan/layers', `${what} is for ${model.layers.length} layers, the model has ${layers.length}`, {
      help,
    });
  }
  for (const [i, layer] of layers.entries()) {
    const { name, op, macs, weights } = model.layers[i]!;
    if (name === layer.name && op === layer.op && macs === layer.macs && weights === layer.weights) continue;
    const described = (of: { name: string; op: string; macs: number; weights: number }): string =>
      `${JSON.stringify(of.name)} (${of.op}, ${of.macs} multiplications, ${of.weights} weights)`;
    fail(
      'plan/layers',
      `${what} is for another model: layer ${i + 1} is ${described(model.layers[i]!)} there and ${described(layer)} here`,
      { help },
    );
  }
}

function rulesOf(chosen: readonly FrontLayer[], layers: readonly Layer[], what: string): string {
  const rules = chosen
    .map((layer) => `${JSON.stringify(layer.name)}=w${layer.weight_bits}a${layer.activation_bits}`)
    .join('; ');
  const parsed = parseLayerRules(rules, 'plan');
  for (const [i, layer] of layers.entries()) {
    const found = precisionFor(parsed, layerFacts(layer, layers.length));
    const { weight_bits, activation_bits, name } = chosen[i]!;
    if (
      found !== undefined &&
      found !== 'float' &&
      found.weightBits === weight_bits &&
      found.activationBits === activation_bits
    )
      continue;
    fail('plan/ambiguous', `the name ${JSON.stringify(name)} in ${what} means several layers of the model`, {
      help: 'give the nodes of the model names of their own',
    });
  }
  return rules;
}
