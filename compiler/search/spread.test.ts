import { describe, expect, it } from '@jest/globals';
import { spread } from './spread.ts';

const curve = {
  costs: Array.from({ length: 101 }, (_, i) => i),
  losses: Array.from({ length: 101 }, (_, i) => Math.exp(-i / 10)),
};

describe('spread', () => {
  it('takes the ends first, then what is farthest from all that is taken', () => {
    expect(spread(curve, 3)).toEqual([100, 0, 50]);
    expect(
      spread(curve, 5)
        .slice(3)
        .sort((a, b) => a - b),
    ).toEqual([25, 75]);
  });

  it('goes on from what is taken: a longer answer begins with the shorter one', () => {
    const all = spread(curve, 9);
    expect(spread(curve, 5, all.slice(0, 4))).toEqual(all.slice(4));
  });

  it('takes nothing twice, and no more than there is', () => {
    expect(spread({ costs: [1, 1, 2], losses: [1, 1, 0] }, 5).length).toBe(2);
    expect(spread({ costs: [], losses: [] }, 5)).toEqual([]);
    expect(spread({ costs: [3], losses: [0] }, 5)).toEqual([0]);
  });
});
