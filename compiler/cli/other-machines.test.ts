/** Whole artifacts for instruction sets that this processor need not have, compiled, run where they are emulated, and verified. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { qc, qcJson } from '../../fixtures/cli/run-qc.ts';
import { scratchFolder } from '../../fixtures/cli/small-resnet.ts';
import { cMachines, missingFor } from '../runners/node-c-machine.ts';

const shapes = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/shapes/${name}`, import.meta.url));
const calibrated = ['--calib', shapes('calibration.npy'), '--samples', '16', '--preprocess', 'unit'];
const compile = ['compile', shapes('shapes-resnet.onnx'), '--target', 'c', ...calibrated];

/** Compiles, and verifies on a machine; where that is not here, says why. */
async function verifiesOn(on: string, out: string, ...options: readonly string[]): Promise<void> {
  const missing = missingFor(cMachines.find(({ name }) => name === on)!);
  if (missing !== undefined) {
    process.stdout.write(`not run: ${missing}\n`);
    return;
  }
  const compiled = await qc(...compile, ...options, '-o', out);
  expect({ status: compiled.status, err: compiled.status === 0 ? '' : compiled.err }).toEqual({
    status: 0,
    err: '',
  });
  const verified = await qcJson('verify', out, '--on', on, '--limit', '1');
  expect(verified.json).toMatchObject({ mismatches: 0, runs: 1 });
  expect(verified.status).toBe(0);
}

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

describe.each([
  ['neon', 'aarch64'],
  ['wasm', 'wasm'],
])('--isa %s, run on %s', (isa, on) => {
  it.each(['w8a8', 'w4a4'])(
    'has the bits of the interpreter at %s',
    async (precision) => {
      // Without scalar code, an artifact that found no such processor would refuse to run.
      await verifiesOn(on, join(folder, `${isa}-${precision}`), '--precision', precision, '--isa', isa);
    },
    400_000,
  );
});

it.each(['aarch64', 'wasm'])(
  'weights that the assembler includes reach %s',
  async (on) => {
    await verifiesOn(on, join(folder, `included-${on}`), '--weights', 'incbin', '--isa', 'scalar');
  },
  400_000,
);

it('names the machines there are', async () => {
  const out = join(folder, 'native');
  const { status } = await qc(...compile, '-o', out);
  expect(status).toBe(0);
  const refused = await qc('verify', out, '--on', 'z80');
  expect(refused.status).toBe(2);
  expect(refused.err).toContain('error[c/machine]');
  expect(refused.err).toContain('aarch64');
}, 400_000);
