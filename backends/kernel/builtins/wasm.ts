/**
 * SIMD128 of WebAssembly, one row each. Products of bytes it has none: `dot` widens to 16 bits, multiplies in pairs, and wants its operands in an
 * order of their own, which the loads bring them into. Shifts by an amount of its own in every lane it has none either: they are products with
 * powers of two, exact in 64 bits.
 */
import type { Builtin, LoadRow, StoreRow } from '../tree.ts';
import { inlineRows, models } from './inline.ts';
import { build, type Bytes, view } from './lanes.ts';

/** What functions must be compiled for to use a row. */
export type WasmFeature = 'simd128';

const register = 'wasm128';
const rows = inlineRows({ prefix: 'simd', register, feature: 'simd128' satisfies WasmFeature });

export const splat = rows.row('splat', ['i32'], ['return wasm_i32x4_splat(a);'], (value: number) =>
  build(register, 'i32', () => value),
);
export const add = rows.lanewise('add', 'wasm_i32x4_add(a, b)', 'i32', (a, b) => a + b);
export const subtract = rows.lanewise('sub', 'wasm_i32x4_sub(a, b)', 'i32', (a, b) => a - b);
/** Low 32 bits of the product. */
export const multiply = rows.lanewise('mul', 'wasm_i32x4_mul(a, b)', 'i32', Math.imul);
/** Pairs of signed 16-bit products, added. */
export const multiplyAddPairs = rows.row(
  'mul_pairs',
  [register, register],
  ['return wasm_i32x4_dot_i16x8(a, b);'],
  (a: Bytes, b: Bytes) => {
    const [x, y] = [view.i16(a), view.i16(b)];
    return build(register, 'i32', (i) => x[2 * i]! * y[2 * i]! + x[2 * i + 1]! * y[2 * i + 1]!);
  },
);
export const smaller = rows.lanewise('min', 'wasm_i32x4_min(a, b)', 'i32', (a, b) => (b < a ? b : a));
export const larger = rows.lanewise('max', 'wasm_i32x4_max(a, b)', 'i32', (a, b) => (b > a ? b : a));
export const bitAnd = rows.lanewise('and', 'wasm_v128_and(a, b)', 'u8', (a, b) => a & b);
export const addBytes = rows.lanewise('add_bytes', 'wasm_i8x16_add(a, b)', 'u8', (a, b) => a + b);
export const subtractBytes = rows.lanewise('sub_bytes', 'wasm_i8x16_sub(a, b)', 'u8', (a, b) => a - b);
export const largerBytes = rows.lanewise('max_bytes', 'wasm_u8x16_max(a, b)', 'u8', (a, b) =>
  b > a ? b : a,
);

const byAmount = (wish: string, intrinsic: string, lane: (a: number, by: number) => number): Builtin =>
  rows.row(wish, [register, 'i32'], [`return ${intrinsic}(a, (uint32_t)b);`], (a: Bytes, by: number) => {
    const x = view.i32(a);
    return build(register, 'i32', (i) => lane(x[i]!, by));
  });
export const shiftLeft = byAmount('shl', 'wasm_i32x4_shl', (a, by) => a << by);
export const shiftRight = byAmount('shr', 'wasm_i32x4_shr', (a, by) => a >> by);

/** a << b for b of 0 to 31: 2^b is the float whose exponent is b. */
export const shiftLeftBy = rows.row(
  'shl_by',
  [register, register],
  [
    'const v128_t power = wasm_i32x4_shl(wasm_i32x4_add(b, wasm_i32x4_splat(127)), 23);',
    'return wasm_i32x4_mul(a, wasm_u32x4_trunc_sat_f32x4(power));',
  ],
  (a: Bytes, b: Bytes) => {
    const [x, by] = [view.i32(a), view.i32(b)];
    return build(register, 'i32', (i) => (by[i]! >= 0 && by[i]! < 32 ? x[i]! << by[i]! : 0));
  },
);

/** a >> b for b of 0 to 31: -(a * -2^(31-b)) / 2^31, in 64 bits. The power is negative because 2^31 itself is no int32. */
export const shiftRightBy = rows.row(
  'shr_by',
  [register, register],
  [
    'const v128_t exponent = wasm_i32x4_shl(wasm_i32x4_sub(wasm_i32x4_splat(158), b), 23);',
    'const v128_t power = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_neg(exponent));',
    'const v128_t low = wasm_u64x2_shr(wasm_i64x2_neg(wasm_i64x2_extmul_low_i32x4(a, power)), 31);',
    'const v128_t high = wasm_u64x2_shr(wasm_i64x2_neg(wasm_i64x2_extmul_high_i32x4(a, power)), 31);',
    'return wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);',
  ],
  (a: Bytes, b: Bytes) => {
    const [x, by] = [view.i32(a), view.i32(b)];
    return build(register, 'i32', (i) => x[i]! >> by[i]!);
  },
);

/**
 * a + b * c, unsigned bytes times signed ones, four products a lane: of the four, the first two lie in the low half of a register, the others in the
 * high half.
 */
export const dot = rows.row(
  'dot',
  [register, register, register],
  [
    'const v128_t low = wasm_i32x4_dot_i16x8(wasm_u16x8_extend_low_u8x16(b), wasm_i16x8_extend_low_i8x16(c));',
    'const v128_t high = wasm_i32x4_dot_i16x8(wasm_u16x8_extend_high_u8x16(b), wasm_i16x8_extend_high_i8x16(c));',
    'return wasm_i32x4_add(wasm_i32x4_add(a, low), high);',
  ],
  (sum: Bytes, x: Bytes, c: Bytes) => {
    const [start, w] = [view.i32(sum), view.i8(c)];
    return build(register, 'i32', (i) => {
      const at = [2 * i, 2 * i + 1, 2 * i + 8, 2 * i + 9];
      return at.reduce((total, j) => total + x[j]! * w[j]!, start[i]!);
    });
  },
);

/** c + floor(a * b / 2^16) for b of 15 bits: the product has 64 bits, and 31 of them are left. */
export const scaleBy16 = rows.row(
  'scale16',
  [register, register, register],
  [
    'const v128_t low = wasm_u64x2_shr(wasm_i64x2_extmul_low_i32x4(a, b), 16);',
    'const v128_t high = wasm_u64x2_shr(wasm_i64x2_extmul_high_i32x4(a, b), 16);',
    'return wasm_i32x4_add(wasm_i32x4_shuffle(low, high, 0, 2, 4, 6), c);',
  ],
  models.scaleBy16(register),
);

export const load = rows.load('load', 16, ['return wasm_v128_load(address);'], (memory) => memory.slice());

/** Byte `i` of 16 lies at this place of a run of fours: first and second of every four, then third and fourth. */
const inFours = (i: number): number => 4 * ((i & 7) >> 1) + (i & 1) + 2 * (i >> 3);
const shuffled = (value: string, place: (i: number) => number): string =>
  `wasm_i8x16_shuffle(${value}, ${value}, ${Array.from({ length: 16 }, (_, i) => place(i)).join(', ')})`;

/** Weights of four outputs, four bytes each, as `dot` takes them. */
export const loadFours = rows.load(
  'load_fours',
  16,
  ['const v128_t fours = wasm_v128_load(address);', `return ${shuffled('fours', inFours)};`],
  (memory) => build(register, 'u8', (i) => memory[inFours(i)]!),
);

/** Four bytes for every lane, as `dot` takes them. */
export const loadFourSplat = rows.load(
  'load_four_splat',
  4,
  ['const v128_t four = wasm_v128_load32_splat(address);', `return ${shuffled('four', inFours)};`],
  (memory) => build(register, 'u8', (i) => memory[inFours(i) & 3]!),
);

const widening = (lane: 'u8' | 'i8', sign: 'u' | 'i'): LoadRow =>
  rows.load(
    `load_${lane}_to_32`,
    4,
    [
      'const v128_t bytes = wasm_v128_load32_zero(address);',
      `return wasm_${sign}32x4_extend_low_${sign}16x8(wasm_${sign}16x8_extend_low_${sign}8x16(bytes));`,
    ],
    models.widened(register, lane),
  );
/** Four bytes, each to a 32-bit lane. */
export const loadU8To32 = widening('u8', 'u');
export const loadI8To32 = widening('i8', 'i');

/** Sixteen signed 4-bit numbers as signed bytes. */
export const loadNibbles = rows.load(
  'load_nibbles',
  8,
  [
    'const v128_t both = wasm_v128_load64_zero(address);',
    'const v128_t low = wasm_i8x16_shr(wasm_i8x16_shl(both, 4), 4);',
    'const v128_t high = wasm_i8x16_shr(both, 4);',
    'return wasm_i8x16_shuffle(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);',
  ],
  models.nibbles(register),
);

export const store = rows.store('store', 16, ['wasm_v128_store(address, value);'], (value) => value);

/** The low byte of each 32-bit lane. */
export const storeLowBytes = rows.store(
  'store_low_bytes',
  4,
  [
    `const v128_t bytes = ${shuffled('value', (i) => (4 * i) & 15)};`,
    'wasm_v128_store32_lane(address, bytes, 0);',
  ],
  models.lowBytes,
);

export const wasmRows: readonly Builtin[] = [
  splat,
  add,
  subtract,
  multiply,
  multiplyAddPairs,
  smaller,
  larger,
  bitAnd,
  addBytes,
  subtractBytes,
  largerBytes,
  shiftLeft,
  shiftRight,
  shiftLeftBy,
  shiftRightBy,
  dot,
  scaleBy16,
];
export const wasmLoads: readonly LoadRow[] = [
  load,
  loadFours,
  loadFourSplat,
  loadU8To32,
  loadI8To32,
  loadNibbles,
];
export const wasmStores: readonly StoreRow[] = [store, storeLowBytes];
