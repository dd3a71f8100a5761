/**
 * Values as text and back. What a value looks like follows from the kind its schema declares: a `float` always shows a point, an
 * exponent or a name (`2.0`, `1e-7`, `-inf`), an `int` never does, so that a reader sees the kind.
 */
import type { AttributeKind, AttributeValue } from '../attributes.ts';
import { formatFloat } from '../types.ts';

/** The text of a value. Without a kind (the name is not declared) it is guessed from the value. */
export function formatValue(value: AttributeValue, kind: AttributeKind | undefined): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'boolean') return String(value);
  const isFloat = kind === 'float' || kind === 'floats';
  if (typeof value === 'number') return formatNumber(value, isFloat);
  return `[${value.map((item) => formatNumber(item, isFloat)).join(', ')}]`;
}

function formatNumber(value: number, isFloat: boolean): string {
  return isFloat || !Number.isSafeInteger(value) ? formatFloat(Math.fround(value)) : String(value);
}

/** The float32 nearest to a number as written: `2`, `0.1`, `1e-7`, `-inf`, `nan`. A finite number beyond float32 gives undefined. */
export function floatOf(image: string): number | undefined {
  if (image === 'nan') return NaN;
  if (image === 'inf') return Infinity;
  if (image === '-inf') return -Infinity;
  const value = Math.fround(Number(image));
  return Number.isFinite(value) ? value : undefined;
}

/** An integer as written, exact and never -0; undefined where it is none, or not a safe one. */
export function integerOf(image: string): number | undefined {
  const value = /^-?\d+$/.test(image) ? Number(image) + 0 : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}
