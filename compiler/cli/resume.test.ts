/** A compilation that was stopped half way: the same command goes on from there, and writes what it would have written. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { qc, qcProgram } from '../../fixtures/cli/run-qc.ts';
import { scratchFolder, writeSmallResnet } from '../../fixtures/cli/small-resnet.ts';

let folder: string;
const at = (...parts: string[]): string => join(folder, ...parts);
const command = (out: string): string[] => [
  ...['compile', at('net.onnx'), '--target', 'c', '--bits', '4', '--round', 'gptq', '-o', at(out)],
];

beforeAll(async () => {
  folder = await scratchFolder();
  // Layers of up to 1152 inputs: each takes long enough to be stopped in.
  await writeSmallResnet(at('net.onnx'), { width: 0.5, net: { block: 'basic', blocks: [2, 2] } });
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

const keptIn = (out: string): string[] => {
  const path = at(`${out}.resume`);
  return existsSync(path) ? readdirSync(path).filter((name) => /^[0-9a-f]+\.kept$/.test(name)) : [];
};

/** Starts the command as a process and stops it once it has kept two layers. */
async function stopped(out: string, signal: NodeJS.Signals): Promise<{ ended: string; err: string }> {
  const child = spawn(process.execPath, [...qcProgram, ...command(out)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let err = '';
  child.stderr.on('data', (text: Buffer) => (err += text.toString()));
  const ended = new Promise<string>((resolve) => {
    child.on('exit', (status, by) => resolve(String(status ?? by)));
  });
  while (child.exitCode === null && keptIn(out).length < 2) await setTimeout(5);
  child.kill(signal);
  return { ended: await ended, err };
}

async function contents(out: string): Promise<Record<string, string>> {
  const names = (await readdir(at(out), { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const pairs = names.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [path.slice(at(out).length), (await readFile(path)).toString('base64')] as const;
  });
  return Object.fromEntries(await Promise.all(pairs));
}

describe('a compilation that is stopped', () => {
  it('by SIGKILL leaves no artifact, and the same command finishes it with the same bytes', async () => {
    expect(await qc(...command('whole'))).toMatchObject({ status: 0 });
    expect(existsSync(at('whole.resume'))).toBe(false);

    expect(await stopped('killed', 'SIGKILL')).toMatchObject({ ended: 'SIGKILL' });
    expect(existsSync(at('killed'))).toBe(false);
    const kept = keptIn('killed').length;
    expect(kept).toBeGreaterThanOrEqual(2);

    const { status, err } = await qc(...command('killed'));
    expect(status).toBe(0);
    expect(err).toContain(`rounding: ${kept} of 9 layers are taken from an earlier run`);
    expect(await contents('killed')).toEqual(await contents('whole'));
    expect(existsSync(at('killed.resume'))).toBe(false);
  });

  it('by Ctrl-C says how to go on; what was damaged meanwhile is made again', async () => {
    const { ended, err } = await stopped('interrupted', 'SIGINT');
    expect(ended).toBe('130');
    expect(err).toContain('the same command goes on from there');
    for (const name of keptIn('interrupted')) await writeFile(at('interrupted.resume', name), 'nothing');

    const again = await qc(...command('interrupted'));
    expect(again.status).toBe(0);
    expect(again.err).toContain('warning[resume/damaged]');
    expect(again.err).not.toContain('taken from an earlier run');
    expect(await contents('interrupted')).toEqual(await contents('whole'));
  });
});
