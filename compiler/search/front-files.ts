/** Fronts and profiles on disk. A file is replaced whole: who reads it while a search goes on, or after it was killed, reads a valid one. */
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { fail } from '../../ir/index.ts';
import { type LatencyProfile, parseProfile } from './profile.ts';

/** Where the parts of a front go: beside one another, under one name. */
export interface FrontPaths {
  readonly json: string;
  readonly csv: string;
  readonly html: string;
  readonly profile: string;
  /** What rounding did so far, until a journal holds the rounded program. */
  readonly rounding: string;
  /** What the search of a key found out so far: fronts of one model beside one another share it, whatever their cost models. */
  readonly journal: (key: string) => string;
}

/** Fails with `search/out` for a name that does not end in `.json`. */
export function frontPaths(out: string, model: string): FrontPaths {
  if (extname(out).toLowerCase() !== '.json') {
    fail('search/out', `the front is written to ${JSON.stringify(out)}, which does not end in .json`, {
      help: 'say -o front.json; .csv and .html go beside it',
    });
  }
  const stem = join(dirname(out), basename(out, extname(out)));
  return {
    json: out,
    csv: `${stem}.csv`,
    html: `${stem}.html`,
    profile: `${stem}.profile.json`,
    rounding: join(dirname(out), `${model}.rounding`),
    journal: (key) => join(dirname(out), `${model}-${key.slice(0, 8)}.search`),
  };
}

/** Writes a file whole or not at all. Fails with `search/unwritable`. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}-${crypto.randomUUID()}`);
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(draft, text);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    fail(
      'search/unwritable',
      `cannot write ${JSON.stringify(path)}: ${error instanceof Error ? error.message : String(error)}`,
      { help: 'give a place where files can be made' },
    );
  }
}

const mostProfileBytes = 2 ** 26;

/** Reads a profile. Fails with `profile/unreadable` where there is none. */
export async function readProfile(path: string): Promise<LatencyProfile> {
  const what = JSON.stringify(path);
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) {
    fail('profile/unreadable', `there is no profile at ${what}`, {
      help: 'qc bench DIR --profile FILE writes one',
    });
  }
  if (found.size > mostProfileBytes)
    fail('profile/unreadable', `${what} has ${found.size} bytes, more than any profile`);
  return parseProfile(await readFile(path, 'utf8'), what);
}

/** The profile at `path`; undefined where nothing is. */
export async function existingProfile(path: string): Promise<LatencyProfile | undefined> {
  return (await stat(path).catch(() => undefined)) === undefined ? undefined : readProfile(path);
}
