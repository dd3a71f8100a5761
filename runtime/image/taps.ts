/**
 * The filters of an antialiased resize as integers, those of Pillow: an output position p looks at the source around (p + 1/2) * ratio with a
 * filter stretched by max(1, ratio), its weights normalised in float64 and then rounded to 22 fractional bits. Only sums, products and
 * quotients of doubles, which IEEE rounds alike everywhere; integers from there on:
 *
 *     out[p] = clamp((half + sum_t weight[p][t] * source[first[p] + t]) >> 22)
 *
 * The sum fits int32: weights add up to 2^22 within rounding and a cubic's negative lobes add less than half as much again.
 */
export const resizeFilters = ['bilinear', 'bicubic'] as const;
export type ResizeFilter = (typeof resizeFilters)[number];

export const fractionBits = 22;

/** For each output position: the first source position, how many follow, and their fixed-point weights (`taps` slots each). */
export interface Taps {
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

/** Taps of output positions start .. start + length - 1 of a line of `from` pixels resized to `to`. */
export function filterTaps(
  from: number,
  to: number,
  filter: ResizeFilter,
  start: number,
  length: number,
): Taps {
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

/** The source positions that taps look at: the first, and the one after the last. */
export function reachOf({ first, count }: Taps): { readonly first: number; readonly end: number } {
  return { first: first[0] ?? 0, end: first.reduce((end, at, i) => Math.max(end, at + count[i]!), 0) };
}
