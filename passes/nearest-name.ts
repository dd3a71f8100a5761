/** The name a user probably meant. */

/** Edit distance: insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      }
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

/** The nearest of `names`, if it is near: at most a third of the letters differ, or one is the beginning of the other. */
export function nearestName(name: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Infinity;
  const given = name.slice(0, 64).replaceAll('_', '-').toLowerCase();
  for (const candidate of names) {
    const known = candidate.replaceAll('_', '-').toLowerCase();
    const begins = given.length >= 3 && known.startsWith(given);
    const away = begins ? 0.5 : distance(given, known);
    if (away < least && away <= Math.max(given.length, known.length) / 3) {
      least = away;
      best = candidate;
    }
  }
  return best;
}
