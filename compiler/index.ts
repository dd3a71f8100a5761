/**
 * The compiler as a library, for programs that compile models themselves; a browser will do. What opens files is in `node-files.ts`
 * (`qc-compiler/node`).
 *
 *     const { graph } = await importOnnx(bytes);
 *     const { files, manifest, diagnostics } = await compile(graph, { target: 'wgsl', bits: 4, samples });
 */
export {
  type ArtifactFile,
  manifestFormat,
  manifestName,
  programFiles,
  referenceFolder,
} from './artifact/artifact.ts';
export { parseManifest } from './artifact/manifest-schema.ts';
export { type Compilation, compile, type CompileOptions } from './compile.ts';
export { type Cost, costOf, type CostedLayer, unitWidth } from './cost.ts';
export type { Batch, Dataset } from './data/batches.ts';
export { generatedInputs } from './data/generated-inputs.ts';
export {
  channelTables,
  createPreprocessor,
  inputBounds,
  type Preprocess,
  presetNames,
  presetPreprocess,
} from './data/preprocess.ts';
export { parsePreprocess } from './data/preprocess-schema.ts';
export { type BitsOptions, defaultPipeline, type PipelineOptions } from './default-pipeline.ts';
export { onnxRuntime } from './executor/onnxruntime.ts';
export { quickExecutor } from './executor/quick.ts';
export { measureHealth } from './health.ts';
export { CollapseError, defaultLeastAgreement, judgeHealth, type VerdictOptions } from './health-verdict.ts';
export { annotatedLayers, cleanFloat } from './float-program.ts';
export { type LayerBits, layerBitsOf, unquantizedBits } from './layer-bits.ts';
export {
  Accuracy,
  argmax,
  Comparison,
  largest,
  plausibleShare,
  quantile,
  rankOf,
  SignalToNoise,
} from './metrics.ts';
export { encodeModel } from './onnx/encode.ts';
export { importOnnx, type ImportedModel, type ImportOptions } from './onnx/import.ts';
export { referenceRunner } from './runners/reference.ts';
export type { BenchResult, Runner } from './runners/runner.ts';
export { generatedSamples, samplesOf } from './samples.ts';
export { allTargets, type Target, type TargetName, targetNames, targetOf } from './targets.ts';
export { type Mismatch, Verification } from './verify-artifact.ts';
