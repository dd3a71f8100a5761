import { expect, it } from '@jest/globals';
import { createRandom } from '../../compiler/data/random.ts';
import {
  numbers,
  offsetSums,
  transformedRange,
  transformFilters,
  transformInput,
  transformSums,
  transformWeights,
  winogradLimits,
  winogradOffset,
} from './winograd.ts';

const random = createRandom(7);
const matrix = (size: number, draw: () => number): number[][] =>
  Array.from({ length: size }, () => Array.from({ length: size }, draw));

/** Values at the ends of a range, and between. */
const drawn = (low: number, high: number) => (): number =>
  [low, high, low + random.below(high - low + 1)][random.below(3)]!;

const product = (a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number[][] =>
  a.map((row, i) => row.map((value, j) => value * b[i]![j]!));

it('computes four results of a 3x3 convolution, four times', () => {
  for (let trial = 0; trial < 500; trial++) {
    const d = matrix(4, drawn(0, 15));
    const g = matrix(3, drawn(-8, 7));
    const sums = product(transformInput(d, numbers), transformWeights(g, numbers));
    const direct = [0, 1].map((y) =>
      [0, 1].map((x) =>
        g.reduce((total, row, v) => total + row.reduce((sum, w, u) => sum + w * d[y + v]![x + u]!, 0), 0),
      ),
    );
    expect(transformSums(sums, numbers)).toEqual(direct.map((row) => row.map((value) => 4 * value)));
  }
});

it('stays inside bytes at the limits, and nowhere beyond', () => {
  const { input, weight } = winogradLimits;
  const reach = (
    low: number,
    high: number,
    transform: (m: number[][]) => readonly (readonly number[])[],
    size: number,
  ) => {
    const seen: number[] = [];
    for (let trial = 0; trial < 3000; trial++)
      seen.push(...transform(matrix(size, () => (random.below(2) === 0 ? low : high))).flat());
    return [Math.min(...seen), Math.max(...seen)];
  };
  const [low, high] = reach(0, input, (m) => transformInput(m, numbers), 4);
  expect([low! + winogradOffset, high! + winogradOffset]).toEqual([2, 92]);
  const [least, most] = reach(-weight, weight, (m) => transformWeights(m, numbers), 3);
  expect([least, most]).toEqual([-72, 72]);
});

it('stays inside 16 bits where operands have 8', () => {
  const [positive, negative] = [255 * 4, -255 * 2];
  expect([positive, negative, 9 * -128].every((value) => Math.abs(value) < 2 ** 15)).toBe(true);
  for (const highest of [15, 255]) {
    const seen = Array.from({ length: 16 }, () => [0, 0]);
    for (let trial = 0; trial < 3000; trial++) {
      const patch = transformInput(
        matrix(4, () => random.below(2) * highest),
        numbers,
      ).flat();
      patch.forEach((value, i) => {
        seen[i] = [Math.min(seen[i]![0]!, value), Math.max(seen[i]![1]!, value)];
      });
    }
    expect(seen).toEqual(seen.map((_, position) => [...transformedRange(position, highest)]));
  }
});

it('transforms many filters as it does one', () => {
  const filters = Array.from({ length: 20 }, () => matrix(3, drawn(-128, 127)));
  const expected = filters.map((g) => transformWeights(g, numbers).flat()).flat();
  expect(Array.from(transformFilters(filters.flat(2)))).toEqual(expected);
});

it('knows what the offset adds', () => {
  for (let trial = 0; trial < 50; trial++) {
    const filters = [matrix(3, drawn(-8, 7)), matrix(3, drawn(-8, 7))];
    const offset = matrix(4, () => winogradOffset);
    const parts = filters.map((g) =>
      transformSums(product(offset, transformWeights(g, numbers)), numbers).flat(),
    );
    expect(offsetSums(filters.flat(2))).toEqual(parts[0]!.map((value, i) => value + parts[1]![i]!));
  }
});
