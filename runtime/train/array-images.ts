/** Labelled images from two `.npy` files, wherever their bytes come from. */
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

/** A file's bytes, and what to call it when something is wrong with them. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Throws an Error that names the file where a shape or a number of labels is not what `format` says. */
export function arrayImages(images: NamedBytes, labels: NamedBytes, format: ImageFormat): ImageSet {
  const { shape, data } = readNpy(images.bytes, images.name);
  const classes = readLabels(labels.bytes, labels.name);
  const { height, width, channels, layout } = format;
  const bytes = data instanceof Uint8Array;
  const expected = bytes || layout === 'NHWC' ? [height, width, channels] : [channels, height, width];
  if (shape.length !== 4 || shape.slice(1).join() !== expected.join()) {
    throw new Error(
      `${images.name} has the shape (${shape.join(', ')}); expected (N, ${expected.join(', ')})`,
    );
  }
  const count = shape[0]!;
  if (classes.length !== count) {
    throw new Error(`${labels.name} has ${classes.length} labels for ${count} images`);
  }
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
