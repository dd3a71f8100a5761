/** Labelled images from files: an `.npy` of bytes or numbers, or a folder of pictures with a `labels.csv`. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { arrayImages, type ImageFormat, type NamedBytes } from './array-images.ts';
import type { ImageSet } from './image-set.ts';

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
  const named = async (file: string): Promise<NamedBytes> => ({
    name: file,
    bytes: new Uint8Array(await readFile(file)),
  });
  return arrayImages(await named(path), await named(labels), format);
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
