/**
 * The types a kernel computes with, one row each: how every language spells it and what lies in memory.
 *
 * Two families. A `Type` is what an expression has. An `Element` is what an array holds; the narrow ones (i8, u8, i16, u16)
 * exist in memory only: loading one widens to i32, storing to one takes an i32 that must already fit. So all integer
 * arithmetic is 32 bits wide (or 64 in C), and no language's promotion rules can ever disagree.
 *
 * A language that lacks a type has no spelling in its column, and its printer refuses.
 *
 * A SIMD register is a run of bytes: what its lanes are is the business of each intrinsic, as in C. So it has no operators, lies in no array
 * of its own, and is read from and written to the bytes of any array by rows that take an address.
 */
import { KernelError } from './kernel-error.ts';

/** The types of single values. i64 is for C only: WGSL has none. */
export type Scalar = 'bool' | 'i32' | 'u32' | 'f32' | 'i64';

/** The types of four values that travel together: WGSL's names. C has no spelling for them. */
export type Vector = 'vec4i' | 'vec4u' | 'vec4f';

/** SIMD registers, C only: 16, 32 and 64 bytes of x86, 16 of NEON, 16 of WebAssembly. */
export type Register = 'm128i' | 'm256i' | 'm512i' | 'neon128' | 'wasm128';

/** What an expression can have as its type. */
export type Type = Scalar | Vector | Register;

/** Element types that exist in memory only. */
export type Narrow = 'i8' | 'u8' | 'i16' | 'u16';

/** What an array can hold. */
export type Element = Exclude<Scalar, 'bool'> | Vector | Narrow;

/** The arrays that hold a buffer's contents when a kernel is evaluated. Vectors lie as consecutive lanes. */
export type Memory =
  Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | BigInt64Array;

/** One row of the table: the facts about a type that printers and evaluator ask for. */
export interface TypeRow {
  /** The type of one lane: the type itself for scalars, and what a load yields for narrow elements. Registers have none. */
  readonly lane: Scalar | undefined;
  readonly lanes: 1 | 4;
  /** The spelling in C11, undefined where C has no such type. */
  readonly c: string | undefined;
  /** The spelling in WGSL, undefined where WGSL has no such type. */
  readonly wgsl: string | undefined;
  /** Makes zeroed memory for `count` elements; undefined for types that cannot lie in memory. */
  readonly allocate: ((count: number) => Memory) | undefined;
  /** The values a narrow element can hold; undefined for the others. */
  readonly range: readonly [lowest: number, highest: number] | undefined;
  /** Bytes of a SIMD register; undefined for everything else. */
  readonly registerBytes?: number;
}

const scalar = (
  lane: Scalar,
  c: string,
  wgsl: string | undefined,
  allocate: TypeRow['allocate'],
  range?: TypeRow['range'],
): TypeRow => ({ lane, lanes: 1, c, wgsl, allocate, range });

const vector = (lane: Scalar, wgsl: string, allocate: NonNullable<TypeRow['allocate']>): TypeRow => ({
  lane,
  lanes: 4,
  c: undefined,
  wgsl,
  allocate: (count) => allocate(4 * count),
  range: undefined,
});

const register = (c: string, registerBytes: number): TypeRow => ({
  lane: undefined,
  lanes: 1,
  c,
  wgsl: undefined,
  allocate: undefined,
  range: undefined,
  registerBytes,
});

export const typeRows: Readonly<Record<Type | Element, TypeRow>> = {
  bool: scalar('bool', 'bool', 'bool', undefined),
  i32: scalar('i32', 'int32_t', 'i32', (count) => new Int32Array(count)),
  u32: scalar('u32', 'uint32_t', 'u32', (count) => new Uint32Array(count)),
  f32: scalar('f32', 'float', 'f32', (count) => new Float32Array(count)),
  i64: scalar('i64', 'int64_t', undefined, (count) => new BigInt64Array(count)),
  i8: scalar('i32', 'int8_t', undefined, (count) => new Int8Array(count), [-128, 127]),
  u8: scalar('i32', 'uint8_t', undefined, (count) => new Uint8Array(count), [0, 255]),
  i16: scalar('i32', 'int16_t', undefined, (count) => new Int16Array(count), [-32768, 32767]),
  u16: scalar('i32', 'uint16_t', undefined, (count) => new Uint16Array(count), [0, 65535]),
  vec4i: vector('i32', 'vec4i', (count) => new Int32Array(count)),
  vec4u: vector('u32', 'vec4u', (count) => new Uint32Array(count)),
  vec4f: vector('f32', 'vec4f', (count) => new Float32Array(count)),
  m128i: register('__m128i', 16),
  m256i: register('__m256i', 32),
  m512i: register('__m512i', 64),
  neon128: register('uint8x16_t', 16),
  wasm128: register('v128_t', 16),
};

const isNarrow = (element: Element): element is Narrow => typeRows[element].range !== undefined;

/** The type an element has once loaded: narrow ones widen to i32, the others stay. */
export const loadedType = (element: Element): Type => (isNarrow(element) ? 'i32' : element);

/** The type of one lane: `vec4u` has u32 lanes, a scalar is its own lane. Throws for registers, which have no operators. */
export function laneOf(type: Type): Scalar {
  const { lane } = typeRows[type];
  if (lane === undefined) throw new KernelError(`${type} has no operators: call intrinsics`);
  return lane;
}

export const isVector = (type: Type): type is Vector => typeRows[type].lanes > 1;

export const isRegister = (type: Type): type is Register => typeRows[type].registerBytes !== undefined;

export const isInteger = (type: Type): boolean => laneOf(type) !== 'f32' && type !== 'bool';

/** Zeroed memory for `count` elements, as the evaluator takes it for a buffer. */
export function allocate(element: Element, count: number): Memory {
  const make = typeRows[element].allocate;
  if (make === undefined) throw new KernelError(`${element} cannot lie in memory`);
  return make(count);
}
