/** Schemas of options and attributes, as JSON and as text. */
import type { AttributeSchema } from '../../ir/index.ts';

export function schemaJson(schema: AttributeSchema): object[] {
  return Object.entries(schema).map(([name, { kind, summary, default: value, optional }]) => ({
    name,
    kind,
    summary,
    default: value ?? null,
    optional: optional === true,
  }));
}

/** A line each, indented. */
export function schemaText(schema: AttributeSchema): string {
  return Object.entries(schema)
    .map(([name, { kind, summary, default: value }]) => {
      const preset = value === undefined ? '' : ` = ${JSON.stringify(value)}`;
      return `    ${name}: ${kind}${preset}  ${summary}\n`;
    })
    .join('');
}
