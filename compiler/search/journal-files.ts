/**
 * A journal as a folder beside the front: `measured.jsonl`, a line a measurement, appended as it is made, and the rounded program. Nothing
 * that is there is ever rewritten, so a process that is killed loses at most the line it was writing.
 *
 * The first line holds the digest of everything the measurements depend on. A folder with another one is started anew.
 */
import { appendFile, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, type Graph, QcError } from '../../ir/index.ts';
import { parseGraph } from '../../ir/text/index.ts';
import { programFiles, programRoles } from '../artifact/artifact.ts';
import type { Divergence } from './divergence.ts';
import type { Journal } from './journal.ts';

export const journalFormat = 'qc-search-journal/1';

const measurements = 'measured.jsonl';
const programName = 'rounded';

export interface OpenedJournal extends Journal {
  /** How many measurements were there already. */
  readonly restored: number;
}

/** Opens the journal in `folder` for the search that `key` identifies. */
export async function openJournal(folder: string, key: string): Promise<OpenedJournal> {
  const path = join(folder, measurements);
  await refuseForeign(folder);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  const known = text === undefined ? undefined : readMeasurements(text, key);
  if (known === undefined) {
    try {
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true });
      await writeFile(path, `${JSON.stringify({ format: journalFormat, key })}\n`);
    } catch (error) {
      fail(
        'search/journal',
        `cannot keep what the search finds in ${JSON.stringify(folder)}: ${reason(error)}`,
        {
          help: 'give -o a place where files can be made',
        },
      );
    }
  } else if (text?.endsWith('\n') === false) {
    // A torn last line is closed, so that the next one starts afresh; it reads as no measurement.
    await appendFile(path, '\n');
  }
  const found = known ?? new Map<string, Divergence>();
  const restored = found.size;
  return {
    restored,
    program: async () => readProgram(folder),
    keepProgram: async (graph) => {
      for (const { name, content } of programFiles(graph, '', programName).reverse()) {
        // Complete or not there: the text, which refers to the weights, comes last.
        await writeFile(join(folder, `.${name}`), content);
        await rename(join(folder, `.${name}`), join(folder, name));
      }
    },
    measured: (name) => found.get(name),
    keep: async (name, divergence) => {
      found.set(name, divergence);
      await appendFile(path, `${JSON.stringify({ of: name, ...divergence })}\n`);
    },
  };
}

/** What no search wrote is somebody's work. */
async function refuseForeign(folder: string): Promise<void> {
  const found = await lstat(folder).catch(() => undefined);
  if (found === undefined) return;
  const entries = found.isDirectory() ? await readdir(folder) : undefined;
  if (entries?.length === 0 || entries?.includes(measurements) === true) return;
  fail(
    'search/occupied',
    `${JSON.stringify(folder)} is in the way of what the search keeps, and no search wrote it`,
    {
      help: 'give -o another name',
    },
  );
}

/** Undefined for a journal of something else. Lines that are no measurement are passed over. */
function readMeasurements(text: string, key: string): Map<string, Divergence> | undefined {
  const [head = '', ...lines] = text.split('\n');
  const first = parsed(head);
  if (first?.['format'] !== journalFormat || first['key'] !== key) return undefined;
  const found = new Map<string, Divergence>();
  for (const line of lines) {
    const entry = parsed(line);
    const { of, kl, agreement, sqnr_db } = entry ?? {};
    if (typeof of !== 'string' || typeof kl !== 'number' || typeof agreement !== 'number') continue;
    found.set(of, { kl, agreement, sqnr_db: typeof sqnr_db === 'number' ? sqnr_db : null });
  }
  return found;
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

async function readProgram(folder: string): Promise<Graph | undefined> {
  const [text, blob] = [programRoles.text, programRoles.blob].map((role) =>
    role === programRoles.text ? `${programName}.qir` : `${programName}.weights`,
  ) as [string, string];
  const source = await readFile(join(folder, text), 'utf8').catch(() => undefined);
  if (source === undefined) return undefined;
  const weights = await readFile(join(folder, blob)).catch(() => undefined);
  try {
    return parseGraph(source, { file: text, blobs: (name) => (name === blob ? weights : undefined) });
  } catch (error) {
    // Damaged: it is made again.
    if (error instanceof QcError) return undefined;
    throw error;
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
