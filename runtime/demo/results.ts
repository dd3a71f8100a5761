/** What is made of the numbers that a model gives. */

export interface ClassResult {
  readonly index: number;
  /** 0 to 1. */
  readonly probability: number;
}

/** The `count` likeliest classes, the likeliest first. */
export function topClasses(output: Float32Array, count: number): ClassResult[] {
  const probabilities = probabilitiesOf(output);
  return Array.from(probabilities, (probability, index) => ({ index, probability }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, count);
}

/** Softmax, unless a model has done that itself: its numbers are then positive and add up to one. */
function probabilitiesOf(output: Float32Array): Float64Array {
  const sum = output.reduce((total, value) => total + value, 0);
  if (output.every((value) => value >= 0) && Math.abs(sum - 1) < 1e-3) return Float64Array.from(output);
  const largest = Math.max(...output);
  const powers = Float64Array.from(output, (value) => Math.exp(value - largest));
  const total = powers.reduce((all, value) => all + value, 0);
  return powers.map((value) => value / total);
}

/** The middle of a list that is not empty; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
