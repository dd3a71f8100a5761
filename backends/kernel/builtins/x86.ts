/**
 * Intrinsics of x86, one row each: how C spells it, and a model on the register's bytes. A register has no lane type of its own, so a row's
 * model says which lanes it sees: 32 signed words, 16-bit halves, bytes.
 *
 * Rows come in three widths, 64 bytes (AVX-512), 32 and 16 (AVX2), from one description. Where the two differ in name only, nothing is said twice.
 */
import type { Builtin, LoadRow, Spelling, StoreRow } from '../tree.ts';
import { type Register, typeRows } from '../types.ts';
import { build, type Bytes, type LaneType, view } from './lanes.ts';

/** What functions must be compiled for to use a row. */
export type X86Feature = 'avx2' | 'avxvnni' | 'avx512' | 'avx512vnni';

const registerOf = (bytes: number): Register => (bytes === 64 ? 'm512i' : bytes === 32 ? 'm256i' : 'm128i');

/** The i32 nearest to a value. */
const saturateTo = (lowest: number, highest: number) => (value: number) =>
  value < lowest ? lowest : value > highest ? highest : value;
const toI16 = saturateTo(-32768, 32767);
const toU8 = saturateTo(0, 255);

/** The rows of one register width. */
export interface WideRows {
  readonly register: Register;
  readonly load: LoadRow;
  readonly store: StoreRow;
  readonly splat: Builtin;
  readonly zero: Builtin;
  readonly add: Builtin;
  readonly subtract: Builtin;
  /** Low 32 bits of the product. */
  readonly multiply: Builtin;
  readonly smaller: Builtin;
  readonly larger: Builtin;
  /** Pairs of signed 16-bit products, added. */
  readonly multiplyAddPairs: Builtin;
  /** High half of the product of unsigned 16-bit lanes. */
  readonly highUnsigned: Builtin;
  readonly shiftRight: Builtin;
  readonly shiftRightLogical: Builtin;
  readonly shiftLeft: Builtin;
  readonly shiftRightBy: Builtin;
  readonly shiftRightLogicalBy: Builtin;
  readonly shiftLeftBy: Builtin;
  readonly bitAnd: Builtin;
  readonly bitOr: Builtin;
  readonly bitXor: Builtin;
  readonly addBytes: Builtin;
  readonly subtractBytes: Builtin;
  readonly largerBytes: Builtin;
  readonly smallerBytes: Builtin;
  readonly addHalves: Builtin;
  readonly subtractHalves: Builtin;
  /** Bytes picked by the low four bits of an index, within each 16 bytes. */
  readonly pick: Builtin;
  /** Low 16-bit halves saturated from 32-bit words, within each 16 bytes: four of the first, four of the second. */
  readonly packWords: Builtin;
  /** Bytes 0..255 saturated from 16-bit halves, within each 16 bytes. */
  readonly packHalves: Builtin;
}

function wideRows(bytes: 64 | 32 | 16): WideRows {
  const register = registerOf(bytes);
  const bits = String(bytes * 8);
  const prefix = bytes === 64 ? '_mm512' : bytes === 32 ? '_mm256' : '_mm';
  const feature: X86Feature = bytes === 64 ? 'avx512' : 'avx2';
  const spelling = (name: string): Spelling => ({ name: `${prefix}_${name}`, feature });
  const row = (
    name: string,
    parameters: Builtin['parameters'],
    model: (...operands: never[]) => Bytes,
  ): Builtin => ({
    name: `${prefix}_${name}`,
    parameters,
    result: register,
    c: spelling(name),
    model,
    exact: true,
  });
  /** Lane by lane from registers. */
  const lanewise = (name: string, type: LaneType, lane: (a: number, b: number) => number): Builtin =>
    row(name, [register, register], (a: Bytes, b: Bytes) => {
      const [x, y] = [view[type](a), view[type](b)];
      return build(register, type, (i) => lane(x[i]!, y[i]!));
    });
  const byAmount = (name: string, type: LaneType, lane: (a: number, by: number) => number): Builtin =>
    row(name, [register, 'i32'], (a: Bytes, by: number) => {
      const x = view[type](a);
      return build(register, type, (i) => lane(x[i]!, by));
    });
  const si = `si${bits}`;
  const pointer = bytes === 64 ? {} : { pointer: typeRows[register].c! };
  return {
    register,
    load: {
      name: `${prefix}_loadu_${si}`,
      result: register,
      bytes,
      c: { ...spelling(`loadu_${si}`), ...pointer },
      model: (memory) => memory.slice(),
    },
    store: {
      name: `${prefix}_storeu_${si}`,
      value: register,
      bytes,
      c: { ...spelling(`storeu_${si}`), ...pointer },
      model: (value) => value,
    },
    splat: row('set1_epi32', ['i32'], (value: number) => build(register, 'i32', () => value)),
    zero: row(`setzero_${si}`, [], () => new Uint8Array(bytes)),
    add: lanewise('add_epi32', 'i32', (a, b) => a + b),
    subtract: lanewise('sub_epi32', 'i32', (a, b) => a - b),
    multiply: lanewise('mullo_epi32', 'i32', (a, b) => Math.imul(a, b)),
    smaller: lanewise('min_epi32', 'i32', (a, b) => (b < a ? b : a)),
    larger: lanewise('max_epi32', 'i32', (a, b) => (b > a ? b : a)),
    multiplyAddPairs: row('madd_epi16', [register, register], (a: Bytes, b: Bytes) => pairs(register, a, b)),
    highUnsigned: lanewise('mulhi_epu16', 'u16', (a, b) => (a * b) >>> 16),
    shiftRight: byAmount('srai_epi32', 'i32', (a, by) => a >> by),
    shiftRightLogical: byAmount('srli_epi32', 'u32', (a, by) => a >>> by),
    shiftLeft: byAmount('slli_epi32', 'i32', (a, by) => a << by),
    shiftRightBy: lanewise('srav_epi32', 'i32', (a, by) => a >> (by >>> 0 > 31 ? 31 : by)),
    shiftRightLogicalBy: lanewise('srlv_epi32', 'u32', (a, by) => (by > 31 ? 0 : a >>> by)),
    shiftLeftBy: lanewise('sllv_epi32', 'i32', (a, by) => (by >>> 0 > 31 ? 0 : a << by)),
    bitAnd: lanewise(`and_${si}`, 'u32', (a, b) => a & b),
    bitOr: lanewise(`or_${si}`, 'u32', (a, b) => a | b),
    bitXor: lanewise(`xor_${si}`, 'u32', (a, b) => a ^ b),
    addBytes: lanewise('add_epi8', 'u8', (a, b) => a + b),
    subtractBytes: lanewise('sub_epi8', 'u8', (a, b) => a - b),
    largerBytes: lanewise('max_epu8', 'u8', (a, b) => (b > a ? b : a)),
    smallerBytes: lanewise('min_epu8', 'u8', (a, b) => (b < a ? b : a)),
    addHalves: lanewise('add_epi16', 'i16', (a, b) => a + b),
    subtractHalves: lanewise('sub_epi16', 'i16', (a, b) => a - b),
    pick: row('shuffle_epi8', [register, register], (a: Bytes, b: Bytes) =>
      build(register, 'u8', (i) => ((b[i]! & 128) !== 0 ? 0 : a[(i & ~15) | (b[i]! & 15)]!)),
    ),
    packWords: row('packs_epi32', [register, register], (a: Bytes, b: Bytes) => {
      const [x, y] = [view.i32(a), view.i32(b)];
      return build(register, 'i16', (i) => {
        const at = (i >> 3) * 4 + (i & 3);
        return toI16((i & 4) === 0 ? x[at]! : y[at]!);
      });
    }),
    packHalves: row('packus_epi16', [register, register], (a: Bytes, b: Bytes) => {
      const [x, y] = [view.i16(a), view.i16(b)];
      return build(register, 'u8', (i) => {
        const at = (i >> 4) * 8 + (i & 7);
        return toU8((i & 8) === 0 ? x[at]! : y[at]!);
      });
    }),
  };
}

/** Signed 16-bit products, added in pairs to a 32-bit lane. */
function pairs(register: Register, a: Bytes, b: Bytes, sum?: Bytes): Bytes {
  const [x, y] = [view.i16(a), view.i16(b)];
  const start = sum === undefined ? undefined : view.i32(sum);
  return build(
    register,
    'i32',
    (i) => (start?.[i] ?? 0) + x[2 * i]! * y[2 * i]! + x[2 * i + 1]! * y[2 * i + 1]!,
  );
}

/** Products of unsigned and signed bytes, added in fours to a 32-bit lane. */
function quads(register: Register, sum: Bytes, x: Bytes, w: Bytes): Bytes {
  const [start, weights] = [view.i32(sum), view.i8(w)];
  return build(register, 'i32', (i) => {
    let total = start[i]!;
    for (let j = 4 * i; j < 4 * i + 4; j++) total += x[j]! * weights[j]!;
    return total;
  });
}

/** Products of unsigned and signed bytes, added in pairs and saturated to 16-bit lanes. */
function bytePairs(register: Register, x: Bytes, w: Bytes, sum?: Bytes): Bytes {
  const weights = view.i8(w);
  const start = sum === undefined ? undefined : view.i16(sum);
  return build(
    register,
    'i16',
    (i) => (start?.[i] ?? 0) + toI16(x[2 * i]! * weights[2 * i]! + x[2 * i + 1]! * weights[2 * i + 1]!),
  );
}

/**
 * A dot product on accumulators that live in registers. gcc 12 gives up on register tiles of these intrinsics and spills every one of them;
 * an empty statement that claims to change the register cures it.
 */
const accumulating = (name: string, value: string, type: string, target: string): readonly string[] => [
  `ALWAYS_INLINE __attribute__((target("${target}")))`,
  `${type} ${name}(${type} sum, ${type} a, ${type} b) {`,
  `  sum = ${value};`,
  '#if defined(__GNUC__) && !defined(__clang__)',
  '  __asm__("" : "+v"(sum));',
  '#endif',
  '  return sum;',
  '}',
];

/** What gcc and clang call a feature; the least that declares the row's intrinsics. */
const targetOf: Readonly<Record<X86Feature, string>> = {
  avx2: 'avx2',
  avxvnni: 'avx2,avxvnni',
  avx512: 'avx512f,avx512bw',
  avx512vnni: 'avx512f,avx512vnni',
};

/** `value` is what becomes of `sum`, `a` and `b`, in C. */
const accumulator = (
  name: string,
  value: string,
  bytes: 64 | 32,
  feature: X86Feature,
  model: (register: Register, sum: Bytes, a: Bytes, b: Bytes) => Bytes,
): Builtin => {
  const register = registerOf(bytes);
  const definition = accumulating(name, value, typeRows[register].c!, targetOf[feature]);
  return {
    name,
    parameters: [register, register, register],
    result: register,
    c: { name, feature, definition },
    model: (sum: Bytes, a: Bytes, b: Bytes) => model(register, sum, a, b),
    exact: true,
  };
};

export const wide64 = wideRows(64);
export const wide32 = wideRows(32);
export const wide16 = wideRows(16);

/** sum + u8 * i8, four products a lane. */
export const dot64 = accumulator('dot_m512', '_mm512_dpbusd_epi32(sum, a, b)', 64, 'avx512vnni', quads);
export const dotAvx32 = accumulator(
  'dot_avx_m256',
  '_mm256_dpbusd_avx_epi32(sum, a, b)',
  32,
  'avxvnni',
  quads,
);

/** sum + i16 * i16, two products a lane. */
export const dotWords64 = accumulator(
  'dot_words_m512',
  '_mm512_dpwssd_epi32(sum, a, b)',
  64,
  'avx512vnni',
  (register, sum, a, b) => pairs(register, a, b, sum),
);

/** The same in two instructions. */
export const dotWords32 = accumulator(
  'dot_words_m256',
  '_mm256_add_epi32(sum, _mm256_madd_epi16(a, b))',
  32,
  'avx2',
  (register, sum, a, b) => pairs(register, a, b, sum),
);

/** sum + u8 * i8, two products a 16-bit lane: exact only where no pair of products, and no whole sum, leaves 16 bits. */
export const dotShort32 = accumulator(
  'dot_short_m256',
  '_mm256_add_epi16(sum, _mm256_maddubs_epi16(a, b))',
  32,
  'avx2',
  (register, sum, x, w) => bytePairs(register, x, w, sum),
);

/** Pairs of u8 * i8 products, added and saturated to 16 bits: exact only where no sum leaves 16 bits. */
export const multiplyAddBytes32: Builtin = {
  name: '_mm256_maddubs_epi16',
  parameters: ['m256i', 'm256i'],
  result: 'm256i',
  c: { name: '_mm256_maddubs_epi16', feature: 'avx2' },
  model: (x: Bytes, w: Bytes) => bytePairs('m256i', x, w),
  exact: true,
};

/** Four bytes of memory as one 32-bit word, lowest byte first, at any alignment. */
export const loadWord: LoadRow = {
  name: 'load_word',
  result: 'i32',
  bytes: 4,
  c: {
    name: 'load_word',
    header: 'string.h',
    definition: [
      'static inline int32_t load_word(const void *address) {',
      '  int32_t word;',
      '  memcpy(&word, address, 4);',
      '  return word;',
      '}',
    ],
  },
  model: (memory) => new DataView(memory.buffer, memory.byteOffset, 4).getInt32(0, true),
};

const plainLoad = (bytes: 32 | 16, feature: X86Feature): LoadRow => {
  const register = registerOf(bytes);
  const name = bytes === 32 ? '_mm256_loadu_si256' : '_mm_loadu_si128';
  return {
    name,
    result: register,
    bytes,
    c: { name, feature, pointer: typeRows[register].c! },
    model: (memory) => memory.slice(),
  };
};

export const load32 = plainLoad(32, 'avx512');
export const load16 = plainLoad(16, 'avx2');

/** The low 8 bytes of a register from memory, the rest zeros. */
export const load8: LoadRow = {
  name: '_mm_loadl_epi64',
  result: 'm128i',
  bytes: 8,
  c: { name: '_mm_loadl_epi64', feature: 'avx2', pointer: '__m128i' },
  model: (memory) => {
    const register = new Uint8Array(16);
    register.set(memory);
    return register;
  },
};

export const store16: StoreRow = {
  name: '_mm_storeu_si128',
  value: 'm128i',
  bytes: 16,
  c: { name: '_mm_storeu_si128', feature: 'avx2', pointer: '__m128i' },
  model: (value) => value,
};

export const store32: StoreRow = {
  name: '_mm256_storeu_si256',
  value: 'm256i',
  bytes: 32,
  c: { name: '_mm256_storeu_si256', feature: 'avx512', pointer: '__m256i' },
  model: (value) => value,
};

/** The low 8 bytes of a register to memory. */
export const store8: StoreRow = {
  name: '_mm_storel_epi64',
  value: 'm128i',
  bytes: 8,
  c: { name: '_mm_storel_epi64', feature: 'avx2', pointer: '__m128i' },
  model: (value) => value.subarray(0, 8),
};

/** Each lane of a narrower register to a wider lane. */
const widening = (
  name: string,
  feature: X86Feature,
  from: Register,
  fromLane: LaneType,
  to: Register,
  toLane: LaneType,
): Builtin => ({
  name,
  parameters: [from],
  result: to,
  c: { name, feature },
  model: (value: Bytes) => {
    const lanes = view[fromLane](value);
    return build(to, toLane, (i) => lanes[i]!);
  },
  exact: true,
});

export const widenU8To32x16 = widening('_mm512_cvtepu8_epi32', 'avx512', 'm128i', 'u8', 'm512i', 'i32');
export const widenI8To32x16 = widening('_mm512_cvtepi8_epi32', 'avx512', 'm128i', 'i8', 'm512i', 'i32');
export const widenU8To32x8 = widening('_mm256_cvtepu8_epi32', 'avx2', 'm128i', 'u8', 'm256i', 'i32');
export const widenI8To32x8 = widening('_mm256_cvtepi8_epi32', 'avx2', 'm128i', 'i8', 'm256i', 'i32');
export const widenU8To16x32 = widening('_mm512_cvtepu8_epi16', 'avx512', 'm256i', 'u8', 'm512i', 'i16');
export const widenU8To16x16 = widening('_mm256_cvtepu8_epi16', 'avx2', 'm128i', 'u8', 'm256i', 'i16');
export const widenI8To16x16 = widening('_mm256_cvtepi8_epi16', 'avx2', 'm128i', 'i8', 'm256i', 'i16');

/** The low byte of every 32-bit lane. */
export const lowBytes64: Builtin = {
  name: '_mm512_cvtepi32_epi8',
  parameters: ['m512i'],
  result: 'm128i',
  c: { name: '_mm512_cvtepi32_epi8', feature: 'avx512' },
  model: (value: Bytes) => build('m128i', 'u8', (i) => value[4 * i]!),
  exact: true,
};

/** Four registers of 32-bit lanes as bytes 0..255 that saturate, 16 after 16: packed twice within each quarter, then quarters put in order. */
export const saturatedBytes64: Builtin = {
  name: 'saturated_bytes_m512',
  parameters: ['m512i', 'm512i', 'm512i', 'm512i'],
  result: 'm512i',
  c: {
    name: 'saturated_bytes_m512',
    feature: 'avx512',
    definition: [
      `ALWAYS_INLINE __attribute__((target("${targetOf.avx512}")))`,
      '__m512i saturated_bytes_m512(__m512i a, __m512i b, __m512i c, __m512i d) {',
      '  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);',
      '  const __m512i quarters = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));',
      '  return _mm512_permutexvar_epi32(order, quarters);',
      '}',
    ],
  },
  model: (...registers: Bytes[]) => {
    const lanes = registers.map((register) => view.i32(register));
    return build('m512i', 'u8', (i) => toU8(lanes[i >> 4]![i & 15]!));
  },
  exact: true,
};

/** A quarter of a register, by an immediate. */
export const quarter64: Builtin = {
  name: '_mm512_extracti32x4_epi32',
  parameters: ['m512i', 'i32'],
  result: 'm128i',
  c: { name: '_mm512_extracti32x4_epi32', feature: 'avx512' },
  model: (value: Bytes, at: number) => value.slice(16 * at, 16 * at + 16),
  exact: true,
};

/** The upper half of every 64-bit lane, in the place of the lower one; zeros above. */
export const upperWords64: Builtin = {
  name: 'upper_words_m512',
  parameters: ['m512i'],
  result: 'm512i',
  c: {
    name: 'upper_words_m512',
    feature: 'avx512',
    definition: [
      `ALWAYS_INLINE __attribute__((target("${targetOf.avx512}")))`,
      '__m512i upper_words_m512(__m512i value) {',
      '  return _mm512_srli_epi64(value, 32);',
      '}',
    ],
  },
  model: (value: Bytes) => {
    const words = view.u32(value);
    return build('m512i', 'u32', (i) => (i % 2 === 0 ? words[i + 1]! : 0));
  },
  exact: true,
};

/** 16 bytes copied to every quarter. */
export const repeat16: Builtin = {
  name: '_mm512_broadcast_i32x4',
  parameters: ['m128i'],
  result: 'm512i',
  c: { name: '_mm512_broadcast_i32x4', feature: 'avx512' },
  model: (value: Bytes) => build('m512i', 'u8', (i) => value[i & 15]!),
  exact: true,
};

/** The low half of a wider register. */
export const lowHalf32: Builtin = {
  name: '_mm256_castsi256_si128',
  parameters: ['m256i'],
  result: 'm128i',
  c: { name: '_mm256_castsi256_si128', feature: 'avx2' },
  model: (value: Bytes) => value.slice(0, 16),
  exact: true,
};

/** 64-bit lanes picked by an immediate, two bits each. */
export const pickLongs32: Builtin = {
  name: '_mm256_permute4x64_epi64',
  parameters: ['m256i', 'i32'],
  result: 'm256i',
  c: { name: '_mm256_permute4x64_epi64', feature: 'avx2' },
  model: (value: Bytes, order: number) =>
    build('m256i', 'u8', (i) => value[8 * ((order >> (2 * (i >> 3))) & 3) + (i & 7)]!),
  exact: true,
};

/** What takes more than one instruction of AVX2, as a function of registers. */
const composed32 = (
  name: string,
  result: 'm256i' | 'm128i',
  parameters: readonly string[],
  body: readonly string[],
  model: (...operands: never[]) => Bytes,
): Builtin => ({
  name,
  parameters: parameters.map(() => 'm256i'),
  result,
  c: {
    name,
    feature: 'avx2',
    definition: [
      `ALWAYS_INLINE __attribute__((target("${targetOf.avx2}")))`,
      `${typeRows[result].c!} ${name}(${parameters.map((parameter) => `__m256i ${parameter}`).join(', ')}) {`,
      ...body.map((line) => `  ${line}`),
      '}',
    ],
  },
  model,
  exact: true,
});

/** The high half of a register. */
export const highHalf32 = composed32(
  'high_half_m256',
  'm128i',
  ['value'],
  ['return _mm256_extracti128_si256(value, 1);'],
  (value: Bytes) => value.slice(16),
);

/** The low byte of every 32-bit lane, in the low 8 bytes of the result. */
export const lowBytes32 = composed32(
  'low_bytes_m256',
  'm128i',
  ['value'],
  [
    'const __m256i low = _mm256_shuffle_epi8(value, _mm256_set1_epi32(0x0c080400));',
    'return _mm_unpacklo_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));',
  ],
  (value: Bytes) => build('m128i', 'u8', (i) => value[((16 * (i >> 2)) % 32) + 4 * (i & 3)]!),
);

/** Of 32-bit lanes that lie as pairs in two registers, the first of each pair, or the second. */
const ofPairs = (name: string, second: 0 | 1): Builtin =>
  composed32(
    name,
    'm256i',
    ['a', 'b'],
    [
      `const __m256 mixed = _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), ${second === 0 ? '0x88' : '0xdd'});`,
      'return _mm256_permute4x64_epi64(_mm256_castps_si256(mixed), 0xd8);',
    ],
    (a: Bytes, b: Bytes) => {
      const [x, y] = [view.u32(a), view.u32(b)];
      return build('m256i', 'u32', (i) => (i < 4 ? x : y)[2 * (i & 3) + second]!);
    },
  );
export const firstsOfPairs32 = ofPairs('firsts_m256', 0);
export const secondsOfPairs32 = ofPairs('seconds_m256', 1);

const builtinsOf = ({ load: _load, store: _store, register: _register, ...rows }: WideRows): Builtin[] =>
  Object.values<Builtin>(rows);

export const x86Rows: readonly Builtin[] = [
  ...builtinsOf(wide64),
  ...builtinsOf(wide32),
  ...builtinsOf(wide16),
  dot64,
  dotAvx32,
  dotWords64,
  dotWords32,
  dotShort32,
  multiplyAddBytes32,
  widenU8To32x16,
  widenI8To32x16,
  widenU8To32x8,
  widenI8To32x8,
  widenU8To16x32,
  widenU8To16x16,
  widenI8To16x16,
  lowBytes64,
  saturatedBytes64,
  quarter64,
  upperWords64,
  repeat16,
  lowHalf32,
  highHalf32,
  lowBytes32,
  firstsOfPairs32,
  secondsOfPairs32,
  pickLongs32,
];
