/**
 * Data on its way into a model: what the user named, or inputs that are drawn when nothing is named. Samples come one by one, each with its
 * outputs, so that models of different batch sizes and layouts can be fed side by side.
 */
import { elementCount, fail } from '../../ir/index.ts';
import type { Batch, Dataset } from '../data/batches.ts';
import { openDataset } from '../data/dataset.ts';
import { generatedInputs } from '../data/generated-inputs.ts';
import { imageInput, imageLayouts } from '../data/image-input.ts';
import { presetPreprocess, type Preprocess } from '../data/preprocess.ts';
import { batchTensor } from '../samples.ts';
import { logitsPerSample, soleInput, type Subject } from './subject.ts';
import type { Terminal } from './terminal.ts';

export interface DataRequest {
  readonly path: string;
  readonly preprocess: Preprocess | undefined;
  readonly labels?: string | false | undefined;
  readonly limit?: number | undefined;
}

/** Opens data for a model, in batches of its size. Warnings of the data go to the terminal. */
export async function openData(subject: Subject, request: DataRequest, terminal: Terminal): Promise<Dataset> {
  const { shape } = soleInput(subject);
  const { path, preprocess, labels, limit } = request;
  const classes = subject.outputs.length === 1 ? logitsPerSample(subject) : undefined;
  const dataset = await openDataset(path, {
    input: { shape },
    batch: shape[0]!,
    ...(preprocess === undefined ? {} : { preprocess }),
    ...(labels === undefined ? {} : { labels }),
    ...(limit === undefined ? {} : { limit }),
    ...(classes === undefined ? {} : { classes }),
  });
  for (const warning of dataset.warnings) terminal.report(warning);
  return dataset;
}

/** Preprocessing that drawn images go through where none is known. */
export function drawingPreprocess(shape: readonly number[], known: Preprocess | undefined): Preprocess {
  if (known !== undefined) return known;
  const [layout] = imageLayouts(shape);
  return presetPreprocess(
    'imagenet-norm',
    layout === undefined ? { height: 224, width: 224 } : imageInput(shape, layout),
  );
}

/** `count` runs' worth of drawn inputs, for every input of the model: flat arrays in the order of the inputs. */
export async function* drawnInputs(
  subject: Pick<Subject, 'inputs' | 'preprocess'>,
  count: number,
  seed: number,
): AsyncGenerator<Float32Array[], undefined, undefined> {
  const readers = subject.inputs.map(({ shape }, i): AsyncIterator<Batch> =>
    generatedInputs(drawingPreprocess(shape, subject.preprocess), shape, count * shape[0]!, {
      seed: seed + i,
      batch: shape[0]!,
    })[Symbol.asyncIterator](),
  );
  for (let i = 0; i < count; i++) {
    const inputs: Float32Array[] = [];
    for (const reader of readers) {
      const { value } = (await reader.next()) as IteratorResult<Batch, undefined>;
      if (value === undefined) throw new Error('generated inputs ran out');
      inputs.push(value.input);
    }
    yield inputs;
  }
  return undefined;
}

/** Whole batches of a dataset as inputs of a model, with how many of their samples are real. */
export async function* batchInputs(
  subject: Subject,
  dataset: Dataset,
): AsyncGenerator<{ inputs: Float32Array[]; count: number; names: readonly string[]; labels?: Int32Array }> {
  const { shape } = soleInput(subject);
  for await (const batch of dataset) {
    const { count, names, labels } = batch;
    const inputs = [batchTensor(batch, shape).data as Float32Array];
    yield { inputs, count, names, ...(labels === undefined ? {} : { labels }) };
  }
}

export interface SampleResult {
  readonly logits: Float32Array;
  readonly label: number | undefined;
  readonly name: string;
}

/** Runs a model over data, sample by sample. The first output is what is judged. */
export async function* evaluate(
  subject: Subject,
  dataset: Dataset,
): AsyncGenerator<SampleResult, undefined, undefined> {
  const [output] = subject.outputs;
  const size = logitsPerSample(subject);
  if (output!.shape[0] !== soleInput(subject).shape[0]) {
    fail(
      'cli/outputs',
      `output ${JSON.stringify(output!.name)} is [${output!.shape.join(', ')}], which has no entry for each sample`,
    );
  }
  for await (const { inputs, count, names, labels } of batchInputs(subject, dataset)) {
    const [values] = await subject.run(inputs);
    if (values!.length !== elementCount(output!.shape))
      throw new Error('an output has another size than its shape');
    for (let i = 0; i < count; i++) {
      yield { logits: values!.subarray(i * size, (i + 1) * size), label: labels?.[i], name: names[i]! };
    }
  }
  return undefined;
}
