/**
 * Which points of a long front to show and measure: few, well apart, in an order in which any first few are a fair picture of the whole.
 * The ends come first, then always the point farthest from all taken, in a picture whose axes are cost and the logarithm of loss, each from
 * 0 to 1 over the front.
 */

export interface Curve {
  readonly costs: ArrayLike<number>;
  readonly losses: ArrayLike<number>;
}

/** Positions of up to `count` points, the most telling first; `taken` are positions that are there already. */
export function spread({ costs, losses }: Curve, count: number, taken: readonly number[] = []): number[] {
  const size = costs.length;
  if (size === 0) return [];
  const x = unit(Array.from({ length: size }, (_, i) => costs[i]!));
  const least = positive(Array.from({ length: size }, (_, i) => losses[i]!));
  const y = unit(Array.from({ length: size }, (_, i) => Math.log(Math.max(losses[i]!, least))));
  const distances = new Float64Array(size).fill(Infinity);
  const take = (position: number): void => {
    for (let i = 0; i < size; i++) {
      distances[i] = Math.min(distances[i]!, Math.hypot(x[i]! - x[position]!, y[i]! - y[position]!));
    }
  };
  for (const position of taken) take(position);
  const found: number[] = [];
  while (found.length < count) {
    let best = -1;
    if (found.length + taken.length === 0) best = size - 1;
    else {
      for (let i = 0; i < size; i++) {
        if (distances[i]! > 0 && (best < 0 || distances[i]! > distances[best]!)) best = i;
      }
    }
    if (best < 0) break;
    found.push(best);
    take(best);
  }
  return found;
}

/** To 0..1, all to 0 where they are equal. */
function unit(values: readonly number[]): number[] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return values.map((value) => (high > low ? (value - low) / (high - low) : 0));
}

/** The least loss that has a logarithm; 1 where none has. */
function positive(losses: readonly number[]): number {
  const least = losses.reduce((best, loss) => (loss > 0 ? Math.min(best, loss) : best), Infinity);
  return Number.isFinite(least) ? least : 1;
}
