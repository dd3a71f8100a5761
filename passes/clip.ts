/**
 * From what was observed of a value to the range worth representing. A range is symmetric, [-c, c], or unsigned, [0, c]; the clip `c`
 * is what the methods choose:
 *
 *   minmax       c = max |x|
 *   percentile   c = the 99.99th percentile of |x|
 *   mse          c minimises  sum (x - dequantize(quantize(x)))^2  over the histogram
 *   entropy      c minimises  KL(clipped histogram || its quantized form), after TensorRT
 */
import { binsPerSide, type Histogram } from './histogram.ts';

export const clipMethods = ['minmax', 'percentile', 'mse', 'entropy'] as const;
export type ClipMethod = (typeof clipMethods)[number];

export interface ClipRequest {
  readonly histogram: Histogram;
  readonly bits: number;
  readonly unsigned: boolean;
}

/** Number of steps between 0 and the clip. */
function stepsTo({ bits, unsigned }: ClipRequest): number {
  return unsigned ? 2 ** bits - 1 : 2 ** (bits - 1) - 1;
}

/** Counts by magnitude, and where the largest lies. Negative values of an unsigned quantizer count as 0. */
function magnitudes({ histogram, unsigned }: ClipRequest): { counts: Float64Array; last: number } {
  const counts = Float64Array.from(histogram.positive);
  if (!unsigned) for (let i = 0; i < counts.length; i++) counts[i]! += histogram.negative[i]!;
  return { counts, last: counts.findLastIndex((count) => count > 0) };
}

function largest({ histogram, unsigned }: ClipRequest): number {
  return unsigned ? Math.max(0, histogram.max) : Math.max(Math.abs(histogram.min), Math.abs(histogram.max));
}

function percentile(request: ClipRequest, fraction = 0.9999): number {
  const { counts } = magnitudes(request);
  const { histogram } = request;
  let below = histogram.zeros;
  const total = below + counts.reduce((sum, count) => sum + count, 0);
  for (let i = 0; i < binsPerSide; i++) {
    below += counts[i]!;
    if (below >= fraction * total) return Math.min(largest(request), (i + 1) * histogram.width);
  }
  return largest(request);
}

/** Expected squared error of one value in the bin around `x`, spread evenly over the bin, when the step is `step`. */
function squaredError(x: number, clip: number, step: number, width: number): number {
  if (x >= clip) return (x - clip) ** 2;
  // A bin wider than a step, or about as wide, sees the uniform error; a narrower one its own distance to the grid.
  if (width >= step) return (step * step) / 12;
  const error = x - Math.round(x / step) * step;
  return error * error;
}

function leastSquares(request: ClipRequest): number {
  const { counts, last } = magnitudes(request);
  const { width } = request.histogram;
  const top = largest(request);
  const steps = stepsTo(request);
  let best = top;
  let least = Infinity;
  for (let tried = 100; tried >= 5; tried--) {
    const clip = (top * tried) / 100;
    const step = clip / steps;
    let error = 0;
    for (let i = 0; i <= last && error < least; i++) {
      if (counts[i]! > 0) error += counts[i]! * squaredError((i + 0.5) * width, clip, step, width);
    }
    if (error < least) {
      least = error;
      best = clip;
    }
  }
  return best;
}

function leastDivergence(request: ClipRequest): number {
  const { counts, last } = magnitudes(request);
  const levels = stepsTo(request);
  const { width } = request.histogram;
  let best = largest(request);
  let least = Infinity;
  const stride = Math.max(1, Math.floor((last + 1) / 128));
  for (let bins = Math.min(levels, last + 1); bins <= last + 1; bins += stride) {
    const reference = counts.slice(0, bins);
    for (let i = bins; i <= last; i++) reference[bins - 1]! += counts[i]!;
    const total = reference.reduce((sum, count) => sum + count, 0);
    // Spread each quantization level's mass over the bins that hold any.
    const candidate = new Float64Array(bins);
    for (let level = 0; level < levels; level++) {
      const from = Math.floor((level * bins) / levels);
      const to = Math.max(from + 1, Math.floor(((level + 1) * bins) / levels));
      let mass = 0;
      let filled = 0;
      for (let i = from; i < Math.min(to, bins); i++) {
        mass += counts[i]!;
        if (counts[i]! > 0) filled += 1;
      }
      for (let i = from; i < Math.min(to, bins); i++) if (counts[i]! > 0) candidate[i] = mass / filled;
    }
    const mass = candidate.reduce((sum, count) => sum + count, 0);
    if (mass === 0 || total === 0) continue;
    let divergence = 0;
    for (let i = 0; i < bins; i++) {
      const p = reference[i]! / total;
      const q = Math.max(candidate[i]! / mass, 1e-9);
      if (p > 0) divergence += p * Math.log(p / q);
    }
    if (divergence < least) {
      least = divergence;
      best = Math.min(largest(request), bins * width);
    }
  }
  return best;
}

const methods = {
  minmax: largest,
  percentile,
  mse: leastSquares,
  entropy: leastDivergence,
} as const satisfies Record<ClipMethod, (request: ClipRequest) => number>;

/** The range to represent: [0, c] or [-c, c] as float32; c is 0 when nothing but zeros was seen. */
export function chooseRange(method: ClipMethod, request: ClipRequest): readonly [number, number] {
  const clip = Math.fround(methods[method](request));
  return request.unsigned ? [0, clip] : [-clip, clip];
}
