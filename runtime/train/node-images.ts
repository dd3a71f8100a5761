/** Labelled images from files: an `.npy` of bytes or numbers, or a folder of pictures with a `labels.csv`. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { ImageSet } from './image-set.ts';
import { readLabels, readNpy } from './npy.ts';

export interface ImageFormat {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** How the model's own input is laid out: that of an `.npy` of numbers. Bytes are always [N, H, W, C]. */
  readonly layout: 'NCHW' | 'NHWC';
  /** Pictures in a folder: the short side is resized to this, then the centre is cut out. Default: resized to height and width. */
  readonly shortSide?: number;
}

/** Images and labels. `labels` is an `.npy`, or for a folder a CSV of `file,label` (default: its own labels.csv). */
export async function readImages(
  path: string,
  labels: string | undefined,
  format: ImageFormat,
): Promise<ImageSet> {
  const folder = (await stat(path)).isDirectory();
  if (folder) return readFolder(path, labels ?? join(path, 'labels.csv'), format);
  if (labels === undefined)
    throw new Error(`${path} is an .npy, whose labels are in another: give --labels FILE.npy`);
  const { shape, data } = readNpy(new Uint8Array(await readFile(path)), path);
  const classes = readLabels(new Uint8Array(await readFile(labels)), labels);
  const { height, width, channels, layout } = format;
  const bytes = data instanceof Uint8Array;
  const expected = bytes || layout === 'NHWC' ? [height, width, channels] : [channels, height, width];
  if (shape.length !== 4 || shape.slice(1).join() !== expected.join()) {
    throw new Error(`${path} has the shape (${shape.join(', ')}); expected (N, ${expected.join(', ')})`);
  }
  const count = shape[0]!;
  if (classes.length !== count) throw new Error(`${labels} has ${classes.length} labels for ${count} images`);
  const pixels = bytes
    ? data
    : layout === 'NHWC'
      ? Float32Array.from(data as Float32Array)
      : channelsLast(data as Float32Array, count, channels, height * width);
  return { count, height, width, channels, pixels, labels: classes };
}

function channelsLast(data: ArrayLike<number>, count: number, channels: number, area: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let n = 0; n < count; n++) {
    for (let c = 0; c < channels; c++) {
      const from = (n * channels + c) * area;
      for (let p = 0; p < area; p++) result[(n * area + p) * channels + c] = data[from + p]!;
    }
  }
  return result;
}

async function readFolder(folder: string, table: string, format: ImageFormat): Promise<ImageSet> {
  const lines = (await readFile(table, 'utf8')).split(/\r?\n/).filter((line) => line.trim() !== '');
  const rows = lines
    .map((line) => line.split(','))
    .filter(([, label]) => label !== undefined && /^\s*\d+\s*$/.test(label))
    .map(([file, label]) => ({ file: file!.trim(), label: Number(label) }));
  if (rows.length === 0) throw new Error(`${table} names no image: its lines are file,label`);
  const there = new Set(await readdir(folder));
  const missing = rows.find(({ file }) => !there.has(file) && !file.includes('/'));
  if (missing !== undefined) throw new Error(`${table} names ${missing.file}, which is not in ${folder}`);
  const { height, width, channels, shortSide } = format;
  const size = height * width * channels;
  const pixels = new Uint8Array(rows.length * size);
  const { default: sharp } = await import('sharp').catch(() => {
    throw new Error('folders of pictures are read with sharp: npm install sharp');
  });
  for (const [i, { file }] of rows.entries()) {
    const path = join(folder, file);
    if (!['.jpg', '.jpeg', '.png', '.webp'].includes(extname(file).toLowerCase())) {
      throw new Error(`${path} is no JPEG, PNG or WebP`);
    }
    const picture = sharp(path).removeAlpha().toColourspace('srgb');
    const sized =
      shortSide === undefined
        ? picture.resize(width, height, { fit: 'fill' })
        : sharp(await picture.resize(shortSide, shortSide, { fit: 'outside' }).png().toBuffer()).resize(
            width,
            height,
            {
              fit: 'cover',
            },
          );
    pixels.set(await sized.raw().toBuffer(), i * size);
  }
  return {
    count: rows.length,
    height,
    width,
    channels,
    pixels,
    labels: Int32Array.from(rows, ({ label }) => label),
  };
}
