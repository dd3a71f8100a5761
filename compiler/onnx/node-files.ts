/**
 * Models from files. External data is read tensor by tensor from the folder of the model, and only from plain files that are there
 * themselves: a symbolic or a hard link would let a downloaded model read what lies elsewhere.
 */
import { type FileHandle, lstat, open, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, extname, join, sep } from 'node:path';
import { fail } from '../../ir/index.ts';
import type { ExternalData } from './external-data.ts';
import { importOnnx, type ImportedModel, type ImportOptions } from './import.ts';

/**
 * Reads and imports an `.onnx` file. The program is named after the file. Throws a QcError `onnx/no-file` when it cannot be read, and
 * whatever `importOnnx` throws.
 */
export async function loadOnnxFile(
  path: string,
  options: Omit<ImportOptions, 'externalData'> = {},
): Promise<ImportedModel> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    return fail('onnx/no-file', `cannot read ${JSON.stringify(path)}: ${reasonOf(error)}`);
  }
  return importOnnx(bytes, {
    name: basename(path, extname(path)),
    ...options,
    externalData: externalDataBeside(dirname(path)),
  });
}

/** External data from the files of one folder and the folders below it. */
export function externalDataBeside(folder: string): ExternalData {
  return async (location, offset, length) => {
    const label = `external data ${JSON.stringify(location)}`;
    const path = join(folder, ...location.split(/[/\\]/));
    const found = await lstat(path).catch((error: unknown) =>
      fail('onnx/missing-external-data', `${label} cannot be read: ${reasonOf(error)}`, {
        help: 'keep the data file beside the model, under the name the model was saved with',
      }),
    );
    if (found.isSymbolicLink()) fail('onnx/external-data-path', `${label} is a symbolic link`);
    if (!found.isFile()) fail('onnx/external-data-path', `${label} is not a file`);
    if (found.nlink > 1) fail('onnx/external-data-path', `${label} is a hard link to another file`);
    // A folder on the way may be a link too.
    const [home, target] = await Promise.all([realpath(folder), realpath(path)]);
    if (!target.startsWith(home.endsWith(sep) ? home : home + sep)) {
      fail('onnx/external-data-path', `${label} leads out of the folder of the model`);
    }
    if (offset + length > found.size) {
      fail(
        'onnx/external-data-range',
        `${label} has ${found.size} bytes, but ${length} are wanted at offset ${offset}`,
        {
          help: 'the data file belongs to another model or is cut short',
        },
      );
    }
    const file = await open(path, 'r');
    try {
      // The file that was looked at and the file that was opened must be one.
      const opened = await file.stat();
      if (opened.ino !== found.ino || opened.dev !== found.dev) {
        fail('onnx/external-data-path', `${label} changed while it was being opened`);
      }
      return await readFully(file, offset, length);
    } finally {
      await file.close();
    }
  };
}

async function readFully(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
