import { describe, expect, it } from '@jest/globals';
import { parsePrecision } from '../../passes/selector/index.ts';
import { widest, worthwhile } from './prune.ts';

const choices = ['w8a8', 'w4a8', 'w4a4', 'w2a4'].map(parsePrecision);

describe('choices that need no measurement', () => {
  it.each([
    ['all differ', [64, 32, 16, 8], [0, 1, 2, 3]],
    ['w4a8 as dear as w8a8', [8, 8, 4, 4], [0, 2]],
    ['w4a4 as dear as w4a8', [8, 4, 4, 2], [0, 1, 3]],
    ['fewer bits that cost more', [5, 6, 4, 7], [0, 2]],
    ['nothing is won by narrowing', [1, 1, 1, 1], [0]],
  ])('%s', (_, costs, kept) => {
    expect(worthwhile(choices, costs, 0)).toEqual(kept);
  });

  it('keeps the base, which losses are counted from', () => {
    expect(worthwhile(['w4a4', 'w8a8'].map(parsePrecision), [3, 2], 0)).toEqual([0, 1]);
  });

  it('keeps choices of which neither has more bits', () => {
    expect(worthwhile(['w8a4', 'w4a8'].map(parsePrecision), [2, 2], 0)).toEqual([0, 1]);
  });

  it('finds the widest choice wherever it stands', () => {
    expect(widest(choices)).toBe(0);
    expect(widest([...choices].reverse())).toBe(3);
  });
});
