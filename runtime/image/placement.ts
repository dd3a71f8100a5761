/**
 * Where an image of any size ends up in what a model reads: resized to some width and height, of which a window is kept. Integers, and the
 * same ones everywhere: the compiler calibrates and measures by them, the WebGPU runtime shows images to a model by them.
 */
import type { ResizeFilter } from './taps.ts';

/** Short side to `shortSide` pixels, unless it is within keepFrom .. shortSide already; the long side in proportion, rounded down. */
export interface ShortSideResize {
  readonly shortSide: number;
  readonly keepFrom: number;
  readonly filter: ResizeFilter;
}

/** To the model's height and width exactly, whatever that does to the proportions. */
export interface ExactResize {
  readonly exact: true;
  readonly filter: ResizeFilter;
}

/** The geometry of a preprocessing. */
export interface ImageRule {
  readonly resize: ShortSideResize | ExactResize | null;
  /** `none`: after resizing, an image must have the model's size. */
  readonly crop: 'center' | 'none';
}

/** In pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

export interface Window extends ImageSize {
  readonly left: number;
  readonly top: number;
}

/** Resized to width x height, of which `window` is kept. */
export interface Placement extends ImageSize {
  readonly window: Window;
}

/** Placement of an image by the rule; `window` is undefined where what comes out is not of the size that the model reads. */
export function placeImage(
  rule: ImageRule,
  input: ImageSize,
  image: ImageSize,
): ImageSize & { readonly window: Window | undefined } {
  const resized = resizedSize(rule.resize, input, image);
  const fits =
    rule.crop === 'center'
      ? resized.width >= input.width && resized.height >= input.height
      : resized.width === input.width && resized.height === input.height;
  return { ...resized, window: fits ? centred(resized, input) : undefined };
}

/** The smallest size in the image's proportions that covers the model's, cropped at the centre: for what no rule speaks of. */
export function coverImage(input: ImageSize, { width, height }: ImageSize): Placement {
  const scale = Math.max(input.width / width, input.height / height);
  const size = { width: Math.round(width * scale), height: Math.round(height * scale) };
  return { ...size, window: centred(size, input) };
}

function resizedSize(rule: ImageRule['resize'], input: ImageSize, { width, height }: ImageSize): ImageSize {
  if (rule === null) return { width, height };
  if ('exact' in rule) return { width: input.width, height: input.height };
  const short = Math.min(width, height);
  if (short >= rule.keepFrom && short <= rule.shortSide) return { width, height };
  const long = Math.trunc((rule.shortSide * Math.max(width, height)) / short);
  return width <= height ? { width: rule.shortSide, height: long } : { width: long, height: rule.shortSide };
}

const centred = (resized: ImageSize, { width, height }: ImageSize): Window => ({
  left: halfEven(resized.width - width),
  top: halfEven(resized.height - height),
  width,
  height,
});

/** Half of a non-negative integer, ties to even: where torchvision's CenterCrop begins. */
function halfEven(whole: number): number {
  const floor = Math.floor(whole / 2);
  return whole % 2 === 1 && floor % 2 === 1 ? floor + 1 : floor;
}
