/**
 * How far a quantized program is from the float one on the same inputs, as a search keeps it: see `metrics.ts` for what is counted. The
 * loss that is searched with is the KL divergence, which every sample moves a little; agreement moves by whole samples.
 */
import { type Graph, opOf, producersOf, type Tensor } from '../../ir/index.ts';
import { Comparison } from '../metrics.ts';

/** Field names are those of the JSON that `qc search` writes. */
export interface Divergence {
  /** Mean over samples, in nats. */
  readonly kl: number;
  /** Percent of samples with the largest logit in the same place. */
  readonly agreement: number;
  /** Of the logits, in decibels; null for equal ones. */
  readonly sqnr_db: number | null;
}

/** The value that holds the logits of the first output: what a softmax at the end reads, else the output itself. */
export function logitsOf(graph: Graph): string {
  const makers = producersOf(graph);
  const output = graph.outputs[0]!;
  for (let maker = makers.get(output); maker !== undefined; maker = makers.get(maker.operands[0]!)) {
    if (maker.op === 'softmax') return maker.operands[0]!;
    if (opOf(maker.op).traits.transparent !== true || maker.operands.length !== 1) break;
  }
  return output;
}

/** Of outputs [batch, ...], one tensor a sample or batch: everything behind the first axis belongs to one sample. */
export function divergenceOf(reference: readonly Tensor[], found: readonly Tensor[]): Divergence {
  const comparison = new Comparison();
  for (const [i, { type, data }] of reference.entries()) {
    const batch = type.shape[0] ?? 1;
    const size = data.length / batch;
    for (let from = 0; from < data.length; from += size) {
      comparison.add(data.subarray(from, from + size), found[i]!.data.subarray(from, from + size));
    }
  }
  const { kl, agreement, sqnr } = comparison;
  return { kl, agreement, sqnr_db: Number.isFinite(sqnr) ? sqnr : null };
}
