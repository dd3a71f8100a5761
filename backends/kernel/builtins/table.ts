/**
 * Every builtin, one row per signature. Adding an instruction set is adding a file of rows here: a name, the signature, how C
 * (with its header and target feature) or WGSL spells it, and a JavaScript model of its exact meaning. Nothing else in this folder
 * knows a builtin by name, and the tests walk this table.
 */
import type { Builtin } from '../tree.ts';
import { numberRows } from './number.ts';
import { neonRows } from './neon.ts';
import { packedRows } from './packed.ts';
import { wasmRows } from './wasm.ts';
import { x86Rows } from './x86.ts';

export const builtinTable: readonly Builtin[] = [
  ...numberRows,
  ...packedRows,
  ...x86Rows,
  ...neonRows,
  ...wasmRows,
];
