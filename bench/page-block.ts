/**
 * Parts of a page that a program writes: between a line `<!-- bench: NAME -->` and the next `<!-- /bench -->`. What stands around them is
 * a person's, and stays.
 */

const end = '<!-- /bench -->';

function start(name: string): string {
  return `<!-- bench: ${name} -->`;
}

/** The page with the block of that name holding `content`; a block that is not there yet comes at the end. Throws where a block has no end. */
export function withBlock(page: string, name: string, content: string): string {
  const block = `${start(name)}\n\n${content.trim()}\n\n${end}`;
  const from = page.indexOf(start(name));
  if (from < 0) return `${page.trimEnd()}\n\n${block}\n`;
  const to = page.indexOf(end, from);
  const next = page.indexOf('<!-- bench: ', from + 1);
  if (to < 0 || (next >= 0 && next < to)) throw new Error(`the block ${JSON.stringify(name)} has no end`);
  return `${page.slice(0, from)}${block}${page.slice(to + end.length)}`;
}

/** A table in Markdown. Every row has as many cells as the head; columns but the first are numbers. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
