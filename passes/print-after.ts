/** `--print-ir-after`: which passes to print the program after, and the hook that prints it. */
import type { Graph } from '../ir/index.ts';
import { printGraph } from '../ir/text/index.ts';
import type { PassReport } from './run.ts';

export type PrintAfter = 'all' | 'changed' | readonly string[];

/** Reads `all`, `changed` or a comma-separated list of passes. */
export function parsePrintAfter(text: string): PrintAfter {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const [only] = names;
  return names.length === 1 && (only === 'all' || only === 'changed') ? only : names;
}

/** A hook for `RunOptions.afterPass` that hands `write` the program in text form, under a line that names the pass. */
export function printIrAfter(
  which: PrintAfter,
  write: (text: string) => void,
  print: (graph: Graph) => string = (graph) => printGraph(graph),
): (report: PassReport) => void {
  return ({ pass, changed, after }) => {
    if (typeof which !== 'string' && !which.includes(pass)) return;
    if (which === 'changed' && !changed) return;
    write(`// after ${pass}${changed ? '' : ', which changed nothing'}\n${print(after)}`);
  };
}
