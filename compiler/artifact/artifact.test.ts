import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { scratchFolder } from '../../fixtures/cli/small-resnet.ts';
import { GraphBuilder, f32, type Graph, plain, QcError, tensor } from '../../ir/index.ts';
import type { Manifest } from '../../runtime/manifest.ts';
import { readArtifact, writeArtifact } from './artifact-files.ts';
import { type ArtifactFile, assembleArtifact, programFiles, referenceFolder } from './artifact.ts';
import { sha256 } from '../../passes/sha256.ts';
import { isFileName, parseManifest } from './manifest-schema.ts';

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

function program(): Graph {
  const builder = new GraphBuilder('main');
  const x = builder.input('x', f32([1, 100]));
  const w = builder.constant(
    'w',
    tensor(
      f32([1, 100]),
      Float32Array.from({ length: 100 }, (_, i) => i / 3),
    ),
  );
  builder.constant('spare', tensor(plain('i4', [3]), [-8, 0, 7]));
  return builder.finish([builder.add('add', [x, w], {}, { name: 'y' })]);
}

async function artifact(): Promise<{ files: ArtifactFile[]; manifest: Manifest }> {
  const source = { name: 'deep/model.c', role: 'source', content: 'int x;\n' };
  return assembleArtifact([source, ...programFiles(program(), referenceFolder)], (files) => ({
    format: 'qc-artifact/1',
    target: 'c',
    name: 'model',
    pipeline: 'canonicalize',
    inputs: [{ name: 'x', shape: [1, 100] }],
    outputs: [{ name: 'y', shape: [1, 100] }],
    preprocess: null,
    calibration: { source: 'nothing', samples: 1, method: 'mse', generated: true },
    health: {
      samples: 1,
      agreement: 100,
      sqnr_db: null,
      layers: [{ name: 'conv', sqnr_db: 12.5, weights_at_limit: null, dead_channels: 1, dead_in_float: 0 }],
      activations: [{ name: 'x.u8', storage: 'u8', read_by: ['conv'], clipped: 0.5 }],
    },
    layers: [{ name: 'conv', op: 'conv2d', weight_bits: 4, activation_bits: 8 }],
    tensors: [
      { name: 'y', storage: 'f32', shape: [1, 100], layout: { strides: [100, 1], bits: 32, bytes: 400 } },
    ],
    weight_bytes: 12,
    arena_bytes: 64,
    warnings: ['mind'],
    files,
  }));
}

describe('an artifact', () => {
  it('comes back as it was written', async () => {
    const { files, manifest } = await artifact();
    const path = join(folder, 'new', 'deeper', 'art');
    await writeArtifact(path, files);
    const back = await readArtifact(path);
    expect(back.manifest).toEqual(manifest);
    expect(new TextDecoder().decode(await back.read('deep/model.c'))).toBe('int x;\n');
    expect(await back.program()).toEqual(program());
    expect(await readdir(join(folder, 'new', 'deeper'))).toEqual(['art']);
  });

  it('lists every file with its size and digest', async () => {
    const { files, manifest } = await artifact();
    expect(manifest.files.map(({ name }) => name)).toEqual([
      'deep/model.c',
      'reference/model.qir',
      'reference/model.weights',
    ]);
    for (const { name, bytes, sha256: digest } of manifest.files) {
      const file = files.find((candidate) => candidate.name === name)!;
      expect([bytes, digest]).toEqual([file.bytes.length, await sha256(file.bytes)]);
    }
    expect(await sha256(new TextEncoder().encode('abc'))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });

  it('that fails half way leaves what was there, and nothing else', async () => {
    const { files } = await artifact();
    const path = join(folder, 'kept');
    await writeArtifact(path, files);
    const impossible = { name: `${'x'.repeat(300)}.c`, role: 'source', bytes: new Uint8Array(1) };
    await expect(writeArtifact(path, [...files, impossible])).rejects.toThrow(/name is too long/);
    expect((await readArtifact(path)).manifest.target).toBe('c');
    expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('has the permissions of an ordinary folder', async () => {
    const [ours, ordinary] = [join(folder, 'ours'), join(folder, 'ordinary')];
    await writeArtifact(ours, (await artifact()).files);
    await mkdir(ordinary);
    expect((await stat(ours)).mode).toBe((await stat(ordinary)).mode);
  });

  it('is not written over a folder of others', async () => {
    const path = join(folder, 'others');
    await mkdir(path);
    await writeFile(join(path, 'manifest.json'), '{"name": "a web app"}');
    await expect(writeArtifact(path, (await artifact()).files)).rejects.toThrow(QcError);
    expect(await readFile(join(path, 'manifest.json'), 'utf8')).toBe('{"name": "a web app"}');
  });
});

describe('names of files', () => {
  it.each(['model.c', 'reference/model.qir', 'a/b/c/d/e', 'x-1_2.wgsl'])('%s may be', (name) => {
    expect(isFileName(name)).toBe(true);
  });
  it.each([
    '',
    '.',
    '..',
    '../x',
    '/x',
    'a/../b',
    'a//b',
    'a/',
    '.hidden',
    'a\\b',
    'a\0b',
    'a b',
    'a/b/c/d/e/f',
    'C:x',
  ])('%j may not be', (name) => {
    expect(isFileName(name)).toBe(false);
  });
});

/** A manifest that a test may break. */
type Loose = Record<string, unknown> & {
  inputs: Record<string, unknown>[];
  outputs: Record<string, unknown>[];
  tensors: (Record<string, unknown> & { layout: Record<string, unknown> })[];
  calibration: Record<string, unknown>;
  health: Record<string, unknown> & {
    layers: Record<string, unknown>[];
    activations: Record<string, unknown>[];
  };
  files: Record<string, unknown>[];
};

describe('a manifest', () => {
  const changes: readonly (readonly [what: string, change: (manifest: Loose) => void, message: RegExp])[] = [
    ['without a target', (manifest) => delete manifest['target'], /target is no text/],
    ['with inputs that are no list', (manifest) => (manifest.inputs = {} as never), /inputs is no list/],
    [
      'with a shape of fractions',
      (manifest) => (manifest.inputs[0]!['shape'] = [1.5]),
      /inputs\.shape is no whole number/,
    ],
    [
      'with an empty shape',
      (manifest) => (manifest.outputs[0]!['shape'] = [1, 0]),
      /outputs\.shape is \[1, 0\]/,
    ],
    ['with unknown storage', (manifest) => (manifest.tensors[0]!['storage'] = 'i3'), /"i3" is no storage/],
    [
      'with a layout of another rank',
      (manifest) => (manifest.tensors[0]!.layout['strides'] = [1]),
      /another rank/,
    ],
    [
      'with an agreement beyond all',
      (manifest) => (manifest.health['agreement'] = 101),
      /health\.agreement is no percentage/,
    ],
    [
      'with a ratio in words',
      (manifest) => (manifest.health.layers[0]!['sqnr_db'] = 'good'),
      /health\.layers\.sqnr_db is no number/,
    ],
    [
      'with half a dead channel',
      (manifest) => (manifest.health.layers[0]!['dead_channels'] = 0.5),
      /health\.layers\.dead_channels is no whole number/,
    ],
    [
      'with a nameless reader',
      (manifest) => (manifest.health.activations[0]!['read_by'] = [1]),
      /health\.activations\.read_by is no text/,
    ],
    [
      'with a calibration that hides how it was made',
      (manifest) => delete manifest.calibration['generated'],
      /generated/,
    ],
    ['with a file twice', (manifest) => manifest.files.push(manifest.files[0]!), /it lists a file/],
    [
      'with a file elsewhere',
      (manifest) => (manifest.files[0]!['name'] = '../../x'),
      /it lists a file "\.\.\/\.\.\/x"/,
    ],
    ['with a short digest', (manifest) => (manifest.files[0]!['sha256'] = 'abc'), /no SHA-256/],
    [
      'of another format',
      (manifest) => (manifest['format'] = 'qc-artifact/2'),
      /its format is "qc-artifact\/2"/,
    ],
  ];

  it.each(changes)('%s is refused', async (_, change, message) => {
    const manifest = JSON.parse(JSON.stringify((await artifact()).manifest)) as Loose;
    change(manifest);
    expect(() => parseManifest(JSON.stringify(manifest), 'it')).toThrow(message);
  });

  it('that is none is refused', () => {
    for (const text of ['', 'null', '[]', '{']) expect(() => parseManifest(text, 'it')).toThrow(QcError);
  });
});
