import { describe, expect, it } from '@jest/globals';
import { createRandom } from '../../compiler/data/random.ts';
import { plain } from '../../ir/index.ts';
import { lifetimes, type Region, planMemory } from './memory.ts';
import type { Schedule } from './step.ts';

function randomRegions(seed: number): Region[] {
  const random = createRandom(seed);
  const steps = 1 + random.below(30);
  return Array.from({ length: 1 + random.below(40) }, (_, i) => {
    const first = random.below(steps);
    return {
      name: String(i),
      bytes: 1 + random.below(1000),
      first,
      last: Math.min(steps - 1, first + random.below(6)),
    };
  });
}

const step = (inputs: readonly string[], outputs: readonly string[]) => ({
  name: outputs[0]!,
  body: [],
  inputs,
  outputs,
  space: plain('u8', [1]),
});

describe('a memory plan', () => {
  it('never lets two regions meet that are alive at once, and keeps alignment and bounds', () => {
    for (let seed = 0; seed < 300; seed++) {
      const regions = randomRegions(seed);
      const { offsets, bytes, lowerBound } = planMemory(regions, 16);
      expect(bytes).toBeGreaterThanOrEqual(lowerBound);
      for (const a of regions) {
        const start = offsets.get(a.name)!;
        expect(start % 16).toBe(0);
        expect(start + a.bytes).toBeLessThanOrEqual(bytes);
        for (const b of regions) {
          if (a === b || a.first > b.last || b.first > a.last) continue;
          const other = offsets.get(b.name)!;
          expect(start + a.bytes <= other || other + b.bytes <= start).toBe(true);
        }
      }
    }
  });

  it('reaches the lower bound on a chain', () => {
    const chain = Array.from({ length: 9 }, (_, i) => ({
      name: String(i),
      bytes: 64 * (9 - i),
      first: i,
      last: i + 1,
    }));
    const { bytes, lowerBound } = planMemory(chain, 64);
    expect(bytes).toBe(lowerBound);
  });

  it('of nothing is empty', () => {
    expect(planMemory([], 16)).toEqual({ offsets: new Map(), bytes: 0, lowerBound: 0 });
  });
});

describe('lifetimes', () => {
  it('run from the making step to the last reader; aliases prolong, outputs stay to the end', () => {
    const schedule: Schedule = {
      steps: [step(['x'], ['a']), step(['a'], ['b']), step(['b'], ['c']), step(['view', 'c'], ['d'])],
      aliases: new Map([['view', 'a']]),
    };
    const bytesOf = (name: string): number => (name === 'x' ? 0 : 8);
    expect(lifetimes({ schedule, inputs: ['x'], outputs: ['b', 'd'], bytesOf })).toEqual([
      { name: 'a', bytes: 8, first: 0, last: 3 },
      { name: 'b', bytes: 8, first: 1, last: 3 },
      { name: 'c', bytes: 8, first: 2, last: 3 },
      { name: 'd', bytes: 8, first: 3, last: 3 },
    ]);
  });
});
