/**
 * NEON on AArch64, one row each. A register is `uint8x16_t` whatever its lanes are, so each row is a small inline function that reinterprets,
 * and a model on the bytes. What takes several instructions to mean one thing (unpacking nibbles, scaling) is one row.
 */
import type { Builtin, LoadRow, StoreRow } from '../tree.ts';
import { inlineRows, models } from './inline.ts';
import { build, type Bytes, view } from './lanes.ts';

/** What functions must be compiled for to use a row. */
export type NeonFeature = 'neon' | 'dotprod';

const register = 'neon128';
const rows = inlineRows({ prefix: 'neon', register, feature: 'neon' satisfies NeonFeature });

const words = (operand: string): string => `vreinterpretq_s32_u8(${operand})`;
const fromWords = (value: string): string => `vreinterpretq_u8_s32(${value})`;
const onWords = (intrinsic: string): string => fromWords(`${intrinsic}(${words('a')}, ${words('b')})`);

export const splat = rows.row('splat', ['i32'], [`return ${fromWords('vdupq_n_s32(a)')};`], (value: number) =>
  build(register, 'i32', () => value),
);
export const add = rows.lanewise('add', onWords('vaddq_s32'), 'i32', (a, b) => a + b);
export const subtract = rows.lanewise('sub', onWords('vsubq_s32'), 'i32', (a, b) => a - b);
/** Low 32 bits of the product. */
export const multiply = rows.lanewise('mul', onWords('vmulq_s32'), 'i32', Math.imul);
export const smaller = rows.lanewise('min', onWords('vminq_s32'), 'i32', (a, b) => (b < a ? b : a));
export const larger = rows.lanewise('max', onWords('vmaxq_s32'), 'i32', (a, b) => (b > a ? b : a));
export const bitAnd = rows.lanewise('and', 'vandq_u8(a, b)', 'u8', (a, b) => a & b);
export const bitXor = rows.lanewise('xor', 'veorq_u8(a, b)', 'u8', (a, b) => a ^ b);
export const addBytes = rows.lanewise('add_bytes', 'vaddq_u8(a, b)', 'u8', (a, b) => a + b);
export const subtractBytes = rows.lanewise('sub_bytes', 'vsubq_u8(a, b)', 'u8', (a, b) => a - b);
export const largerBytes = rows.lanewise('max_bytes', 'vmaxq_u8(a, b)', 'u8', (a, b) => (b > a ? b : a));

/** The instruction reads the low byte of its amount, signed: to the right where it is negative. */
const shifted = (a: number, amount: number): number => {
  const by = (amount << 24) >> 24;
  return by < 0 ? a >> Math.min(-by, 31) : by > 31 ? 0 : a << by;
};
export const shiftLeftBy = rows.lanewise('shl', onWords('vshlq_s32'), 'i32', shifted);
export const shiftRightBy = rows.lanewise(
  'shr',
  fromWords(`vshlq_s32(${words('a')}, vnegq_s32(${words('b')}))`),
  'i32',
  (a, by) => shifted(a, -by),
);

/**
 * a + b * c in signed bytes, four products a lane. clang before 16 hides the intrinsic from files that are not compiled for it as a whole; the
 * instruction it knows all the same. The empty statement keeps gcc from unrolling a tile's loop until its accumulators no longer fit.
 */
export const dot = rows.row(
  'dot',
  [register, register, register],
  [
    '#if defined(__clang__) && !defined(__ARM_FEATURE_DOTPROD) && __clang_major__ < 16',
    '__asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(a) : "w"(b), "w"(c));',
    'return a;',
    '#else',
    'const int32x4_t sum = vreinterpretq_s32_u8(a);',
    `a = ${fromWords('vdotq_s32(sum, vreinterpretq_s8_u8(b), vreinterpretq_s8_u8(c))')};`,
    '#if !defined(__clang__)',
    '__asm__("" : "+w"(a));',
    '#endif',
    'return a;',
    '#endif',
  ],
  (sum: Bytes, a: Bytes, b: Bytes) => {
    const [start, x, w] = [view.i32(sum), view.i8(a), view.i8(b)];
    return build(register, 'i32', (i) => {
      let total = start[i]!;
      for (let j = 4 * i; j < 4 * i + 4; j++) total += x[j]! * w[j]!;
      return total;
    });
  },
  { feature: 'dotprod' satisfies NeonFeature, mark: 'TARGET_NEON' },
);

/** c + floor(a * b / 2^16) for b of 15 bits: the product has 64 bits, and 31 of them are left. */
export const scaleBy16 = rows.row(
  'scale16',
  [register, register, register],
  [
    `const int64x2_t low = vmull_s32(vget_low_s32(${words('a')}), vget_low_s32(${words('b')}));`,
    `const int64x2_t high = vmull_high_s32(${words('a')}, ${words('b')});`,
    'const int32x4_t scaled = vshrn_high_n_s64(vshrn_n_s64(low, 16), high, 16);',
    `return ${fromWords(`vaddq_s32(scaled, ${words('c')})`)};`,
  ],
  models.scaleBy16(register),
);

export const load = rows.load('load', 16, ['return vld1q_u8((const uint8_t *)address);'], (memory) =>
  memory.slice(),
);

const readWord = ['uint32_t word;', 'memcpy(&word, address, 4);'];
const needs = { header: 'string.h' };

/** Four bytes, at any alignment, copied to every lane. */
export const loadWordSplat = rows.load(
  'load_word_splat',
  4,
  [...readWord, 'return vreinterpretq_u8_u32(vdupq_n_u32(word));'],
  (memory) => build(register, 'u8', (i) => memory[i & 3]!),
  needs,
);

const widening = (lane: 'u8' | 'i8'): LoadRow => {
  const [sign, type] = lane === 'u8' ? ['u', 'uint'] : ['s', 'int'];
  const bytes = `const ${type}8x8_t bytes = vreinterpret_${sign}8_u32(vdup_n_u32(word));`;
  const wide = `vmovl_${sign}16(vget_low_${sign}16(vmovl_${sign}8(bytes)))`;
  return rows.load(
    `load_${lane}_to_32`,
    4,
    [...readWord, bytes, `return vreinterpretq_u8_${sign}32(${wide});`],
    models.widened(register, lane),
    needs,
  );
};
/** Four bytes, each to a 32-bit lane. */
export const loadU8To32 = widening('u8');
export const loadI8To32 = widening('i8');

/** Sixteen signed 4-bit numbers as signed bytes. */
export const loadNibbles = rows.load(
  'load_nibbles',
  8,
  [
    'const int8x8_t both = vld1_s8((const int8_t *)address);',
    'const int8x8_t low = vshr_n_s8(vshl_n_s8(both, 4), 4);',
    'const int8x8_t high = vshr_n_s8(both, 4);',
    'return vreinterpretq_u8_s8(vcombine_s8(vzip1_s8(low, high), vzip2_s8(low, high)));',
  ],
  models.nibbles(register),
);

export const store = rows.store('store', 16, ['vst1q_u8((uint8_t *)address, value);'], (value) => value);

/** The low byte of each 32-bit lane. */
export const storeLowBytes = rows.store(
  'store_low_bytes',
  4,
  [
    'const uint16x4_t halves = vmovn_u32(vreinterpretq_u32_u8(value));',
    'const uint8x8_t bytes = vmovn_u16(vcombine_u16(halves, halves));',
    'const uint32_t word = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);',
    'memcpy(address, &word, 4);',
  ],
  models.lowBytes,
  needs,
);

export const neonRows: readonly Builtin[] = [
  splat,
  add,
  subtract,
  multiply,
  smaller,
  larger,
  bitAnd,
  bitXor,
  addBytes,
  subtractBytes,
  largerBytes,
  shiftLeftBy,
  shiftRightBy,
  dot,
  scaleBy16,
];
export const neonLoads: readonly LoadRow[] = [load, loadWordSplat, loadU8To32, loadI8To32, loadNibbles];
export const neonStores: readonly StoreRow[] = [store, storeLowBytes];
