/**
 * How many pixels a convolution gathers at a time. Their patches should stay in the first-level cache or near it while every filter passes
 * over them, and a block pays for reading all weights once, so blocks should be few. Blocks are all of one size: the last one
 * starts early and computes some pixels twice, to the same result, so that no loop has a variable bound.
 */

/** Bytes of patches that are meant to stay in cache. */
const cacheBytes = 48 * 1024;
const mostPixels = 64;

/** Pixels of a block, for patches of `patchBytes` bytes: between 1 and `pixels`. */
export function blockSize(pixels: number, patchBytes: number): number {
  const most = Math.max(1, Math.min(pixels, mostPixels, Math.max(8, Math.floor(cacheBytes / patchBytes))));
  // As few blocks as the most allows; then the size that makes them even.
  const blocks = Math.ceil(pixels / most);
  return Math.ceil(pixels / blocks);
}

/**
 * Elements from one patch, and from one filter, to the next. What is left of a row after whole vectors is added up one by one, at ten times the
 * cost; so rows are padded with zeros to whole vectors, of 32 bytes where they are longer than one of 16.
 */
export function patchPitch(elements: number): number {
  const vector = elements <= 8 ? 1 : elements <= 16 ? 16 : 32;
  return Math.ceil(elements / vector) * vector;
}
