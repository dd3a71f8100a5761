/**
 * canonicalize: one spelling for everything that means the same, so that later passes and backends need to know only one.
 *
 *     %t = transpose(%x) {perm = [0, 3, 1, 2]}                %t = transpose(%x) {perm = [0, 3, 1, 2]}
 *     %p = pad(%t) {pads = [0, 0, 3, 3, 0, 0, 3, 3]}    ->    %c = conv2d(%t, @w) {pads = [3, 3, 3, 3], strides = [2, 2]}
 *     %c = conv2d(%p, @w) {strides = [2, 2]}                  %a = average_pool2d(%c) {kernel = [112, 112]}
 *     %m = reduce_mean(%c) {axes = [2, 3]}
 *
 * Afterwards: channels come first and at most one transpose stands at a channels-last input or output; a constant operand stands
 * on the right; constants per channel are `affine`; clamps, reshapes, transposes and pads do not follow their own kind; zero borders
 * are in the windows that read them; means over space are pools. Results change by float rounding at most. The rules are the
 * lists below, each a file; where one of them says no it says why (`--explain`).
 */
import { definePass } from './pass.ts';
import { rewriteInStages, type Rewrite } from './rewrite.ts';
import { activations } from './rewrites/activations.ts';
import { arithmetic } from './rewrites/arithmetic.ts';
import { channelsFirst } from './rewrites/channels-first.ts';
import { clamps } from './rewrites/clamps.ts';
import { foldConstant } from './rewrites/constants.ts';
import { shiftIntoBias } from './rewrites/layers.ts';
import { means } from './rewrites/means.ts';
import { movement } from './rewrites/movement.ts';
import { noOps } from './rewrites/no-ops.ts';
import { pads } from './rewrites/pads.ts';

/** Constants made on the way, rearranged weights and the like, are small; larger ones wait for `fold-constants`. */
const foldedElements = 2 ** 20;

const layout: readonly Rewrite[] = [...noOps, foldConstant(foldedElements), ...movement, ...channelsFirst];

/**
 * All rules in two stages, the earlier in a stage tried first. Layout comes first: a number that scales a channels-last image is one value
 * for every channel, and would look like one for every row.
 */
export const canonicalRewrites: readonly (readonly Rewrite[])[] = [
  layout,
  [...layout, ...arithmetic, shiftIntoBias, ...activations, ...clamps, ...pads, ...means],
];

export const canonicalize = definePass({
  name: 'canonicalize',
  summary:
    'Brings what means the same into one form: channels first, affine, merged clamps, pads and transposes.',
  options: {},
  run: (graph, _, { explain }) => rewriteInStages(graph, canonicalRewrites, 'canonicalize', explain),
});
