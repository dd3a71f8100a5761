/** Pipeline strings: `fold-batchnorm,calibrate{method=mse},repeat(fold-constants,eliminate-dead)`. */
export { parsePipeline } from './parse.ts';
export { deepestRepeat, type Pipeline, type PipelineStep } from './pipeline.ts';
export { printPipeline } from './print.ts';
