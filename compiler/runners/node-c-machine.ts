/**
 * Machines that C artifacts are run on from Node: this one, and others that are emulated on it. An artifact for another instruction set is so
 * checked bit for bit where there is no such processor; times measured there mean nothing.
 */
import { fail } from '../../ir/index.ts';
import type { BuildOptions } from './node-c-build.ts';
import { hasCommand } from './node-commands.ts';

export interface CMachine {
  readonly name: string;
  readonly summary: string;
  /** What the compiler needs to compile for it at all, and how it is asked to optimise unless told otherwise. */
  readonly target: readonly string[];
  readonly flags: readonly string[];
  readonly build: BuildOptions;
  /** Whether programs there can have several threads. */
  readonly threads: boolean;
  /** How a program is started. */
  readonly launch: (program: string) => readonly [command: string, ...args: string[]];
  /** Programs that must answer to `--version`, and what provides them on Debian. */
  readonly needs: readonly { readonly command: string; readonly debian: string }[];
}

export const thisMachine: CMachine = {
  name: 'native',
  summary: 'this machine',
  target: [],
  flags: ['-std=c11', '-O3', '-march=native'],
  build: {},
  threads: true,
  launch: (program) => [program],
  needs: [],
};

/** Starts a WASI program as a process: standard input and output are this process's own. */
const wasiHost = `
const { WASI } = require('node:wasi');
const { readFileSync } = require('node:fs');
const wasi = new WASI({ version: 'preview1', args: ['artifact'], returnOnExit: true });
const module_ = new WebAssembly.Module(readFileSync(process.argv[1]));
const instance = new WebAssembly.Instance(module_, { wasi_snapshot_preview1: wasi.wasiImport });
process.exitCode = wasi.start(instance);
`;

const wasmTarget = ['--target=wasm32-wasi', '-msimd128'];

export const cMachines: readonly CMachine[] = [
  thisMachine,
  {
    name: 'aarch64',
    summary: 'AArch64 under qemu',
    target: [],
    flags: ['-std=c11', '-O3'],
    build: { compiler: 'aarch64-linux-gnu-gcc', link: ['-static'] },
    threads: true,
    launch: (program) => ['qemu-aarch64', program],
    needs: [
      { command: 'aarch64-linux-gnu-gcc', debian: 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross' },
      { command: 'qemu-aarch64', debian: 'qemu-user' },
    ],
  },
  {
    name: 'wasm',
    summary: 'WebAssembly in Node',
    target: wasmTarget,
    flags: ['-std=c11', '-O3'],
    build: { compiler: 'clang', link: wasmTarget },
    threads: false,
    launch: (program) => [process.execPath, '--no-warnings', '-e', wasiHost, program],
    needs: [
      { command: 'clang', debian: 'clang libclang-rt-dev-wasm32 wasi-libc' },
      { command: 'wasm-ld', debian: 'lld' },
    ],
  },
];

/** What a machine needs and is not here, in words; undefined where nothing is missing. */
export function missingFor({ needs }: CMachine): string | undefined {
  const missing = needs.filter(({ command }) => !hasCommand(command));
  if (missing.length === 0) return undefined;
  const packages = missing.map(({ debian }) => debian).join(' ');
  return `no ${missing.map(({ command }) => command).join(', ')} (on Debian: apt-get install ${packages})`;
}

/** The machine of a name, with all it needs. Fails with `c/machine`. */
export function cMachine(name: string): CMachine {
  const machine = cMachines.find((each) => each.name === name);
  if (machine === undefined) {
    return fail('c/machine', `${JSON.stringify(name)} is no machine that C artifacts are run on`, {
      help: cMachines.map((each) => `${each.name}: ${each.summary}`).join('; '),
    });
  }
  const missing = missingFor(machine);
  if (missing !== undefined) fail('c/machine', `cannot run artifacts on ${name}: ${missing}`);
  return machine;
}
