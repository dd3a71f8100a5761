/**
 * Datasets as passes see them: one run of the program a sample, inputs as typed tensors. The batch of a program is fixed; a dataset is read in
 * batches of that size, and a last batch that is smaller is filled up by repeating its last sample, which no range and no count notices.
 */
import { elementCount, f32, fail, type Graph, isF32, type Tensor, type Value } from '../ir/index.ts';
import type { Samples } from '../passes/index.ts';
import type { Batch, Dataset } from './data/batches.ts';
import { generatedInputs } from './data/generated-inputs.ts';
import { imageLayouts } from './data/image-input.ts';
import { inputBounds, type Preprocess } from './data/preprocess.ts';

/** The batch as the one input of a program whose shape is `shape`. */
export function batchTensor(batch: Batch, shape: readonly number[]): Tensor {
  const size = elementCount(shape);
  if (batch.input.length === size) return { type: f32(shape), data: batch.input };
  const data = new Float32Array(size);
  data.set(batch.input);
  const sample = size / shape[0]!;
  for (let i = batch.count; i < shape[0]!; i++) {
    data.copyWithin(i * sample, (batch.count - 1) * sample, batch.count * sample);
  }
  return { type: f32(shape), data };
}

/** The input of a program that takes exactly one, of real numbers. */
export function onlyInput(graph: Pick<Graph, 'inputs'>): Value {
  const [input] = graph.inputs;
  if (input === undefined || graph.inputs.length > 1) {
    const names = graph.inputs.map(({ name }) => JSON.stringify(name)).join(', ');
    return fail(
      'compile/inputs',
      `the model has ${graph.inputs.length} inputs (${names}); data can feed one`,
    );
  }
  return input;
}

/** Samples of a dataset that was opened with the batch of the program. `preprocess` bounds what images can put in. */
export function samplesOf(dataset: Dataset, graph: Graph, preprocess?: Preprocess): Samples {
  const input = onlyInput(graph);
  const images = dataset.kind === 'images' || dataset.kind === 'npy-u8' || dataset.kind === 'generated';
  const bounds = images && preprocess !== undefined ? inputBounds(preprocess) : undefined;
  return {
    count: Math.ceil(dataset.length / input.type.shape[0]!),
    description: dataset.description,
    ...(bounds === undefined ? {} : { bounds: [bounds.min, bounds.max] as const }),
    async *read() {
      for await (const batch of dataset) yield [batchTensor(batch, input.type.shape)];
    },
  };
}

/** How many inputs are drawn when there is nothing to calibrate on. */
export const generatedCount = 16;

/** Drawn inputs for every input of a program: images where the shape is that of an image. */
export function generatedSamples(
  graph: Graph,
  preprocess: Preprocess,
  seed: number,
  count = generatedCount,
): Samples {
  const quantized = graph.inputs.find(({ type }) => !isF32(type));
  if (quantized !== undefined) throw new Error(`input %${quantized.name} does not take real numbers`);
  const datasets = graph.inputs.map(({ type: { shape } }, i) =>
    generatedInputs(preprocess, shape, count * shape[0]!, { seed: seed + i, batch: shape[0]! }),
  );
  const [only] = graph.inputs;
  const image = graph.inputs.length === 1 && imageLayouts(only!.type.shape).length > 0;
  const { min, max } = inputBounds(preprocess);
  return {
    count,
    ...(image ? { bounds: [min, max] as const } : {}),
    description: `${count} generated inputs (seed ${seed})`,
    async *read() {
      const readers = datasets.map((dataset): AsyncIterator<Batch> => dataset[Symbol.asyncIterator]());
      for (let i = 0; i < count; i++) {
        const inputs: Tensor[] = [];
        for (const [k, reader] of readers.entries()) {
          const { value } = (await reader.next()) as IteratorResult<Batch, undefined>;
          if (value === undefined) throw new Error('generated inputs ran out');
          inputs.push(batchTensor(value, graph.inputs[k]!.type.shape));
        }
        yield inputs;
      }
    },
  };
}
