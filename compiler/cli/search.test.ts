/**
 * `qc search` from the outside: what it writes, what may be done to it while it runs, and that its points are what compiling them gives. The
 * embedded network is searched with a small budget, the rest on a net that takes milliseconds.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { qc, qcProgram, qcJson } from '../../fixtures/cli/run-qc.ts';
import { scratchFolder, writeSmallResnet } from '../../fixtures/cli/small-resnet.ts';
import { writeNpyFile } from '../data/files.ts';
import { createRandom } from '../data/random.ts';
import type { Front } from '../search/front.ts';
import type { LatencyProfile } from '../search/profile.ts';

const shapes = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/shapes/${name}`, import.meta.url));

let folder: string;
let model: string;
let images: string;
const at = (...parts: string[]): string => join(folder, ...parts);

beforeAll(async () => {
  folder = await scratchFolder();
  model = await writeSmallResnet(at('net.onnx'));
  const random = createRandom(1);
  images = at('images.npy');
  const data = Uint8Array.from({ length: 16 * 16 * 16 * 3 }, () => random.below(256));
  await writeNpyFile(images, { dtype: 'u1', shape: [16, 16, 16, 3], data });
});

afterAll(async () => rm(folder, { recursive: true, force: true }));

const searching = (out: string, ...more: string[]): string[] => [
  'search',
  model,
  '--calib',
  images,
  '--preprocess',
  'imagenet-norm',
  '--samples',
  '8',
  '--measure',
  '8',
  '--points',
  '5',
  '-o',
  at(out),
  ...more,
];

async function frontAt(...parts: string[]): Promise<Front> {
  return JSON.parse(await readFile(at(...parts), 'utf8')) as Front;
}

/** The one journal in a folder; a rejection where there is none yet. */
async function journalIn(place: string): Promise<string> {
  const found = (await readdir(at(place))).filter((name) => name.endsWith('.search'));
  if (found.length !== 1) throw new Error(`${found.length} journals in ${place}`);
  return at(place, found[0]!, 'measured.jsonl');
}

/** Starts a search as a process and sends it a signal once its journal has so many lines. */
async function interrupted(
  args: readonly string[],
  place: string,
  lines: number,
  signal: 'SIGINT' | 'SIGKILL',
): Promise<{ readonly status: number | null; readonly out: string }> {
  const child = spawn(process.execPath, [...qcProgram, ...args, '--format', 'json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', (code) => {
      resolve(code);
    });
  });
  const watch = setInterval(() => {
    void journalIn(place)
      .then(async (journal) => readFile(journal, 'utf8'))
      .catch(() => '')
      .then((text) => {
        if (text.split('\n').length <= lines || child.killed) return;
        child.kill(signal);
      });
  }, 5);
  const status = await ended;
  clearInterval(watch);
  return { status, out };
}

describe('a search that is stopped', () => {
  let whole: string;
  beforeAll(async () => {
    await mkdir(at('whole'));
    expect(await qc(...searching('whole/front.json'))).toMatchObject({ status: 0 });
    whole = await readFile(at('whole', 'front.json'), 'utf8');
  });

  it('by Ctrl-C writes what is known, says so, and goes on to the same end', async () => {
    await mkdir(at('stopped'));
    const { status, out } = await interrupted(searching('stopped/front.json'), 'stopped', 6, 'SIGINT');
    expect(status).toBe(130);
    expect(JSON.parse(out)).toMatchObject({ complete: false, points: expect.any(Array) });
    const front = await frontAt('stopped', 'front.json');
    expect(front).toMatchObject({ format: 'qc-front/1', complete: false });
    expect(front.points.length).toBeGreaterThan(0);
    const page = await readFile(at('stopped', 'front.html'), 'utf8');
    expect(page).toContain('stopped before it was done');
    const resumed = await qc(...searching('stopped/front.json'));
    expect(resumed.err).toMatch(/\d+ measurements are taken from /);
    expect(await readFile(at('stopped', 'front.json'), 'utf8')).toBe(whole);
  });

  it('by force loses the line it was writing at most', async () => {
    await mkdir(at('killed'));
    const { status } = await interrupted(searching('killed/front.json'), 'killed', 8, 'SIGKILL');
    expect(status).toBe(null);
    // As a write that was cut off would leave it.
    await appendFile(await journalIn('killed'), '{"of":"whole w8a');
    if (existsSync(at('killed', 'front.json')))
      expect(await frontAt('killed', 'front.json')).toMatchObject({ format: 'qc-front/1' });
    expect(await qc(...searching('killed/front.json'))).toMatchObject({ status: 0 });
    expect(await readFile(at('killed', 'front.json'), 'utf8')).toBe(whole);
  });

  it('leaves no drafts', async () => {
    for (const place of ['whole', 'stopped']) {
      const names = await readdir(at(place));
      const journal = expect.stringMatching(/^net-[0-9a-f]{8}\.search$/);
      expect(names.sort()).toEqual(['front.csv', 'front.html', 'front.json', journal]);
    }
  });

  it('starts anew for other choices, and leaves what others found', async () => {
    const before = await journalIn('whole');
    const { status, err } = await qc(...searching('whole/other.json', '--choices', 'w8a8,w4a4'));
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(err).not.toMatch(/measurements are taken from/);
    expect((await frontAt('whole', 'other.json')).choices).toEqual(['w8a8', 'w4a4']);
    expect(existsSync(before)).toBe(true);
  });

  it('serves other cost models from what it measured', async () => {
    const { status, err } = await qc(...searching('stopped/memory.json', '--cost-model', 'memory_cost'));
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(err).toMatch(/measurements are taken from/);
  });
});

describe('the front of the embedded network', () => {
  const given = ['--calib', shapes('calibration.npy'), '--preprocess', 'unit'];
  let front: Front;

  beforeAll(async () => {
    await mkdir(at('shapes'));
    const few = ['--samples', '16', '--measure', '16', '--points', '5', '--choices', 'w8a8,w4a4,w2a4'];
    const { status, err, json } = await qcJson(
      'search',
      shapes('shapes-resnet.onnx'),
      ...given,
      ...few,
      '--round',
      'nearest',
      '-o',
      at('shapes', 'front.json'),
    );
    expect({ status, err }).toMatchObject({ status: 0 });
    front = json as Front;
  });

  it('names the layers, and orders points by cost and loss', () => {
    expect(front.points[0]!.layers.map(({ name }) => name)).toEqual(
      front.model.layers.map(({ name }) => name),
    );
    expect(front.points.length).toBeGreaterThanOrEqual(4);
    for (const [i, { cost, loss }] of front.points.entries()) {
      if (i === 0) continue;
      expect(cost).toBeGreaterThan(front.points[i - 1]!.cost);
      expect(loss).toBeLessThan(front.points[i - 1]!.loss);
    }
  });

  it('compiles point by point; what the points lose comes in the order that was measured', async () => {
    const { points } = front;
    const some = [points[0]!, points[Math.floor(points.length / 2)]!, points.at(-1)!];
    const losses: number[] = [];
    for (const { id, compute_cost, layers } of some) {
      const out = at('shapes', id);
      const plan = ['--plan', at('shapes', 'front.json'), '--point', id];
      // ONNX, which needs no compiler of the machine and runs in the float engine.
      const target = ['--target', 'onnx', ...plan, ...given, '--samples', '16', '-o', out];
      const compiled = await qcJson('compile', shapes('shapes-resnet.onnx'), ...target);
      expect({ status: compiled.status, err: compiled.err }).toMatchObject({ status: 0 });
      expect(compiled.json).toMatchObject({
        layers,
        pipeline: expect.stringContaining('assign-bits{layers='),
      });
      expect((await qcJson('cost', out)).json).toMatchObject({ compute_cost });
      const against = ['--preprocess', 'unit', '--limit', '60', '--against', shapes('shapes-resnet.onnx')];
      const labelled = ['--data', shapes('eval.npy'), '--labels', shapes('eval-labels.npy')];
      const evaluated = await qcJson('eval', join(out, 'model.onnx'), ...labelled, ...against);
      expect(evaluated.status).toBe(0);
      losses.push((evaluated.json as { readonly kl: number }).kl);
    }
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
  });

  it('is refused for another model', async () => {
    const { status, err } = await qc('cost', model, '--plan', at('shapes', 'front.json'), '--point', 'p1');
    expect(status).toBe(2);
    expect(err).toContain('error[plan/layers]');
  });

  it('has baselines that can be compiled by their names', async () => {
    const plan = ['--plan', at('shapes', 'front.json'), '--point', 'mostly-4'];
    const [ours, theirs] = await Promise.all([
      qcJson('cost', shapes('shapes-resnet.onnx'), ...plan),
      qcJson('cost', shapes('shapes-resnet.onnx'), '--bits', '4'),
    ]);
    expect(ours.json).toEqual(theirs.json);
  });
});

describe('latency', () => {
  it('comes from profiles that bench writes, and an uncovered width is named', async () => {
    const profile = at('profile.json');
    const calibrated = ['--calib', images, '--preprocess', 'imagenet-norm'];
    const latency = ['--cost-model', 'latency:c', '--profile', profile, '--choices', 'w8a8,w4a4'];
    for (const [i, precision] of ['w8a8', 'w4a4'].entries()) {
      const out = at(`uniform-${precision}`);
      await qc('compile', model, '--target', 'c', '--precision', precision, ...calibrated, '-o', out);
      const { status, err } = await qc('bench', out, '--repeat', '3', '--profile', profile);
      expect({ status, err }).toMatchObject({ status: 0 });
      const { runs } = JSON.parse(await readFile(profile, 'utf8')) as LatencyProfile;
      expect(runs).toHaveLength(i + 1);
      expect(runs[i]!.layers).toHaveLength(7);
      for (const layer of runs[i]!.layers) expect(layer.milliseconds).toBeGreaterThan(0);
      if (i === 1) break;
      const missing = await qc(...searching('latency.json', ...latency));
      expect(missing.status).toBe(2);
      expect(missing.err).toContain('error[profile/missing]');
      expect(missing.err).toContain('at w4a4');
    }
    const { status, json } = await qcJson(...searching('latency.json', ...latency));
    expect(status).toBe(0);
    expect(json).toMatchObject({ cost_model: 'latency:c', cost_unit: 'ms', bfloat16_cost: null });
  });

  it('is measured where no profile is given, and kept', async () => {
    const target = ['--target', 'c', '--choices', 'w8a8,w4a4', '--round', 'nearest', '--points', '2'];
    const first = await qcJson(...searching('timed.json', ...target));
    expect({ status: first.status, err: first.err }).toMatchObject({ status: 0 });
    const profile = await readFile(at('timed.profile.json'), 'utf8');
    expect((JSON.parse(profile) as LatencyProfile).runs).toHaveLength(2);
    const again = await qcJson(...searching('timed.json', ...target));
    expect(await readFile(at('timed.profile.json'), 'utf8')).toBe(profile);
    expect(again.json).toEqual(first.json);
  });
});

describe('usage', () => {
  it.each([
    [['--choices', 'w8a8'], 'search/choices'],
    [['--choices', 'w8a8,w8a8'], 'search/choices'],
    [['--choices', 'w8a8,w3a3'], 'selector/precision'],
    [['--cost-model', 'latency'], 'search/cost-model'],
    [['--cost-model', 'memory_cost', '--target', 'c'], 'cli/usage'],
    [['--cost-model', 'latency:c', '--profile', 'none.json'], 'profile/unreadable'],
    [['-o', 'front.txt'], 'search/out'],
    [['--points', '1'], 'cli/usage'],
    [['--max-loss', '-1'], 'cli/usage'],
  ])('refuses %j', async (more, code) => {
    const { status, err } = await qc(...searching('refused.json', ...more));
    expect({ status, err }).toMatchObject({ status: 2, err: expect.stringContaining(`error[${code}]`) });
    expect(existsSync(at('refused.json'))).toBe(false);
  });

  it('needs data, and a model that is not compiled yet', async () => {
    expect((await qc('search', model, '-o', at('x.json'))).err).toContain('error[cli/no-calib]');
    await qc('compile', model, '--target', 'qir', '--bits', '8', '-o', at('compiled'));
    const { status, err } = await qc('search', at('compiled'), '--calib', images, '-o', at('x.json'));
    expect({ status, err }).toMatchObject({ status: 2, err: expect.stringContaining('compiled already') });
  });

  it('chooses a point within limits, and fails where there is none', async () => {
    const few = ['--choices', 'w8a8,w4a4', '--round', 'nearest'];
    const { json } = await qcJson(...searching('limits.json', ...few));
    const { points } = json as Front;
    const loose = await qcJson(...searching('limits.json', ...few, '--max-loss', String(points[0]!.loss)));
    expect(loose).toMatchObject({ status: 0, json: { chosen: points[0]!.id } });
    const dear = await qcJson(...searching('limits.json', ...few, '--max-cost', String(points.at(-1)!.cost)));
    expect(dear).toMatchObject({ status: 0, json: { chosen: points.at(-1)!.id } });
    const none = await qcJson(...searching('limits.json', ...few, '--max-cost', '0'));
    expect(none).toMatchObject({ status: 1, json: { chosen: null } });
  });
});
