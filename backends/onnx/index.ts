/** ONNX as an output: plain models, and programs written as such. */
export { emitOnnx, emittedOpset, type EmitOptions } from './emit.ts';
export { exportOnnx } from './export.ts';
export { brokenFusion, type FusedOperator, fusionOf, fusionText } from './fusion.ts';
export { lowerings, type EmittedOp, type Lowering } from './lower.ts';
export * from './model.ts';
export { defaultProfile, type Profile, profileNames, profileOf, profiles } from './profile.ts';
