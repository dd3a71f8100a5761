/**
 * What is said about times that were taken in turns. A machine drifts: its clock, its neighbours. So contestants alternate in rounds, and
 * one is compared with another round by round, when both met the same machine:
 *
 *     ratio(a, b) = median over rounds of  median(a's times in the round) / median(b's times in the round)
 *
 * The least time stands beside it: what the work itself takes, when nothing else happens.
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

/** Time of `subject` as a multiple of that of `reference`, over the rounds that both were in. */
export function ratioOf(subject: Rounds, reference: Rounds): number {
  const both = subject.slice(0, reference.length);
  return median(both.map((times, round) => median(times) / median(reference[round]!)));
}
