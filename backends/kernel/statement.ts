/**
 * Constructors of variables, arrays and statements. They check what can be seen locally (types, access, constant bounds);
 * what needs the whole kernel, such as scopes, `verify.ts` checks.
 */
import { coerce, constantOf, i32, indexOperand, type Operand } from './expression.ts';
import { KernelError } from './kernel-error.ts';
import { identifier } from './names.ts';
import type { Expression, KernelArray, Statement, StoreRow, Variable } from './tree.ts';
import { type Element, loadedType, type Type, typeRows } from './types.ts';

/** A variable nobody has declared yet. `mutable` ones may be assigned. */
export const variable = (name: string, type: Type, mutable = false): Variable => ({
  kind: 'variable',
  type,
  name: identifier(name),
  mutable,
});

const wholeLength = (name: string, length: number): number => {
  if (Number.isInteger(length) && length > 0 && length < 2 ** 31) return length;
  throw new KernelError(`${name}: ${String(length)} is no array length`);
};

/** A buffer of the caller's. */
export const storageArray = (
  name: string,
  element: Element,
  access: 'read' | 'read_write',
  length?: number,
): KernelArray => ({
  kind: 'array',
  space: 'storage',
  name: identifier(name),
  element,
  access,
  length: length === undefined ? undefined : wholeLength(name, length),
});

/** An array the invocations of a workgroup share, zeroed when the workgroup starts; grid kernels only. */
export const workgroupArray = (name: string, element: Element, length: number): KernelArray => ({
  kind: 'array',
  space: 'workgroup',
  name: identifier(name),
  element,
  access: 'read_write',
  length: wholeLength(name, length),
});

/** An array of one invocation's own, zeroed where it is declared. */
export const privateArray = (name: string, element: Element, length: number): KernelArray => ({
  kind: 'array',
  space: 'private',
  name: identifier(name),
  element,
  access: 'read_write',
  length: wholeLength(name, length),
});

/** A table of constants: `static const` in C. Values must be exact in the element type. */
export function table(name: string, element: Element, values: readonly number[]): KernelArray {
  const row = typeRows[element];
  if (row.lanes > 1 || element === 'i64')
    throw new KernelError(`${name}: tables hold scalars of up to 32 bits`);
  const copy = row.allocate?.(values.length) as Exclude<
    ReturnType<NonNullable<typeof row.allocate>>,
    BigInt64Array
  >;
  copy.set(values);
  values.forEach((value, position) => {
    if (
      !Object.is(copy[position], element === 'f32' ? Math.fround(value) : value + 0) ||
      !Number.isFinite(copy[position])
    ) {
      throw new KernelError(`${name}[${String(position)}] = ${String(value)} is no ${element}`);
    }
  });
  return {
    kind: 'array',
    space: 'table',
    name: identifier(name),
    element,
    access: 'read',
    length: wholeLength(name, values.length),
    values: Array.from(copy),
  };
}

export const declare = (target: Variable, value: Operand): Statement => ({
  kind: 'declare',
  variable: target,
  value: coerce(value, target.type, target.name),
});

export function declareArray(array: KernelArray): Statement {
  if (array.space !== 'private')
    throw new KernelError(`${array.name} is a ${array.space} array, not a private one`);
  return { kind: 'declare-array', array };
}

export function assign(target: Variable, value: Operand): Statement {
  if (!target.mutable) throw new KernelError(`${target.name} is not mutable`);
  return { kind: 'assign', variable: target, value: coerce(value, target.type, target.name) };
}

/** Writes one element. A narrow element takes an i32 that already fits: saturate first. */
export function store(array: KernelArray, index: Operand, value: Operand): Statement {
  if (array.access !== 'read_write') throw new KernelError(`${array.name} is read only`);
  return {
    kind: 'store',
    array,
    index: indexOperand(index, array),
    value: coerce(value, loadedType(array.element), array.name),
  };
}

/** Writes a register to the bytes at an element's address, as `row` does. */
export function storeVector(row: StoreRow, array: KernelArray, index: Operand, value: Expression): Statement {
  if (array.access !== 'read_write') throw new KernelError(`${array.name} is read only`);
  return {
    kind: 'vector-store',
    row,
    array,
    index: indexOperand(index, array),
    value: coerce(value, row.value, array.name),
  };
}

/** Counts `counter` from `from` up to but not including `to`. Both of the counter's type. */
export function forLoop(
  counter: Variable,
  from: Operand,
  to: Operand,
  step: number,
  body: readonly Statement[],
): Statement {
  if (counter.type !== 'i32' && counter.type !== 'u32')
    throw new KernelError(`${counter.name} counts in ${counter.type}`);
  if (!Number.isInteger(step) || step < 1 || step >= 2 ** 31)
    throw new KernelError(`${String(step)} is no loop step`);
  return {
    kind: 'for',
    variable: counter,
    from: coerce(from, counter.type, counter.name),
    to: coerce(to, counter.type, counter.name),
    step,
    body,
  };
}

export const whileLoop = (condition: Expression, body: readonly Statement[]): Statement => ({
  kind: 'while',
  condition: coerce(condition, 'bool', 'while'),
  body,
});

export const ifElse = (
  condition: Expression,
  then: readonly Statement[],
  otherwise: readonly Statement[] = [],
): Statement => ({ kind: 'if', condition: coerce(condition, 'bool', 'if'), then, otherwise });

export const breakLoop: Statement = { kind: 'break' };
export const continueLoop: Statement = { kind: 'continue' };
export const barrier: Statement = { kind: 'barrier' };

/** Declares a vec4u for each four of the first lanes of the subgroup: what the u32 `value` is there. */
export const broadcast = (variables: readonly Variable[], value: Expression): Statement => ({
  kind: 'broadcast',
  variables,
  value: coerce(value, 'u32', 'broadcast'),
});

export const returnValue = (value?: Expression): Statement => ({ kind: 'return', value });

export const comment = (text: string): Statement => ({ kind: 'comment', text });

/** Whether a break or continue in these statements would reach the loop around them. */
export const escapesLoop = (statements: readonly Statement[]): boolean =>
  statements.some((statement) => {
    if (statement.kind === 'break' || statement.kind === 'continue') return true;
    return statement.kind === 'if' && (escapesLoop(statement.then) || escapesLoop(statement.otherwise));
  });

/** How often a loop with these bounds runs: 0, 1, or undefined for "more, or unknown". */
export function knownTrips(from: Operand, to: Operand, step: number): 0 | 1 | undefined {
  const first = typeof from === 'number' ? i32(from) : from;
  const last = typeof to === 'number' ? i32(to) : to;
  const low = constantOf(first);
  const high = constantOf(last);
  if (low === undefined || high === undefined) return undefined;
  const distance = Number(high) - Number(low);
  if (distance <= 0) return 0;
  return distance <= step ? 1 : undefined;
}
