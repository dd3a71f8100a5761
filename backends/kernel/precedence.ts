/**
 * Where parentheses stand. One rule for both languages: WGSL's grammar, which refuses to guess (`a << b + c`, `a & b == c`,
 * `a && b || c` are syntax errors there), asks exactly for the parentheses whose absence C compilers warn about.
 *
 * | operator | may stand bare on its left | on its right |
 * |---|---|---|
 * | `* / %` | `* / %`, unary | unary |
 * | `+ -` | `+ -`, `* / %`, unary | `* / %`, unary |
 * | `<< >>` | unary | unary |
 * | comparisons | `+ -`, `* / %`, unary | the same |
 * | `&`, `|`, `^` | the same operator, unary | unary |
 * | `&&`, `||` | the same operator, comparisons, unary | comparisons, unary |
 *
 * Shifts under a comparison could stand bare by the grammar, but WGSL reads `a < b >> 1` as the template `a<b>` first.
 */
import type { BinaryOperator } from './tree.ts';

type Level = 'multiplicative' | 'additive' | 'shift' | 'comparison' | '&' | '|' | '^' | '&&' | '||';

/**
 * How tightly a printed expression holds together: `primary` never needs parentheses, `select` (C's ?:) always does, `not` does but under `&&`
 * and `||` (compilers warn of `!a == b`).
 */
export type Tightness = 'primary' | 'unary' | 'not' | Level | 'select';

/** Printed text and how tightly it holds. */
export interface Text {
  readonly text: string;
  readonly tightness: Tightness;
}

const levels: Readonly<Record<BinaryOperator, Level>> = {
  '*': 'multiplicative',
  '/': 'multiplicative',
  '%': 'multiplicative',
  '+': 'additive',
  '-': 'additive',
  '<<': 'shift',
  '>>': 'shift',
  '==': 'comparison',
  '!=': 'comparison',
  '<': 'comparison',
  '<=': 'comparison',
  '>': 'comparison',
  '>=': 'comparison',
  '&': '&',
  '|': '|',
  '^': '^',
  '&&': '&&',
  '||': '||',
};

type Sides = readonly [left: readonly Tightness[], right: readonly Tightness[]];

const arithmetic: readonly Tightness[] = ['additive', 'multiplicative'];

const bareSides: Readonly<Record<Level, Sides>> = {
  multiplicative: [['multiplicative'], []],
  additive: [['additive', 'multiplicative'], ['multiplicative']],
  shift: [[], []],
  comparison: [arithmetic, arithmetic],
  '&': [['&'], []],
  '|': [['|'], []],
  '^': [['^'], []],
  '&&': [
    ['&&', 'comparison', 'not'],
    ['comparison', 'not'],
  ],
  '||': [
    ['||', 'comparison', 'not'],
    ['comparison', 'not'],
  ],
};

export const primary = (text: string): Text => ({ text, tightness: 'primary' });

export const parenthesized = (text: string): string => `(${text})`;

const within = (operand: Text, allowed: readonly Tightness[]): string =>
  operand.tightness === 'primary' || operand.tightness === 'unary' || allowed.includes(operand.tightness)
    ? operand.text
    : parenthesized(operand.text);

/** `left operator right` with the parentheses it needs. */
export function binaryText(operator: BinaryOperator, left: Text, right: Text): Text {
  const level = levels[operator];
  const [bareLeft, bareRight] = bareSides[level];
  return { text: `${within(left, bareLeft)} ${operator} ${within(right, bareRight)}`, tightness: level };
}

/** `prefix operand` for unary operators and C casts. Two signs in a row would read as one token. */
export function prefixText(prefix: string, operand: Text): Text {
  const bare =
    operand.tightness === 'primary' || (operand.tightness === 'unary' && !operand.text.startsWith('-'));
  return {
    text: `${prefix}${bare ? operand.text : parenthesized(operand.text)}`,
    tightness: prefix === '!' ? 'not' : 'unary',
  };
}

/** Text that something follows: an index, a component, a question mark. */
export const primaryText = (operand: Text): string =>
  operand.tightness === 'primary' ? operand.text : parenthesized(operand.text);
