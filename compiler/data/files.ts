/**
 * The only file of this folder that touches the file system; everything it gives out is bytes, names and decoded arrays.
 *
 * A path must name what is expected of it: regular files are read (never a device or a pipe, which have no size to check), and their
 * size is checked against a limit before a byte of it is in memory. Symbolic links are followed: this is the user's own data, not
 * paths out of a model.
 */
import { type FileHandle, open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fail } from '../../ir/diagnostics.ts';
import {
  decodeElements,
  npyDataOffset,
  npyPreludeLength,
  parseNpyHeader,
  readNpy,
  writeNpy,
  type NpyArray,
  type NpyData,
  type NpyHeader,
} from './npy.ts';
import { readNpz, writeNpz } from './npz.ts';

/** A path as it appears in messages: quoted, so that a name with a newline or an escape stays one harmless line. */
export function quotePath(path: string): string {
  return JSON.stringify(path);
}

/** The last segment of a path, and a name inside a folder. */
export { basename, join };

/** What is at `path`. Fails if nothing is, or nothing readable. */
export async function pathKind(path: string): Promise<'file' | 'folder'> {
  const found = await stat(path).catch((error: unknown) => unreadable(path, error));
  if (found.isDirectory()) return 'folder';
  if (found.isFile()) return 'file';
  return fail('data/unreadable', `${quotePath(path)} is neither a file nor a folder`);
}

/** Whether there is a file at `path`; any other trouble is left to whoever opens it. */
export async function fileExists(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** The visible names in a folder, each list in code unit order. A link counts as what it leads to; a broken one as nothing. */
export async function listFolder(path: string): Promise<{ files: string[]; folders: string[] }> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) =>
    unreadable(path, error),
  );
  const files: string[] = [];
  const folders: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const found = entry.isSymbolicLink() ? await stat(join(path, entry.name)).catch(() => entry) : entry;
    if (found.isDirectory()) folders.push(entry.name);
    else if (found.isFile()) files.push(entry.name);
  }
  return { files: files.sort(), folders: folders.sort() };
}

/** The bytes of a regular file of at most `limit` bytes. */
export async function readBytes(path: string, limit: number): Promise<Uint8Array> {
  if ((await pathKind(path)) === 'folder')
    fail('data/unreadable', `${quotePath(path)} is a folder; a file is expected`);
  const { size } = await stat(path);
  if (size > limit) {
    fail(
      'data/too-large',
      `${quotePath(path)} has ${size} bytes; ${limit} are the most that are read of such a file`,
    );
  }
  const { buffer, byteOffset, byteLength } = await readFile(path).catch((error: unknown) =>
    unreadable(path, error),
  );
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** A small text file, UTF-8 with or without a byte order mark. */
export async function readText(path: string, limit: number): Promise<string> {
  const bytes = await readBytes(path, limit);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return fail('data/not-utf8', `${quotePath(path)} is not UTF-8 text`);
  }
}

/** What an `.npy` or `.npz` read whole may have; larger ones are read sample by sample. */
const largestWhole = 2 ** 31 - 1;

/** Reads a whole `.npy` into memory, such as the input of a single run. */
export async function readNpyFile(path: string): Promise<NpyArray> {
  return readNpy(await readBytes(path, largestWhole), quotePath(path));
}

export async function writeNpyFile(path: string, array: NpyArray): Promise<void> {
  await writeFile(path, writeNpy(array)).catch((error: unknown) => unwritable(path, error));
}

export async function readNpzFile(path: string): Promise<Map<string, NpyArray>> {
  return readNpz(await readBytes(path, largestWhole), quotePath(path));
}

export async function writeNpzFile(path: string, arrays: ReadonlyMap<string, NpyArray>): Promise<void> {
  await writeFile(path, writeNpz(arrays)).catch((error: unknown) => unwritable(path, error));
}

/** An open `.npy` whose samples, the slices along its first dimension, are read one by one. */
export interface NpyFile {
  readonly header: NpyHeader;
  /** Sample `index`, 0 <= index < shape[0]. */
  readonly readSample: (index: number) => Promise<NpyData>;
  /** Every element, for arrays known to be small. */
  readonly readAll: () => Promise<NpyData>;
  readonly close: () => Promise<void>;
}

/** Opens an `.npy` for random access, reading its header only. The caller closes it. */
export async function openNpyFile(path: string): Promise<NpyFile> {
  if ((await pathKind(path)) === 'folder')
    fail('data/unreadable', `${quotePath(path)} is a folder; an .npy is expected`);
  const handle = await open(path, 'r').catch((error: unknown) => unreadable(path, error));
  try {
    const what = quotePath(path);
    const { size } = await handle.stat();
    const prelude = await readAt(handle, 0, Math.min(size, npyPreludeLength), what);
    const offset = npyDataOffset(prelude, what);
    const header = parseNpyHeader(await readAt(handle, 0, Math.min(size, offset), what), size, what);
    const samples = header.shape[0] ?? 1;
    const sampleBytes = samples === 0 ? 0 : (header.count / samples) * header.itemSize;
    if (sampleBytes > largestWhole)
      fail('data/too-large', `one sample of ${what} takes ${sampleBytes} bytes`);
    const read = async (start: number, length: number): Promise<NpyData> =>
      decodeElements(header.dtype, await readAt(handle, header.dataOffset + start, length, what));
    return {
      header,
      readSample: async (index) => read(index * sampleBytes, sampleBytes),
      readAll: async () => read(0, header.count * header.itemSize),
      close: async () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readAt(
  handle: FileHandle,
  position: number,
  length: number,
  what: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) fail('data/npy-truncated', `${what} ended while it was read`);
    done += bytesRead;
  }
  return bytes;
}

function unreadable(path: string, error: unknown): never {
  const code = errorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR')
    fail('data/not-found', `there is nothing at ${quotePath(path)}`);
  return fail('data/unreadable', `cannot read ${quotePath(path)}: ${reason(code)}`);
}

function unwritable(path: string, error: unknown): never {
  fail('data/unwritable', `cannot write ${quotePath(path)}: ${reason(errorCode(error))}`);
}

function errorCode(error: unknown): string {
  const hasCode = typeof error === 'object' && error !== null && 'code' in error;
  return hasCode && typeof error.code === 'string' ? error.code : 'unknown error';
}

function reason(code: string): string {
  const reasons: Record<string, string> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EISDIR: 'it is a folder',
    ENOENT: 'its folder does not exist',
    ENOSPC: 'no space left',
    ELOOP: 'its links go in a circle',
    EROFS: 'the file system is read-only',
  };
  return reasons[code] ?? code;
}
