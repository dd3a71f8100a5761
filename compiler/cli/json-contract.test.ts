/**
 * The keys that scripts written elsewhere rely on, verb by verb, on a small network through the whole chain. More keys may come; none of
 * these may go.
 */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { qc, qcJson } from '../../fixtures/cli/run-qc.ts';
import { scratchFolder, writeSmallResnet } from '../../fixtures/cli/small-resnet.ts';
import { readNpyFile, readNpzFile, writeNpyFile } from '../data/files.ts';
import { createRandom } from '../data/random.ts';

let folder: string;
let model: string;
let images: string;
let labels: string;
const at = (...parts: string[]): string => join(folder, ...parts);

beforeAll(async () => {
  folder = await scratchFolder();
  model = await writeSmallResnet(at('net.onnx'));
  const random = createRandom(1);
  const data = Uint8Array.from({ length: 12 * 16 * 16 * 3 }, () => random.below(256));
  images = at('images.npy');
  labels = at('labels.npy');
  await writeNpyFile(images, { dtype: 'u1', shape: [12, 16, 16, 3], data });
  await writeNpyFile(labels, {
    dtype: 'i4',
    shape: [12],
    data: Int32Array.from({ length: 12 }, (_, i) => i % 3),
  });
  const calibrated = ['--calib', images, '--preprocess', 'imagenet-norm'];
  await qc('compile', model, '--target', 'c', '--bits', '4', ...calibrated, '-o', at('c'));
  await qc('compile', model, '--target', 'qir', '--bits', '8', ...calibrated, '-o', at('qir'));
});

afterAll(async () => rm(folder, { recursive: true, force: true }));

/** What these tests read of the documents. */
interface Loose {
  readonly layers: readonly object[];
  readonly warnings: readonly string[];
  readonly files: readonly { readonly name: string }[];
  readonly arena_bytes: number;
  readonly arena_lower_bound_bytes: number;
  readonly compute_cost: number;
  readonly sqnr_db: number;
  readonly tensors: number;
  readonly ir: string;
  readonly error: object;
}

const keys = (value: unknown): string[] => Object.keys(value as object);

describe('compile', () => {
  it.each(['c', 'wgsl', 'qir', 'onnx'])('to %s', async (target) => {
    const { status, json, err } = await qcJson(
      'compile',
      model,
      '--target',
      target,
      '--bits',
      '4',
      '-o',
      at(`out-${target}`),
      '--quiet',
    );
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(keys(json)).toEqual(
      expect.arrayContaining(['target', 'files', 'layers', 'weight_bytes', 'arena_bytes', 'warnings']),
    );
    const { layers, warnings, files, arena_bytes, arena_lower_bound_bytes } = json as Loose;
    if (target === 'c') expect(arena_bytes).toBeLessThanOrEqual(1.1 * arena_lower_bound_bytes);
    else expect(arena_lower_bound_bytes).toBeUndefined();
    expect(layers).toHaveLength(7);
    expect(layers[0]).toEqual({ name: expect.any(String), op: 'conv2d', weight_bits: 8, activation_bits: 8 });
    expect(layers[1]).toMatchObject({ weight_bits: 4, activation_bits: 4 });
    expect(layers.at(-1)).toMatchObject({ op: 'dense', weight_bits: 8, activation_bits: 8 });
    expect(warnings.join()).toContain('not on real data');
    for (const { name } of files) expect(existsSync(at(`out-${target}`, name))).toBe(true);
    const manifest = JSON.parse(await readFile(at(`out-${target}`, 'manifest.json'), 'utf8'));
    expect(manifest).toMatchObject({
      format: 'qc-artifact/1',
      target,
      calibration: { generated: true, samples: 16 },
    });
  });

  it('says nothing of generated inputs where data was given', async () => {
    const manifest = JSON.parse(await readFile(at('c', 'manifest.json'), 'utf8'));
    expect(manifest.calibration).toEqual({
      source: '12 of 12 samples in "images.npy"',
      samples: 12,
      method: 'mse',
      generated: false,
    });
    expect(manifest.preprocess.name).toBe('imagenet-norm');
    expect(manifest.pipeline).toContain('assign-bits{bits=4},calibrate{method=mse}');
  });
});

describe('reading verbs', () => {
  it('inspect', async () => {
    const { status, json } = await qcJson('inspect', model);
    expect(status).toBe(0);
    expect(keys(json)).toEqual(expect.arrayContaining(['inputs', 'outputs', 'opset', 'ops', 'layers']));
    expect(json).toMatchObject({
      inputs: [{ name: 'input', shape: [1, 3, 16, 16] }],
      opset: expect.any(Number),
      ops: { Gemm: 1 },
    });
  });

  it('cost', async () => {
    const { status, json } = await qcJson('cost', model, '--bits', '4');
    expect(status).toBe(0);
    const costs = ['compute_cost', 'compute_cost_linear', 'memory_cost'];
    expect(keys(json)).toEqual(
      expect.arrayContaining([
        'macs',
        'weights',
        ...costs,
        ...costs.map((cost) => `${cost}_ratio_to_bfloat16`),
      ]),
    );
    const artifact = await qcJson('cost', at('c'));
    expect((artifact.json as Loose).compute_cost).toBe((json as Loose).compute_cost);
  });

  it.each(['passes', 'ops'])('%s', async (verb) => {
    const { status, json } = await qcJson(verb);
    expect(status).toBe(0);
    for (const row of (json as Record<string, object[]>)[verb]!)
      expect(row).toMatchObject({ name: expect.any(String), summary: expect.any(String) });
  });
});

describe('running verbs', () => {
  it.each(['net.onnx', 'qir/model.qir', 'qir', 'c'])('run on %s', async (what) => {
    const out = at('y.npy');
    const tensors = at('t.npz');
    const given = ['--input', images, '--preprocess', 'imagenet-norm', '-o', out, '--tensors', tensors];
    const { status, json, err } = await qcJson('run', at(what), ...given);
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(keys(json)).toEqual(expect.arrayContaining(['outputs', 'milliseconds']));
    expect((await readNpyFile(out)).shape).toEqual([12, 3]);
    expect((await readNpzFile(tensors)).size).toBeGreaterThan(8);
  });

  it('eval', async () => {
    const { status, json, err } = await qcJson(
      'eval',
      at('c'),
      '--data',
      images,
      '--labels',
      labels,
      '--limit',
      '9',
      '--against',
      model,
    );
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(keys(json)).toEqual(expect.arrayContaining(['n', 'top1', 'top5', 'agreement', 'sqnr_db']));
    expect(json).toMatchObject({ n: 9, top5: 100 });
    expect((json as Loose).sqnr_db).toBeGreaterThan(5);
  });

  it('verify', async () => {
    const { status, json, err } = await qcJson('verify', at('c'));
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(keys(json)).toEqual(expect.arrayContaining(['tensors', 'values', 'mismatches', 'first_mismatch']));
    expect(json).toMatchObject({ mismatches: 0, first_mismatch: null, runs: 2 });
    expect((json as Loose).tensors).toBeGreaterThan(8);
  });

  it('bench', async () => {
    const { status, json } = await qcJson('bench', at('c'), '--repeat', '3', '--warmup', '0');
    expect(status).toBe(0);
    expect(keys(json)).toEqual(
      expect.arrayContaining(['min_ms', 'median_ms', 'p90_ms', 'threads', 'device', 'layers']),
    );
  });

  it('opt', async () => {
    const { status, json } = await qcJson('opt', at('qir', 'model.qir'), '--pass-pipeline', 'eliminate-dead');
    expect(status).toBe(0);
    expect((json as Loose).ir).toContain('func @');
  });

  it('search', async () => {
    const few = ['--samples', '8', '--measure', '4', '--points', '3', '--choices', 'w8a8,w4a4'];
    const given = ['--calib', images, '--preprocess', 'imagenet-norm', ...few, '-o', at('front.json')];
    const { status, json, err } = await qcJson('search', model, ...given);
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(keys(json)).toEqual(expect.arrayContaining(['points', 'cost_model']));
    const { points } = json as { readonly points: readonly object[] };
    for (const point of points)
      expect(keys(point)).toEqual(expect.arrayContaining(['id', 'cost', 'loss', 'layers']));
    for (const file of ['front.json', 'front.csv', 'front.html']) expect(existsSync(at(file))).toBe(true);
    expect(JSON.parse(await readFile(at('front.json'), 'utf8'))).toMatchObject({ points });
  });
});
