/**
 * Labelled images in memory, and batches of them: shuffled, flipped, cropped and preprocessed the same way whenever the same step of the
 * same seed asks for them.
 *
 * Images are bytes [N, H, W, C], which each channel's table of 256 numbers turns into what the model reads, or numbers that are read as
 * they are.
 */
import { randomFor, shuffled } from './random.ts';

export interface ImageSet {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** [count, height, width, channels]. */
  readonly pixels: Uint8Array | Float32Array;
  /** Class indices. */
  readonly labels: Int32Array;
}

/** From bytes to what a model reads: (byte * scale - mean[c]) / std[c], in float32. */
export interface PixelScale {
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** For each channel of the model the channel of the image it reads. Default: the same. */
  readonly source?: readonly number[];
}

export interface Augmentation {
  /** Turn every other image left to right. */
  readonly flip: boolean;
  /** Shift by up to so many pixels, black coming in. */
  readonly shift: number;
}

export const noAugmentation: Augmentation = { flip: false, shift: 0 };

/** A batch as arrays: images [size, H, W, C] and their labels. */
export interface Batch {
  readonly size: number;
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** Values of the 256 bytes in each channel of the model, rounded as the compiler rounds them. */
export function channelTables({ scale, mean, std }: PixelScale): Float32Array[] {
  const { fround } = Math;
  return mean.map((centre, c) =>
    Float32Array.from(
      { length: 256 },
      (_, byte) => fround(fround(byte * scale) - fround(centre)) / fround(std[c]!),
    ),
  );
}

export class BatchReader {
  readonly #set: ImageSet;
  readonly #tables: Float32Array[];
  readonly #source: readonly number[];
  #epoch = -1;
  #order: Uint32Array = new Uint32Array();

  constructor(set: ImageSet, scale: PixelScale) {
    this.#set = set;
    this.#tables = channelTables(scale);
    this.#source = scale.source ?? this.#tables.map((_, c) => c);
    if (set.pixels instanceof Uint8Array && set.channels !== this.#tables.length) {
      throw new RangeError(
        `images have ${set.channels} channels; the model was told how to read ${this.#tables.length}`,
      );
    }
  }

  /** The batch of training step `step`. Every image once an epoch; what is left over at the end of one begins the next. */
  trainingBatch(step: number, size: number, seed: number, augmentation: Augmentation): Batch {
    const batch = this.#empty(size);
    for (let i = 0; i < size; i++) {
      const drawn = step * size + i;
      const sample = this.#sample(drawn, seed);
      const random = randomFor(seed, 2, drawn);
      const mirrored = augmentation.flip && random.below(2) === 1;
      const span = 2 * augmentation.shift + 1;
      this.#write(
        batch,
        i,
        sample,
        mirrored,
        random.below(span) - augmentation.shift,
        random.below(span) - augmentation.shift,
      );
    }
    return batch;
  }

  /** Images from `start` on as they are, at most `size`. */
  batch(start: number, size: number): Batch {
    const batch = this.#empty(Math.min(size, this.#set.count - start));
    for (let i = 0; i < batch.size; i++) this.#write(batch, i, start + i, false, 0, 0);
    return batch;
  }

  get count(): number {
    return this.#set.count;
  }

  /** The shape of a batch of `size`. */
  shape(size: number): [number, number, number, number] {
    return [size, this.#set.height, this.#set.width, this.#set.channels];
  }

  #empty(size: number): Batch {
    const { height, width, channels } = this.#set;
    return { size, images: new Float32Array(size * height * width * channels), labels: new Int32Array(size) };
  }

  #sample(drawn: number, seed: number): number {
    const { count } = this.#set;
    const epoch = Math.floor(drawn / count);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#order = shuffled(count, randomFor(seed, 1, epoch));
    }
    return this.#order[drawn % count]!;
  }

  #write(batch: Batch, slot: number, sample: number, mirrored: boolean, down: number, right: number): void {
    const { height, width, channels, pixels, labels } = this.#set;
    const size = height * width * channels;
    const [from, to] = [sample * size, slot * size];
    const bytes = pixels instanceof Uint8Array;
    for (let y = 0; y < height; y++) {
      const row = y + down;
      for (let x = 0; x < width; x++) {
        const column = mirrored ? width - 1 - x + right : x + right;
        const outside = row < 0 || row >= height || column < 0 || column >= width;
        for (let c = 0; c < channels; c++) {
          const at = from + (row * width + column) * channels;
          const value = bytes
            ? this.#tables[c]![outside ? 0 : pixels[at + this.#source[c]!]!]!
            : outside
              ? 0
              : pixels[at + c]!;
          batch.images[to + (y * width + x) * channels + c] = value;
        }
      }
    }
    batch.labels[slot] = labels[sample]!;
  }
}
