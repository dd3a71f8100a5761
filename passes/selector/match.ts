/**
 * Which layers a selector selects. A name condition looks at the layer's value, its ONNX node and its weights, and at every part of them
 * that begins after a `/`: exporters write `/layer3/layer3.0/conv1/Conv` where a user says `layer3.*`.
 */
import { matchGlob } from './glob.ts';
import type { LayerCondition, LayerFacts, LayerRule, LayerSelector, RulePrecision } from './selector.ts';

export function matchSelector(selector: LayerSelector, layer: LayerFacts): boolean {
  return selector.some((all) => all.every((condition) => meets(condition, layer)));
}

/** The precision that the first matching rule gives the layer, or undefined: it keeps what it had. */
export function precisionFor(rules: readonly LayerRule[], layer: LayerFacts): RulePrecision | undefined {
  return rules.find(({ selector }) => matchSelector(selector, layer))?.precision;
}

function meets(condition: LayerCondition, layer: LayerFacts): boolean {
  switch (condition.kind) {
    case 'first':
      return layer.index === 0;
    case 'last':
      return layer.index === layer.count - 1;
    case 'depthwise':
      return layer.depthwise;
    case 'name': {
      const { pattern, exact } = condition;
      const names = [layer.name, layer.onnxNode, layer.weight].filter((name) => name !== undefined);
      return exact
        ? names.includes(pattern)
        : names.flatMap(partsOf).some((name) => matchGlob(pattern, name));
    }
    case 'op':
      return matchGlob(condition.pattern, layer.op);
    case 'kernel':
      return layer.kernel?.[0] === condition.height && layer.kernel[1] === condition.width;
    case 'in':
      return layer.inputChannels === condition.value;
    case 'out':
      return layer.outputChannels === condition.value;
    case 'groups':
      return layer.groups === condition.value;
    case 'not':
      return !meets(condition.condition, layer);
  }
}

/** A name, and what follows each of its slashes (of the first thirty-two: names come with the model). */
function partsOf(name: string): string[] {
  const segments = name.split('/');
  return segments.slice(0, 33).map((_, i) => segments.slice(i).join('/'));
}
