/**
 * Builtins on bytes and bit fields packed in a 32-bit word, lowest byte first: WGSL's `dot4I8Packed` family and `extractBits`.
 *
 * Every row has an expansion in the kernel language, so C, and a WGSL implementation without
 * `packed_4x8_integer_dot_product`, compute the same bits.
 */
import { pureFunction } from '../builder.ts';
import {
  bitAnd,
  bitcast,
  bitOr,
  call,
  component,
  compose,
  type Operand,
  mul,
  shl,
  shr,
  sub,
  u32,
} from '../expression.ts';
import { KernelError } from '../kernel-error.ts';
import type { Builtin, Expression } from '../tree.ts';
import { clamp } from './number.ts';

/** The WGSL language feature the packed builtins belong to. */
export const packedFeature = 'packed_4x8_integer_dot_product';

const packedSpelling = (name: string) => ({ name, feature: packedFeature });

const lanes = [0, 1, 2, 3] as const;

const signedByte = (word: number, lane: number): number => (word << (24 - 8 * lane)) >> 24;
const unsignedByte = (word: number, lane: number): number => (word >>> (8 * lane)) & 255;

const signedField = (word: Expression, lane: number): Expression =>
  shr(bitcast('i32', shl(word, 24 - 8 * lane)), 24);
const unsignedField = (word: Expression, lane: number): Expression => bitAnd(shr(word, 8 * lane), u32(255));

const dotRow = (name: string, snake: string, signed: boolean): Builtin => ({
  name,
  parameters: ['u32', 'u32'],
  result: signed ? 'i32' : 'u32',
  wgsl: packedSpelling(name),
  expansion: pureFunction(
    snake,
    { parameters: { a: 'u32', b: 'u32' }, result: signed ? 'i32' : 'u32' },
    (block, { a, b }) => {
      const field = signed ? signedField : unsignedField;
      const sum = block.var('sum', mul(field(a, 0), field(b, 0)));
      for (const lane of lanes.slice(1)) block.addTo(sum, mul(field(a, lane), field(b, lane)));
      block.return(sum);
    },
  ),
  model: (a: number, b: number) => {
    const byte = signed ? signedByte : unsignedByte;
    return lanes.reduce<number>((total, lane) => total + byte(a, lane) * byte(b, lane), 0);
  },
  exact: true,
});

const unpackRow = (name: string, snake: string, signed: boolean): Builtin => ({
  name,
  parameters: ['u32'],
  result: signed ? 'vec4i' : 'vec4u',
  wgsl: packedSpelling(name),
  expansion: pureFunction(
    snake,
    { parameters: { word: 'u32' }, result: signed ? 'vec4i' : 'vec4u' },
    (block, { word }) => {
      const field = signed ? signedField : unsignedField;
      block.return(compose(signed ? 'vec4i' : 'vec4u', ...lanes.map((lane) => field(word, lane))));
    },
  ),
  model: (word: number) => lanes.map((lane) => (signed ? signedByte(word, lane) : unsignedByte(word, lane))),
  exact: true,
});

const packRow = (
  name: string,
  snake: string,
  type: 'vec4i' | 'vec4u',
  saturate: { readonly field: (value: Expression) => Expression; readonly model: (value: number) => number },
): Builtin => ({
  name,
  parameters: [type],
  result: 'u32',
  wgsl: packedSpelling(name),
  expansion: pureFunction(snake, { parameters: { bytes: type }, result: 'u32' }, (block, { bytes }) => {
    const fields = lanes.map((lane) => {
      const byte = bitcast('u32', saturate.field(component(bytes, lane)));
      return shl(bitAnd(byte, u32(255)), 8 * lane);
    });
    block.return(fields.reduce((left, right) => bitOr(left, right)));
  }),
  model: (bytes: readonly number[]) =>
    lanes.reduce<number>(
      (word, lane) => (word | ((saturate.model(bytes[lane] ?? 0) & 255) << (8 * lane))) >>> 0,
      0,
    ),
  exact: true,
});

const wrapping = { field: (value: Expression) => value, model: (value: number) => value };

const saturating = (lowest: number, highest: number) => ({
  field: (value: Expression) => clamp(value, lowest, highest),
  model: (value: number) => Math.min(Math.max(value, lowest), highest),
});

const checkField = (offset: number, count: number): void => {
  if (count < 1 || offset + count > 32) {
    throw new KernelError(`extractBits of ${String(count)} bits at ${String(offset)}`);
  }
};

const extractRow = (type: 'i32' | 'u32'): Builtin => ({
  name: 'extractBits',
  parameters: [type, 'u32', 'u32'],
  result: type,
  wgsl: { name: 'extractBits' },
  expansion: pureFunction(
    `extract_bits_${type}`,
    { parameters: { word: type, offset: 'u32', count: 'u32' }, result: type },
    (block, { word, offset, count }) => {
      const above = sub(u32(32), count);
      block.return(shr(shl(word, sub(above, offset)), above));
    },
  ),
  model: (word: number, offset: number, count: number) => {
    checkField(offset, count);
    const high = word << (32 - count - offset);
    return type === 'i32' ? high >> (32 - count) : high >>> (32 - count);
  },
  exact: true,
});

const dot4I8PackedRow = dotRow('dot4I8Packed', 'dot4_i8_packed', true);
const dot4U8PackedRow = dotRow('dot4U8Packed', 'dot4_u8_packed', false);
const unpack4xI8Row = unpackRow('unpack4xI8', 'unpack_4x_i8', true);
const unpack4xU8Row = unpackRow('unpack4xU8', 'unpack_4x_u8', false);
const pack4xI8Row = packRow('pack4xI8', 'pack_4x_i8', 'vec4i', wrapping);
const pack4xU8Row = packRow('pack4xU8', 'pack_4x_u8', 'vec4u', wrapping);
const pack4xI8ClampRow = packRow('pack4xI8Clamp', 'pack_4x_i8_clamp', 'vec4i', saturating(-128, 127));
const pack4xU8ClampRow = packRow('pack4xU8Clamp', 'pack_4x_u8_clamp', 'vec4u', saturating(0, 255));
const extractI32Row = extractRow('i32');
const extractU32Row = extractRow('u32');

export const packedRows: readonly Builtin[] = [
  dot4I8PackedRow,
  dot4U8PackedRow,
  unpack4xI8Row,
  unpack4xU8Row,
  pack4xI8Row,
  pack4xU8Row,
  pack4xI8ClampRow,
  pack4xU8ClampRow,
  extractI32Row,
  extractU32Row,
];

/** Sum of four products of signed bytes of two u32; i32. */
export const dot4I8Packed = (a: Operand, b: Operand): Expression => call(dot4I8PackedRow, a, b);
/** Sum of four products of unsigned bytes of two u32; u32. */
export const dot4U8Packed = (a: Operand, b: Operand): Expression => call(dot4U8PackedRow, a, b);
/** The four signed bytes of a u32 as vec4i. */
export const unpack4xI8 = (word: Operand): Expression => call(unpack4xI8Row, word);
/** The four unsigned bytes of a u32 as vec4u. */
export const unpack4xU8 = (word: Operand): Expression => call(unpack4xU8Row, word);
/** The low byte of each lane of a vec4i in a u32. */
export const pack4xI8 = (bytes: Expression): Expression => call(pack4xI8Row, bytes);
/** The low byte of each lane of a vec4u in a u32. */
export const pack4xU8 = (bytes: Expression): Expression => call(pack4xU8Row, bytes);
/** Each lane of a vec4i saturated to -128..127, in a u32. */
export const pack4xI8Clamp = (bytes: Expression): Expression => call(pack4xI8ClampRow, bytes);
/** Each lane of a vec4u saturated to 0..255, in a u32. */
export const pack4xU8Clamp = (bytes: Expression): Expression => call(pack4xU8ClampRow, bytes);

/**
 * `count` bits of `word` from bit `offset` on, sign-extended for i32, zero-extended for u32: the way to a nibble.
 * count >= 1 and offset + count <= 32.
 */
export const extractBits = (word: Expression, offset: Operand, count: Operand): Expression => {
  if (typeof offset === 'number' && typeof count === 'number') checkField(offset, count);
  return call(word.type === 'i32' ? extractI32Row : extractU32Row, word, offset, count);
};
