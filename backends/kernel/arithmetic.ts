/**
 * The exact meaning of every operator on one lane, in JavaScript. Constant folding and the evaluator both use it, so a folded
 * constant can never differ from the value computed at run time.
 *
 * i32 and u32 wrap modulo 2^32, i64 modulo 2^64, f32 rounds to nearest even after every operation, division truncates. Divisor zero and
 * shift amounts outside 0..31 (0..63) are errors, for no two languages agree on them. Wrapping a signed sum is WGSL's meaning and
 * undefined in C; `overflows` tells the two apart.
 */
import { KernelError } from './kernel-error.ts';
import type { BinaryOperator, UnaryOperator } from './tree.ts';
import type { Scalar } from './types.ts';

/** Taken once: in a sandbox with a global object of its own every look at `Math` is slow. */
const { imul, fround, trunc } = Math;

/** A lane's value; bool is 0 or 1. */
export type Lane = number | bigint;

type NumberMeaning = (left: number, right: number) => number;
type BigintMeaning = (left: bigint, right: bigint) => bigint | number;

const truth = (holds: boolean): number => (holds ? 1 : 0);

const shiftAmount = (amount: number): number => {
  if (amount >= 0 && amount < 32) return amount;
  throw new KernelError(`shift by ${String(amount)}: languages agree on 0..31 only`);
};

const divisor = (value: number): number => {
  if (value !== 0) return value;
  throw new KernelError('division by zero');
};

const comparisons = {
  '==': (left: Lane, right: Lane) => truth(left === right),
  '!=': (left: Lane, right: Lane) => truth(left !== right),
  '<': (left: Lane, right: Lane) => truth(left < right),
  '<=': (left: Lane, right: Lane) => truth(left <= right),
  '>': (left: Lane, right: Lane) => truth(left > right),
  '>=': (left: Lane, right: Lane) => truth(left >= right),
};

const i32: Partial<Record<BinaryOperator, NumberMeaning>> = {
  '+': (left, right) => (left + right) | 0,
  '-': (left, right) => (left - right) | 0,
  '*': (left, right) => imul(left, right),
  '/': (left, right) => (left / divisor(right)) | 0,
  '%': (left, right) => (left % divisor(right)) | 0,
  '<<': (left, right) => left << shiftAmount(right),
  '>>': (left, right) => left >> shiftAmount(right),
  '&': (left, right) => left & right,
  '|': (left, right) => left | right,
  '^': (left, right) => left ^ right,
  ...comparisons,
};

const u32: Partial<Record<BinaryOperator, NumberMeaning>> = {
  '+': (left, right) => (left + right) >>> 0,
  '-': (left, right) => (left - right) >>> 0,
  '*': (left, right) => imul(left, right) >>> 0,
  '/': (left, right) => (left / divisor(right)) >>> 0,
  '%': (left, right) => left % divisor(right),
  '<<': (left, right) => (left << shiftAmount(right)) >>> 0,
  '>>': (left, right) => left >>> shiftAmount(right),
  '&': (left, right) => (left & right) >>> 0,
  '|': (left, right) => (left | right) >>> 0,
  '^': (left, right) => (left ^ right) >>> 0,
  ...comparisons,
};

const f32: Partial<Record<BinaryOperator, NumberMeaning>> = {
  '+': (left, right) => fround(left + right),
  '-': (left, right) => fround(left - right),
  '*': (left, right) => fround(left * right),
  '/': (left, right) => fround(left / right),
  ...comparisons,
};

const bool: Partial<Record<BinaryOperator, NumberMeaning>> = {
  '==': comparisons['=='],
  '!=': comparisons['!='],
  '&&': (left, right) => left & right,
  '||': (left, right) => left | right,
};

const wide = (value: bigint): bigint => BigInt.asIntN(64, value);

const wideAmount = (amount: bigint): bigint => {
  if (amount >= 0n && amount < 64n) return amount;
  throw new KernelError(`shift by ${String(amount)}: an i64 has 0..63`);
};

const wideDivisor = (value: bigint): bigint => {
  if (value !== 0n) return value;
  throw new KernelError('division by zero');
};

const i64: Partial<Record<BinaryOperator, BigintMeaning>> = {
  '+': (left, right) => wide(left + right),
  '-': (left, right) => wide(left - right),
  '*': (left, right) => wide(left * right),
  '/': (left, right) => wide(left / wideDivisor(right)),
  '%': (left, right) => left % wideDivisor(right),
  '<<': (left, right) => wide(left << wideAmount(right)),
  '>>': (left, right) => left >> wideAmount(right),
  '&': (left, right) => left & right,
  '|': (left, right) => left | right,
  '^': (left, right) => left ^ right,
  ...comparisons,
};

const binaryMeanings: Record<Scalar, Partial<Record<BinaryOperator, NumberMeaning | BigintMeaning>>> = {
  bool,
  i32,
  u32,
  f32,
  i64,
};

/** A binary operator on two lanes of one type. The shift amount of an i64 is a bigint, like its other operands. */
export type BinaryMeaning = (left: Lane, right: Lane) => Lane;

/**
 * The meaning of a binary operator on lanes of type `lane`, wrapping.
 * Undefined where the operator does not exist for that type.
 */
export const binaryMeaning = (operator: BinaryOperator, lane: Scalar): BinaryMeaning | undefined =>
  binaryMeanings[lane][operator] as BinaryMeaning | undefined;

/** The meaning of a unary operator on one lane of type `lane`, wrapping; undefined where it does not exist. */
export function unaryMeaning(operator: UnaryOperator, lane: Scalar): ((value: Lane) => Lane) | undefined {
  switch (operator) {
    case '!':
      return lane === 'bool' ? (value) => 1 - Number(value) : undefined;
    case '~':
      if (lane === 'i32') return (value) => ~Number(value);
      if (lane === 'u32') return (value) => ~Number(value) >>> 0;
      return lane === 'i64' ? (value) => ~BigInt(value) : undefined;
    case '-':
      if (lane === 'i32') return (value) => -Number(value) | 0;
      if (lane === 'f32') return (value) => -Number(value);
      return lane === 'i64' ? (value) => wide(-BigInt(value)) : undefined;
  }
}

/**
 * Whether the exact result of `left operator right` on i32 or i64 leaves the type: undefined behaviour in C. `0 - x` stands for negation.
 * An i32 product beyond 2^53 is inexact as a double, but then it is far outside i32 all the same.
 */
export function overflows(operator: BinaryOperator, left: Lane, right: Lane): boolean {
  if (typeof left === 'bigint' || typeof right === 'bigint') {
    const exact = exactResult(operator, BigInt(left), BigInt(right));
    return exact !== undefined && exact !== wide(exact);
  }
  switch (operator) {
    case '+':
      return left + right !== ((left + right) | 0);
    case '-':
      return left - right !== ((left - right) | 0);
    case '*':
      return left * right !== imul(left, right) + 0 && left * right !== 0;
    case '/':
    case '%':
      return left === -(2 ** 31) && right === -1;
    default:
      return false;
  }
}

function exactResult(operator: BinaryOperator, left: bigint, right: bigint): bigint | undefined {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
    case '%':
      return right === 0n ? undefined : left / right;
    default:
      return undefined;
  }
}

/** The value a literal of `lane` type holds, in the form the evaluator computes with. */
export const laneOfLiteral = (value: number | bigint | boolean): Lane =>
  typeof value === 'boolean' ? truth(value) : value;

/**
 * Converts one lane between types as a cast does: i32 <-> u32 wrap, f32 -> integer truncates and must fit (beyond is undefined in C and
 * clamped in WGSL), i64 -> 32 bits must fit, integer -> f32 rounds to nearest even.
 */
export function convertLane(value: Lane, from: Scalar, to: Scalar): Lane {
  if (from === to) return value;
  switch (to) {
    case 'bool':
      return truth(Number(value) !== 0);
    case 'f32':
      return fround(Number(value));
    case 'i64':
      return BigInt(trunc(Number(value)));
    case 'i32':
      return from === 'f32' || from === 'i64'
        ? fitting(value, to, -(2 ** 31), 2 ** 31 - 1)
        : Number(value) | 0;
    case 'u32':
      return from === 'f32' || from === 'i64' ? fitting(value, to, 0, 2 ** 32 - 1) : Number(value) >>> 0;
  }
}

function fitting(value: Lane, to: Scalar, lowest: number, highest: number): number {
  const whole = trunc(Number(value));
  if (whole >= lowest && whole <= highest) return whole + 0;
  throw new KernelError(`${String(value)} does not fit ${to}`);
}

const scratch = new DataView(new ArrayBuffer(4));

/** Reads the 32 bits of a lane as another 32-bit type. */
export function bitcastLane(value: Lane, from: Scalar, to: Scalar): number {
  const bits = Number(value);
  if (from === 'f32') scratch.setFloat32(0, bits);
  else scratch.setUint32(0, bits >>> 0);
  if (to === 'f32') return scratch.getFloat32(0);
  return to === 'i32' ? scratch.getInt32(0) : scratch.getUint32(0);
}
