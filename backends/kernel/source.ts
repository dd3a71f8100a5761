/** Lines of generated source, indented by two spaces a level; and lists broken to a readable width. */
import { commentText } from './names.ts';

/** The width generated source keeps to where it can. */
export const sourceWidth = 100;

/** Collects lines. */
export class Source {
  readonly #lines: string[] = [];
  #depth = 0;

  line(text: string): void {
    this.#lines.push(text === '' ? '' : '  '.repeat(this.#depth) + text);
  }

  /** Lines already printed, at this depth. */
  lines(texts: readonly string[]): void {
    for (const text of texts) this.line(text);
  }

  comment(text: string): void {
    this.line(`// ${commentText(text)}`.trimEnd());
  }

  /** A line whose body follows one level deeper. */
  open(text: string): void {
    this.line(text);
    this.#depth += 1;
  }

  /** The line that ends a body. */
  close(text = '}'): void {
    this.#depth -= 1;
    this.line(text);
  }

  /** Ends one body and begins the next: `} else {`. */
  turn(text: string): void {
    this.close(text);
    this.#depth += 1;
  }

  toLines(): readonly string[] {
    return this.#lines;
  }
}

/** Joins items with commas into lines no wider than the source, for the insides of a table. */
export function wrapped(items: readonly string[]): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const item of items) {
    const longer = line === '' ? `${item},` : `${line} ${item},`;
    if (line !== '' && longer.length > sourceWidth - 2) {
      lines.push(line);
      line = `${item},`;
    } else {
      line = longer;
    }
  }
  return line === '' ? lines : [...lines, line];
}
