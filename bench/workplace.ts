/** Where things lie: the foreign programs beside these files, what `setup` installs, and what is made once and kept in `.cache`. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectFiles, projectRoot } from '../fixtures/house/source-files.ts';

export const benchFolder = fileURLToPath(new URL('.', import.meta.url));
export const cacheFolder = join(benchFolder, '.cache');

/** How a path is shown to a person: from where the command runs. */
export function shown(path: string): string {
  return relative(process.cwd(), path);
}

/** The arguments that make Node run our TypeScript. */
export const typescriptArguments = [
  '--import',
  fileURLToPath(new URL('../fixtures/cli/typescript-hooks.js', import.meta.url)),
];

export function digest(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 16);
}

/** The sources that an integer program depends on. */
export const frontSources =
  /^(?:ir\/|passes\/|compiler\/onnx\/|compiler\/(?:default-pipeline|float-program|samples)\.ts$)/;

/** The compiler's sources as this process loaded them: read at its start, since they may be edited while it runs. */
const sources: readonly (readonly [file: string, content: Uint8Array])[] = await Promise.all(
  projectFiles()
    .filter((file) => /^(?:ir|passes|backends|compiler|runtime)\/.*(?<!\.test)\.ts$/.test(file))
    .map(async (file) => [file, await readFile(join(projectRoot, file))] as const),
);

/** What stands for those sources of the compiler that `which` matches: what an older one made is not taken for this one's. */
export function sourcesDigest(which: RegExp): string {
  return digest(...sources.filter(([file]) => which.test(file)).flat());
}

/**
 * A file or folder in the cache under `name`, made by `make` unless it is there: what is made appears under its name when it is complete.
 */
export async function kept(name: string, make: (draft: string) => Promise<void>): Promise<string> {
  const path = join(cacheFolder, name);
  if (existsSync(path)) return path;
  await mkdir(cacheFolder, { recursive: true });
  // The name's ending stays: tools go by it.
  const draft = join(cacheFolder, `draft-${process.pid}-${name}`);
  await make(draft);
  await rename(draft, path);
  return path;
}
