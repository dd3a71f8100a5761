/** From values to places in a picture, and the round values that are written beside its axes. */

export interface Scale {
  readonly place: (value: number) => number;
  readonly ticks: readonly number[];
}

/** Linear from [low, high] to [from, to]. */
export function linearScale(low: number, high: number, from: number, to: number): Scale {
  const span = high > low ? high - low : 1;
  const step = roundStep(span / 6);
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step); i * step <= low + span * (1 + 1e-9); i++) ticks.push(i * step);
  return { place: (value) => from + ((value - low) / span) * (to - from), ticks };
}

/** Logarithmic from [low, high], both above zero, to [from, to]. */
export function logScale(low: number, high: number, from: number, to: number): Scale {
  const [bottom, top] = [Math.log(low), Math.log(high > low ? high : 2 * low)];
  const decades = (top - bottom) / Math.LN10;
  const digits = decades > 4.5 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(bottom / Math.LN10); 10 ** power <= high * 1.0001; power++) {
    for (const digit of digits) {
      const value = digit * 10 ** power;
      if (value >= low * 0.9999 && value <= high * 1.0001) ticks.push(value);
    }
  }
  const place = (value: number): number =>
    from + ((Math.log(Math.max(value, low)) - bottom) / (top - bottom)) * (to - from);
  return { place, ticks };
}

/** 1, 2 or 5 times a power of ten, at least `rough`. */
function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((digit) => digit * power >= rough) ?? 10);
}
