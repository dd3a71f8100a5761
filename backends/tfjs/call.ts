/**
 * Calls as data: what a statement of the emitted model computes. Printed in one place, so that names and literals are spelt right
 * wherever they come from.
 */
export type Argument =
  | number
  | string
  | boolean
  | null
  | Reference
  | readonly Argument[]
  | { readonly [option: string]: Argument | undefined };

/** An identifier of the emitted program, as against a string in it. */
export class Reference {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

export interface Call {
  readonly callee: string;
  readonly arguments: readonly Argument[];
}

/** Columns that a statement may take before its options get a line each. */
const widest = 110;

/** `const name = callee(...);`, indented by one level. */
export function printStatement(name: string, { callee, arguments: given }: Call): string {
  const line = `const ${name} = ${callee}(${given.map(printArgument).join(', ')});`;
  const options = given.at(-1);
  if (line.length + 2 <= widest || !isOptions(options)) return line;
  const before = given.slice(0, -1).map((argument) => `${printArgument(argument)}, `);
  const lines = entriesOf(options).map((entry) => `  ${entry},`);
  return [`const ${name} = ${callee}(${before.join('')}{`, ...lines, '});'].join('\n');
}

/** Source text of a value. */
export function printArgument(argument: Argument): string {
  if (argument instanceof Reference) return argument.name;
  if (Array.isArray(argument)) return `[${argument.map((item: Argument) => printArgument(item)).join(', ')}]`;
  if (typeof argument === 'string') return printString(argument);
  if (typeof argument === 'number' || typeof argument === 'boolean' || argument === null)
    return `${argument}`;
  const entries = entriesOf(argument as Options);
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

type Options = Readonly<Record<string, Argument | undefined>>;

function isOptions(argument: Argument | undefined): argument is Options {
  return (
    typeof argument === 'object' &&
    argument !== null &&
    !Array.isArray(argument) &&
    !(argument instanceof Reference)
  );
}

function entriesOf(options: Options): string[] {
  return Object.entries(options).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}: ${printArgument(value)}`],
  );
}

/** A string literal: single quotes, and no character that could end it or the line. */
export function printString(text: string): string {
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'");
  return `'${escaped.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}'`;
}
