/**
 * Names of the classes, for predictions people read. Two forms: text with one name a line (line 1 is class 0), or JSON: an array of
 * names, or an object from index to name or to an array that ends in the name, as Keras keeps ImageNet's.
 *
 * Names end up on terminals and in reports: one with a control character is refused.
 */
import { fail } from '../../ir/diagnostics.ts';
import { basename, fileExists, join, quotePath, readText } from './files.ts';

const mostBytes = 2 ** 24;
const mostClasses = 2 ** 20;
const usualNames = ['labels.txt', 'labels.json', 'classes.txt', 'classes.json'];

/** The class names in a file, by class index. Fails with `data/class-names`. */
export async function readClassNames(path: string): Promise<string[]> {
  return parseClassNames(await readText(path, mostBytes), basename(path), quotePath(path));
}

/** The class names kept beside a model: the first of `labels.txt`, `labels.json`, `classes.txt`, `classes.json` in the folder. */
export async function findClassNames(folder: string): Promise<string[] | undefined> {
  for (const name of usualNames) {
    const path = join(folder, name);
    if (await fileExists(path)) return readClassNames(path);
  }
  return undefined;
}

/** As `readClassNames`, from the text of a file called `name`. */
export function parseClassNames(text: string, name: string, what: string): string[] {
  const names = name.endsWith('.json') ? namesOfJson(text, what) : namesOfLines(text);
  if (names.length === 0) fail('data/class-names', `${what} holds no class names`);
  names.forEach((className, i) => {
    if (className === '' || /[\x00-\x1f\x7f-\x9f]/.test(className)) {
      fail(
        'data/class-names',
        `${what} names class ${i} ${JSON.stringify(className)}; expected printable text`,
      );
    }
  });
  return names;
}

function namesOfLines(text: string): string[] {
  const lines = text.split(/\r\n|\r|\n/).map((line) => line.trim());
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

function namesOfJson(text: string, what: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    fail('data/class-names', `${what} is not JSON`);
  }
  if (typeof value !== 'object' || value === null) wrongForm(what);
  const entries = Object.entries(value);
  if (entries.length > mostClasses) fail('data/class-names', `${what} names ${entries.length} classes`);
  const byIndex = new Map<string, unknown>(entries);
  return entries.map((_, i) => {
    const entry = byIndex.get(String(i));
    const name: unknown = Array.isArray(entry) ? entry.at(-1) : entry;
    return typeof name === 'string' ? name.trim() : wrongForm(what);
  });
}

function wrongForm(what: string): never {
  fail('data/class-names', `${what} does not name classes 0, 1, 2, ... without a gap`, {
    help: 'expected ["tench", "goldfish"] or {"0": "tench", "1": "goldfish"}',
  });
}
