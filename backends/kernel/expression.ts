/**
 * Constructors of expressions: the operators a kernel is written with. Each checks its operands' types and throws on a
 * mismatch, so an ill-typed tree cannot be built; each folds what is known, so index arithmetic prints clean.
 *
 * Folding is exact: constants fold through `arithmetic.ts`, and a rewrite is made only where it holds for every value
 * and cannot create an overflow the original did not have ((x + 3) - 5 becomes x - 2; x * 2 * 3 becomes x * 6).
 * Floats fold only when all operands are constants: x + 0 is not x for x = -0.
 *
 * A plain number stands for a literal of the other operand's type.
 */
import {
  binaryMeaning,
  bitcastLane,
  convertLane,
  type Lane,
  laneOfLiteral,
  overflows,
  unaryMeaning,
} from './arithmetic.ts';
import { KernelError } from './kernel-error.ts';
import type {
  BinaryOperator,
  Builtin,
  Comparison,
  Expression,
  InvocationId,
  InvocationIdName,
  KernelArray,
  KernelFunction,
  Literal,
  LoadRow,
  LogicalOperator,
  UnaryOperator,
} from './tree.ts';
import { operandsOf } from './walk.ts';
import {
  isInteger,
  isRegister,
  isVector,
  laneOf,
  loadedType,
  type Scalar,
  type Type,
  type Vector,
} from './types.ts';

/** What operators take: an expression, or a number that becomes a literal of the type the context asks for. */
export type Operand = Expression | number;

/** A literal. Integers must lie in the type's range; an f32 is rounded to the nearest and must be finite. */
export function literal(type: Scalar, value: number | bigint | boolean): Literal {
  return { kind: 'literal', type, value: literalValue(type, value) };
}

function literalValue(type: Scalar, value: number | bigint | boolean): number | bigint | boolean {
  if (type === 'bool') {
    if (typeof value === 'boolean') return value;
  } else if (typeof value === 'boolean') {
    throw new KernelError(`${String(value)} is no ${type}`);
  } else if (type === 'i64') {
    if (BigInt.asIntN(64, BigInt(value)) === BigInt(value)) return BigInt(value);
  } else if (type === 'f32') {
    const rounded = Math.fround(Number(value));
    if (Number.isFinite(rounded)) return rounded;
  } else {
    const whole = Number(value);
    const wrapped = type === 'i32' ? whole | 0 : whole >>> 0;
    if (wrapped === whole) return wrapped;
  }
  throw new KernelError(`${String(value)} is no ${type}`);
}

/** An i32 literal. */
export const i32 = (value: number): Literal => literal('i32', value);
/** A u32 literal. */
export const u32 = (value: number): Literal => literal('u32', value);
/** An f32 literal, rounded to the nearest. */
export const f32 = (value: number): Literal => literal('f32', value);
/** An i64 literal: kernels for C only. */
export const i64 = (value: number | bigint): Literal => literal('i64', value);
/** A bool literal. */
export const bool = (value: boolean): Literal => literal('bool', value);

const fromLane = (type: Scalar, value: Lane): Literal => literal(type, type === 'bool' ? value !== 0 : value);

/** Turns an operand into an expression of `type`; throws when it is of another type. */
export function coerce(operand: Operand, type: Type, where: string): Expression {
  if (typeof operand === 'number') {
    if (type === 'bool') throw new KernelError(`${where}: expected bool, got the number ${String(operand)}`);
    const lane = literal(laneOf(type), operand);
    return isVector(type) ? { kind: 'compose', type, lanes: [lane] } : lane;
  }
  if (operand.type !== type) throw new KernelError(`${where}: expected ${type}, got ${operand.type}`);
  return operand;
}

/** The type two operands meet in: that of the expression among them, i32 for two plain numbers. */
export const sharedType = (left: Operand, right: Operand): Type => {
  if (typeof left !== 'number') return left.type;
  return typeof right === 'number' ? 'i32' : right.type;
};

/** The constant an expression is, as the evaluator would hold it; undefined when it is not constant. */
export const constantOf = (expression: Expression): Lane | undefined =>
  expression.kind === 'literal' ? laneOfLiteral(expression.value) : undefined;

const isConstant = (expression: Expression, value: number): boolean => {
  const constant = constantOf(expression);
  return constant !== undefined && Number(constant) === value;
};

function binary(operator: BinaryOperator, type: Type, left: Expression, right: Expression): Expression {
  const operandLane = laneOf(left.type);
  const meaning = binaryMeaning(operator, operandLane);
  if (meaning === undefined) throw new KernelError(`${left.type} has no operator ${operator}`);
  const a = constantOf(left);
  const b = constantOf(right);
  if (a === undefined || b === undefined || isVector(type)) {
    return { kind: 'binary', type, operator, left, right };
  }
  if ((operandLane === 'i32' || operandLane === 'i64') && overflows(operator, a, b)) {
    throw new KernelError(`${String(a)} ${operator} ${String(b)} overflows ${type}`);
  }
  return fromLane(laneOf(type), meaning(a, operandLane === 'i64' ? BigInt(b) : b));
}

/** `left op right` for operands of one type, folded where `simplify` knows better. */
function arithmetic(
  operator: BinaryOperator,
  left: Operand,
  right: Operand,
  simplify?: (left: Expression, right: Expression) => Expression | undefined,
): Expression {
  const type = sharedType(left, right);
  const a = coerce(left, type, operator);
  const b = coerce(right, type, operator);
  const simpler = isInteger(type) && !isVector(type) ? simplify?.(a, b) : undefined;
  return simpler ?? binary(operator, type, a, b);
}

/** `x op constant` taken apart; undefined for any other shape. */
function constantTail(expression: Expression, operator: '+' | '-' | '*'): [Expression, Lane] | undefined {
  if (expression.kind !== 'binary' || expression.operator !== operator) return undefined;
  const constant = constantOf(expression.right);
  return constant === undefined ? undefined : [expression.left, constant];
}

/**
 * x + constant for i32, in the shortest form: the value is the same, so when the long form did not overflow the short one does
 * not either. Only i32: a u32 has no negative literal to meet.
 */
function offset(expression: Expression, by: number): Expression {
  if (by === 0) return expression;
  const plus = constantTail(expression, '+');
  const minus = constantTail(expression, '-');
  const tail: [Expression, number] | undefined =
    plus !== undefined
      ? [plus[0], Number(plus[1])]
      : minus !== undefined
        ? [minus[0], -Number(minus[1])]
        : undefined;
  if (tail !== undefined) {
    const sum = tail[1] + by;
    if (sum === (sum | 0)) return offset(tail[0], sum);
  }
  if (by < 0 && by > -(2 ** 31)) return binary('-', expression.type, expression, i32(-by));
  return binary('+', expression.type, expression, i32(by));
}

const addTwo = (left: Operand, right: Operand): Expression =>
  arithmetic('+', left, right, (a, b) => {
    if (isConstant(a, 0)) return b;
    if (isConstant(b, 0)) return a;
    if (a.type !== 'i32' || a.kind === 'literal') return undefined;
    return b.kind === 'literal' ? offset(a, Number(b.value)) : undefined;
  });

const mulTwo = (left: Operand, right: Operand): Expression =>
  arithmetic('*', left, right, (a, b) => {
    if (isConstant(a, 1)) return b;
    if (isConstant(b, 1)) return a;
    if (isConstant(a, 0)) return a;
    if (isConstant(b, 0)) return b;
    const tail = constantTail(a, '*');
    const factor = constantOf(b);
    if (tail === undefined || factor === undefined || a.type !== 'i32') return undefined;
    const product = Number(tail[1]) * Number(factor);
    return product === (product | 0) ? mulTwo(tail[0], i32(product)) : undefined;
  });

/** Sum of two or more operands. */
export const add = (first: Operand, second: Operand, ...rest: readonly Operand[]): Expression =>
  rest.reduce<Expression>(addTwo, addTwo(first, second));

/** Product of two or more operands. */
export const mul = (first: Operand, second: Operand, ...rest: readonly Operand[]): Expression =>
  rest.reduce<Expression>(mulTwo, mulTwo(first, second));

/** Difference. */
export const sub = (left: Operand, right: Operand): Expression =>
  arithmetic('-', left, right, (a, b) => {
    if (isConstant(b, 0)) return a;
    if (a.type !== 'i32' || a.kind === 'literal' || b.kind !== 'literal') return undefined;
    return Number(b.value) > -(2 ** 31) ? offset(a, -Number(b.value)) : undefined;
  });

/** Quotient; integers truncate towards zero. */
export const div = (left: Operand, right: Operand): Expression =>
  arithmetic('/', left, right, (a, b) => (isConstant(b, 1) ? a : constantDivisor(b)));

/** Remainder with the sign of the dividend, integers only. */
export const rem = (left: Operand, right: Operand): Expression =>
  arithmetic('%', left, right, (a, b) =>
    isConstant(b, 1) ? fromLane(laneOf(a.type), a.type === 'i64' ? 0n : 0) : constantDivisor(b),
  );

function constantDivisor(divisor: Expression): undefined {
  if (isConstant(divisor, 0)) throw new KernelError('division by the constant zero');
}

function shift(operator: '<<' | '>>', left: Expression, amount: Operand): Expression {
  if (!isInteger(left.type)) throw new KernelError(`${left.type} has no operator ${operator}`);
  const by = typeof amount === 'number' ? u32(amount) : amount;
  if (by.type !== 'u32' && by.type !== 'i32')
    throw new KernelError(`a shift amount is u32 or i32, not ${by.type}`);
  if (isConstant(by, 0)) return left;
  const most = laneOf(left.type) === 'i64' ? 63 : 31;
  const known = constantOf(by);
  if (known !== undefined && (known < 0 || known > most)) {
    throw new KernelError(`shift by ${String(known)}: ${left.type} has 0..${String(most)}`);
  }
  return binary(operator, left.type, left, by);
}

/** `left << amount`; bits leave at the top without error, on signed types too. */
export const shl = (left: Expression, amount: Operand): Expression => shift('<<', left, amount);

/** `left >> amount`: arithmetic (floor) on i32 and i64, logical on u32. */
export const shr = (left: Expression, amount: Operand): Expression => shift('>>', left, amount);

/** Bitwise and. */
export const bitAnd = (left: Operand, right: Operand): Expression =>
  arithmetic('&', left, right, (a, b) => (isConstant(b, 0) ? b : isConstant(a, 0) ? a : undefined));

/** Bitwise or. */
export const bitOr = (left: Operand, right: Operand): Expression =>
  arithmetic('|', left, right, (a, b) => (isConstant(b, 0) ? a : isConstant(a, 0) ? b : undefined));

/** Bitwise exclusive or. */
export const bitXor = (left: Operand, right: Operand): Expression =>
  arithmetic('^', left, right, (a, b) => (isConstant(b, 0) ? a : isConstant(a, 0) ? b : undefined));

function compare(operator: Comparison, left: Operand, right: Operand): Expression {
  const type = sharedType(left, right);
  if (isVector(type)) throw new KernelError(`${type} cannot be compared`);
  const a = coerce(left, type, operator);
  const b = coerce(right, type, operator);
  return decided(operator, a, b) ?? binary(operator, 'bool', a, b);
}

/** Comparisons whose answer needs no values: a thing with itself (but not a float, which may be NaN), a u32 with zero. */
function decided(operator: Comparison, left: Expression, right: Expression): Expression | undefined {
  if (left.type !== 'f32' && sameExpression(left, right)) return bool(['==', '<=', '>='].includes(operator));
  if (left.type !== 'u32') return undefined;
  if (isConstant(right, 0) && (operator === '<' || operator === '>=')) return bool(operator === '>=');
  if (isConstant(left, 0) && (operator === '>' || operator === '<=')) return bool(operator === '<=');
  return undefined;
}

/** Whether two expressions are one and the same computation. */
export function sameExpression(left: Expression, right: Expression): boolean {
  if (left === right) return true;
  if (left.kind !== right.kind || left.type !== right.type) return false;
  const [mine, others] = [operandsOf(left), operandsOf(right)];
  if (mine.length !== others.length || !mine.every((operand, at) => sameExpression(operand, others[at]!)))
    return false;
  return identityOf(left) === identityOf(right);
}

/** What tells apart two expressions of one kind and type with the same operands. */
function identityOf(expression: Expression): unknown {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'variable':
      return expression;
    case 'unary':
    case 'binary':
      return expression.operator;
    case 'load':
      return expression.array;
    case 'component':
      return expression.lane;
    case 'call':
      return expression.builtin;
    case 'vector-load':
      return expression.array;
    case 'invoke':
      return expression.callee;
    case 'id':
      return `${expression.id}.${expression.axis}`;
    default:
      return undefined;
  }
}

/** left == right */
export const eq = (left: Operand, right: Operand): Expression => compare('==', left, right);
/** left != right */
export const ne = (left: Operand, right: Operand): Expression => compare('!=', left, right);
/** left < right */
export const lt = (left: Operand, right: Operand): Expression => compare('<', left, right);
/** left <= right */
export const le = (left: Operand, right: Operand): Expression => compare('<=', left, right);
/** left > right */
export const gt = (left: Operand, right: Operand): Expression => compare('>', left, right);
/** left >= right */
export const ge = (left: Operand, right: Operand): Expression => compare('>=', left, right);

/** The logical operators evaluate their right side only when the left does not decide, in every language. */
function logical(operator: LogicalOperator, operands: readonly Expression[]): Expression {
  const decides = operator === '&&' ? 0 : 1;
  let result: Expression | undefined;
  for (const operand of operands) {
    const condition = coerce(operand, 'bool', operator);
    if (result === undefined) result = condition;
    else if (isConstant(result, decides)) continue;
    else if (isConstant(result, 1 - decides)) result = condition;
    else if (!isConstant(condition, 1 - decides)) result = binary(operator, 'bool', result, condition);
  }
  return result ?? bool(decides === 0);
}

/** All of the conditions, evaluated left to right until one fails. */
export const and = (...conditions: readonly Expression[]): Expression => logical('&&', conditions);

/** Any of the conditions, evaluated left to right until one holds. */
export const or = (...conditions: readonly Expression[]): Expression => logical('||', conditions);

function unary(operator: UnaryOperator, operand: Expression): Expression {
  const meaning = unaryMeaning(operator, laneOf(operand.type));
  if (meaning === undefined) throw new KernelError(`${operand.type} has no operator ${operator}`);
  const constant = constantOf(operand);
  if (constant !== undefined && !isVector(operand.type)) {
    if (
      operator === '-' &&
      laneOf(operand.type) !== 'f32' &&
      overflows('-', typeof constant === 'bigint' ? 0n : 0, constant)
    ) {
      throw new KernelError(`-(${String(constant)}) overflows ${operand.type}`);
    }
    return fromLane(laneOf(operand.type), meaning(constant));
  }
  if (operand.kind === 'unary' && operand.operator === operator) return operand.operand;
  return { kind: 'unary', type: operand.type, operator, operand };
}

/** Negation; not for u32. */
export const neg = (operand: Expression): Expression => unary('-', operand);
/** Every bit flipped. */
export const bitNot = (operand: Expression): Expression => unary('~', operand);
/** Logical not. */
export const not = (operand: Expression): Expression => unary('!', operand);

/**
 * `condition ? whenTrue : whenFalse`. C evaluates the chosen arm only and WGSL both, and the evaluator does as the kernel's
 * flavour does: in a grid kernel, loads in both arms must be in bounds.
 */
export function select(condition: Expression, whenTrue: Operand, whenFalse: Operand): Expression {
  const type = sharedType(whenTrue, whenFalse);
  const test = coerce(condition, 'bool', 'select');
  const a = coerce(whenTrue, type, 'select');
  const b = coerce(whenFalse, type, 'select');
  const known = constantOf(test);
  if (known !== undefined) return known === 0 ? b : a;
  return { kind: 'select', type, condition: test, whenTrue: a, whenFalse: b };
}

/**
 * Converts the value. i32 <-> u32 wrap; integer -> f32 rounds to nearest even; f32 -> integer truncates and must fit, as must i64 -> 32 bits;
 * bool -> number gives 0 or 1. Vectors convert lane by lane.
 */
export function cast(type: Type, operand: Operand): Expression {
  if (typeof operand === 'number') return coerce(operand, type, 'cast');
  if (operand.type === type) return operand;
  if (isVector(type) !== isVector(operand.type) || type === 'bool') {
    throw new KernelError(`no cast from ${operand.type} to ${type}`);
  }
  const constant = constantOf(operand);
  if (constant !== undefined)
    return fromLane(laneOf(type), convertLane(constant, laneOf(operand.type), laneOf(type)));
  return { kind: 'cast', type, operand };
}

/** Reads the same 32 bits as another type, scalar to scalar or vector to vector. */
export function bitcast(type: Type, operand: Expression): Expression {
  if (operand.type === type) return operand;
  const lanes = [laneOf(type), laneOf(operand.type)];
  if (isVector(type) !== isVector(operand.type) || lanes.includes('bool') || lanes.includes('i64')) {
    throw new KernelError(`no bitcast from ${operand.type} to ${type}`);
  }
  const constant = constantOf(operand);
  if (constant !== undefined) {
    return literal(laneOf(type), bitcastLane(constant, laneOf(operand.type), laneOf(type)));
  }
  return operand.kind === 'bitcast' ? bitcast(type, operand.operand) : { kind: 'bitcast', type, operand };
}

/** The index of an array access: i32 or u32. */
export function indexOperand(index: Operand, array: KernelArray): Expression {
  const expression = typeof index === 'number' ? i32(index) : index;
  if (expression.type !== 'i32' && expression.type !== 'u32') {
    throw new KernelError(`${array.name} is indexed by ${expression.type}; expected i32 or u32`);
  }
  const known = constantOf(expression);
  if (known !== undefined && (known < 0 || (array.length !== undefined && known >= array.length))) {
    throw new KernelError(`index ${String(known)} is outside ${array.name}[${String(array.length ?? '')}]`);
  }
  return expression;
}

/** Reads one element; narrow elements widen to i32. */
export const load = (array: KernelArray, index: Operand): Expression => ({
  kind: 'load',
  type: loadedType(array.element),
  array,
  index: indexOperand(index, array),
});

/** Reads the bytes at an element's address as `row` does. */
export const loadVector = (row: LoadRow, array: KernelArray, index: Operand): Expression => ({
  kind: 'vector-load',
  type: row.result,
  row,
  array,
  index: indexOperand(index, array),
});

/** A vector from four lanes, or from one copied to all four. */
export function compose(type: Vector, ...lanes: readonly Operand[]): Expression {
  if (lanes.length !== 1 && lanes.length !== 4)
    throw new KernelError(`${type} has 4 lanes, not ${String(lanes.length)}`);
  return { kind: 'compose', type, lanes: lanes.map((lane) => coerce(lane, laneOf(type), type)) };
}

/** One lane of a vector. */
export function component(vector: Expression, lane: 0 | 1 | 2 | 3): Expression {
  if (!isVector(vector.type)) throw new KernelError(`${vector.type} has no lanes`);
  return { kind: 'component', type: laneOf(vector.type), vector, lane };
}

/** Calls a builtin row. Constants fold through its model. */
export function call(builtin: Builtin, ...operands: readonly Operand[]): Expression {
  const checked = checkOperands(builtin.name, builtin.parameters, operands);
  const constants = checked.map(constantOf);
  const result = builtin.result;
  if (
    builtin.exact &&
    !isVector(result) &&
    !isRegister(result) &&
    constants.every((constant) => constant !== undefined)
  ) {
    const value = (builtin.model as (...values: readonly Lane[]) => Lane)(...constants);
    return fromLane(laneOf(result), value);
  }
  return { kind: 'call', type: result, builtin, operands: checked };
}

/** Calls a function written in this language. */
export const invoke = (callee: KernelFunction, ...operands: readonly Operand[]): Expression => ({
  kind: 'invoke',
  type: callee.result,
  callee,
  operands: checkOperands(
    callee.name,
    callee.parameters.map((parameter) => parameter.type),
    operands,
  ),
});

function checkOperands(name: string, types: readonly Type[], operands: readonly Operand[]): Expression[] {
  if (types.length !== operands.length) {
    throw new KernelError(`${name} takes ${String(types.length)} operands, not ${String(operands.length)}`);
  }
  return types.map((type, position) => coerce(operands[position]!, type, name));
}

const axes = (id: InvocationIdName): Readonly<Record<'x' | 'y' | 'z', InvocationId>> => ({
  x: { kind: 'id', type: 'u32', id, axis: 'x' },
  y: { kind: 'id', type: 'u32', id, axis: 'y' },
  z: { kind: 'id', type: 'u32', id, axis: 'z' },
});

/** Where this invocation stands in the whole grid; u32. */
export const globalId = axes('global_invocation_id');
/** Where it stands in its workgroup; u32. */
export const localId = axes('local_invocation_id');
/** Which workgroup it belongs to; u32. */
export const workgroupId = axes('workgroup_id');
/** Where it stands in its subgroup; u32. */
export const subgroupLane = axes('subgroup_invocation_id').x;
/** How many workgroups were dispatched; u32. */
export const numWorkgroups = axes('num_workgroups');

/**
 * The offset of `[i, j, k]` in a row-major array of `[I, J, K]`: `(i*J + j)*K + k`. The outermost extent is not needed and not read;
 * it is written for the reader. An extent of 1 vanishes with its index, and what is constant in the indices ends up in one constant at the
 * end: the taps of an unrolled window differ in that alone.
 */
export function rowMajor(extents: readonly number[], indices: readonly Operand[]): Expression {
  if (extents.length !== indices.length || extents.length === 0) {
    throw new KernelError(`${String(indices.length)} indices for ${String(extents.length)} extents`);
  }
  let varying: Expression | undefined;
  let fixed = 0;
  indices.forEach((index, axis) => {
    const extent = extents[axis] ?? 1;
    if (extent === 1) return;
    const [inner, constant] = splitConstant(index);
    fixed = fixed * extent + constant;
    const outer = varying === undefined ? undefined : mul(varying, extent);
    varying = outer === undefined || inner === undefined ? (outer ?? inner) : addTerms(outer, inner);
  });
  return varying === undefined ? i32(fixed) : add(varying, fixed);
}

/** `sum + (a + b)` as `sum + a + b`. */
const addTerms = (sum: Expression, terms: Expression): Expression =>
  terms.kind === 'binary' && terms.operator === '+'
    ? add(addTerms(sum, terms.left), terms.right)
    : add(sum, terms);

/** An index as a varying part plus a constant. */
function splitConstant(index: Operand): [Expression | undefined, number] {
  if (typeof index === 'number') return [undefined, index];
  const constant = constantOf(index);
  if (constant !== undefined) return [undefined, Number(constant)];
  if (index.type !== 'i32') return [index, 0];
  const plus = constantTail(index, '+');
  if (plus !== undefined) return [plus[0], Number(plus[1])];
  const minus = constantTail(index, '-');
  return minus === undefined ? [index, 0] : [minus[0], -Number(minus[1])];
}
