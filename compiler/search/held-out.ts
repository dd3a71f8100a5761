/**
 * Samples to round on and samples to measure on, from one set. Rounding learns the samples it sees, a loss measured on them would flatter the
 * narrow choices; so every k-th is held out. What is held out is read once and kept.
 */
import type { Tensor } from '../../ir/index.ts';
import { type Samples, sha256, withDigest } from '../../passes/index.ts';

export interface SplitSamples {
  readonly rounding: Samples;
  readonly measured: Samples;
  /** SHA-256 over every value of both. */
  readonly digest: string;
}

/** Holds out `measured` of all samples, evenly spread. Reads every sample once; `tick` is called after each. */
export async function holdOut(samples: Samples, measured: number, tick: () => void): Promise<SplitSamples> {
  const total = samples.count;
  const count = Math.min(measured, Math.floor(total / 2));
  // With one sample there is nothing to hold out.
  const all = count === 0;
  const isHeldOut = (index: number): boolean =>
    !all && Math.floor(((index + 1) * count) / total) > Math.floor((index * count) / total);
  const held: (readonly Tensor[])[] = [];
  const digested = withDigest(samples);
  let index = 0;
  for await (const inputs of digested.read()) {
    if (all || isHeldOut(index)) held.push(inputs);
    index += 1;
    tick();
  }
  const digest = await digested.digest!();
  const rounding: Samples = {
    ...samples,
    digest: async () => sha256(`all but ${held.length} of ${digest}`),
    count: all ? total : total - held.length,
    async *read() {
      let position = 0;
      for await (const inputs of samples.read()) if (!isHeldOut(position++)) yield inputs;
    },
  };
  return {
    rounding,
    measured: {
      ...samples,
      count: held.length,
      async *read() {
        yield* held;
      },
    },
    digest,
  };
}
