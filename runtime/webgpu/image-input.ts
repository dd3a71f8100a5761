/**
 * Images of any size and kind on their way into the model's input: their pixels go to the device as they are, and two kernels resize, crop
 * and quantize them there, with the integers by which the compiler prepares images.
 *
 * Alpha is not looked at. What a browser decodes, it has already turned by its EXIF orientation and brought to sRGB.
 */
import { imageGeometry, imageHeader } from '../image/geometry.ts';
import type { ImageRule, ImageSize } from '../image/placement.ts';
import { storageBuffer } from './buffers.ts';
import { ModelError } from './model-error.ts';
import { type Dispatch, encodePass } from './dispatch.ts';
import type { Pipeline } from './pipelines.ts';
import type { ImageEntry } from './program.ts';

/** Pixels in rows, top to bottom: RGB or RGBA, by their number. An `ImageData` is one. */
export interface ImageBytes extends ImageSize {
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** What a browser can copy to a texture. */
type Drawable =
  ImageBitmap | HTMLImageElement | HTMLVideoElement | HTMLCanvasElement | OffscreenCanvas | VideoFrame;

export type ModelImage = ImageBytes | Drawable;

const textureUsage = 0x13; // copied from, copied to, and drawn to

/** Rows of a copy from a texture begin at multiples of this. */
const rowAlignment = 256;

/** What is on the device for images of one size and kind. */
interface Frame {
  readonly key: string;
  /** Words from one row of pixels to the next. */
  readonly pitch: number;
  /** Geometry, pixels, and the columns that come between. */
  readonly buffers: readonly [GPUBuffer, GPUBuffer, GPUBuffer];
  readonly texture: GPUTexture | undefined;
  readonly dispatches: readonly Dispatch[];
}

export class ImageInput {
  readonly #device: GPUDevice;
  readonly #entry: ImageEntry;
  readonly #rule: ImageRule;
  readonly #pipelines: readonly Pipeline[];
  readonly #tables: GPUBufferBinding;
  readonly #input: GPUBufferBinding;
  #frame: Frame | undefined;

  constructor(
    device: GPUDevice,
    entry: ImageEntry,
    rule: ImageRule,
    pipelines: ReadonlyMap<number, Pipeline>,
    weights: GPUBuffer,
    input: GPUBuffer,
  ) {
    this.#device = device;
    this.#entry = entry;
    this.#rule = rule;
    this.#pipelines = [pipelines.get(entry.columns)!, pipelines.get(entry.rows)!];
    this.#tables = { buffer: weights, offset: entry.tables[0], size: entry.tables[1] };
    this.#input = { buffer: input };
  }

  /** Brings image `index` of a batch to its place in the model's input. Submits; what is submitted later finds it there. */
  put(image: ModelImage, index: number): void {
    const { queue } = this.#device;
    const size = sizeOf(image);
    const isBytes = 'data' in image;
    const key = `${size.width} ${size.height} ${isBytes}`;
    if (this.#frame?.key !== key) {
      this.destroy();
      this.#frame = this.#frameFor(key, size, isBytes);
    }
    const { pitch, buffers, texture, dispatches } = this.#frame;
    const [geometry, pixels] = buffers;
    const place = Int32Array.of(index * this.#entry.width * this.#entry.height);
    queue.writeBuffer(geometry, 4 * imageHeader.output, place);
    const encoder = this.#device.createCommandEncoder();
    if (isBytes) queue.writeBuffer(pixels, 0, pixelWords(image, size));
    else {
      const extent = [size.width, size.height];
      const copy = (source: Drawable): void => {
        queue.copyExternalImageToTexture({ source }, { texture: texture! }, extent);
      };
      try {
        copy(image);
      } catch {
        // Not every browser copies the frames of a video: what is on a canvas, all do.
        copy(drawn(image, size));
      }
      const target = { buffer: pixels, bytesPerRow: 4 * pitch };
      encoder.copyTextureToBuffer({ texture: texture! }, target, extent);
    }
    encodePass(encoder, dispatches);
    queue.submit([encoder.finish()]);
  }

  destroy(): void {
    for (const buffer of this.#frame?.buffers ?? []) buffer.destroy();
    this.#frame?.texture?.destroy();
    this.#frame = undefined;
  }

  #frameFor(key: string, size: ImageSize, isBytes: boolean): Frame {
    const device = this.#device;
    const { width, height, workgroup } = this.#entry;
    const pitch = isBytes ? size.width : Math.ceil((4 * size.width) / rowAlignment) * (rowAlignment / 4);
    const bytes = 4 * pitch * size.height;
    const {
      maxTextureDimension2D: longest,
      maxStorageBufferBindingSize: most,
      maxBufferSize,
    } = device.limits;
    if ((!isBytes && Math.max(size.width, size.height) > longest) || bytes > Math.min(most, maxBufferSize)) {
      throw new ModelError(
        `an image of ${size.width} x ${size.height} pixels is more than this device takes at once: make it smaller first, createImageBitmap can`,
      );
    }
    const { words, rows } = imageGeometry(this.#rule, this.#entry, size, pitch);
    const buffers = [words.byteLength, bytes, 4 * width * rows].map((length) =>
      storageBuffer(device, length, 'image'),
    ) as [GPUBuffer, GPUBuffer, GPUBuffer];
    device.queue.writeBuffer(buffers[0], 0, words);
    const [geometry, pixels, between] = buffers.map((buffer) => ({ buffer }));
    const bound = [
      [geometry!, pixels!, between!],
      [geometry!, between!, this.#tables, this.#input],
    ];
    return {
      key,
      pitch,
      buffers,
      texture: isBytes
        ? undefined
        : device.createTexture({
            size: [size.width, size.height],
            format: 'rgba8unorm',
            usage: textureUsage,
          }),
      dispatches: bound.map((resources, i) => {
        const { pipeline, layout } = this.#pipelines[i]!;
        const entries = resources.map((resource, binding) => ({ binding, resource }));
        const lines = i === 0 ? rows : height;
        return {
          pipeline,
          group: device.createBindGroup({ layout, entries }),
          workgroups: [Math.ceil(width / workgroup[0]), Math.ceil(lines / workgroup[1]), 1],
        };
      }),
    };
  }
}

function drawn(image: Drawable, { width, height }: ImageSize): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d')!.drawImage(image, 0, 0, width, height);
  return canvas;
}

/** Size in pixels, by the names that the kinds of images have for it. */
function sizeOf(image: ModelImage): ImageSize {
  type Side = 'Width' | 'Height';
  type Name = `natural${Side}` | `video${Side}` | `display${Side}` | Lowercase<Side>;
  const sized = image as Partial<Readonly<Record<Name, number>>>;
  const width = sized.naturalWidth ?? sized.videoWidth ?? sized.displayWidth ?? sized.width ?? 0;
  const height = sized.naturalHeight ?? sized.videoHeight ?? sized.displayHeight ?? sized.height ?? 0;
  if (!(width > 0 && height > 0)) {
    throw new ModelError(`an image of ${width} x ${height} pixels: it is not loaded, or not an image`);
  }
  return { width, height };
}

/** Pixels as words of four bytes. */
function pixelWords({ data }: ImageBytes, { width, height }: ImageSize): Uint8Array<ArrayBuffer> {
  const pixels = width * height;
  if (data.length === 4 * pixels) {
    return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.length);
  }
  if (data.length !== 3 * pixels) {
    throw new ModelError(
      `${data.length} bytes for ${width} x ${height} pixels, expected ${3 * pixels} or ${4 * pixels}`,
    );
  }
  const words = new Uint8Array(4 * pixels);
  for (let p = 0; p < pixels; p++) words.set(data.subarray(3 * p, 3 * p + 3), 4 * p);
  return words;
}
