/**
 * Random numbers that depend on what they are for and on nothing that happened before: a stream is made from a seed and the numbers
 * of the epoch, step or sample it serves. So a training that resumes draws what an uninterrupted one draws, with no state to keep.
 *
 * The generator is splitmix32: integer operations alone, the same on every machine.
 */
export interface Random {
  /** Uniform over 0 .. bound - 1. */
  readonly below: (bound: number) => number;
  /** Mean 0, variance 1, within +-6. */
  readonly normal: () => number;
}

function scramble(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x21f0aaad);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}

/** The stream of a purpose: equal numbers, equal stream. */
export function randomFor(...purpose: readonly number[]): Random {
  let state = 0x6a09e667;
  for (const number of purpose) {
    state = scramble((state ^ (number >>> 0)) + 0x9e3779b9);
    state = scramble((state ^ Math.floor(number / 2 ** 32)) + 0x9e3779b9);
  }
  const uniform = (): number => {
    state = (state + 0x9e3779b9) | 0;
    return (scramble(state) >>> 0) / 2 ** 32;
  };
  return {
    below: (bound) => Math.floor(uniform() * bound),
    normal: () => {
      let sum = -6;
      for (let i = 0; i < 12; i++) sum += uniform();
      return sum;
    },
  };
}

/** 0 .. count - 1 in an order drawn from `random` (Fisher and Yates). */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
