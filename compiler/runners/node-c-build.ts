/**
 * Building C in Node: finds a compiler, compiles into a folder of the user's temporary directory that is named after the content (sources,
 * compiler, flags), and so compiles nothing twice. A build appears under its name only when it is complete.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fail } from '../../ir/index.ts';

const run = promisify(execFile);

export interface CSource {
  readonly name: string;
  readonly content: string | Uint8Array;
}

export interface Build {
  /** Path of the program. */
  readonly program: string;
  /** The compiler, in words. */
  readonly compiler: string;
}

export interface BuildOptions {
  /** Default: -O3 for this machine. */
  readonly flags?: readonly string[];
  /** Default: $CC, else the first of cc, gcc and clang there is. */
  readonly compiler?: string;
  /** For the linker alone. */
  readonly link?: readonly string[];
}

interface Failure {
  readonly code?: number | string;
  readonly stderr?: string;
  readonly message: string;
}

/** The compiler to use and the first line it says about itself. Fails with `c/no-compiler`. */
async function findCompiler(asked: string | undefined): Promise<{ command: string; version: string }> {
  const named = asked ?? process.env['CC'];
  const candidates = named !== undefined && named !== '' ? [named] : ['cc', 'gcc', 'clang'];
  for (const command of candidates) {
    try {
      const { stdout } = await run(command, ['--version']);
      return { command, version: stdout.split('\n')[0]!.trim() };
    } catch {
      continue;
    }
  }
  return fail('c/no-compiler', `no C compiler answers to ${candidates.join(', ')}`, {
    help: 'install gcc or clang (on Debian: apt-get install gcc), or name one in the environment variable CC',
  });
}

/** The folder of this user's builds; nobody else may have prepared or may enter it. */
async function cacheFolder(): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  const folder = join(tmpdir(), `qc-c-${uid}`);
  await mkdir(folder, { mode: 0o700 }).catch(() => undefined);
  const found = await stat(folder);
  if (found.isDirectory() && found.uid === uid) {
    await chmod(folder, 0o700);
    return folder;
  }
  return mkdtemp(join(tmpdir(), 'qc-c-'));
}

/** Compiles and links. Files that end neither in `.c` nor in `.S` are read by those. Fails with `c/compile`, quoting the compiler. */
export async function buildC(sources: readonly CSource[], options: BuildOptions = {}): Promise<Build> {
  const { command, version } = await findCompiler(options.compiler);
  const flags = options.flags ?? ['-std=c11', '-O3', '-march=native'];
  const hash = createHash('sha256').update(JSON.stringify([command, version, flags, options.link]));
  for (const { name, content } of sources) hash.update(`\n${name}\n`).update(content);
  const cache = await cacheFolder();
  const folder = join(cache, hash.digest('hex').slice(0, 32));
  const build = { program: join(folder, 'program'), compiler: version };
  if (await isThere(build.program)) return build;

  const draft = await mkdtemp(join(cache, 'draft-'));
  try {
    for (const { name, content } of sources) await writeFile(join(draft, name), content);
    const units = sources.map(({ name }) => name).filter((name) => /\.[cS]$/.test(name));
    await compileUnits(command, flags, draft, units, options.flags === undefined);
    const objects = units.map((unit) => `${unit}.o`);
    await compile(
      command,
      [...linkFlags(flags), ...(options.link ?? []), '-o', 'program', ...objects, '-lm'],
      draft,
    );
    // Two builds of one content are equal: whichever is first stays.
    await rename(draft, folder).catch(async (error: unknown) => {
      if (!(await isThere(build.program))) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return build;
}

/** Some compilers know no `-march=native` for their processor: without it the same bits come slower. */
async function compileUnits(
  command: string,
  flags: readonly string[],
  folder: string,
  units: readonly string[],
  mayDrop: boolean,
): Promise<void> {
  const all = async (given: readonly string[]): Promise<unknown> =>
    Promise.all(
      units.map(async (unit) => compile(command, [...given, '-c', unit, '-o', `${unit}.o`], folder)),
    );
  if (!mayDrop) {
    await all(flags);
    return;
  }
  try {
    await all(flags);
  } catch {
    await all(flags.filter((flag) => flag !== '-march=native'));
  }
}

const linkFlags = (flags: readonly string[]): readonly string[] =>
  flags.filter((flag) => flag.startsWith('-fsanitize') || flag === '-pthread');

async function compile(command: string, args: readonly string[], folder: string): Promise<void> {
  try {
    await run(command, args, { cwd: folder, maxBuffer: 2 ** 26 });
  } catch (error) {
    const { stderr = '', message } = error as Failure;
    const said = stderr.trim() === '' ? message : stderr.trim();
    fail('c/compile', `${command} ${args.join(' ')} failed`, {
      notes: said.split('\n').slice(0, 20),
      help: 'this is a defect of the emitted C or of the compiler; please report it with this message',
    });
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
