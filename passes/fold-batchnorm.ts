/**
 * fold-batchnorm: a batch norm with fixed statistics is a gain and a shift per channel,
 *
 *     gain = scale / sqrt(variance + epsilon)        shift = bias - mean * gain        (in double, each rounded once)
 *
 * and a neighbouring layer can do both in its weights and its bias:
 *
 *     %c = conv2d(%x, @w)
 *     %n = batch_norm(%c, @scale, @bias, @mean, @variance)        ->        %n = conv2d(%x, @w, @w.bias)
 *
 * The layer takes over the batch norm's value name: its result is now what the batch norm's was. It keeps the location of the layer
 * first, so that a user's name for the layer still finds it. An `affine` in front of a layer folds too, unless a shift would have
 * to cross the layer's padding. What cannot fold, as in networks that normalise before they activate, stays an `affine`.
 */
import { isF32, type Node } from '../ir/index.ts';
import { vector } from './channel-constants.ts';
import type { GraphView } from './graph-editor.ts';
import { definePass } from './pass.ts';
import { defineRewrite, number, rewriteToFixpoint, type Rewrite } from './rewrite.ts';
import { mergeAffines } from './rewrites/arithmetic.ts';
import { affineBeforeLayer, affineAfterLayer } from './rewrites/layers.ts';

interface Normalization {
  readonly gain: Float64Array;
  readonly shift: Float64Array;
}

function normalization(node: Node, graph: GraphView): Normalization | string {
  const parameters = node.operands.slice(1).map((name) => graph.constant(name));
  if (parameters.some((value) => value === undefined || !isF32(value.type)))
    return 'its parameters are not f32 constants';
  const [scale, bias, mean, variance] = parameters.map((value) => Float64Array.from(value!.data));
  const epsilon = number(node, 'epsilon');
  const gain = scale!.map((value, c) => value / Math.sqrt(variance![c]! + epsilon));
  const shift = bias!.map((value, c) => value - mean![c]! * gain[c]!);
  return [...gain, ...shift].every((value) => Number.isFinite(Math.fround(value)))
    ? { gain, shift }
    : 'a variance or another parameter leaves it without a finite gain and shift';
}

const toAffine = defineRewrite({
  name: 'batch-norm-to-affine',
  summary: 'batch_norm(x) -> affine(x, gain, shift)',
  roots: ['batch_norm'],
  match: normalization,
  unless: (match) => (typeof match === 'string' ? match : undefined),
  apply: (match, draft, root) => {
    const { gain, shift } = match as Normalization;
    const [x, scaleName, biasName] = root.operands;
    return draft.add('affine', [
      x!,
      draft.constant(scaleName!, vector(gain)),
      draft.constant(biasName!, vector(shift)),
    ]);
  },
});

export const batchnormRewrites: readonly Rewrite[] = [
  toAffine,
  mergeAffines,
  affineAfterLayer,
  affineBeforeLayer,
];

export const foldBatchnorm = definePass({
  name: 'fold-batchnorm',
  summary: 'Folds batch norms and other per-channel gains and shifts into the layers beside them.',
  options: {},
  run: (graph, _, { explain }) => rewriteToFixpoint(graph, batchnormRewrites, 'fold-batchnorm', explain),
});
