import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Batch, Dataset } from './batches.ts';
import { type DatasetOptions, openDataset } from './dataset.ts';
import { findClassNames, readClassNames } from './class-names.ts';
import { openNpyFile, readNpyFile, readNpzFile, writeNpyFile, writeNpzFile } from './files.ts';
import { readImage } from './images.ts';
import { loadPreprocess } from './load-preprocess.ts';
import { type NpyArray, writeNpy } from './npy.ts';
import { presetPreprocess } from './preprocess.ts';

let root = '';
const at = (...names: string[]): string => join(root, ...names);

/** A 4 x 2 image of one colour; PNG, so that its bytes come back exactly. */
async function flat(path: string, red: number, green: number, blue: number): Promise<void> {
  const background = { r: red, g: green, b: blue };
  await sharp({ create: { width: 4, height: 2, channels: 3, background } })
    .png()
    .toFile(path);
}

const raw = presetPreprocess('raw', { height: 2, width: 4 });
const options: DatasetOptions = { input: { shape: [1, 3, 2, 4] }, preprocess: raw };

async function all(dataset: Dataset): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of dataset) batches.push(batch);
  return batches;
}

/** Opens and reads to the end: where the error comes up doesn't matter to a user. */
async function consume(path: string, more: Partial<DatasetOptions> = {}): Promise<Batch[]> {
  return all(await openDataset(path, { ...options, ...more }));
}

const u8Images: NpyArray = {
  dtype: 'u1',
  shape: [5, 2, 4, 3],
  data: Uint8Array.from({ length: 120 }, (_, i) => i),
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'qc-data-'));
  for (const folder of ['flat', 'classes/b', 'classes/a', 'empty', 'partial', 'broken']) {
    await mkdir(at(folder), { recursive: true });
  }
  await flat(at('flat', 'b.png'), 10, 20, 30);
  await flat(at('flat', 'a.PNG'), 1, 2, 3);
  await flat(at('flat', 'c,"d".png'), 7, 8, 9);
  await writeFile(at('flat', '.hidden.png'), 'not an image');
  await writeFile(at('flat', 'notes.txt'), 'not an image');
  await writeFile(
    at('flat', 'labels.csv'),
    '\ufefffile,label\r\nb.png,4\r\n"c,""d"".png", 0\r\n./a.PNG,2\r\n',
  );
  await flat(at('classes', 'b', 'x.png'), 5, 5, 5);
  await flat(at('classes', 'a', 'y.png'), 6, 6, 6);
  await flat(at('classes', 'a', 'x.png'), 4, 4, 4);
  await flat(at('partial', 'a.png'), 1, 1, 1);
  await flat(at('partial', 'b.png'), 1, 1, 1);
  await writeFile(at('partial', 'labels.csv'), 'a.png,1\nz.png,2\n');
  await writeFile(at('images.npy'), writeNpy(u8Images));
  await writeFile(
    at('labels.npy'),
    writeNpy({ dtype: 'i8', shape: [5], data: BigInt64Array.of(4n, 3n, 2n, 1n, 0n) }),
  );
});

afterAll(async () => rm(root, { recursive: true, force: true }));

describe('a folder of images', () => {
  it('is read in the order of its names, with labels.csv', async () => {
    const dataset = await openDataset(at('flat'), { ...options, batch: 2, classes: 5 });
    expect(dataset).toMatchObject({ kind: 'images', length: 3, total: 3, labelled: true, warnings: [] });
    expect(dataset.description).toBe(`3 of 3 images in ${JSON.stringify(at('flat'))}`);
    const [first, second] = await all(dataset);
    expect(first).toMatchObject({ shape: [2, 3, 2, 4], count: 2, names: ['a.PNG', 'b.png'] });
    expect(first?.labels).toEqual(Int32Array.of(2, 4));
    expect(first?.input.subarray(0, 9)).toEqual(Float32Array.of(1, 1, 1, 1, 1, 1, 1, 1, 2));
    expect(second).toMatchObject({ shape: [1, 3, 2, 4], names: ['c,"d".png'] });
    expect(second?.labels).toEqual(Int32Array.of(0));
  });

  it('can be read again and left early', async () => {
    const dataset = await openDataset(at('flat'), options);
    const once = await all(dataset);
    for await (const batch of dataset) {
      expect(batch).toEqual(once[0]);
      break;
    }
    expect(await all(dataset)).toEqual(once);
  });

  it('of folders has a class for each, by sorted name', async () => {
    const batches = await consume(at('classes'), { batch: 9 });
    expect(batches[0]?.names).toEqual(['a/x.png', 'a/y.png', 'b/x.png']);
    expect(batches[0]?.labels).toEqual(Int32Array.of(0, 0, 1));
    expect((await consume(at('classes'), { labels: false }))[0]).not.toHaveProperty('labels');
  });

  it('of folders is checked for being what it seems', async () => {
    const { warnings } = await openDataset(at('classes'), { ...options, classes: 1000 });
    expect(warnings[0]?.message).toContain("holds 2 folders for the model's 1000 classes");
    expect((await openDataset(at('classes'), { ...options, classes: 2 })).warnings).toEqual([]);
    await expect(openDataset(root, options)).rejects.toThrow('which has labels of its own');
  });

  it('takes labels from elsewhere, or none', async () => {
    await writeFile(at('other.csv'), 'a.PNG,1\nb.png,1\n"c,""d"".png",1\n');
    const [batch] = await consume(at('flat'), { labels: at('other.csv'), batch: 3 });
    expect(batch?.labels).toEqual(Int32Array.of(1, 1, 1));
    expect((await openDataset(at('partial'), { ...options, labels: false })).labelled).toBe(false);
  });

  it('follows symbolic links', async () => {
    await mkdir(at('links'));
    await symlink(at('flat', 'b.png'), at('links', 'l.png'));
    await symlink(at('nowhere'), at('links', 'broken.png'));
    expect((await consume(at('links')))[0]?.names).toEqual(['l.png']);
  });

  it('warns of labels without files', async () => {
    await mkdir(at('fewer'));
    await flat(at('fewer', 'a.png'), 1, 1, 1);
    await writeFile(at('fewer', 'labels.csv'), 'a.png,1\nz.png,2\n');
    const { warnings } = await openDataset(at('fewer'), options);
    expect(warnings.map(({ code }) => code)).toEqual(['data/unused-labels']);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['there is nothing at', () => consume(at('missing'))],
    ['holds no images', () => consume(at('empty'))],
    ['has no label for "b.png"', () => consume(at('partial'))],
    ['"b.png" has label 4; expected 0 to 3', () => consume(at('flat'), { classes: 4 })],
    ['labels of a folder are a table', () => consume(at('flat'), { labels: at('labels.npy') })],
    ['is 4 x 2 pixels; expected 8 x 8', () => consume(at('flat'), { input: { shape: [1, 3, 8, 8] } })],
    ["the model's input is [1, 10]", () => consume(at('flat'), { input: { shape: [1, 10] } })],
    ['is no kind of data that is read', () => consume(at('flat', 'notes.txt'))],
    ['none is recorded or given', async () => openDataset(at('flat'), { input: options.input })],
  ])('is refused: %s', async (message, action) => {
    await expect(action()).rejects.toThrow(message);
  });

  it.each([
    ['a.png\n', 'line 1 is "a.png"; expected FILE,LABEL'],
    ['file,label\na.png,1.5\n', 'line 2 is "a.png,1.5"'],
    ['a.png,-1\n', 'line 1'],
    ['a.png,9999999999\n', 'line 1'],
    ['a.png,1\n./a.png,1\n', 'line 2 labels "a.png" a second time'],
  ])('refuses the table %j', async (text, message) => {
    await writeFile(at('bad.csv'), text);
    await expect(openDataset(at('partial'), { ...options, labels: at('bad.csv') })).rejects.toThrow(message);
  });
});

describe('one image', () => {
  it('is a dataset of one', async () => {
    const [batch] = await consume(at('flat', 'b.png'));
    expect(batch?.names).toEqual(['b.png']);
    expect(batch?.input[0]).toBe(10);
  });

  it('is decoded to RGB whatever it is, without its orientation', async () => {
    const pixels = Uint8Array.of(10, 20, 30, 0, 40, 50, 60, 255);
    const rgba = sharp(pixels, { raw: { width: 2, height: 1, channels: 4 } });
    await rgba.clone().png().toFile(at('alpha.png'));
    expect(Array.from((await readImage(at('alpha.png'))).data)).toEqual([10, 20, 30, 40, 50, 60]);
    await sharp(Uint8Array.of(7, 9), { raw: { width: 2, height: 1, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toFile(at('grey.png'));
    expect(Array.from((await readImage(at('grey.png'))).data)).toEqual([7, 7, 7, 9, 9, 9]);
    await rgba.clone().removeAlpha().withMetadata({ orientation: 6 }).jpeg().toFile(at('turned.jpg'));
    expect(await readImage(at('turned.jpg'))).toMatchObject({ width: 2, height: 1 });
    const white = { create: { width: 8, height: 8, channels: 3, background: 'white' } } as const;
    await sharp(white).toColourspace('cmyk').jpeg({ quality: 100 }).toFile(at('cmyk.jpg'));
    expect((await readImage(at('cmyk.jpg'))).data.every((value) => value > 250)).toBe(true);
  });

  it('that is damaged is an error that names it', async () => {
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
    const good = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .jpeg()
      .toBuffer();
    await writeFile(at('broken', 'a-good.jpg'), good);
    await writeFile(at('broken', 'b-cut.jpg'), good.subarray(0, good.length / 2));
    const square = { input: { shape: [1, 3, 64, 64] } };
    await expect(consume(at('broken'), square)).rejects.toThrow(/"[^"]*b-cut\.jpg" cannot be decoded/);
    await writeFile(at('broken', 'b-cut.jpg'), '');
    await expect(consume(at('broken'), square)).rejects.toThrow(/b-cut\.jpg" is empty/);
    await writeFile(at('broken', 'b-cut.jpg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
    await expect(consume(at('broken'), square)).rejects.toThrow(/b-cut\.jpg" is neither a JPEG nor a PNG/);
  });

  it('that claims too many pixels is refused before it is decoded', async () => {
    const png = await sharp({ create: { width: 4, height: 2, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    png.writeUInt32BE(100_000, 16);
    png.writeUInt32BE(100_000, 20);
    await writeFile(at('bomb.png'), png);
    await expect(readImage(at('bomb.png'))).rejects.toThrow('bomb.png" cannot be decoded');
  });
});

describe('an array', () => {
  it('of bytes is preprocessed and has its labels', async () => {
    const chosen = { labels: at('labels.npy'), batch: 2, limit: 3 };
    const [first, second] = await consume(at('images.npy'), chosen);
    expect(first).toMatchObject({ shape: [2, 3, 2, 4], names: ['images.npy[0]', 'images.npy[1]'] });
    expect(first?.labels).toEqual(Int32Array.of(4, 3));
    expect(second?.labels).toEqual(Int32Array.of(2));
    expect(Array.from(second!.input.subarray(0, 8))).toEqual([48, 51, 54, 57, 60, 63, 66, 69]);
  });

  it('is sampled uniformly under a seed', async () => {
    const pick = { limit: 2, sampling: 'uniform', seed: 1, batch: 2 } as const;
    const [batch] = await consume(at('images.npy'), pick);
    expect(batch?.names).toHaveLength(2);
    expect(await consume(at('images.npy'), pick)).toEqual([batch]);
  });

  it.each(['f2', 'f4', 'f8'] as const)('of %s is taken as it is', async (dtype) => {
    const values = [0.5, -1, 2, 3, 4, 5];
    const data = dtype === 'f8' ? Float64Array.from(values) : Float32Array.from(values);
    await writeNpyFile(at('floats.npy'), { dtype, shape: [2, 3], data });
    const [batch] = await all(await openDataset(at('floats.npy'), { input: { shape: [1, 3] }, batch: 2 }));
    expect(batch?.input).toEqual(Float32Array.from(values));
  });

  const refused = async (array: NpyArray, more: Partial<DatasetOptions> = {}): Promise<unknown> => {
    await writeNpyFile(at('bad.npy'), array);
    return consume(at('bad.npy'), more);
  };
  const f4 = (shape: number[], fill = 0): NpyArray => ({
    dtype: 'f4',
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(fill),
  });
  it.each<[string, () => Promise<unknown>]>([
    ["is f4 [2, 2, 4, 3]; the model's input is f32 [N, 3, 2, 4]", () => refused(f4([2, 2, 4, 3]))],
    ['needs a batch dimension', () => refused(f4([3, 2, 4]))],
    ["is f4 []; the model's input", () => refused(f4([]))],
    [
      'is i4 [1]; expected u8 [N, H, W, 3] or f32 [N, 3, 2, 4]',
      () => refused({ dtype: 'i4', shape: [1], data: new Int32Array(1) }),
    ],
    ['transpose it', () => refused({ dtype: 'u1', shape: [1, 3, 2, 4], data: new Uint8Array(24) })],
    ['each image of', () => refused({ dtype: 'u1', shape: [1, 4, 2, 3], data: new Uint8Array(24) })],
    ['no samples', () => refused(f4([0, 3, 2, 4]))],
    ['"bad.npy[0]" holds NaN at 0; inputs are finite', () => refused(f4([1, 3, 2, 4], NaN))],
    ['needs [1]', () => refused(f4([1, 3, 2, 4]), { labels: at('labels.npy') })],
    ['labels of an array are an .npy', () => refused(f4([1, 3, 2, 4]), { labels: at('labels.csv') })],
    [
      '"images.npy[0]" has label 4; expected 0 to 2',
      () => consume(at('images.npy'), { labels: at('labels.npy'), classes: 3 }),
    ],
  ])('is refused: %s', async (message, action) => {
    await expect(action()).rejects.toThrow(message);
  });

  it('is read at an index, without the rest', async () => {
    const file = await openNpyFile(at('images.npy'));
    expect(await file.readSample(3)).toEqual((u8Images.data as Uint8Array).slice(72, 96));
    await file.close();
    await expect(openNpyFile(at('flat'))).rejects.toThrow('is a folder');
    await expect(openNpyFile(at('flat', 'notes.txt'))).rejects.toThrow('is not an .npy file');
  });
});

describe('files', () => {
  it('round trip', async () => {
    await writeNpyFile(at('whole.npy'), u8Images);
    expect(await readNpyFile(at('whole.npy'))).toEqual(u8Images);
    const tensors = new Map([['/a/b', u8Images]]);
    await writeNpzFile(at('whole.npz'), tensors);
    expect(await readNpzFile(at('whole.npz'))).toEqual(tensors);
    await expect(writeNpyFile(at('no', 'such', 'x.npy'), u8Images)).rejects.toThrow(
      'its folder does not exist',
    );
  });

  it('hold class names beside a model', async () => {
    await mkdir(at('model'));
    expect(await findClassNames(at('model'))).toBeUndefined();
    await writeFile(at('model', 'labels.txt'), 'cat\ndog\n');
    expect(await findClassNames(at('model'))).toEqual(['cat', 'dog']);
    await expect(readClassNames(at('model'))).rejects.toThrow('is a folder; a file is expected');
  });

  it('hold preprocessing, or presets are named', async () => {
    expect(await loadPreprocess('imagenet', [1, 224, 224, 3])).toEqual(
      presetPreprocess('imagenet', { height: 224, width: 224 }),
    );
    expect(await loadPreprocess('raw', [1, 49, 10])).toMatchObject({ name: 'raw', resize: null });
    await writeFile(at('mine.json'), '{"scale": 2}');
    expect(await loadPreprocess(at('mine.json'), [1, 3, 8, 8])).toMatchObject({ name: 'mine', scale: 2 });
    await writeFile(at('mine.json'), '{"scale": }');
    await expect(loadPreprocess(at('mine.json'), [1, 3, 8, 8])).rejects.toThrow('is not JSON');
    await expect(loadPreprocess('imagnet', [1, 3, 8, 8])).rejects.toThrow(
      'is neither a preprocessing preset nor a file',
    );
  });
});

describe('the shared images, where they are', () => {
  const shared = new URL('../../../shared/data/', import.meta.url).pathname;

  it('open, decode and agree with what is said of them', async () => {
    if (!existsSync(shared)) {
      process.stdout.write(`not checked on real images: there is nothing at ${shared}\n`);
      return;
    }
    const imagenet = await loadPreprocess('imagenet', [1, 3, 224, 224]);
    const val = await openDataset(join(shared, 'imagenet/val'), {
      input: { shape: [1, 3, 224, 224] },
      preprocess: imagenet,
      classes: 1000,
      batch: 8,
      limit: 20,
    });
    expect(val).toMatchObject({ length: 20, total: 650, labelled: true, warnings: [] });
    expect((await all(val)).map(({ count }) => count)).toEqual([8, 8, 4]);
    const test = await openDataset(join(shared, 'cifar10/test.npy'), {
      input: { shape: [1, 32, 32, 3] },
      preprocess: await loadPreprocess('raw', [1, 32, 32, 3]),
      labels: join(shared, 'cifar10/test_labels.npy'),
      classes: 10,
      batch: 100,
    });
    const batches = await all(test);
    expect(batches).toHaveLength(50);
    // The first images of CIFAR-10's test set: cat, ship, ship, airplane.
    expect(Array.from(batches[0]!.labels!.subarray(0, 4))).toEqual([3, 8, 8, 0]);
  });
});
