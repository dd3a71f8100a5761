/** The intermediate representation, for those who write passes and backends. */
export * from './attributes.ts';
export * from './builder.ts';
export * from './diagnostics.ts';
export * from './graph.ts';
export * from './infer.ts';
export * from './interpret.ts';
export * from './notes.ts';
export * from './numerics.ts';
export * from './op.ts';
export { integerOps, isOpName, opOf, ops, type IntegerOp, type OpName } from './ops/index.ts';
export { broadcastShape } from './ops/broadcast.ts';
export { borderValue } from './ops/movement.ts';
export { clampOf } from './ops/requantize.ts';
export * from './tensor.ts';
export * from './types.ts';
export * from './verify.ts';
