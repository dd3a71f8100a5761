/**
 * Attributes: the compile-time arguments of an op. Each op declares a schema; parser, printer, verifier and builder read it.
 * `int` is a JavaScript safe integer, `float` a float32 value.
 */
export type AttributeValue = number | boolean | string | readonly number[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

export type AttributeKind = 'int' | 'float' | 'bool' | 'string' | 'ints' | 'floats';

export interface AttributeSpec {
  readonly kind: AttributeKind;
  readonly summary: string;
  /** An attribute without a default must be written, unless it is optional. */
  readonly default?: AttributeValue;
  readonly optional?: boolean;
}

export type AttributeSchema = Readonly<Record<string, AttributeSpec>>;

interface ValueOfKind {
  int: number;
  float: number;
  bool: boolean;
  string: string;
  ints: readonly number[];
  floats: readonly number[];
}

/** The TypeScript type of an op's attributes, once defaults are filled in. */
export type AttributesOf<S extends AttributeSchema> = {
  readonly [K in keyof S as S[K] extends { optional: true } ? never : K]: ValueOfKind[S[K]['kind']];
} & {
  readonly [K in keyof S as S[K] extends { optional: true } ? K : never]?: ValueOfKind[S[K]['kind']];
};

export function matchesKind(value: AttributeValue, kind: AttributeKind): boolean {
  switch (kind) {
    case 'int':
      return typeof value === 'number' && Number.isSafeInteger(value);
    case 'float':
      return typeof value === 'number' && Object.is(Math.fround(value), value);
    case 'bool':
      return typeof value === 'boolean';
    case 'string':
      return typeof value === 'string';
    case 'ints':
      return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item));
    case 'floats':
      return Array.isArray(value) && value.every((item) => Object.is(Math.fround(item as number), item));
  }
}
