/**
 * From an 8-bit RGB image to a model's input. A `Preprocess` is plain data: it is recorded in the artifact and is at the same time
 * the content of a preprocessing file.
 *
 * Geometry first, on bytes (resize, centre crop), then each channel through a table of 256 float32 values. The tables are the
 * arithmetic: for byte u and channel c
 *
 *     table[c][u] = fround(fround(fround(u * scale) - fround(mean[c])) / fround(std[c]))
 *
 * with u * scale in float64. With scale = 1/255 this is torchvision's ToTensor and Normalize, bit for bit, all 256 values. Whoever
 * reads the tables (a C or WGSL entry for u8 images, a bound on the input) cannot disagree with what calibration saw.
 */
import { fail } from '../../ir/diagnostics.ts';
import type { ImageInput, ImageLayout } from './image-input.ts';
import {
  type ImageRule,
  type ImageSize,
  placeImage,
  type Placement,
  type ShortSideResize,
} from '../../runtime/image/placement.ts';
import { resizeWindow, type RgbImage } from './resize.ts';

export type Triple = readonly [number, number, number];

export interface Preprocess extends ImageRule {
  readonly name: string;
  readonly scale: number;
  /** In the order of the model's channels, as `std` is. */
  readonly mean: Triple;
  readonly std: Triple;
  /** What the model's channels 0, 1, 2 are. */
  readonly channelOrder: 'RGB' | 'BGR';
  /** `auto`: from the shape of the model's input. */
  readonly layout: ImageLayout | 'auto';
}

export const presetNames = ['imagenet', 'imagenet-norm', 'raw', 'unit'] as const;
export type PresetName = (typeof presetNames)[number];

export function isPresetName(name: string): name is PresetName {
  return (presetNames as readonly string[]).includes(name);
}

/**
 * A preset for a model that reads images of `size`. `imagenet` at 224 resizes to 256; for other sizes in proportion, by the
 * longer side: S = max(height, width), short side round(S * 256 / 224), kept as it is from S on.
 */
export function presetPreprocess(name: PresetName, size: { height: number; width: number }): Preprocess {
  const asBytes: Preprocess = {
    name,
    resize: null,
    crop: 'none',
    scale: 1,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    channelOrder: 'RGB',
    layout: 'auto',
  };
  const unit = { ...asBytes, scale: 1 / 255 };
  const normalized: Preprocess = { ...unit, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  switch (name) {
    case 'raw':
      return asBytes;
    case 'unit':
      return unit;
    case 'imagenet-norm':
      return normalized;
    case 'imagenet': {
      const crop = Math.max(size.height, size.width);
      const resize: ShortSideResize = {
        shortSide: Math.round((crop * 256) / 224),
        keepFrom: crop,
        filter: 'bilinear',
      };
      return { ...normalized, resize, crop: 'center' };
    }
  }
}

/** One table of 256 values for each channel of the model, in the model's channel order. */
export function channelTables(preprocess: Preprocess): [Float32Array, Float32Array, Float32Array] {
  const { fround } = Math;
  const table = (c: 0 | 1 | 2): Float32Array => {
    const mean = fround(preprocess.mean[c]);
    const std = fround(preprocess.std[c]);
    return Float32Array.from({ length: 256 }, (_, u) => fround(fround(u * preprocess.scale) - mean) / std);
  };
  return [table(0), table(1), table(2)];
}

/** For each channel of the model, which of R, G, B (0, 1, 2) it is looked up from. */
export function sourceChannels(preprocess: Preprocess): Triple {
  return preprocess.channelOrder === 'RGB' ? [0, 1, 2] : [2, 1, 0];
}

/** The least and greatest value that any image can put into the model's input tensor. */
export function inputBounds(preprocess: Preprocess): { min: number; max: number } {
  const ends = channelTables(preprocess).flatMap((table) => [table[0]!, table[255]!]);
  // An entry is monotone in u, rising or falling with the signs of scale and std.
  return { min: Math.min(...ends), max: Math.max(...ends) };
}

/** Placement of a width x height image. Fails with `data/image-size` if its size is not one the rules bring to the model's. */
export function placement(
  preprocess: Preprocess,
  input: ImageInput,
  image: ImageSize,
  what: string,
): Placement {
  const { window, ...resized } = placeImage(preprocess, input, image);
  if (window === undefined) {
    const expected = preprocess.crop === 'center' ? 'at least ' : '';
    const after = preprocess.resize === null ? '' : ` (${resized.width} x ${resized.height} once resized)`;
    fail(
      'data/image-size',
      `${what} is ${image.width} x ${image.height} pixels${after}; expected ${expected}${input.width} x ${input.height}, ` +
        `since preprocessing ${JSON.stringify(preprocess.name)} ${preprocess.resize === null ? 'does not resize' : 'resizes so'}`,
      { help: '--preprocess imagenet resizes and crops; a JSON file can say {"resize": {"exact": true}}' },
    );
  }
  return { ...resized, window };
}

/** Writes the model's view of `image` into `out` from `offset` on: 3 * height * width values in the model's layout. */
export type Preprocessor = (image: RgbImage, what: string, out: Float32Array, offset: number) => void;

export function createPreprocessor(preprocess: Preprocess, input: ImageInput): Preprocessor {
  const tables = channelTables(preprocess);
  const sources = sourceChannels(preprocess);
  const filter = preprocess.resize?.filter ?? 'bilinear';
  const pixels = input.height * input.width;
  const [channelStride, pixelStride] = input.layout === 'NCHW' ? [pixels, 1] : [1, 3];
  return (image, what, out, offset) => {
    const { width, height, window } = placement(preprocess, input, image, what);
    const { data } = resizeWindow(image, width, height, filter, window);
    for (let c = 0; c < 3; c++) {
      const table = tables[c]!;
      const source = sources[c]!;
      const start = offset + c * channelStride;
      for (let p = 0; p < pixels; p++) out[start + p * pixelStride] = table[data[p * 3 + source]!]!;
    }
  };
}
