/**
 * fold-constants: evaluates every node that no input reaches.
 *
 *     %0 = mul(@a, @b)
 *     %1 = conv2d(%x, %0)        ->        %1 = conv2d(%x, @0)
 *
 * The interpreter computes the value, so it is the value the program would have computed. Nodes at the edge between reals and
 * integers stay: `dequantize(@weights)` says how a model was quantized.
 */
import { definePass } from './pass.ts';
import { rewriteToFixpoint } from './rewrite.ts';
import { foldConstant } from './rewrites/constants.ts';

export const foldConstants = definePass({
  name: 'fold-constants',
  summary: 'Evaluates nodes whose operands are all constant.',
  options: {
    limit: { kind: 'int', summary: 'largest number of elements of a folded constant', default: 2 ** 26 },
  },
  run: (graph, { limit }, { explain }) =>
    rewriteToFixpoint(graph, [foldConstant(limit)], 'fold-constants', explain),
});
