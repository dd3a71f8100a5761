/** Every row's model against its expansion: two statements of one meaning. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { evaluateFunction, isReserved, KernelError } from '../index.ts';
import type { Builtin, Value } from '../index.ts';
import type { Type } from '../types.ts';
import { roundHalfEven } from './number.ts';
import { builtinTable } from './table.ts';

const values: Readonly<Partial<Record<Type, fc.Arbitrary<Value>>>> = {
  i32: fc.integer({ min: -(2 ** 31) + 1 }),
  u32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  f32: fc.float({ noNaN: true }),
  vec4i: fc.tuple(
    fc.integer(),
    fc.integer(),
    fc.integer({ min: -200, max: 200 }),
    fc.integer({ min: -200, max: 200 }),
  ),
  vec4u: fc.tuple(fc.nat(), fc.nat(), fc.nat(300), fc.nat(300)),
};

/** Operands a row accepts: a field within the word, bounds in order. */
function operandsOf({ name, parameters }: Builtin): fc.Arbitrary<readonly Value[]> {
  if (name === 'extractBits') {
    const field = fc
      .integer({ min: 0, max: 31 })
      .chain((at) => fc.tuple(fc.constant(at), fc.integer({ min: 1, max: 32 - at })));
    return fc.tuple(values[parameters[0]!]!, field).map(([word, [at, count]]) => [word, at, count]);
  }
  const drawn = fc.tuple(...parameters.map((type) => values[type]!));
  if (name !== 'clamp') return drawn;
  return drawn.map(([value, a, b]) => (Number(a) <= Number(b) ? [value!, a!, b!] : [value!, b!, a!]));
}

describe('builtins', () => {
  const expanded = builtinTable.flatMap(({ expansion, ...row }) =>
    expansion === undefined
      ? []
      : [{ row, expansion, signature: `${row.name}(${row.parameters.join(', ')})` }],
  );

  it.each(expanded)('$signature: the model is the expansion', ({ row, expansion }) => {
    const model = row.model as (...operands: readonly Value[]) => Value;
    fc.assert(
      fc.property(operandsOf(row), (operands) => {
        expect(evaluateFunction(expansion, operands)).toEqual(model(...operands));
      }),
    );
  });

  it('names of builtins are taken', () => {
    expect(
      builtinTable.filter(({ c, wgsl }) =>
        [c, wgsl].some((spelling) => spelling !== undefined && !isReserved(spelling.name)),
      ),
    ).toEqual([]);
  });

  it('rounds half to even', () => {
    expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4999, -2.6].map(roundHalfEven)).toEqual([
      -2, -2, -0, 0, 2, 2, 2, -3,
    ]);
  });

  it('takes abs of -2^31 for the overflow it is', () => {
    const row = builtinTable.find(({ name }) => name === 'abs');
    expect(() => (row?.model as (value: number) => number)(-(2 ** 31))).toThrow(KernelError);
  });
});
