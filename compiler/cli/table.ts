/** Tables for people: columns as wide as their widest cell, numbers to the right, a header in bold with a rule under it. */
import { printable } from '../printable.ts';

export interface Column<R> {
  readonly title: string;
  readonly cell: (row: R) => string | number;
  /** Default: right for numbers. */
  readonly align?: 'left' | 'right';
  /** Longer text is cut in the middle. Default: 48. */
  readonly most?: number;
}

export interface TableStyle {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
}

const plainStyle: TableStyle = { bold: (text) => text, dim: (text) => text };

/** The lines of a table, the last one ended. Cells may hold text from models. */
export function table<R>(
  rows: readonly R[],
  columns: readonly Column<R>[],
  style: TableStyle = plainStyle,
): string {
  const cells = rows.map((row) =>
    columns.map(({ cell, most = 48 }) => {
      const value = cell(row);
      return { text: shortened(printable(String(value)), most), number: typeof value === 'number' };
    }),
  );
  const right = columns.map(
    ({ align }, i) =>
      align === 'right' || (align === undefined && cells.length > 0 && cells.every((row) => row[i]!.number)),
  );
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...cells.map((row) => row[i]!.text.length)),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => (right[i] === true ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  const header = line(columns.map(({ title }) => title));
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [style.bold(header), style.dim(rule), ...cells.map((row) => line(row.map(({ text }) => text)))]
    .map((text) => `${text}\n`)
    .join('');
}

/** Lines of `name  value`, values under one another. */
export function facts(
  pairs: readonly (readonly [name: string, value: string | number] | undefined)[],
): string {
  const present = pairs.filter((pair) => pair !== undefined);
  const width = Math.max(0, ...present.map(([name]) => name.length));
  return present.map(([name, value]) => `${name.padEnd(width)}  ${printable(String(value))}\n`).join('');
}

function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  const head = Math.ceil((most - 3) / 2);
  return `${text.slice(0, head)}...${text.slice(text.length - (most - 3 - head))}`;
}
