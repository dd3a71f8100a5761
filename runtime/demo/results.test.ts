import { describe, expect, it } from '@jest/globals';
import { median, topClasses } from './results.ts';
import { bitsText, bytesText, millisecondsText } from './text.ts';

describe('what the demo page shows', () => {
  it('ranks classes by softmax, ties by their number', () => {
    const [first, second, third] = topClasses(Float32Array.of(0, Math.log(2), 0, Math.log(4)), 3);
    expect([first!.index, second!.index, third!.index]).toEqual([3, 1, 0]);
    expect(first!.probability).toBeCloseTo(0.5, 6);
    expect(second!.probability).toBeCloseTo(0.25, 6);
  });

  it('takes large logits, and probabilities as they are', () => {
    expect(topClasses(Float32Array.of(1000, 900), 1)[0]!.probability).toBe(1);
    expect(topClasses(Float32Array.of(0.25, 0.75), 2)).toEqual([
      { index: 1, probability: 0.75 },
      { index: 0, probability: 0.25 },
    ]);
  });

  it('finds the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  it.each([
    [999, '999 B'],
    [12_345, '12.3 kB'],
    [999_499, '999 kB'],
    [999_600, '1.00 MB'],
    [6_250_000, '6.25 MB'],
  ])('writes %i bytes as %s', (bytes, text) => {
    expect(bytesText(bytes)).toBe(text);
  });

  it('writes times with three digits', () => {
    expect([1.234, 12.34, 123.4, undefined].map(millisecondsText)).toEqual([
      '1.23 ms',
      '12.3 ms',
      '123 ms',
      '',
    ]);
  });

  it('names the bits that most layers have', () => {
    const bits = (w: number, a: number): { weight_bits: number; activation_bits: number } => ({
      weight_bits: w,
      activation_bits: a,
    });
    expect(bitsText([bits(8, 8), bits(4, 4), bits(4, 4)])).toBe('mostly W4A4');
    expect(bitsText([bits(4, 8), bits(4, 8)])).toBe('W4A8');
    expect(bitsText([])).toBe('no layers');
  });
});
