/** The outcome of a contest as a table: for a terminal, for a page, and as data. */
import type { ContestResult } from './contest.ts';
import { type Ratio, ratioOf, type Summary, summaryOf } from './statistics.ts';

export interface ContestRow extends Summary {
  readonly name: string;
  readonly title: string;
  /** Time as a multiple of the reference's, by the name of the reference. */
  readonly ratios: Readonly<Record<string, Ratio>>;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A row for each entry; those references that took part give each its ratio. */
export function contestRows({ entries }: ContestResult, references: readonly string[]): ContestRow[] {
  const present = entries.filter(({ name }) => references.includes(name));
  return entries.map(({ name, title, facts, rounds }) => ({
    name,
    title,
    ...summaryOf(rounds),
    ratios: Object.fromEntries(present.map((other) => [other.name, ratioOf(rounds, other.rounds)])),
    facts,
  }));
}

/** Cells of the table: head first. A ratio, of medians and of least times, below 1 means less time than the reference. */
export function contestCells(rows: readonly ContestRow[]): { head: string[]; body: string[][] } {
  const references = Object.keys(rows[0]?.ratios ?? {});
  const titles = references.map((name) => rows.find((row) => row.name === name)?.title ?? name);
  return {
    head: ['', 'least, ms', 'median, ms', ...titles.map((title) => `of ${title}`)],
    body: rows.map((row) => [
      row.title,
      milliseconds(row.min_ms),
      milliseconds(row.median_ms),
      ...references.map((name) => ratioText(row.ratios[name]!)),
    ]),
  };
}

/** Three digits that matter, at least. */
export function milliseconds(value: number): string {
  return value < 1 ? value.toFixed(4) : value < 100 ? value.toFixed(2) : value.toFixed(0);
}

function ratioText({ median, least }: Ratio): string {
  return `${median.toFixed(2)} / ${least.toFixed(2)}`;
}
