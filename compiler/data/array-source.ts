/**
 * An `.npy` of samples: bytes [N, H, W, 3] are images and preprocessed as such, floats are in the model's own shape and taken as they
 * are. Its header is checked against the model on opening; samples are read one by one, so a file may be larger than memory.
 */
import { fail } from '../../ir/diagnostics.ts';
import type { SampleReader } from './batches.ts';
import { basename, openNpyFile, quotePath } from './files.ts';
import { imageInput } from './image-input.ts';
import { type NpyHeader, toFloat32, toInt32 } from './npy.ts';
import { placement } from './preprocess.ts';
import { type DatasetOptions, neededPreprocess, sampleConverter, type Source } from './source.ts';

/** The samples of the `.npy` at `path`, with the labels of another if `options.labels` names one. */
export async function openArray(path: string, options: DatasetOptions): Promise<Source> {
  const file = await openNpyFile(path);
  await file.close();
  const { header } = file;
  const what = quotePath(path);
  const total = header.shape[0] ?? 0;
  const isBytes = header.dtype === 'u1';
  if (isBytes) checkByteArray(header, what, options);
  else checkFloatArray(header, what, options);
  if (total === 0) fail('data/empty-array', `${what} has the shape [${header.shape.join(', ')}]: no samples`);
  const labels = await arrayLabels(path, total, options);
  const name = basename(path);
  const nameOf = (index: number): string => `${name}[${index}]`;
  const open = isBytes ? byteReader(path, header, nameOf, options) : floatReader(path, header, nameOf);
  const kind = isBytes ? 'npy-u8' : 'npy-f32';
  return { kind, total, contents: `samples in ${what}`, warnings: [], labels, nameOf, open };
}

function checkByteArray({ shape }: NpyHeader, what: string, options: DatasetOptions): void {
  const [, height = 0, width = 0, channels] = shape;
  if (shape.length !== 4 || channels !== 3 || height < 1 || width < 1) {
    const help =
      shape[1] === 3
        ? 'transpose it: array.transpose(0, 2, 3, 1)'
        : "f32 is for data in the model's own layout";
    fail('data/npy-shape', `${what} is u8 [${shape.join(', ')}]; expected u8 [N, H, W, 3]`, { help });
  }
  const preprocess = neededPreprocess(options.preprocess);
  const input = imageInput(options.input.shape, preprocess.layout);
  placement(preprocess, input, { width, height }, `each image of ${what}`);
}

function checkFloatArray({ dtype, shape }: NpyHeader, what: string, options: DatasetOptions): void {
  const expected = ['N', ...options.input.shape.slice(1)].join(', ');
  if (!dtype.startsWith('f')) {
    fail(
      'data/npy-dtype',
      `${what} is ${dtype} [${shape.join(', ')}]; expected u8 [N, H, W, 3] or f32 [${expected}]`,
      {
        help: 'images are u1 (array.astype(np.uint8)), preprocessed data is f4',
      },
    );
  }
  if (shape.length === 0 || ['N', ...shape.slice(1)].join(', ') !== expected) {
    const alone = shape.join(', ') === options.input.shape.slice(1).join(', ');
    fail(
      'data/npy-shape',
      `${what} is ${dtype} [${shape.join(', ')}]; the model's input is f32 [${expected}]`,
      alone ? { help: 'a single sample needs a batch dimension: array[None]' } : {},
    );
  }
}

async function arrayLabels(
  path: string,
  total: number,
  { labels }: DatasetOptions,
): Promise<Int32Array | undefined> {
  if (labels === undefined || labels === false) return undefined;
  const what = quotePath(labels);
  if (!/\.npy$/i.test(labels)) {
    fail('data/labels-kind', `labels of an array are an .npy, one a sample: ${what} is none`);
  }
  const file = await openNpyFile(labels);
  try {
    const { dtype, shape, count } = file.header;
    if (count !== total || shape[0] !== total) {
      fail(
        'data/label-count',
        `${what} has the shape [${shape.join(', ')}]; ${quotePath(path)} needs [${total}]`,
      );
    }
    return toInt32({ dtype, shape, data: await file.readAll() }, what);
  } finally {
    await file.close();
  }
}

function byteReader(
  path: string,
  { shape }: NpyHeader,
  nameOf: (index: number) => string,
  options: DatasetOptions,
): () => Promise<SampleReader> {
  const convert = sampleConverter(options);
  const [, height = 0, width = 0] = shape;
  return async () => {
    const file = await openNpyFile(path);
    const read = async (index: number): Promise<Float32Array> =>
      convert(
        { width, height, data: (await file.readSample(index)) as Uint8Array },
        JSON.stringify(nameOf(index)),
      );
    return { read, close: file.close };
  };
}

function floatReader(
  path: string,
  { dtype, shape }: NpyHeader,
  nameOf: (index: number) => string,
): () => Promise<SampleReader> {
  return async () => {
    const file = await openNpyFile(path);
    const read = async (index: number): Promise<Float32Array> => {
      const sample = toFloat32({ dtype, shape, data: await file.readSample(index) });
      const at = sample.findIndex((value) => !Number.isFinite(value));
      if (at !== -1)
        fail(
          'data/not-finite',
          `${JSON.stringify(nameOf(index))} holds ${sample[at]!} at ${at}; inputs are finite numbers`,
        );
      return sample;
    };
    return { read, close: file.close };
  };
}
