/**
 * The passes: the table of all of them, what one is, and what runs them. A new pass is a file beside this one, a row here and a
 * filetest of its name; the completeness test asks for whichever is missing.
 */
import { assignBits } from './assign-bits.ts';
import { boundAccumulators } from './bound-accumulators.ts';
import { calibrate } from './calibrate.ts';
import { canonicalize } from './canonicalize.ts';
import { correctStatistics } from './correct-statistics.ts';
import { dropClamps } from './drop-clamps.ts';
import { eliminateCommon } from './eliminate-common.ts';
import { eliminateDead } from './eliminate-dead.ts';
import { equalizeChannels } from './equalize-channels.ts';
import { foldAffine } from './fold-affine.ts';
import { foldBatchnorm } from './fold-batchnorm.ts';
import { foldConstants } from './fold-constants.ts';
import { insertQuantizers } from './insert-quantizers.ts';
import { lowerToInteger } from './lower-to-integer.ts';
import type { Pass } from './pass.ts';
import { quantizeBiases } from './quantize-biases.ts';
import { type PassRegistry, registryOf } from './registry.ts';
import { roundGptq } from './round-gptq.ts';

/** Every pass of the compiler, in the order a program usually meets them. */
export const passes: readonly Pass[] = [
  canonicalize,
  foldConstants,
  foldAffine,
  foldBatchnorm,
  eliminateCommon,
  eliminateDead,
  assignBits,
  equalizeChannels,
  calibrate,
  insertQuantizers,
  roundGptq,
  correctStatistics,
  dropClamps,
  quantizeBiases,
  lowerToInteger,
  boundAccumulators,
];

/** The passes of the compiler and `more`. Throws when two share a name. */
export function createPassRegistry(more: Iterable<Pass> = []): PassRegistry {
  return registryOf([...passes, ...more]);
}

/** From a float program as imported to one that is ready to be calibrated: one form, batch norms in their layers, nothing dead. */
export const floatPipeline =
  'canonicalize,fold-constants,fold-batchnorm,canonicalize,eliminate-common,eliminate-dead';

/** The same for training: batch norms keep their statistics. */
export const trainingPipeline =
  'canonicalize,fold-constants,fold-affine,canonicalize,eliminate-common,eliminate-dead';

export * from './context.ts';
export * from './interpreter-executor.ts';
export * from './layers.ts';
export * from './location.ts';
export * from './nearest-name.ts';
export * from './pass.ts';
export * from './pipeline/index.ts';
export * from './print-after.ts';
export * from './rebuild.ts';
export * from './registry.ts';
export * from './reproducer.ts';
export { type ResolvedPipeline, resolvePipeline } from './resolve.ts';
export { type Draft, type DraftOptions, type GraphView } from './graph-editor.ts';
export { defineRewrite, type Rewrite, rewriteInStages, rewriteToFixpoint } from './rewrite.ts';
export * from './run.ts';
export * from './sample-digest.ts';
export * from './sha256.ts';
export { parseLayerRules } from './selector/index.ts';
