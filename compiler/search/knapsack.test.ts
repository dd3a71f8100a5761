/** The front of the knapsack is the front of all choices, tried one by one. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type KnapsackOption, paretoFront } from './knapsack.ts';

const option = fc.record({ cost: fc.nat(12), loss: fc.nat(12) });
const items = fc.array(fc.array(option, { minLength: 1, maxLength: 4 }), { maxLength: 6 });

type Pair = readonly [cost: number, loss: number];

function everyChoice(options: readonly (readonly KnapsackOption[])[]): Pair[] {
  return options.reduce<Pair[]>(
    (sums, item) => sums.flatMap(([c, l]) => item.map(({ cost, loss }): Pair => [c + cost, l + loss])),
    [[0, 0]],
  );
}

function bruteFront(options: readonly (readonly KnapsackOption[])[]): Pair[] {
  const front: Pair[] = [];
  for (const pair of everyChoice(options).sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (front.length === 0 || pair[1] < front.at(-1)![1]) front.push(pair);
  }
  return front;
}

describe('paretoFront', () => {
  it('is the front of all choices, and every point is what its picks add up to', () => {
    fc.assert(
      fc.property(items, (options) => {
        const front = paretoFront(options);
        const points = Array.from({ length: front.size }, (_, state) => front.point(state));
        expect(points.map(({ cost, loss }) => [cost, loss])).toEqual(bruteFront(options));
        expect(front.gap).toBe(0);
        for (const { cost, loss, picks } of points) {
          const taken = picks.map((pick, item) => options[item]![pick]!);
          expect(taken.reduce((sum, one) => sum + one.cost, 0)).toBe(cost);
          expect(taken.reduce((sum, one) => sum + one.loss, 0)).toBe(loss);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('keeps its word where states are thinned', () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 2, max: 5 }), (options, most) => {
        const front = paretoFront(options, most);
        expect(front.size).toBeLessThanOrEqual(most);
        for (const [cost, loss] of bruteFront(options)) {
          const near = Array.from({ length: front.size }, (_, state) => front.point(state)).some(
            (point) => point.cost <= cost && point.loss <= loss * (1 + front.gap) * (1 + 1e-9),
          );
          expect(near).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('refuses an item without options', () => {
    expect(() => paretoFront([[]])).toThrow(/item 0/);
  });

  it('has one state for nothing to choose', () => {
    expect(paretoFront([]).point(0)).toEqual({ cost: 0, loss: 0, picks: [] });
  });
});
