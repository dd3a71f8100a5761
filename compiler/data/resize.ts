/**
 * Antialiased resizing of 8-bit RGB, bit for bit what Pillow's `Image.resize` gives up to version 12 (and so torchvision's on PIL
 * images): models were trained on those pixels. Pillow 13 takes rows first where it shrinks the height far more than the width, which
 * moves bytes by a few; where proportions are kept all versions agree.
 *
 * Separable: columns first, rounded to bytes, then rows. An output position p looks at the source around (p + 1/2) * ratio with a
 * filter stretched by max(1, ratio), its weights normalised in float64 and then rounded to 22 fractional bits; the sum starts
 * at one half, is shifted down and clamped. Integers from there on, so the result is the same everywhere.
 *
 * Only a window of the result is computed, because a crop follows: an output pixel doesn't depend on its neighbours, and an image of
 * 60000 x 1 pixels then costs no more than what the crop keeps of it.
 */

/** 8-bit RGB, row by row, three bytes a pixel. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export const resizeFilters = ['bilinear', 'bicubic'] as const;
export type ResizeFilter = (typeof resizeFilters)[number];

export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** What `window` shows of `image` once resized to width x height; the window lies inside. */
export function resizeWindow(
  image: RgbImage,
  width: number,
  height: number,
  filter: ResizeFilter,
  window: Window,
): RgbImage {
  // A direction that keeps its size is copied, as Pillow does; the filters would be the identity there anyway.
  const columns = coefficients(image.width, width, filter, window.left, window.width);
  const rows = coefficients(image.height, height, filter, window.top, window.height);
  const firstRow = rows.first[0] ?? 0;
  const endRow = Math.max(...Array.from(rows.first, (first, i) => first + rows.count[i]!));

  const narrow = new Uint8Array((endRow - firstRow) * window.width * 3);
  for (let y = firstRow; y < endRow; y++) {
    weighted(image.data, y * image.width * 3, 3, columns, narrow, (y - firstRow) * window.width * 3, 3, 3);
  }
  const result = new Uint8Array(window.height * window.width * 3);
  const stride = window.width * 3;
  const fromFirst = { ...rows, first: rows.first.map((first) => first - firstRow) };
  weighted(narrow, 0, stride, fromFirst, result, 0, stride, stride);
  return { width: window.width, height: window.height, data: result };
}

const fractionBits = 22;
const half = 1 << (fractionBits - 1);

/** For each output position: the first source position, how many follow, and their fixed-point weights (`taps` slots each). */
interface Coefficients {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  readonly taps: number;
}

const kernels: Record<ResizeFilter, { readonly support: number; readonly at: (x: number) => number }> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: cubic },
};

/** Keys' cubic convolution with a = -1/2. */
function cubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
}

function coefficients(
  from: number,
  to: number,
  filter: ResizeFilter,
  start: number,
  length: number,
): Coefficients {
  const kernel = kernels[filter];
  const ratio = from / to;
  const stretch = Math.max(1, ratio);
  const support = kernel.support * stretch;
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  const weights = new Int32Array(length * taps);
  const exact = new Float64Array(taps);
  for (let i = 0; i < length; i++) {
    const center = (start + i + 0.5) * ratio;
    const low = Math.max(0, Math.trunc(center - support + 0.5));
    const high = Math.min(from, Math.trunc(center + support + 0.5));
    let sum = 0;
    for (let x = low; x < high; x++) {
      const weight = kernel.at((x - center + 0.5) * (1 / stretch));
      exact[x - low] = weight;
      sum += weight;
    }
    for (let t = 0; t < high - low; t++) {
      const scaled = (sum === 0 ? exact[t]! : exact[t]! / sum) * 2 ** fractionBits;
      weights[i * taps + t] = Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    }
    first[i] = low;
    count[i] = high - low;
  }
  return { first, count, weights, taps };
}

/**
 * out[i][k] = clamp((half + sum_t weight[i][t] * source[first[i] + t][k]) >> 22) for `lanes` values of k a position.
 * The sum fits int32: weights add up to 2^22 within rounding and a cubic's negative lobes add less than half as much again.
 */
function weighted(
  source: Uint8Array,
  sourceStart: number,
  sourceStride: number,
  { first, count, weights, taps }: Coefficients,
  out: Uint8Array,
  outStart: number,
  outStride: number,
  lanes: number,
): void {
  for (let i = 0; i < first.length; i++) {
    const from = sourceStart + first[i]! * sourceStride;
    const to = outStart + i * outStride;
    const n = count[i]!;
    for (let k = 0; k < lanes; k++) {
      let sum = half;
      for (let t = 0; t < n; t++) sum += weights[i * taps + t]! * source[from + t * sourceStride + k]!;
      const value = sum >> fractionBits;
      out[to + k] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
  }
}
