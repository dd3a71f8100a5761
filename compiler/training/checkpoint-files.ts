/** Opens the folder that a training wrote. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fail } from '../../ir/index.ts';
import { readTrainedModel, type TrainedModel } from './trained-model.ts';

export async function openCheckpoint(folder: string): Promise<TrainedModel> {
  const read = async (name: string): Promise<Uint8Array> => {
    try {
      return await readFile(join(folder, name));
    } catch (error) {
      return fail(
        'training/checkpoint',
        `cannot read ${JSON.stringify(join(folder, name))}: ${(error as Error).message}`,
        {
          help: 'give the folder that npm run train -- --checkpoint DIR wrote',
        },
      );
    }
  };
  const text = new TextDecoder().decode(await read('checkpoint.json'));
  return readTrainedModel(text, read, JSON.stringify(basename(folder)));
}
