import { describe, expect, it } from '@jest/globals';
import { contestCells, contestRows, milliseconds } from './contest-table.ts';
import { ratioOf, summaryOf } from './statistics.ts';

const slowing = [
  [10, 12, 11],
  [20, 22, 21],
  [30, 33, 32],
];

describe('statistics', () => {
  it('summary: least and median over all rounds', () => {
    expect(summaryOf(slowing)).toEqual({ min_ms: 10, median_ms: 21, runs: 9 });
  });

  it('a ratio compares round by round: a machine that slows down changes nothing', () => {
    const half = slowing.map((round) => round.map((time) => time / 2));
    expect(ratioOf(half, slowing)).toEqual({ median: 0.5, least: 0.5 });
    // Medians over everything would be misled by the order in which the machine slowed.
    const shifted = [half[0]!, half[1]!, [16, 16.5, 500]];
    expect(ratioOf(shifted, slowing).median).toBeCloseTo(0.5, 12);
  });

  it('compares the rounds that both were in', () => {
    expect(ratioOf([[5], [9]], [[10]]).median).toBe(0.5);
    expect(ratioOf([[5]], [[10], [1]])).toEqual({ median: 0.5, least: 5 });
  });
});

describe('the table of a contest', () => {
  const rows = contestRows(
    {
      entries: [
        { name: 'ours', title: 'Ours', facts: {}, rounds: [[1], [2]] },
        { name: 'theirs', title: 'Theirs', facts: { device: 'x' }, rounds: [[2], [4]] },
      ],
      absent: [{ name: 'third', title: 'Third', reason: 'not here' }],
    },
    ['theirs', 'third'],
  );

  it('gives ratios to the references that took part', () => {
    expect(rows.map(({ name, ratios }) => [name, ratios])).toEqual([
      ['ours', { theirs: { median: 0.5, least: 0.5 } }],
      ['theirs', { theirs: { median: 1, least: 1 } }],
    ]);
  });

  it('prints a column for each of them', () => {
    expect(contestCells(rows)).toEqual({
      head: ['', 'least, ms', 'median, ms', 'of Theirs'],
      body: [
        ['Ours', '1.00', '1.50', '0.50 / 0.50'],
        ['Theirs', '2.00', '3.00', '1.00 / 1.00'],
      ],
    });
  });

  it('prints times with the digits that matter', () => {
    expect([0.08371, 4.5412, 36.2784, 915.4].map(milliseconds)).toEqual(['0.0837', '4.54', '36.28', '915']);
  });
});
