/** Every instruction set C can be emitted for, best first: the order in which a program looks for one it may use. */
import { avx2 } from './avx2.ts';
import { avx512amd } from './avx512amd.ts';
import { avx512vnni } from './avx512vnni.ts';
import { avxvnni } from './avxvnni.ts';
import type { VectorMachine } from './machine.ts';
import { neon } from './neon.ts';
import { wasm } from './wasm.ts';

export const machines: readonly VectorMachine[] = [avx512amd, avx512vnni, avxvnni, avx2, neon, wasm];

/** Names `--isa` takes: those of machines, and what every machine runs. */
export const isaNames: readonly string[] = [...machines.map(({ isa }) => isa.name), 'scalar'];
