/** What the multipliers of this processor can do at best, by instruction, as `dot-rate.c` finds it. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildC } from '../compiler/runners/node-c-build.ts';
import type { Isa } from './isa.ts';
import { benchFolder } from './workplace.ts';

const run = promisify(execFile);

export interface RateRow {
  readonly isa: string;
  /** Types that are multiplied, such as `u8 s8`. */
  readonly operands: string;
  readonly instructions: string;
  /** 10^9 multiplications a second. */
  readonly gmacs: number;
  readonly macs_per_cycle: number;
}

export interface Peak {
  /** Of the core while it was busy. */
  readonly clock_ghz: number;
  readonly rows: readonly RateRow[];
}

export async function measurePeak(cpu = '0'): Promise<Peak> {
  const source = { name: 'dot-rate.c', content: await readFile(join(benchFolder, 'dot-rate.c')) };
  const { program } = await buildC([source], { flags: ['-std=gnu11', '-O2'] });
  const { stdout } = await run('taskset', ['-c', cpu, program]);
  return JSON.parse(stdout) as Peak;
}

/** Instruction sets that a row may use when both sides are held down. */
const allowed: Readonly<Record<Isa, readonly string[] | undefined>> = {
  auto: undefined,
  scalar: [],
  avx2: ['avx2'],
  avx512vnni: ['avx2', 'avx512vnni'],
};

/** The quickest row for unsigned 8-bit activations and weights of as many bits. None where nothing of the kind was found. */
export function bestRow({ rows }: Pick<Peak, 'rows'>, weightBits: number, isa: Isa): RateRow | undefined {
  const operands = weightBits <= 4 ? ['u8 s8', 's8 s8', 'u8 s4'] : ['u8 s8', 's8 s8'];
  const fit = rows.filter(
    (row) =>
      operands.includes(row.operands) && (allowed[isa] === undefined || allowed[isa].includes(row.isa)),
  );
  return fit.reduce<RateRow | undefined>(
    (best, row) => (best === undefined || row.gmacs > best.gmacs ? row : best),
    undefined,
  );
}
