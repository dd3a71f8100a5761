/** Between a kind of data on disk and a `Dataset`: what a dataset is opened with, and what each kind has to answer. */
import { fail } from '../../ir/diagnostics.ts';
import type { Dataset, SampleReader } from './batches.ts';
import { imageInput } from './image-input.ts';
import { createPreprocessor, type Preprocess } from './preprocess.ts';
import type { RgbImage } from './resize.ts';
import type { Sampling } from './sampling.ts';

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
export interface Source extends Pick<Dataset, 'kind' | 'total' | 'warnings'> {
  /** What the samples are called together: `images in "folder"`. */
  readonly contents: string;
  readonly labels?: ArrayLike<number> | undefined;
  readonly nameOf: (index: number) => string;
  readonly open: () => Promise<SampleReader>;
}

/** From an image to a sample of its own. */
export function sampleConverter({
  input,
  preprocess,
}: DatasetOptions): (image: RgbImage, what: string) => Float32Array {
  const needed = neededPreprocess(preprocess);
  const convert = createPreprocessor(needed, imageInput(input.shape, needed.layout));
  const length = input.shape.slice(1).reduce((product, dim) => product * dim, 1);
  return (image, what) => {
    const sample = new Float32Array(length);
    convert(image, what, sample, 0);
    return sample;
  };
}

/** The preprocessing, where images can't do without. */
export function neededPreprocess(preprocess: Preprocess | undefined): Preprocess {
  return (
    preprocess ??
    fail('data/preprocess', 'images need preprocessing, and none is recorded or given', {
      help: 'say --preprocess imagenet, imagenet-norm, raw, unit or a JSON file',
    })
  );
}
