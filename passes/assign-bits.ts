/**
 * assign-bits: decides, for each layer, how many bits its weights and the activations it reads have, and notes them on its value.
 * From coarse to fine, the later overriding:
 *
 *   bits       8, 4 or 2: that for every layer but the first convolution and the last dense layer, which stay at 8 (the paper's
 *              "mostly 4-bit"). 2 means 2-bit weights reading 4-bit activations: 2-bit activations carry too little.
 *   precision  w8a8, w4a8, w4a4, w2a4, ...: every layer, the ends too.
 *   layers     selector rules, `first,last=w8a8; layer3.*=w4a4`; the first rule that matches a layer decides. `float` in the place of
 *              bits keeps a layer as it is, which only targets of the quantized level can hold.
 */
import { fail, type Notes } from '../ir/index.ts';
import { annotate } from './calibrate.ts';
import { floatBits, type Layer, layersOf } from './layers.ts';
import { onnxNodeOf } from './location.ts';
import { definePass } from './pass.ts';
import {
  formatPrecision,
  type LayerFacts,
  matchSelector,
  parseLayerRules,
  parsePrecision,
  type Precision,
} from './selector/index.ts';

const mostly: Readonly<Record<number, Precision>> = {
  8: { weightBits: 8, activationBits: 8 },
  4: { weightBits: 4, activationBits: 4 },
  2: { weightBits: 2, activationBits: 4 },
};

/** First layer if it is a convolution, last layer if it is dense: the ends that "mostly n bits" leaves at 8. */
export function isEnd(layer: Layer, layers: readonly Layer[]): boolean {
  return (
    (layer.index === 0 && layer.op === 'conv2d') ||
    (layer.index === layers.length - 1 && layer.op === 'dense')
  );
}

/** What a selector can ask about a layer. */
export function layerFacts(layer: Layer, count: number): LayerFacts {
  const onnxNode = onnxNodeOf(layer.node.location);
  return {
    name: layer.value,
    ...(onnxNode === undefined ? {} : { onnxNode }),
    weight: layer.node.operands[1]!,
    op: layer.op,
    ...(layer.op === 'conv2d' ? { kernel: layer.kernel } : {}),
    index: layer.index,
    count,
    depthwise: layer.groups > 1 && layer.groups === layer.inputChannels,
    groups: layer.groups,
    inputChannels: layer.inputChannels,
    outputChannels: layer.outputChannels,
  };
}

export const assignBits = definePass({
  name: 'assign-bits',
  summary: 'Choose the bits of every layer: mostly n, all alike, or by selector rules.',
  options: {
    bits: {
      kind: 'int',
      summary: '8, 4 or 2 for all but the first convolution and the last dense layer',
      default: 8,
    },
    precision: {
      kind: 'string',
      summary: 'such as w4a8: every layer, the ends too; overrides bits',
      default: '',
    },
    layers: {
      kind: 'string',
      summary: 'rules such as "first,last=w8a8; layer3.*=w4a4"; override both',
      default: '',
    },
  },
  requires: 'float',
  ensures: 'float',
  run: (graph, options, context) => {
    const coarse = mostly[options.bits];
    if (coarse === undefined) {
      fail('assign-bits/bits', `bits is ${options.bits}`, {
        help: 'one of 8, 4, 2; for other mixtures use precision or layers',
      });
    }
    const every = options.precision === '' ? undefined : parsePrecision(options.precision);
    const rules = parseLayerRules(options.layers);
    const layers = layersOf(graph);
    const used = new Set<number>();
    const notes = new Map<string, Notes>();
    for (const layer of layers) {
      const facts = layerFacts(layer, layers.length);
      const rule = rules.findIndex(({ selector }) => matchSelector(selector, facts));
      if (rule >= 0) used.add(rule);
      const chosen = rules[rule]?.precision ?? every ?? (isEnd(layer, layers) ? mostly[8]! : coarse);
      notes.set(
        layer.value,
        chosen === 'float'
          ? { weight_bits: floatBits, activation_bits: floatBits }
          : { weight_bits: chosen.weightBits, activation_bits: chosen.activationBits },
      );
      context.explain(`${layer.name}: ${formatPrecision(chosen)}${rule >= 0 ? `, by rule ${rule + 1}` : ''}`);
    }
    for (const i of rules.keys()) {
      if (used.has(i)) continue;
      context.report({
        code: 'assign-bits/unused-rule',
        severity: 'warning',
        message: `rule ${i + 1} of ${JSON.stringify(options.layers)} decides no layer`,
        help: 'qc inspect lists the names of the layers',
      });
    }
    return annotate(graph, notes);
  },
});
