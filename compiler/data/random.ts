/**
 * The random numbers of everything that samples: xoshiro128** (Blackman and Vigna, 2018) on four 32-bit words, seeded through splitmix32
 * so that neighbouring seeds give unrelated streams. Only integer and exact float64 operations are used (no `Math.log`, whose last
 * bit differs between engines): one seed means one stream on every machine.
 */

export interface Random {
  /** Uniform over 0 .. 2^32 - 1. */
  readonly uint32: () => number;
  /** Uniform over the multiples of 2^-32 in [0, 1). */
  readonly uniform: () => number;
  /** Uniform over 0 .. bound - 1, without bias; 1 <= bound <= 2^32. */
  readonly below: (bound: number) => number;
  /** Mean 0, variance 1, within +-6: the sum of twelve uniforms less 6, which needs no transcendental function. */
  readonly normal: () => number;
}

/** A stream that depends on `seed` alone; all 53 bits of a safe integer count. */
export function createRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed)) throw new Error(`a seed is a safe integer, not ${seed}`);
  const mix = splitmix32((seed >>> 0) ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1));
  let [a, b, c, d] = [mix(), mix(), mix(), mix()];
  // The all-zero state is xoshiro's only fixed point.
  if ((a | b | c | d) === 0) a = 1;

  const uint32 = (): number => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return result;
  };
  const uniform = (): number => uint32() / 2 ** 32;
  const below = (bound: number): number => {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    while (true) {
      const draw = uint32();
      if (draw < limit) return draw % bound;
    }
  };
  const normal = (): number => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += uniform();
    return sum;
  };
  return { uint32, uniform, below, normal };
}

function rotateLeft(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let word = state ^ (state >>> 16);
    word = Math.imul(word, 0x21f0aaad);
    word ^= word >>> 15;
    word = Math.imul(word, 0x735a2d97);
    return word ^ (word >>> 15);
  };
}
