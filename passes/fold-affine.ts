/**
 * fold-affine: gains and shifts per channel go into the layers beside them, as in `fold-batchnorm`, but batch norms stay as they are.
 *
 * What is left is the program that training wants: an input normalisation is part of the first layer's weights, and every batch norm
 * still has its statistics.
 */
import { definePass } from './pass.ts';
import { rewriteToFixpoint } from './rewrite.ts';
import { mergeAffines } from './rewrites/arithmetic.ts';
import { affineAfterLayer, affineBeforeLayer } from './rewrites/layers.ts';

export const foldAffine = definePass({
  name: 'fold-affine',
  summary: 'Folds per-channel gains and shifts into the layers beside them; batch norms stay.',
  options: {},
  run: (graph, _, { explain }) =>
    rewriteToFixpoint(graph, [mergeAffines, affineAfterLayer, affineBeforeLayer], 'fold-affine', explain),
});
