/**
 * A set of samples as the rest of the compiler sees it: something to iterate, as often as needed, in batches of float32.
 *
 * Memory is O(batch): samples are read when their batch is due, two ahead at most, so that decoding an image overlaps with running
 * the model on the last. A failed read surfaces when its turn comes, as if nothing had been read ahead.
 */
import type { Diagnostic } from '../../ir/diagnostics.ts';

export interface Batch {
  /** [count, ...sampleShape], row-major, in the model's layout. Not reused for the next batch. */
  readonly input: Float32Array;
  readonly shape: readonly number[];
  /** Samples in it: the batch size, fewer in the last batch. */
  readonly count: number;
  readonly labels?: Int32Array;
  /** What each sample is called in messages and tables. */
  readonly names: readonly string[];
}

export interface Dataset extends AsyncIterable<Batch> {
  /** What it is and where from, for reports: `250 of 250 images in "calibration"`. */
  readonly description: string;
  readonly kind: 'images' | 'npy-u8' | 'npy-f32' | 'generated';
  /** Samples that iteration yields, and samples there are. */
  readonly length: number;
  readonly total: number;
  readonly labelled: boolean;
  /** The model's input shape without its batch dimension. */
  readonly sampleShape: readonly number[];
  /** What was noticed on opening that is no error. */
  readonly warnings: readonly Diagnostic[];
}

/** Reads samples of one pass over a dataset. */
export interface SampleReader {
  /** Sample `index`, counted over the whole set, in the model's layout; the caller keeps it. */
  readonly read: (index: number) => Float32Array | Promise<Float32Array>;
  readonly close: () => void | Promise<void>;
}

export interface BatchPlan {
  readonly indices: Uint32Array;
  readonly batch: number;
  readonly sampleShape: readonly number[];
  readonly nameOf: (index: number) => string;
  readonly labelOf?: ((index: number) => number) | undefined;
  readonly open: () => SampleReader | Promise<SampleReader>;
}

const readAhead = 2;

/** One pass: opens, yields every batch in order, closes, also when the consumer stops early or a read fails. */
export async function* readBatches(plan: BatchPlan): AsyncGenerator<Batch, void, undefined> {
  const { indices, sampleShape, labelOf } = plan;
  if (!(plan.batch >= 1)) throw new Error(`a batch of ${plan.batch} samples`);
  const sampleLength = sampleShape.reduce((product, dim) => product * dim, 1);
  const reader = await plan.open();
  const underway: Promise<Float32Array>[] = [];
  let next = 0;
  const start = (): void => {
    if (next >= indices.length) return;
    const index = indices[next++]!;
    const sample = (async () => reader.read(index))();
    // Awaited below, in order; until then a failure is not unhandled.
    sample.catch(() => undefined);
    underway.push(sample);
  };
  try {
    for (let i = 0; i < readAhead; i++) start();
    for (let begin = 0; begin < indices.length; begin += plan.batch) {
      const members = indices.subarray(begin, begin + plan.batch);
      const input = new Float32Array(members.length * sampleLength);
      for (let i = 0; i < members.length; i++) {
        input.set((await underway.shift())!, i * sampleLength);
        start();
      }
      yield {
        input,
        shape: [members.length, ...sampleShape],
        count: members.length,
        names: Array.from(members, plan.nameOf),
        ...(labelOf === undefined ? {} : { labels: Int32Array.from(members, labelOf) }),
      };
    }
  } finally {
    await Promise.allSettled(underway);
    await reader.close();
  }
}
