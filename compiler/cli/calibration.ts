/** Calibration data on its way into a compilation or a search: `--calib`, `--samples`, `--preprocess`. */
import { basename } from 'node:path';
import { type Graph, isF32 } from '../../ir/index.ts';
import type { Samples } from '../../passes/index.ts';
import { openDataset } from '../data/dataset.ts';
import { loadPreprocess } from '../data/load-preprocess.ts';
import type { Preprocess } from '../data/preprocess.ts';
import { onlyInput, samplesOf } from '../samples.ts';
import type { CalibrationFlags, PreprocessFlags } from './options.ts';
import type { Terminal } from './terminal.ts';

/** The preprocessing that was asked for, made for the input of the model. */
export async function calibrationPreprocess(
  graph: Graph,
  { preprocess }: PreprocessFlags,
): Promise<Preprocess | undefined> {
  return preprocess === undefined ? undefined : loadPreprocess(preprocess, onlyInput(graph).type.shape);
}

/** Samples drawn evenly from what `--calib` names; undefined without it, or for a model that takes integers. */
export async function calibrationSamples(
  graph: Graph,
  preprocess: Preprocess | undefined,
  options: CalibrationFlags & { readonly seed: number },
  terminal: Terminal,
): Promise<Samples | undefined> {
  if (options.calib === undefined) return undefined;
  const input = onlyInput(graph);
  if (!isF32(input.type)) return undefined;
  const dataset = await openDataset(options.calib, {
    input: input.type,
    labels: false,
    batch: input.type.shape[0]!,
    limit: options.samples,
    sampling: 'uniform',
    seed: options.seed,
    ...(preprocess === undefined ? {} : { preprocess }),
  });
  for (const warning of dataset.warnings) terminal.report(warning);
  // Artifacts travel: they name the data they were calibrated on, not the folders of this machine.
  const description = dataset.description.replace(
    JSON.stringify(options.calib),
    JSON.stringify(basename(options.calib)),
  );
  return { ...samplesOf(dataset, graph, preprocess), description };
}
