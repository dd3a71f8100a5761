/**
 * What is said about times that were taken in turns. A machine drifts: its clock, its neighbours. So contestants alternate in rounds, and
 * one is compared with another round by round, when both met the same machine:
 *
 *     ratio(a, b) = median over rounds of  median(a's times in the round) / median(b's times in the round)
 *
 * The least times stand beside it: what the work itself takes, when nothing else happens. On a machine that is busy with other things they are
 * the ones to trust, since what takes long is interrupted more often than what is over in a moment.
 */
import { quantile } from '../compiler/metrics.ts';

/** Times of one contestant in milliseconds, a list for each round. */
export type Rounds = readonly (readonly number[])[];

export interface Summary {
  readonly min_ms: number;
  readonly median_ms: number;
  /** Timed runs in all. */
  readonly runs: number;
}

export function summaryOf(rounds: Rounds): Summary {
  const times = rounds.flat();
  return { min_ms: Math.min(...times), median_ms: median(times), runs: times.length };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export interface Ratio {
  /** Over the rounds that both were in, as above. */
  readonly median: number;
  /** Of the least times. */
  readonly least: number;
}

/** Time of `subject` as a multiple of that of `reference`. */
export function ratioOf(subject: Rounds, reference: Rounds): Ratio {
  const both = subject.slice(0, reference.length);
  return {
    median: median(both.map((times, round) => median(times) / median(reference[round]!))),
    least: Math.min(...subject.flat()) / Math.min(...reference.flat()),
  };
}
