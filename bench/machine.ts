/** The machine that figures were taken on, as far as it bears on them. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, loadavg, release } from 'node:os';
import { promisify } from 'node:util';

import type { Terminal } from '../compiler/cli/terminal.ts';

const run = promisify(execFile);

export interface Machine {
  readonly processor: string;
  readonly cpus: number;
  /** Those of its instruction sets that integer kernels ask for. */
  readonly instructions: readonly string[];
  readonly caches: string;
  readonly compilers: readonly string[];
  readonly node: string;
  readonly kernel: string;
  /** Day of the run, UTC. */
  readonly date: string;
}

const telling =
  /^(?:avx2|avx_vnni|avx512f|avx512bw|avx512vl|avx512_vnni|avx512vbmi|amx_int8|avx_vnni_int8|fma|asimd|asimddp|i8mm)$/;

export async function describeMachine(): Promise<Machine> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const field = (name: string): string =>
    new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  const flags = (field('flags') || field('Features')).split(' ');
  const family = field('cpu family');
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return {
    processor: family === '' ? model : `${model} (family ${family}, model ${field('model')})`,
    cpus: cpus().length,
    instructions: flags.filter((flag) => telling.test(flag)),
    caches: await caches(),
    compilers: (await Promise.all(['cc', 'c++'].map(firstLine))).filter((line) => line !== ''),
    node: process.version,
    kernel: release(),
    date: new Date().toISOString().slice(0, 10),
  };
}

async function firstLine(command: string): Promise<string> {
  return run(command, ['--version']).then(
    ({ stdout }) => stdout.split('\n')[0]!.trim(),
    () => '',
  );
}

/** Sizes of the caches that the first CPU sees. */
async function caches(): Promise<string> {
  const found: string[] = [];
  for (let index = 0; index < 5; index++) {
    const read = async (file: string): Promise<string> =>
      readFile(`/sys/devices/system/cpu/cpu0/cache/index${index}/${file}`, 'utf8').then(
        (text) => text.trim(),
        () => '',
      );
    const [level, type, size] = await Promise.all(['level', 'type', 'size'].map(read));
    if (size !== '' && type !== 'Instruction') found.push(`L${level} ${size}`);
  }
  return found.join(', ');
}

/** In a sentence, for a page. */
export function machineText({
  processor,
  cpus: count,
  instructions,
  caches: sizes,
  compilers,
  node,
  date,
}: Machine): string {
  return [
    `${processor}, ${count} CPUs, ${instructions.join(' ')}`,
    ...(sizes === '' ? [] : [sizes]),
    ...compilers,
    `Node ${node}`,
    date,
  ].join('; ');
}

/** Says so where others are at work: long runs are interrupted more often than short ones, so even ratios suffer. */
export function warnIfBusy(terminal: Pick<Terminal, 'report'>): void {
  const [load] = loadavg();
  const count = cpus().length;
  if (load! < count / 2) return;
  terminal.report({
    code: 'bench/busy',
    severity: 'warning',
    message: `this machine is busy: ${load!.toFixed(1)} processes want its ${count} CPUs`,
    help: 'trust the least times more than the medians, or wait',
  });
}
