/**
 * Which class each sample belongs to, from a table `file,label` or from an array. A label is an integer from 0; where the number of
 * classes is known it is below it. No label is ever guessed: a sample without one, among samples with, is an error.
 */
import { fail } from '../../ir/diagnostics.ts';

/** The largest class index that is taken for one. */
const largestLabel = 2 ** 31 - 1;

/**
 * Reads a table: one `file,label` a line, a heading of just those words allowed, the file in double quotes if it contains any (twice
 * each) or begins with one. The last comma divides, so names may hold commas. Fails with `data/labels-csv`, naming the line.
 */
export function parseLabelsCsv(text: string, what: string): Map<string, number> {
  const labels = new Map<string, number>();
  text.split(/\r\n|\r|\n/).forEach((line, i) => {
    if (line.trim() === '' || (i === 0 && /^\s*"?file"?\s*,\s*"?label"?\s*$/i.test(line))) return;
    const where = `${what}, line ${i + 1}`;
    const [, file, label] = /^(.*),\s*"?(\d{1,10})"?\s*$/.exec(line) ?? [];
    if (file === undefined || label === undefined || Number(label) > largestLabel) {
      fail(
        'data/labels-csv',
        `${where} is ${JSON.stringify(line.slice(0, 80))}; expected FILE,LABEL with a whole label`,
      );
    }
    const name = unquote(file.trim()).replace(/^\.\//, '');
    if (labels.has(name)) fail('data/labels-csv', `${where} labels ${JSON.stringify(name)} a second time`);
    labels.set(name, Number(label));
  });
  return labels;
}

function unquote(field: string): string {
  return /^".*"$/s.test(field) ? field.slice(1, -1).replaceAll('""', '"') : field;
}

/** Fails with `data/label-range` unless every label is a class: 0 .. classes - 1, or any index if `classes` is not known. */
export function checkLabels(
  labels: ArrayLike<number>,
  classes: number | undefined,
  nameOf: (index: number) => string,
): void {
  const end = classes ?? largestLabel;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (label < 0 || label >= end) {
      const expected =
        classes === undefined ? '0 or more' : `0 to ${end - 1}, as the model has ${end} classes`;
      fail('data/label-range', `${JSON.stringify(nameOf(i))} has label ${label}; expected ${expected}`);
    }
  }
}
