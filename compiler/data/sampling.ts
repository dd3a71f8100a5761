/**
 * Which samples of a larger set are used, and in what order.
 *
 * `first` takes the first N: what an evaluation wants, so that two tools see the same images. `uniform` takes N of them, every
 * subset equally likely under the seed: what calibration wants, because folders are usually sorted by class. Both answer in
 * ascending order, so the order of the files is the order of the batches. Uniform is Knuth's selection sampling (TAOCP 3.4.2,
 * algorithm S): one draw per candidate, no shuffle to hold in memory.
 */
import { createRandom } from './random.ts';

export type Sampling = 'first' | 'uniform';

/** Ascending indices into 0 .. total - 1, `min(limit, total)` of them. */
export function sampleIndices(total: number, limit: number, sampling: Sampling, seed: number): Uint32Array {
  const count = Math.min(limit, total);
  const indices = new Uint32Array(count);
  if (sampling === 'first' || count === total) return indices.map((_, i) => i);
  const random = createRandom(seed);
  let taken = 0;
  for (let i = 0; taken < count; i++) {
    if (random.below(total - i) < count - taken) indices[taken++] = i;
  }
  return indices;
}
