/** ONNX as an output: plain models, and programs written as such. */
export { emitOnnx, emittedOpset, type EmitOptions } from './emit.ts';
export { lowerings, type EmittedOp, type Lowering } from './lower.ts';
export * from './model.ts';
