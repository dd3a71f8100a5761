import { describe, expect, it } from '@jest/globals';
import { type Contestant, holdContest } from './contest.ts';
import { Unavailable } from './unavailable.ts';

/** A contestant that takes no time: each run "lasts" as many milliseconds as it has been asked before. */
function counting(name: string, body = ''): Contestant {
  const code = `
    console.log(JSON.stringify({ device: 'none' }));
    let runs = 0;
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      ${body}
      console.log(JSON.stringify(Array.from({ length: Number(line) }, () => ++runs)));
    });`;
  return {
    name,
    title: name,
    prepare: async () => ({ program: process.execPath, args: ['-e', code], facts: { known: true } }),
  };
}

const options = {
  rounds: 3,
  turnMilliseconds: 40,
  say: (): void => undefined,
  progress: (): void => undefined,
};

describe('a contest', () => {
  it('gives every contestant its turns, and keeps the times of each', async () => {
    const { entries, absent } = await holdContest([counting('a'), counting('b')], options);
    expect(absent).toEqual([]);
    for (const { facts, rounds } of entries) {
      expect(facts).toEqual({ device: 'none', known: true });
      expect(rounds).toHaveLength(3);
      // Runs of 1, 2, 3 and 4 ms told that one lasts 3 ms: fourteen fill a turn of 40, three warm it up.
      expect(rounds[0]).toEqual(Array.from({ length: 14 }, (_, i) => 4 + 3 + 1 + i));
      expect(rounds[1]![0]).toBe(4 + 17 + 3 + 1);
    }
  });

  it('goes on without those who cannot take part, and says why', async () => {
    const said: string[] = [];
    const absentee: Contestant = {
      name: 'absent',
      title: 'Absent',
      prepare: async () => Promise.reject(new Unavailable('it is not installed')),
    };
    const failing: Contestant = {
      name: 'failing',
      title: 'Failing',
      prepare: async () => ({ program: process.execPath, args: ['-e', 'throw new Error("no such kernel")'] }),
    };
    const missing: Contestant = {
      name: 'missing',
      title: 'Missing',
      prepare: async () => ({ program: './no-such-program', args: [] }),
    };
    const dying = counting(
      'dying',
      'if (runs > 10) { console.error("error: out of luck"); process.exit(1); }',
    );
    const result = await holdContest([absentee, failing, missing, counting('a'), dying], {
      ...options,
      say: (text) => said.push(text),
    });
    expect(result.entries.map(({ name }) => name)).toEqual(['a']);
    expect(result.absent.map(({ name, reason }) => [name, reason])).toEqual([
      ['absent', 'it is not installed'],
      ['failing', expect.stringContaining('no such kernel')],
      ['missing', expect.stringContaining('ENOENT')],
      ['dying', expect.stringContaining('out of luck')],
    ]);
    expect(said).toContain('without Absent: it is not installed');
  });

  it('runs what lasts longer than a turn once a turn, without a run before it', async () => {
    const { entries } = await holdContest([counting('slow')], { ...options, turnMilliseconds: 0.5 });
    expect(entries[0]!.rounds).toEqual([[2], [3], [4]]);
  });

  it('lets our own mistakes through', async () => {
    const wrong: Contestant = {
      name: 'wrong',
      title: 'Wrong',
      prepare: async () => Promise.reject(new TypeError('not a function')),
    };
    await expect(holdContest([wrong], options)).rejects.toThrow(TypeError);
  });
});
