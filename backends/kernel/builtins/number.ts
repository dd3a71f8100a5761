/**
 * Builtins on single numbers and lane by lane on vectors: min, max, clamp, abs, floor, roundEven, sqrt, exp.
 *
 * C11 has no min or max for integers, so there the rows expand to small functions written in the kernel language. For floats the
 * operands must not be NaN: the languages differ there.
 */
import { pureFunction } from '../builder.ts';
import { call, gt, literal, lt, neg, type Operand, select, sharedType } from '../expression.ts';
import { KernelError } from '../kernel-error.ts';
import type { Builtin, Expression, Value } from '../tree.ts';
import { isVector, laneOf, type Type } from '../types.ts';

const ordered = ['i32', 'u32', 'f32', 'vec4i', 'vec4u', 'vec4f'] as const;

type NumberModel = (...operands: readonly number[]) => number;

/** Applies a model on numbers lane by lane where operands are vectors. */
const lanewise =
  (model: NumberModel) =>
  (...operands: readonly Value[]): Value => {
    const [first] = operands;
    if (!Array.isArray(first)) return model(...(operands as readonly number[]));
    return first.map((_, lane) => model(...operands.map((operand) => (operand as readonly number[])[lane]!)));
  };

type Arms = (operands: readonly Expression[]) => Expression;

/** One row per type that can be ordered, with a C function for the scalars. */
const orderedRows = (name: string, names: readonly string[], model: NumberModel, arms: Arms): Builtin[] =>
  ordered.map((type): Builtin => {
    const row = {
      name,
      parameters: names.map(() => type),
      result: type,
      wgsl: { name },
      model: lanewise(model),
      exact: true,
    };
    if (isVector(type)) return row;
    const expansion = pureFunction(
      `${name}_${type}`,
      {
        parameters: Object.fromEntries(names.map((parameter): [string, Type] => [parameter, type])),
        result: type,
      },
      (block, parameters) => {
        block.return(arms(Object.values(parameters)));
      },
    );
    return { ...row, expansion };
  });

const operand = (operands: readonly Expression[], position: number): Expression => operands[position]!;

const minRows = orderedRows(
  'min',
  ['a', 'b'],
  (a = 0, b = 0) => (b < a ? b : a),
  (of) => select(lt(operand(of, 1), operand(of, 0)), operand(of, 1), operand(of, 0)),
);

const maxRows = orderedRows(
  'max',
  ['a', 'b'],
  (a = 0, b = 0) => (b > a ? b : a),
  (of) => select(gt(operand(of, 1), operand(of, 0)), operand(of, 1), operand(of, 0)),
);

const clampRows = orderedRows(
  'clamp',
  ['value', 'lowest', 'highest'],
  (value = 0, lowest = 0, highest = 0) => {
    if (lowest > highest) throw new KernelError(`clamp to ${String(lowest)}..${String(highest)}`);
    return value < lowest ? lowest : value > highest ? highest : value;
  },
  (of) => {
    const [value, lowest, highest] = [operand(of, 0), operand(of, 1), operand(of, 2)];
    return select(lt(value, lowest), lowest, select(gt(value, highest), highest, value));
  },
);

const absRow: Builtin = {
  name: 'abs',
  parameters: ['i32'],
  result: 'i32',
  wgsl: { name: 'abs' },
  expansion: pureFunction('abs_i32', { parameters: { value: 'i32' }, result: 'i32' }, (block, { value }) => {
    block.return(select(lt(value, 0), neg(value), value));
  }),
  model: (value: number) => {
    if (value === -(2 ** 31)) throw new KernelError('abs of -2^31 overflows');
    return Math.abs(value);
  },
  exact: true,
};

const floatRow = (
  name: string,
  c: string,
  wgsl: string,
  model: (value: number) => number,
  exact: boolean,
): Builtin => ({
  name,
  parameters: ['f32'],
  result: 'f32',
  c: { name: c, header: 'math.h' },
  wgsl: { name: wgsl },
  model,
  exact,
});

/** Round half to even, written so that no intermediate rounding can disturb it; what rounds to zero keeps its sign. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  const up = rest > 0.5 || (rest === 0.5 && below % 2 !== 0);
  const rounded = up ? below + 1 : below;
  return rounded === 0 && value < 0 ? -0 : rounded;
}

const floatRows: readonly Builtin[] = [
  floatRow('abs', 'fabsf', 'abs', Math.abs, true),
  floatRow('floor', 'floorf', 'floor', Math.floor, true),
  floatRow('roundEven', 'rintf', 'round', roundHalfEven, true),
  floatRow('sqrt', 'sqrtf', 'sqrt', (value) => Math.fround(Math.sqrt(value)), false),
  floatRow('exp', 'expf', 'exp', (value) => Math.fround(Math.exp(value)), false),
];

/**
 * The number itself, of which gcc knows nothing. Where loads of one iteration of a loop meet those of the next, gcc keeps what it loaded, and runs out of
 * registers for the sums: an index it cannot see through costs nothing and stops that.
 */
const opaqueRow: Builtin = {
  name: 'opaque',
  parameters: ['i32'],
  result: 'i32',
  c: {
    name: 'opaque',
    definition: [
      'static inline int32_t opaque(int32_t index) {',
      '#if defined(__GNUC__) && !defined(__clang__)',
      '  __asm__("" : "+r"(index));',
      '#endif',
      '  return index;',
      '}',
    ],
  },
  model: (value: number) => value,
  exact: true,
};

export const numberRows: readonly Builtin[] = [
  ...minRows,
  ...maxRows,
  ...clampRows,
  absRow,
  opaqueRow,
  ...floatRows,
];

/** An index that no compiler relates to another iteration's. */
export const opaque = (index: Expression): Expression => call(opaqueRow, index);

function rowFor(name: string, type: Type): Builtin {
  const row = numberRows.find((candidate) => candidate.name === name && candidate.parameters[0] === type);
  if (row === undefined) throw new KernelError(`${type} has no ${name}`);
  return row;
}

const asExpression = (operand: Operand, type: Type): Operand =>
  typeof operand === 'number' && !isVector(type) ? literal(laneOf(type), operand) : operand;

const named =
  (name: string) =>
  (left: Operand, right: Operand): Expression => {
    const type = sharedType(left, right);
    return call(rowFor(name, type), asExpression(left, type), asExpression(right, type));
  };

/** The smaller operand. */
export const min = named('min');

/** The larger operand. */
export const max = named('max');

/** `value` held to lowest..highest, both inclusive. */
export const clamp = (value: Expression, lowest: Operand, highest: Operand): Expression =>
  call(rowFor('clamp', value.type), value, lowest, highest);

/** Absolute value of an i32 (not of -2^31) or f32. */
export const abs = (value: Expression): Expression => call(rowFor('abs', value.type), value);

/** Largest integer not above an f32. */
export const floor = (value: Expression): Expression => call(rowFor('floor', value.type), value);

/** Nearest integer to an f32, ties to even: ONNX's rounding. C compiles it to `rintf`, so it needs the default rounding mode. */
export const roundEven = (value: Expression): Expression => call(rowFor('roundEven', value.type), value);

/** Square root of an f32; languages may differ in the last bit. */
export const sqrt = (value: Expression): Expression => call(rowFor('sqrt', value.type), value);

/** e to the power of an f32; languages may differ in the last bits. */
export const exp = (value: Expression): Expression => call(rowFor('exp', value.type), value);
