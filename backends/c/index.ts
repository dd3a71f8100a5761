/** The C backend. */
export { c, type CManifest } from './emit.ts';
export { publicNames, type PublicNames } from './public-names.ts';
export { buildCommand } from './build-files.ts';
export { machinesOf } from './emit.ts';
export { isaNames, machines } from './isa/table.ts';
export { catalogue, type KernelRow } from './kernels/catalogue.ts';
export { type CProgram, planProgram, type Variant } from './program.ts';
export { layoutOf, type ScratchScope, type StepCode } from './step-writer.ts';
