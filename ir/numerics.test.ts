import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  dequantizeValue,
  encodeRatio,
  isEncodable,
  maxShift,
  multiplierBits,
  narrowLimit,
  quantizeValue,
  requantizeValue,
  roundHalfEven,
  saturate,
} from './numerics.ts';
import { storageRange, storages } from './types.ts';

/** The contract in arithmetic that cannot round: an arithmetic shift of integers is the floor of the quotient. */
function requantizeExactly(a: number, multiplier: number, shift: number): number {
  const half = shift === 0 ? 0n : 1n << BigInt(shift - 1);
  return Number((BigInt(a) * BigInt(multiplier) + half) >> BigInt(shift));
}

const int32 = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, -1, 0, 1),
);

describe('roundHalfEven', () => {
  it.each([
    [0, 0],
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [3.5, 4],
    [-0.5, 0],
    [-1.5, -2],
    [-2.5, -2],
    [-3.5, -4],
    [0.49999999999999994, 0],
    [0.5000000000000001, 1],
    [-0.5000000000000001, -1],
    [2 ** 52 + 1, 2 ** 52 + 1],
    [-(2 ** 53), -(2 ** 53)],
  ])('takes %p to %p', (value, expected) => {
    expect(roundHalfEven(value) + 0).toBe(expected);
  });

  it('takes the nearest integer, and of two the even one', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), fc.nat({ max: 1023 }), (whole, part) => {
        const rounded = roundHalfEven(whole + part / 1024);
        const up = part > 512 || (part === 512 && whole % 2 !== 0);
        expect(rounded).toBe(up ? whole + 1 : whole);
      }),
    );
  });

  it('keeps infinities', () => {
    expect([roundHalfEven(Infinity), roundHalfEven(-Infinity)]).toEqual([Infinity, -Infinity]);
  });
});

describe('quantizeValue', () => {
  it.each([
    // value, scale, zero point, storage, integer
    [0.25, 0.5, 0, 'i8', 0],
    [0.75, 0.5, 0, 'i8', 2],
    [-0.25, 0.5, 0, 'i8', 0],
    [-0.75, 0.5, 0, 'i8', -2],
    [1.25, 0.5, 3, 'u8', 5],
    [1000, 0.5, 0, 'u8', 255],
    [-1000, 0.5, 0, 'u8', 0],
    [-1000, 0.5, 128, 'u8', 0],
    [3.4, 1, 0, 'i4', 3],
    [100, 1, 0, 'i4', 7],
    [-100, 1, 0, 'i4', -8],
    [100, 1, 0, 'u4', 15],
    [100, 1, 0, 'u2', 3],
    [-100, 1, 0, 'i2', -2],
    [Infinity, 1, 0, 'i16', 32767],
    [-Infinity, 1, 0, 'i16', -32768],
    [NaN, 1, 7, 'u8', 7],
  ] as const)('of %p at %p with zero point %p in %s is %p', (value, scale, zeroPoint, storage, expected) => {
    expect(quantizeValue(value, scale, zeroPoint, storage)).toBe(expected);
  });

  it('undoes dequantizeValue on every 8-bit integer', () => {
    fc.assert(
      fc.property(
        fc.float({ min: Math.fround(1e-6), max: 1000, noNaN: true }),
        fc.integer({ min: -128, max: 127 }),
        (scale, zeroPoint) => {
          for (let q = -128; q <= 127; q++) {
            expect(quantizeValue(dequantizeValue(q, scale, zeroPoint), scale, zeroPoint, 'i8')).toBe(q);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('never leaves its storage and never gives -0', () => {
    fc.assert(
      fc.property(fc.float(), fc.constantFrom(...storages), (value, storage) => {
        const [min, max] = storageRange(storage);
        const q = quantizeValue(value, 0.5, 0, storage);
        expect(q >= min && q <= max && !Object.is(q, -0)).toBe(true);
      }),
    );
  });
});

describe('dequantizeValue', () => {
  it('rounds the difference, then the product, to float32', () => {
    const step = Math.fround(0.1);
    expect(dequantizeValue(3, step, 1)).toBe(Math.fround(2 * step));
    expect(dequantizeValue(2 ** 24 + 1, 1, 0)).toBe(2 ** 24);
    expect(dequantizeValue(2 ** 24 + 3, 1, 0)).toBe(2 ** 24 + 4);
  });
});

describe('requantizeValue', () => {
  it.each([
    // Ties go towards +infinity.
    [1, 1, 1, 1],
    [-1, 1, 1, 0],
    [3, 1, 1, 2],
    [-3, 1, 1, -1],
    [2, 1, 2, 1],
    [-2, 1, 2, 0],
    [-6, 1, 2, -1],
    // No shift: the product itself.
    [5, 3, 0, 15],
    [-5, 3, 0, -15],
    [-(2 ** 31), 32767, 0, -(2 ** 31) * 32767],
    // The multiplier 0 gives 0 at every shift.
    [2 ** 31 - 1, 0, 0, 0],
    [-(2 ** 31), 0, 46, 0],
    // The largest shift.
    [2 ** 31 - 1, 32767, 46, 1],
    [-(2 ** 31), 32767, 46, -1],
    [1, 1, 46, 0],
    [-1, 1, 46, 0],
    [-(2 ** 31), 16384, 46, 0],
    [2 ** 31 - 1, 16384, 46, 0],
    // The largest product at a middling shift.
    [-(2 ** 31), 32767, 15, -2147418112],
    [2 ** 31 - 1, 32767, 15, 2147418111],
  ])('of %p by %p >> %p is %p', (a, multiplier, shift, expected) => {
    expect(requantizeExactly(a, multiplier, shift)).toBe(expected);
    expect(requantizeValue(a, multiplier, shift) + 0).toBe(expected);
  });

  it('is exact for every int32, 15-bit multiplier of either sign and shift', () => {
    fc.assert(
      fc.property(
        int32,
        fc.integer({ min: -(2 ** multiplierBits) + 1, max: 2 ** multiplierBits - 1 }),
        fc.nat({ max: maxShift }),
        (a, multiplier, shift) => {
          expect(requantizeValue(a, multiplier, shift) + 0).toBe(requantizeExactly(a, multiplier, shift));
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('is monotone in the accumulator', () => {
    fc.assert(
      fc.property(int32, int32, fc.nat({ max: 32767 }), fc.nat({ max: maxShift }), (a, b, m, s) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        expect(requantizeValue(low, m, s)).toBeLessThanOrEqual(requantizeValue(high, m, s));
      }),
    );
  });
});

describe('encodeRatio', () => {
  it.each([
    [1, 16384, 14],
    [0.5, 16384, 15],
    [2, 16384, 13],
    [16384, 16384, 0],
    [32767, 32767, 0],
    [2 ** -32, 16384, 46],
    [2 ** -46, 1, 46],
    [2 ** -48, 0, 46],
    // Rounds up to 2^15 and is renormalised.
    [1 - 2 ** -20, 16384, 14],
  ])('of %p is %p >> %p', (ratio, multiplier, shift) => {
    expect(encodeRatio(ratio)).toEqual({ multiplier, shift });
  });

  it('is the nearest of 15 significant bits', () => {
    fc.assert(
      fc.property(fc.double({ min: 2 ** -32, max: 32767, noNaN: true }), (ratio) => {
        const { multiplier, shift } = encodeRatio(ratio);
        expect(multiplier).toBeGreaterThanOrEqual(2 ** 14);
        expect(multiplier).toBeLessThan(2 ** 15);
        expect(shift).toBeGreaterThanOrEqual(0);
        expect(shift).toBeLessThanOrEqual(maxShift);
        expect(Math.abs(multiplier / 2 ** shift - ratio)).toBeLessThanOrEqual(ratio * 2 ** -15);
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses what isEncodable denies, and nothing else', () => {
    const refuses = (ratio: number): boolean => {
      try {
        encodeRatio(ratio);
        return false;
      } catch (error) {
        if (error instanceof RangeError) return true;
        throw error;
      }
    };
    const edge = 2 ** 15 - 0.5;
    const ratios = [0, -1, NaN, Infinity, edge, edge - 2 ** -30, edge + 1, 32767, 1e-300, 5e-324, 32768];
    for (const ratio of ratios) expect([ratio, refuses(ratio)]).toEqual([ratio, !isEncodable(ratio)]);
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (ratio) => expect(refuses(ratio)).toBe(!isEncodable(ratio))),
    );
  });
});

it('saturate clamps to both ends', () => {
  expect([saturate(-5, -2, 3), saturate(5, -2, 3), saturate(1, -2, 3)]).toEqual([-2, 3, 1]);
});

it('narrowLimit is symmetric: 1, 7, 127', () => {
  expect([2, 4, 8].map(narrowLimit)).toEqual([1, 7, 127]);
});
