import { describe, expect, it } from '@jest/globals';
import type { Expression } from './index.ts';
import * as k from './index.ts';

const x = k.variable('x', 'i32');
const u = k.variable('u', 'u32');
const f = k.variable('f', 'f32');

/** What an expression prints as in C. */
function printed(expression: Expression): string {
  const text = k.printC([
    k.loopKernel(
      'subject',
      { parameters: { out: k.writes(expression.type === 'bool' ? 'i32' : (expression.type as k.Element)) } },
      (block, { out }) => {
        // The variables stand for any values; they are declared so that the kernel is a legal one.
        for (const variable of [x, u, f]) {
          block.append({ kind: 'declare', variable, value: k.literal(variable.type as k.Scalar, 9) });
        }
        block.store(out, 0, expression.type === 'bool' ? k.cast('i32', expression) : expression);
      },
    ),
  ]);
  return /out\[0\] = (.*);/.exec(text)?.[1] ?? text;
}

describe('folding', () => {
  it.each<[string, Expression]>([
    ['x', k.add(x, 0)],
    ['x', k.add(0, x)],
    ['x', k.mul(1, x)],
    ['0', k.mul(x, 0)],
    ['x + 5', k.add(x, 2, 3)],
    ['x - 2', k.sub(k.add(x, 3), 5)],
    ['x', k.sub(k.add(x, 3), 3)],
    ['x - 7', k.add(x, -7)],
    ['x * 6', k.mul(x, 2, 3)],
    ['x', k.div(x, 1)],
    ['0', k.rem(x, 1)],
    ['x', k.shl(x, 0)],
    ['x', k.bitOr(x, 0)],
    ['-2147483647', k.bitXor(k.i32(2 ** 31 - 2), -1)],
    ['4294967295u', k.sub(k.u32(0), 1)],
    ['INT32_MIN', k.shl(k.i32(1), 31)],
    ['-1', k.shr(k.i32(-1), 4)],
    ['x', k.select(k.lt(k.i32(1), 2), x, 7)],
    ['x', k.neg(k.neg(x))],
    ['0.33333334f', k.div(k.f32(1), 3)],
    ['f + 0.0f', k.add(f, 0)],
    ['3', k.min(k.i32(3), 9)],
    ['10', k.dot4I8Packed(k.u32(0x01010101), k.u32(0x04030201))],
    ['(int32_t)(x < 3)', k.and(k.bool(true), k.lt(x, 3))],
    ['1', k.eq(x, x)],
    ['(int32_t)(f == f)', k.eq(f, f)],
    ['0', k.lt(u, 0)],
    ['x * 12 + 5', k.rowMajor([9, 3, 4], [x, 1, 1])],
    ['(x * 3 + x) * 4 + 7', k.rowMajor([9, 3, 4], [x, k.add(x, 2), -1])],
    ['x * 4 + 2', k.rowMajor([9, 1, 4], [x, 0, 2])],
  ])('%s', (text, expression) => {
    expect(printed(expression)).toBe(text);
  });

  it('keeps a sum whose constants would overflow', () => {
    expect(printed(k.add(k.add(x, 2 ** 31 - 1), 1))).toBe('x + 2147483647 + 1');
  });
});

describe('parentheses', () => {
  it.each<[string, Expression]>([
    ['x + x * x', k.add(x, k.mul(x, x))],
    ['(x + x) * x', k.mul(k.add(x, x), x)],
    ['x - (x - x)', k.sub(x, k.sub(x, x))],
    ['(x * x) >> 3', k.shr(k.mul(x, x), 3)],
    ['x & x & 7', k.bitAnd(k.bitAnd(x, x), 7)],
    ['(x & x) | 7', k.bitOr(k.bitAnd(x, x), 7)],
    ['(int32_t)(x < 1 && (x < 2 || x > 3))', k.and(k.lt(x, 1), k.or(k.lt(x, 2), k.gt(x, 3)))],
    ['(int32_t)((x & 1) == 0)', k.eq(k.bitAnd(x, 1), 0)],
    ['(int32_t)((!(x < 1)) == (x < 2))', k.eq(k.not(k.lt(x, 1)), k.lt(x, 2))],
    ['-(x + 1)', k.neg(k.add(x, 1))],
    ['x * -3', k.mul(x, -3)],
    ['(int32_t)((uint32_t)x << 2)', k.shl(x, 2)],
    ['(x < 1 ? 2 : 3) + x', k.add(k.select(k.lt(x, 1), 2, 3), x)],
  ])('%s', (text, expression) => {
    expect(printed(expression)).toBe(text);
  });
});

describe('refusals', () => {
  it.each<[string, () => unknown]>([
    ['+: expected i32, got u32', () => k.add(x, u)],
    ['bool has no operator +', () => k.add(k.lt(x, 1), k.lt(x, 2))],
    ['f32 has no operator %', () => k.rem(f, f)],
    ['u32 has no operator -', () => k.neg(u)],
    ['f32 has no operator <<', () => k.shl(f, 1)],
    ['division by the constant zero', () => k.div(x, 0)],
    ['shift by 32: i32 has 0..31', () => k.shl(x, 32)],
    ['2147483647 + 1 overflows i32', () => k.add(k.i32(2 ** 31 - 1), 1)],
    ['1.5 is no i32', () => k.add(x, 1.5)],
    ['-1 is no u32', () => k.add(u, -1)],
    ['1e+39 is no f32', () => k.f32(1e39)],
    ['no cast from i32 to bool', () => k.cast('bool', x)],
    ['select: expected bool, got i32', () => k.select(x, x, x)],
    ['index 4 is outside t[4]', () => k.load(k.table('t', 'i32', [1, 2, 3, 4]), 4)],
    ['t[1] = 128 is no i8', () => k.table('t', 'i8', [1, 128])],
    ['i64 has no min', () => k.min(k.i64(1), k.i64(2))],
    ['extractBits of 9 bits at 24', () => k.extractBits(u, 24, 9)],
  ])('%s', (message, build) => {
    expect(build).toThrow(new k.KernelError(message));
  });
});
