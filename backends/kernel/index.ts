/**
 * The kernel language, for those who write kernels and those who emit them. The README has a tour.
 */
export * from './builder.ts';
export * from './builtins/number.ts';
export * from './builtins/packed.ts';
export * as neon from './builtins/neon.ts';
export { builtinTable } from './builtins/table.ts';
export * as wasm from './builtins/wasm.ts';
export * as x86 from './builtins/x86.ts';
export * from './expression.ts';
export { literalsOf } from './walk.ts';
export { KernelError } from './kernel-error.ts';
export { commentText, identifier, isReserved, Names, toIdentifier } from './names.ts';
export { privateArray, storageArray, table, variable, workgroupArray } from './statement.ts';
export type * from './tree.ts';
export {
  allocate,
  isRegister,
  type Element,
  type Memory,
  type Register,
  type Scalar,
  type Type,
  typeRows,
  type Vector,
} from './types.ts';
export { type COptions, type CUnit, type TeamNames, printC, printCUnit } from './print-c.ts';
export { printWgsl, printWgslUnit, type WgslOptions, type WgslUnit } from './print-wgsl.ts';
export {
  evaluate,
  evaluateFunction,
  type KernelArguments,
  prepareGrid,
  prepareLoop,
  type Workgroups,
} from './evaluate.ts';
