/**
 * A folder beside an artifact that is being made, in which long work leaves its results: the same command, given again after it was
 * stopped by whatever means, goes on from there. An entry is a file named after its key:
 *
 *     SHA-256 of version, key and content, a line break, content
 *
 * so that a damaged entry, or one that another version of the compiler made, is not taken for work. Entries are renamed into place when
 * they are complete. Nothing here fails a compilation: what cannot be kept or read is made again, and a warning says so once.
 */
import { lstat, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Diagnostic } from '../../ir/index.ts';
import { sha256, type WorkStore } from '../../passes/index.ts';

export interface ResumeFolder extends WorkStore {
  readonly path: string;
  /** Whether there is anything to go on from. */
  readonly used: boolean;
  /** Removes the entries, and the folder if nobody else put something there. */
  readonly remove: () => Promise<void>;
}

const entryName = /^\.?[0-9a-f]{64}\.kept$/;
const digestLength = 64;
const mostEntryBytes = 2 ** 31 - 1;

/** `version` is that of whatever makes the work. The folder is made when there is something to keep. */
export function resumeFolder(
  path: string,
  version: string,
  report: (diagnostic: Diagnostic) => void,
): ResumeFolder {
  let used = false;
  let usable = true;
  const warned = new Set<string>();
  const warn = (code: string, message: string, help: string): void => {
    if (warned.has(code)) return;
    warned.add(code);
    report({ code, severity: 'warning', message, help });
  };
  const digestOf = async (key: string, content: Uint8Array): Promise<string> =>
    sha256(`${version}\n${key}\n${await sha256(content)}`);

  return {
    path,
    get used() {
      return used;
    },
    load: async (key) => {
      const file = join(path, `${key}.kept`);
      const found = await lstat(file).catch(() => undefined);
      if (found === undefined || !(await isFolder(path))) return undefined;
      const bytes =
        found.isFile() && found.size <= mostEntryBytes
          ? await readFile(file).catch(() => undefined)
          : undefined;
      const content = bytes === undefined ? undefined : new Uint8Array(bytes.subarray(digestLength + 1));
      const digest = bytes?.subarray(0, digestLength).toString('latin1');
      if (content === undefined || digest !== (await digestOf(key, content))) {
        warn(
          'resume/damaged',
          `something kept in ${JSON.stringify(path)} is damaged or was made by another version; that part is made again`,
          'nothing needs to be done',
        );
        return undefined;
      }
      used = true;
      return content;
    },
    save: async (key, content) => {
      if (!usable) return;
      try {
        await mkdir(path, { recursive: true });
        if (!(await isFolder(path))) throw new Error('it is not a plain folder');
        const draft = join(path, `.${key}.kept`);
        await writeFile(draft, await digestOf(key, content));
        await writeFile(draft, '\n', { flag: 'a' });
        await writeFile(draft, content, { flag: 'a' });
        await rename(draft, join(path, `${key}.kept`));
        used = true;
      } catch (error) {
        usable = false;
        warn(
          'resume/unwritable',
          `cannot keep work in ${JSON.stringify(path)}: ${error instanceof Error ? error.message : String(error)}`,
          'the compilation goes on; if it is interrupted it will start from the beginning',
        );
      }
    },
    remove: async () => {
      if (!(await isFolder(path))) return;
      for (const name of await readdir(path)) if (entryName.test(name)) await rm(join(path, name));
      await rmdir(path).catch(() => undefined);
    },
  };
}

/** A link is not followed: what lies elsewhere is not ours. */
async function isFolder(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() === true;
}
