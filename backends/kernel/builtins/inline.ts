/**
 * Rows that C spells as small inline functions of their own, for instruction sets whose intrinsics have a type per lane, or none for what is
 * meant. The function's name is the row's, its text travels with it.
 */
import type { Builtin, LoadRow, StoreRow } from '../tree.ts';
import { type Register, type Type, typeRows } from '../types.ts';
import { build, type Bytes, type LaneType, view } from './lanes.ts';

/** The instruction set whose rows are made: their prefix, register, and what functions must be compiled for. */
export interface Family {
  readonly prefix: string;
  readonly register: Register;
  readonly feature: string;
}

/** The C library's part in a row. */
interface Needs {
  readonly header?: string;
}

const indented = (body: readonly string[]): readonly string[] => body.map((line) => `  ${line}`);

export function inlineRows({ prefix, register, feature }: Family) {
  const c = typeRows[register].c!;
  /** A function of `a`, `b`, `c`: registers and 32-bit integers. */
  const row = (
    wish: string,
    parameters: readonly Type[],
    body: readonly string[],
    model: (...operands: never[]) => Bytes,
    options: { readonly feature?: string; readonly mark?: string } = {},
  ): Builtin => {
    const name = `${prefix}_${wish}`;
    const spelled = parameters.map((type, i) => `${typeRows[type].c!} ${'abc'[i]!}`).join(', ');
    const mark = options.mark === undefined ? '' : `${options.mark} `;
    const definition = [`ALWAYS_INLINE ${mark}${c} ${name}(${spelled}) {`, ...indented(body), '}'];
    return {
      name,
      parameters,
      result: register,
      c: { name, feature: options.feature ?? feature, definition },
      model,
      exact: true,
    };
  };
  return {
    row,
    /** A function of two registers, lane by lane. */
    lanewise: (
      wish: string,
      value: string,
      type: LaneType,
      lane: (a: number, b: number) => number,
    ): Builtin =>
      row(wish, [register, register], [`return ${value};`], (a: Bytes, b: Bytes) => {
        const [x, y] = [view[type](a), view[type](b)];
        return build(register, type, (i) => lane(x[i]!, y[i]!));
      }),
    /** Reads `bytes` bytes at `address`. */
    load: (
      wish: string,
      bytes: number,
      body: readonly string[],
      model: LoadRow['model'],
      needs: Needs = {},
    ): LoadRow => {
      const name = `${prefix}_${wish}`;
      const definition = [`ALWAYS_INLINE ${c} ${name}(const void *address) {`, ...indented(body), '}'];
      return { name, result: register, bytes, c: { name, feature, definition, ...needs }, model };
    },
    /** Writes `bytes` bytes of `value` to `address`. */
    store: (
      wish: string,
      bytes: number,
      body: readonly string[],
      model: StoreRow['model'],
      needs: Needs = {},
    ): StoreRow => {
      const name = `${prefix}_${wish}`;
      const definition = [`ALWAYS_INLINE void ${name}(void *address, ${c} value) {`, ...indented(body), '}'];
      return { name, value: register, bytes, c: { name, feature, definition, ...needs }, model };
    },
  };
}

/** Models that instruction sets share. */
export const models = {
  /** addend + floor(value * multiplier / 2^16), low 32 bits. */
  scaleBy16:
    (register: Register) =>
    (value: Bytes, multiplier: Bytes, addend: Bytes): Bytes => {
      const [x, factor, more] = [view.i32(value), view.i32(multiplier), view.i32(addend)];
      return build(register, 'i32', (i) =>
        Number(BigInt.asIntN(32, ((BigInt(x[i]!) * BigInt(factor[i]!)) >> 16n) + BigInt(more[i]!))),
      );
    },
  /** Signed 4-bit numbers, two in a byte, low bits first, as signed bytes. */
  nibbles:
    (register: Register) =>
    (memory: Bytes): Bytes =>
      build(register, 'i8', (i) => (memory[i >> 1]! << ((i & 1) === 0 ? 28 : 24)) >> 28),
  /** Bytes, each to a 32-bit lane. */
  widened:
    (register: Register, lane: 'u8' | 'i8') =>
    (memory: Bytes): Bytes => {
      const bytes = view[lane](memory.slice());
      return build(register, 'i32', (i) => bytes[i]!);
    },
  /** The low byte of every 32-bit lane. */
  lowBytes: (value: Bytes): Bytes => value.filter((_, i) => i % 4 === 0),
} as const;
