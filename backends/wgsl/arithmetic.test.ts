import { describe, expect, it } from '@jest/globals';
import { maxShift, requantizeValue } from '../../ir/index.ts';
import { evaluateFunction } from '../kernel/index.ts';
import { requantizeForm } from './arithmetic.ts';

const multipliers = [0, 1, -1, 3, 16384, -16384, 23170, 32767, -32767];
const wideOperands = [0, 1, -1, 65535, 65536, -65536, 123456789, -123456789, 2 ** 31 - 1, -(2 ** 31)];
const narrowOperands = [0, 1, -1, 127, -128, 255, -255];

/** Calls the form chosen for one multiplier and one shift. */
function requantized(operandBits: number, resultBits: number, a: number, m: number, s: number): number {
  const form = requantizeForm(operandBits, resultBits, [m], [s]);
  const quad = (value: number): number[] => [value, value, value, value];
  const operands = [quad(a), quad(form.multiplier[0]!), quad(form.shift[0]!)];
  return (evaluateFunction(form.callee, operands, 'grid') as readonly number[])[2]!;
}

describe('requantize in WGSL', () => {
  it('is exact for every shift on operands of 8 bits', () => {
    for (const a of narrowOperands)
      for (const m of multipliers)
        for (let s = 0; s <= maxShift; s++)
          expect([a, m, s, requantized(8, 8, a, m, s)]).toEqual([a, m, s, requantizeValue(a, m, s) + 0]);
  });

  it('is exact on int32 wherever the result fits int32', () => {
    let compared = 0;
    for (const a of wideOperands)
      for (const m of multipliers)
        for (let s = 0; s <= maxShift; s++) {
          const expected = requantizeValue(a, m, s) + 0;
          if (expected !== (expected | 0)) continue;
          compared += 1;
          expect([a, m, s, requantized(32, 32, a, m, s)]).toEqual([a, m, s, expected]);
        }
    expect(compared).toBeGreaterThan(3000);
  });

  it('saturates to 16 bits and fewer as the exact value does, even where that leaves int32', () => {
    const held = (value: number): number => Math.min(Math.max(value, -32768), 32767);
    for (const a of wideOperands)
      for (const m of multipliers)
        for (let s = 0; s <= maxShift; s++)
          expect([a, m, s, held(requantized(32, 16, a, m, s))]).toEqual([
            a,
            m,
            s,
            held(requantizeValue(a, m, s)) + 0,
          ]);
  });
});
