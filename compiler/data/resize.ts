/**
 * Antialiased resizing of 8-bit RGB, bit for bit what Pillow's `Image.resize` gives up to version 12 (and so torchvision's on PIL
 * images): models were trained on those pixels. Pillow 13 takes rows first where it shrinks the height far more than the width, which
 * moves bytes by a few; where proportions are kept all versions agree.
 *
 * Separable: columns first, rounded to bytes, then rows, each by the integer taps of `runtime/image`. The WGSL backend's kernels for images
 * do the same on a device.
 *
 * Only a window of the result is computed, because a crop follows: an output pixel doesn't depend on its neighbours, and an image of
 * 60000 x 1 pixels then costs no more than what the crop keeps of it.
 */
import type { Window } from '../../runtime/image/placement.ts';
import { filterTaps, fractionBits, reachOf, type ResizeFilter, type Taps } from '../../runtime/image/taps.ts';

/** 8-bit RGB, row by row, three bytes a pixel. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
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
  const columns = filterTaps(image.width, width, filter, window.left, window.width);
  const rows = filterTaps(image.height, height, filter, window.top, window.height);
  const { first: firstRow, end: endRow } = reachOf(rows);

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

const half = 1 << (fractionBits - 1);

/**
 * out[i][k] = clamp((half + sum_t weight[i][t] * source[first[i] + t][k]) >> 22) for `lanes` values of k a position.
 */
function weighted(
  source: Uint8Array,
  sourceStart: number,
  sourceStride: number,
  { first, count, weights, taps }: Taps,
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
