import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  bitWidth,
  elementCount,
  f32,
  formatFloat,
  formatName,
  formatType,
  isSigned,
  perAxis,
  perTensor,
  plain,
  sameType,
  storageRange,
  storages,
} from './types.ts';

describe('formatFloat', () => {
  it.each([
    [0, '0.0'],
    [-0, '-0.0'],
    [1, '1.0'],
    [-2.5, '-2.5'],
    [Math.fround(0.1), '0.1'],
    [Math.fround(0.0186), '0.0186'],
    [Math.fround(1e-7), '1e-7'],
    [Math.fround(3.4028234663852886e38), '3.4028235e+38'],
    [2 ** -149, '1e-45'],
    [16777216, '16777216.0'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
    [NaN, 'nan'],
  ])('writes %p as %s', (value, text) => {
    expect(formatFloat(value)).toBe(text);
  });

  it('writes what reads back to the same float32, in the fewest digits', () => {
    fc.assert(
      fc.property(fc.float({ noDefaultInfinity: true, noNaN: true }), (value) => {
        const text = formatFloat(value);
        expect(Object.is(Math.fround(Number(text)), value)).toBe(true);
        expect(text).toMatch(/[.e]/);
        const digits = text
          .replace(/e.*/, '')
          .replace(/[-.]/g, '')
          .replace(/^0+|0+$/g, '').length;
        for (let fewer = 1; fewer < digits; fewer++) {
          expect(Math.fround(Number(value.toPrecision(fewer)))).not.toBe(value);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses a number that is not a float32', () => {
    expect(() => formatFloat(0.1)).toThrow('0.1 is not a float32');
  });
});

describe('formatName', () => {
  it.each([
    ['conv1.w', 'conv1.w'],
    ['0', '0'],
    ['a-b$c', 'a-b$c'],
    ['', '""'],
    ['-a', '"-a"'],
    ['/layer1/conv', '"/layer1/conv"'],
    ['a "b"\n', '"a \\"b\\"\\n"'],
    ['naïve', '"naïve"'],
  ])('writes %p as %s', (name, text) => {
    expect(formatName(name)).toBe(text);
  });
});

describe('types', () => {
  it('print as the text form reads them', () => {
    expect(formatType(f32([1, 3]))).toBe('f32[1, 3]');
    expect(formatType(f32([]))).toBe('f32[]');
    expect(formatType(plain('i32', [64]))).toBe('i32[64]');
    expect(formatType({ element: perTensor('u4', 0.0186), shape: [2] })).toBe('q<u4, scale = 0.0186>[2]');
    expect(formatType({ element: perTensor('u8', 0.5, 3), shape: [2] })).toBe(
      'q<u8, scale = 0.5, zero_point = 3>[2]',
    );
    expect(formatType({ element: perAxis('i4', 'w scale', 0), shape: [2] })).toBe(
      'q<i4, scale = @"w scale", axis = 0>[2]',
    );
  });

  it('are equal when element and shape are', () => {
    const q = { element: perTensor('u8', 0.5), shape: [2] };
    expect(sameType(q, { element: perTensor('u8', 0.5), shape: [2] })).toBe(true);
    for (const other of [
      { element: perTensor('u8', 0.25), shape: [2] },
      { element: perTensor('u8', 0.5, 1), shape: [2] },
      { element: perTensor('i8', 0.5), shape: [2] },
      { element: perAxis('u8', 's', 0), shape: [2] },
      { element: perTensor('u8', 0.5), shape: [2, 1] },
      plain('u8', [2]),
      f32([2]),
    ]) {
      expect(sameType(q, other)).toBe(false);
    }
  });

  it('storages hold what two to the width says', () => {
    for (const storage of storages) {
      const [min, max] = storageRange(storage);
      expect(max - min + 1).toBe(2 ** bitWidth(storage));
      expect(min < 0).toBe(isSigned(storage));
    }
  });

  it('a scalar has one element', () => {
    expect([elementCount([]), elementCount([2, 3])]).toEqual([1, 6]);
  });
});
