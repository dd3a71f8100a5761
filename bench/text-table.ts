/** A table of cells that are text already, for a terminal: numbers to the right, words to the left. */
import { table } from '../compiler/cli/table.ts';
import type { Terminal } from '../compiler/cli/terminal.ts';

export function textTable(
  head: readonly string[],
  body: readonly (readonly string[])[],
  { colours }: Pick<Terminal, 'colours'>,
): string {
  const numeric = (i: number): boolean => body.every((row) => /^[\d./ ]* ?%?$/.test(row[i]!));
  const columns = head.map((title, i) => ({
    title,
    cell: (row: readonly string[]) => row[i]!,
    align: numeric(i) ? ('right' as const) : ('left' as const),
  }));
  return table(body, columns, colours);
}
