import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Accuracy, argmax, Comparison, divergence, largest, quantile, rankOf } from './metrics.ts';

describe('rank', () => {
  it('counts the logits above the label', () => {
    expect([0, 1, 2, 3].map((label) => rankOf([0.1, 3, -2, 1], label))).toEqual([2, 0, 3, 1]);
  });

  it('gives ties to the smaller class', () => {
    expect([0, 1, 2].map((label) => rankOf([7, 7, 7], label))).toEqual([0, 1, 2]);
    expect(argmax([1, 7, 7])).toBe(1);
    expect(largest([1, 7, 7, 9], 3)).toEqual([3, 1, 2]);
  });

  it('puts NaN below everything, and a label that does not exist last', () => {
    expect(rankOf([NaN, -1e30, 2], 0)).toBe(2);
    expect(argmax([NaN, NaN, -5])).toBe(2);
    expect(largest([NaN, -Infinity, 1], 1)).toEqual([2]);
    expect(rankOf([1, 2], 5)).toBe(2);
  });
});

describe('accuracy', () => {
  it('is a percentage of the samples', () => {
    const accuracy = new Accuracy();
    const logits = [9, 8, 7, 6, 5, 4];
    for (const label of [0, 1, 4, 5]) accuracy.add(logits, label);
    expect([accuracy.samples, accuracy.top1, accuracy.top5]).toEqual([4, 25, 75]);
  });

  it('of no samples is 0', () => {
    expect(new Accuracy().top1).toBe(0);
  });
});

describe('comparison', () => {
  it('counts equal first places and measures noise over all logits', () => {
    const comparison = new Comparison();
    comparison.add([3, 4], [3, 5]);
    comparison.add([1, 0], [0, 1]);
    expect(comparison.agreement).toBe(50);
    // 10 log10((9 + 16 + 1) / (1 + 1 + 1))
    expect(comparison.sqnr).toBe(10 * Math.log10(26 / 3));
  });

  it('of equal logits is infinite', () => {
    const comparison = new Comparison();
    comparison.add([1, 2], [1, 2]);
    expect([comparison.agreement, comparison.sqnr]).toEqual([100, Infinity]);
  });
});

describe('divergence', () => {
  const logits = fc.array(fc.double({ min: -60, max: 60, noNaN: true }), { minLength: 3, maxLength: 3 });

  it('is 0 for equal logits, not below 0 for any, and blind to what all logits share', () => {
    fc.assert(
      fc.property(logits, logits, fc.double({ min: -9, max: 9, noNaN: true }), (p, q, shift) => {
        expect(divergence(p, p)).toBeCloseTo(0, 12);
        expect(divergence(p, q)).toBeGreaterThanOrEqual(0);
        const moved = q.map((value) => value + shift);
        expect(divergence(p, moved)).toBeCloseTo(divergence(p, q), 9);
      }),
    );
  });

  it('is what the definition says, mean over samples', () => {
    // p = (1/2, 1/2), q = (1/4, 3/4)
    const expected = 0.5 * Math.log(2) + 0.5 * Math.log(2 / 3);
    expect(divergence([0, 0], [0, Math.log(3)])).toBeCloseTo(expected, 12);
    const comparison = new Comparison();
    comparison.add([0, 0], [0, Math.log(3)]);
    comparison.add([0, 1], [0, 1]);
    expect(comparison.kl).toBeCloseTo(expected / 2, 12);
    expect(new Comparison().kl).toBe(0);
  });
});

describe('quantile', () => {
  it('interpolates as NumPy does', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 0.9)).toBe(10);
    expect(quantile([5], 0.9)).toBe(5);
  });
});
