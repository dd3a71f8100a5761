/**
 * Whether quantization kept the model: the quantized program next to the float one on samples of the calibration, before anybody ships it.
 * Both run in the quick executor (between dequantize and quantize the quantized program computes in f32, which is as near to the integer
 * program as a few roundings), so that a compilation gets slower by seconds, not by minutes.
 *
 * Judged by agreement: SQNR misleads where a mean common to all logits dominates them.
 */
import type { Diagnostic, Graph, Tensor } from '../ir/index.ts';
import type { PassContext, Samples } from '../passes/index.ts';
import { Comparison } from './metrics.ts';

/** Field names are those of the JSON that `qc compile` prints. */
export interface Health {
  readonly samples: number;
  /** Percent of samples whose largest logit is in the same place. */
  readonly agreement: number;
  /** Of the logits, in decibels; null for equal logits. */
  readonly sqnr_db: number | null;
}

const mostSamples = 16;

/** Agreement below which a compilation is worth a warning. */
const leastAgreement = 75;

/** Compares the first outputs of two programs with the same inputs. */
export async function checkHealth(
  float: Graph,
  quantized: Graph,
  samples: Samples,
  { executor, progress }: Pick<PassContext, 'executor' | 'progress'>,
): Promise<Health> {
  const programs = [float, quantized];
  const sessions = await Promise.all(
    programs.map(async (program) => executor.prepare(program, [program.outputs[0]!])),
  );
  try {
    const comparison = new Comparison();
    const total = Math.min(mostSamples, samples.count);
    let done = 0;
    for await (const inputs of samples.read()) {
      if (done >= total) break;
      const results: Tensor[] = [];
      for (const [i, session] of sessions.entries())
        results.push((await session.run(inputs)).get(programs[i]!.outputs[0]!)!);
      const [reference, found] = results;
      const batch = reference!.type.shape[0]!;
      const size = reference!.data.length / batch;
      for (let i = 0; i < batch; i++) {
        comparison.add(
          reference!.data.subarray(i * size, (i + 1) * size),
          found!.data.subarray(i * size, (i + 1) * size),
        );
      }
      done += 1;
      progress('comparing with float', done, total);
    }
    const { sqnr, agreement } = comparison;
    return { samples: comparison.samples, agreement, sqnr_db: Number.isFinite(sqnr) ? sqnr : null };
  } finally {
    for (const session of sessions) await session.close();
  }
}

/** A warning where the quantized program says something else too often. Too few samples say nothing. */
export function healthWarning({ samples, agreement }: Health): Diagnostic | undefined {
  if (samples < 8 || agreement >= leastAgreement) return undefined;
  return {
    code: 'compile/health',
    severity: 'warning',
    message: `the quantized model agrees with the float one on ${agreement.toFixed(0)} % of ${samples} calibration inputs`,
    help: 'give more bits (--bits 8, --precision w4a8, --layer-bits), --round gptq, or calibration data like that of later use; qc eval --against measures it',
  };
}
