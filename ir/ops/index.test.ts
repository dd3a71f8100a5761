import { describe, expect, it } from '@jest/globals';
import { integerOps, isOpName, levels, matchesKind, opOf, ops } from '../index.ts';

describe('the table of ops', () => {
  it('names the ops of the integer level as the declarations do', () => {
    const declared = Object.values(ops).filter((op) => op.levels.includes('integer'));
    expect([...integerOps]).toEqual(declared.map(({ name }) => name));
  });

  it.each(Object.entries(ops))('%s is declared in full', (key, op) => {
    expect(op.name).toBe(key);
    expect(key).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
    expect(op.summary).toMatch(/\.$/);
    expect(op.levels.length).toBeGreaterThan(0);
    expect(op.levels.every((level) => levels.includes(level))).toBe(true);
    for (const [name, spec] of Object.entries(op.attributes)) {
      expect([name, spec.default === undefined || matchesKind(spec.default, spec.kind)]).toEqual([
        name,
        true,
      ]);
      expect([name, spec.optional === true && spec.default !== undefined]).toEqual([name, false]);
    }
    const names = [...op.constraints, ...(op.constantLaws ?? [])].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    // Optional operands trail, and only the last one is variadic.
    const optional = op.operands.map((operand) => operand.optional === true);
    expect(optional).toEqual([...optional].sort((a, b) => Number(a) - Number(b)));
    expect(op.operands.slice(0, -1).some((operand) => operand.variadic === true)).toBe(false);
    expect(new Set(op.operands.map((operand) => operand.name)).size).toBe(op.operands.length);
  });

  it('an accumulating op bounds its accumulators, a layer accumulates', () => {
    for (const op of Object.values(ops)) {
      if (op.traits.accumulates === true) expect([op.name, op.bound !== undefined]).toEqual([op.name, true]);
      if (op.traits.layer === true) expect(op.traits.accumulates).toBe(true);
      if (op.traits.clamp !== undefined) expect(op.traits.unary).toBe(true);
    }
  });

  it('clamps say their image', () => {
    const clamps = Object.values(ops).flatMap((op) =>
      op.traits.clamp === undefined ? [] : [[op.name, op.traits.clamp({ min: -1, max: 6 })]],
    );
    expect(clamps).toEqual([
      ['relu', [0, Infinity]],
      ['clip', [-1, 6]],
    ]);
  });

  it('knows its own names only', () => {
    expect(isOpName('conv2d')).toBe(true);
    for (const name of ['constructor', '__proto__', 'toString', 'Conv', '']) {
      expect(isOpName(name)).toBe(false);
      expect(() => opOf(name)).toThrow(`unknown op ${name}`);
    }
  });
});
