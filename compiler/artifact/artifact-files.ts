/**
 * Artifacts on disk. A folder is written whole or not at all: everything goes into a temporary sibling, which is renamed when it is complete.
 * What is already at the place is replaced only if it is an artifact or an empty folder; anything else is somebody's work.
 */
import {
  access,
  constants,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fail, type Graph } from '../../ir/index.ts';
import { parseGraph } from '../../ir/text/index.ts';
import type { Manifest } from '../../runtime/manifest.ts';
import {
  type ArtifactFile,
  manifestFormat,
  manifestName,
  programRoles,
  referenceFolder,
} from './artifact.ts';
import { sha256 } from '../../passes/sha256.ts';
import { parseManifest } from './manifest-schema.ts';

const mostManifestBytes = 2 ** 28;
const mostFileBytes = 2 ** 31 - 1;

/**
 * Fails with `artifact/occupied` or `artifact/unwritable` if an artifact could not be put at `path`: asked before a long compilation.
 */
export async function checkDestination(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found !== undefined) {
    if (!found.isDirectory()) {
      fail('artifact/occupied', `${JSON.stringify(path)} exists and is not a folder`, {
        help: 'give -o the name of a new folder',
      });
    }
    const entries = await readdir(path).catch((error: unknown) => unwritable(path, error));
    if (entries.length > 0 && !(await isArtifact(path))) {
      fail(
        'artifact/occupied',
        `${JSON.stringify(path)} is a folder that no compilation wrote; it is left alone`,
        {
          help: 'give -o the name of a new folder, or of an artifact to be replaced',
        },
      );
    }
  }
  // The nearest folder that exists must let us make an entry.
  let parent = dirname(resolve(path));
  while ((await stat(parent).catch(() => undefined)) === undefined && dirname(parent) !== parent) {
    parent = dirname(parent);
  }
  const home = await stat(parent).catch((error: unknown) => unwritable(path, error));
  if (!home.isDirectory())
    fail(
      'artifact/unwritable',
      `cannot write ${JSON.stringify(path)}: ${JSON.stringify(parent)} is not a folder`,
    );
  await access(parent, constants.W_OK | constants.X_OK).catch((error: unknown) => unwritable(path, error));
}

/** Writes the files at `path`, whole or not at all. */
export async function writeArtifact(path: string, files: readonly ArtifactFile[]): Promise<void> {
  await checkDestination(path);
  const target = resolve(path);
  const parent = dirname(target);
  let draft: string | undefined;
  try {
    await mkdir(parent, { recursive: true });
    const folder = join(parent, `.${basename(target)}-${crypto.randomUUID()}`);
    await mkdir(folder);
    draft = folder;
    for (const { name, bytes } of files) {
      const file = join(draft, ...name.split('/'));
      await mkdir(dirname(file), { recursive: true });
      await writeDurably(file, bytes);
    }
    await replaceFolder(draft, target);
  } catch (error) {
    if (draft !== undefined) await rm(draft, { recursive: true, force: true });
    unwritable(path, error);
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o666);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Puts `draft` in the place of `target`; what was there is put back if that fails. */
async function replaceFolder(draft: string, target: string): Promise<void> {
  const old = `${draft}.old`;
  const occupied = await rename(target, old).then(
    () => true,
    () => false,
  );
  try {
    await rename(draft, target);
  } catch (error) {
    if (occupied) await rename(old, target);
    throw error;
  }
  if (occupied) await rm(old, { recursive: true, force: true });
}

/** Whether the folder has a manifest of ours. */
export async function isArtifact(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, manifestName), 'utf8').catch(() => '');
  try {
    const value: unknown = JSON.parse(text);
    return (
      typeof value === 'object' && value !== null && 'format' in value && value.format === manifestFormat
    );
  } catch {
    return false;
  }
}

/** An artifact that was read back. */
export interface Artifact {
  /** Absolute. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** The bytes of a file that the manifest lists, compared with its digest. */
  readonly read: (name: string) => Promise<Uint8Array>;
  /** The program that the artifact implements, from its text. */
  readonly program: () => Promise<Graph>;
}

/** Opens the artifact in `folder`. Its files must be there, plain files of the size and digest listed. */
export async function readArtifact(folder: string): Promise<Artifact> {
  const label = JSON.stringify(folder);
  const manifestPath = join(folder, manifestName);
  const found = await stat(manifestPath).catch(() => undefined);
  if (found?.isFile() !== true) {
    fail('artifact/not-an-artifact', `${label} is a folder without ${manifestName}`, {
      help: 'give an .onnx file, a .qir file, or a folder that qc compile wrote',
    });
  }
  if (found.size > mostManifestBytes)
    fail('artifact/manifest', `the manifest of ${label} has ${found.size} bytes`);
  const manifest = parseManifest(await readFile(manifestPath, 'utf8'), JSON.stringify(manifestPath));
  const home = await realpath(folder);
  const read = async (name: string): Promise<Uint8Array> => {
    const listed = manifest.files.find((file) => file.name === name);
    if (listed === undefined) throw new Error(`the manifest lists no ${name}`);
    return readListed(home, listed);
  };
  // The program may have been left out of what was shipped; whoever asks for it hears of that.
  const programs: readonly string[] = Object.values(programRoles);
  for (const { name, role } of manifest.files) if (!programs.includes(role)) await read(name);
  return { folder: home, manifest, read, program: async () => readProgram(home, manifest, read) };
}

async function readListed(home: string, listed: Manifest['files'][number]): Promise<Uint8Array> {
  const path = join(home, ...listed.name.split('/'));
  const label = JSON.stringify(listed.name);
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return changed(`${label} is missing`);
  if (!found.isFile() || (await realpath(path)) !== path) return changed(`${label} is not a plain file`);
  if (found.size !== listed.bytes || found.size > mostFileBytes) {
    return changed(`${label} has ${found.size} bytes, ${listed.bytes} were written`);
  }
  const { buffer, byteOffset, byteLength } = await readFile(path);
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  if ((await sha256(bytes)) !== listed.sha256) return changed(`${label} is not what was written`);
  return bytes;
}

async function readProgram(
  home: string,
  manifest: Manifest,
  read: (name: string) => Promise<Uint8Array>,
): Promise<Graph> {
  const text = manifest.files.find(({ role }) => role === programRoles.text);
  const present =
    text !== undefined && (await lstat(join(home, text.name)).catch(() => undefined)) !== undefined;
  if (!present) {
    return fail(
      'artifact/no-program',
      `${JSON.stringify(home)} does not hold the program that it implements`,
      {
        help: `the folder ${referenceFolder}/ was left out; compile the model again`,
      },
    );
  }
  const blobs = new Map<string, Uint8Array>();
  for (const { name, role } of manifest.files) {
    if (role === programRoles.blob) blobs.set(basename(name), await read(name));
  }
  return parseGraph(new TextDecoder().decode(await read(text.name)), {
    file: text.name,
    blobs: (name) => blobs.get(name),
  });
}

function changed(problem: string): never {
  fail('artifact/changed', `the artifact is damaged: ${problem}`, { help: 'compile the model again' });
}

function unwritable(path: string, error: unknown): never {
  const code =
    typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
  const reasons: Readonly<Record<string, string>> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOSPC: 'no space left',
    ENOTDIR: 'a part of the path is not a folder',
    ENAMETOOLONG: 'the name is too long',
  };
  return fail('artifact/unwritable', `cannot write ${JSON.stringify(path)}: ${reasons[code] ?? code}`, {
    help: 'give -o a place where folders can be made',
  });
}
