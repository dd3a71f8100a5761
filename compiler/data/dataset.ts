/**
 * What a user has on disk, opened as a `Dataset`: the one way samples reach calibration, evaluation and verification.
 *
 * - a folder of JPEG and PNG files, in code unit order of their names, with labels from its `labels.csv` if it has one;
 * - a folder of folders of them, one a class: the sorted names of the folders are classes 0, 1, 2, ... (torchvision's ImageFolder);
 * - an `.npy` of u8 [N, H, W, 3], preprocessed like images;
 * - an `.npy` of floats in the model's own shape and layout, taken as it is: preprocessing has been done to it already;
 * - a single image.
 *
 * Everything that headers and names can tell is checked on opening; files are decoded when their batch is due.
 */
import { type Diagnostic, fail } from '../../ir/diagnostics.ts';
import { type Batch, type BatchPlan, type Dataset, readBatches, type SampleReader } from './batches.ts';
import {
  basename,
  fileExists,
  join,
  listFolder,
  openNpyFile,
  pathKind,
  quotePath,
  readText,
} from './files.ts';
import { imageInput } from './image-input.ts';
import { isImageName, readImage } from './images.ts';
import { checkLabels, parseLabelsCsv } from './labels.ts';
import { type NpyHeader, toFloat32, toInt32 } from './npy.ts';
import { createPreprocessor, placement, type Preprocess } from './preprocess.ts';
import { sampleIndices, type Sampling } from './sampling.ts';

export interface DatasetOptions {
  /** The model's input; the batch dimension comes first and may be anything. */
  readonly input: { readonly shape: readonly number[] };
  /** Needed for images and u8 arrays; float arrays are taken as they are. */
  readonly preprocess?: Preprocess;
  /** A `.csv` for a folder, an `.npy` for an array; `false` ignores labels, as calibration does. Absent: a folder's own. */
  readonly labels?: string | false;
  /** How many classes the model tells apart, if known: labels are checked against it. */
  readonly classes?: number;
  /** Samples in a batch; the last may be smaller. */
  readonly batch?: number;
  /** At most so many samples, chosen by `sampling` (the first ones by default) and, if uniform, `seed`. */
  readonly limit?: number;
  readonly sampling?: Sampling;
  readonly seed?: number;
}

/** A source of samples before any are chosen. */
interface Source extends Pick<Dataset, 'kind' | 'total' | 'warnings'> {
  /** What the samples are called together: `images in "folder"`. */
  readonly contents: string;
  readonly labels?: ArrayLike<number> | undefined;
  readonly nameOf: (index: number) => string;
  readonly open: () => Promise<SampleReader>;
}

const mostLabelBytes = 2 ** 26;

/** Opens `path`. Fails with a `data/*` error if it is nothing the model can be fed with. */
export async function openDataset(path: string, options: DatasetOptions): Promise<Dataset> {
  const source = await openSource(path, options);
  const { total, labels, nameOf, open, warnings } = source;
  if (labels !== undefined) checkLabels(labels, options.classes, nameOf);
  const { limit = total, sampling = 'first', seed = 0, batch = 1 } = options;
  const indices = sampleIndices(total, limit, sampling, seed);
  const labelOf = labels === undefined ? undefined : (index: number): number => labels[index]!;
  const sampleShape = options.input.shape.slice(1);
  const plan: BatchPlan = { indices, batch, sampleShape, nameOf, labelOf, open };
  return {
    description: `${indices.length} of ${total} ${source.contents}`,
    kind: source.kind,
    length: indices.length,
    total,
    labelled: labels !== undefined,
    sampleShape,
    warnings,
    [Symbol.asyncIterator]: (): AsyncGenerator<Batch, void, undefined> => readBatches(plan),
  };
}

async function openSource(path: string, options: DatasetOptions): Promise<Source> {
  if ((await pathKind(path)) === 'folder') return openFolder(path, options);
  if (/\.npy$/i.test(path)) return openArray(path, options);
  if (!isImageName(path)) {
    fail('data/unknown-kind', `${quotePath(path)} is no kind of data that is read`, {
      help: 'give a folder of JPEG or PNG files, one such file, or an .npy',
    });
  }
  if (typeof options.labels === 'string') {
    fail(
      'data/labels-kind',
      `labels are given for the single image ${quotePath(path)}; a folder or an .npy can have them`,
    );
  }
  return imageSource(
    { contents: `image ${quotePath(path)}`, names: [basename(path)], pathOf: () => path },
    options,
  );
}

async function openFolder(folder: string, options: DatasetOptions): Promise<Source> {
  const { files, folders } = await listFolder(folder);
  const top = files.filter(isImageName);
  const csv = await labelsTable(folder, options);
  if (top.length > 0) return labelledImages(folder, top, csv, options);

  const images: string[] = [];
  const classes: number[] = [];
  for (const [index, name] of folders.entries()) {
    for (const file of (await listFolder(join(folder, name))).files.filter(isImageName)) {
      images.push(`${name}/${file}`);
      classes.push(index);
    }
  }
  if (images.length === 0) {
    fail('data/empty-folder', `${quotePath(folder)} holds no images`, {
      help: 'expected .jpg, .jpeg or .png files in it, or in one folder for each class',
    });
  }
  if (csv !== undefined) return labelledImages(folder, images, csv, options);
  const own = options.labels === false ? {} : { labels: classes };
  return imageSource({ ...folderOfImages(folder, images), ...own }, options);
}

interface LabelsTable {
  readonly path: string;
  readonly labels: ReadonlyMap<string, number>;
}

async function labelsTable(folder: string, { labels }: DatasetOptions): Promise<LabelsTable | undefined> {
  if (labels === false) return undefined;
  const path = labels ?? join(folder, 'labels.csv');
  if (labels === undefined && !(await fileExists(path))) return undefined;
  if (/\.npy$/i.test(path)) {
    fail('data/labels-kind', `labels of a folder are a table, not an array: ${quotePath(path)}`, {
      help: 'give a .csv with lines FILE,LABEL',
    });
  }
  return { path, labels: parseLabelsCsv(await readText(path, mostLabelBytes), quotePath(path)) };
}

function labelledImages(
  folder: string,
  images: readonly string[],
  table: LabelsTable | undefined,
  options: DatasetOptions,
): Source {
  const found = folderOfImages(folder, images);
  if (table === undefined) return imageSource(found, options);
  const labels = images.map((name) => {
    const label = table.labels.get(name);
    if (label !== undefined) return label;
    return fail('data/label-missing', `${quotePath(table.path)} has no label for ${quotePath(name)}`, {
      help: `it labels ${table.labels.size} files; ${images.length} images are in ${quotePath(folder)}`,
    });
  });
  const unused = table.labels.size - images.length;
  const warnings: Diagnostic[] =
    unused === 0
      ? []
      : [
          {
            code: 'data/unused-labels',
            severity: 'warning',
            message: `${quotePath(table.path)} labels ${unused} files that are not in ${quotePath(folder)}`,
          },
        ];
  return imageSource({ ...found, labels, warnings }, options);
}

interface ImageFiles {
  readonly contents: string;
  readonly names: readonly string[];
  readonly pathOf: (name: string) => string;
  readonly labels?: readonly number[];
  readonly warnings?: readonly Diagnostic[];
}

function folderOfImages(folder: string, names: readonly string[]): ImageFiles {
  return { contents: `images in ${quotePath(folder)}`, names, pathOf: (name) => join(folder, name) };
}

function imageSource(
  { contents, names, pathOf, labels, warnings = [] }: ImageFiles,
  options: DatasetOptions,
): Source {
  const convert = sampleConverter(options);
  const read = async (index: number): Promise<Float32Array> => {
    const path = pathOf(names[index]!);
    return convert(await readImage(path), quotePath(path));
  };
  return {
    kind: 'images',
    total: names.length,
    contents,
    warnings,
    labels,
    nameOf: (index) => names[index]!,
    open: async () => ({ read, close: () => undefined }),
  };
}

/** From an image to a sample of its own. */
function sampleConverter({ input, preprocess }: DatasetOptions) {
  const needed = neededPreprocess(preprocess);
  const convert = createPreprocessor(needed, imageInput(input.shape, needed.layout));
  const length = input.shape.slice(1).reduce((product, dim) => product * dim, 1);
  return (image: Parameters<typeof convert>[0], what: string): Float32Array => {
    const sample = new Float32Array(length);
    convert(image, what, sample, 0);
    return sample;
  };
}

function neededPreprocess(preprocess: Preprocess | undefined): Preprocess {
  return (
    preprocess ??
    fail('data/preprocess', 'images need preprocessing, and none is recorded or given', {
      help: 'say --preprocess imagenet, imagenet-norm, raw, unit or a JSON file',
    })
  );
}

async function openArray(path: string, options: DatasetOptions): Promise<Source> {
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
