/**
 * What a user has on disk, opened as a `Dataset`: the one way samples reach calibration, evaluation and verification.
 *
 * - a folder of JPEG and PNG files, in code unit order of their names, with labels from its `labels.csv` if it has one;
 * - a folder of folders of them, one a class: the sorted names of the folders are classes 0, 1, 2, ... (torchvision's ImageFolder);
 * - an `.npy` of u8 [N, H, W, 3], preprocessed like images;
 * - an `.npy` of floats in the model's own shape and layout, taken as it is: preprocessing has been done to it already;
 * - a single image.
 *
 * Everything that headers and names can tell is checked on opening; files are decoded when their batch is due.
 */
import { fail } from '../../ir/diagnostics.ts';
import { openArray } from './array-source.ts';
import { type Batch, type BatchPlan, type Dataset, readBatches } from './batches.ts';
import { pathKind, quotePath } from './files.ts';
import { openFolder, openImage } from './image-source.ts';
import { isImageName } from './images.ts';
import { checkLabels } from './labels.ts';
import { sampleIndices } from './sampling.ts';
import type { DatasetOptions, Source } from './source.ts';

export type { DatasetOptions } from './source.ts';

/** Opens `path`. Fails with a `data/*` error if it is nothing the model can be fed with. */
export async function openDataset(path: string, options: DatasetOptions): Promise<Dataset> {
  const source = await openSource(path, options);
  const { total, labels, nameOf, open, warnings } = source;
  if (labels !== undefined) checkLabels(labels, options.classes, nameOf);
  const { limit = total, sampling = 'first', seed = 0, batch = 1 } = options;
  const indices = sampleIndices(total, limit, sampling, seed);
  const labelOf = labels === undefined ? undefined : (index: number): number => labels[index]!;
  const sampleShape = options.input.shape.slice(1);
  const plan: BatchPlan = { indices, batch, sampleShape, nameOf, labelOf, open };
  return {
    description: `${indices.length} of ${total} ${source.contents}`,
    kind: source.kind,
    length: indices.length,
    total,
    labelled: labels !== undefined,
    sampleShape,
    warnings,
    [Symbol.asyncIterator]: (): AsyncGenerator<Batch, void, undefined> => readBatches(plan),
  };
}

async function openSource(path: string, options: DatasetOptions): Promise<Source> {
  if ((await pathKind(path)) === 'folder') return openFolder(path, options);
  if (/\.npy$/i.test(path)) return openArray(path, options);
  if (!isImageName(path)) {
    fail('data/unknown-kind', `${quotePath(path)} is no kind of data that is read`, {
      help: 'give a folder of JPEG or PNG files, one such file, or an .npy',
    });
  }
  return openImage(path, options);
}
