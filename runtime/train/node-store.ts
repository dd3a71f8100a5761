/**
 * Checkpoints in a folder: `checkpoint.json`, the file of tensors it names, and `metrics.jsonl`.
 *
 * Tensors are written and flushed under a name of their own before the description, which replaces the last one in a single rename. Whoever is
 * killed at any moment leaves a description whose tensors are complete.
 */
import { appendFile, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CheckpointDescription, checkpointFormat, type CheckpointStore } from './checkpoint.ts';

const description = 'checkpoint.json';
const metrics = 'metrics.jsonl';

export async function folderStore(folder: string): Promise<CheckpointStore> {
  await mkdir(folder, { recursive: true });
  return {
    load: async () => {
      const text = await readIfThere(join(folder, description));
      if (text === undefined) return undefined;
      const parsed = JSON.parse(text) as CheckpointDescription;
      if ((parsed.format as string) !== checkpointFormat) {
        throw new Error(
          `${join(folder, description)} is not of the format ${checkpointFormat}; use another folder`,
        );
      }
      const bytes = new Uint8Array(await readFile(join(folder, parsed.elements)));
      return { description: parsed, stored: { tensors: parsed.tensors, bytes } };
    },
    save: async (next, elements) => {
      await writeWhole(join(folder, next.elements), elements);
      await writeWhole(join(folder, description), `${JSON.stringify(next, undefined, 1)}\n`);
      const old = (await readdir(folder)).filter(
        (name) => /^tensors-\d+\.bin$/.test(name) && name !== next.elements,
      );
      await Promise.all(old.map((name) => rm(join(folder, name))));
    },
    readMetrics: async () => (await readIfThere(join(folder, metrics))) ?? '',
    writeMetrics: (text) => writeWhole(join(folder, metrics), text),
    appendMetrics: (line) => appendFile(join(folder, metrics), line),
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const unfinished = `${path}.unfinished`;
  await writeFile(unfinished, content);
  const file = await open(unfinished, 'r+');
  await file.sync();
  await file.close();
  await rename(unfinished, path);
}
