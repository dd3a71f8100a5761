/**
 * A process that stays alive and times one thing whenever it is asked: what every contestant is, whatever language it is written in.
 * It says what it is in one line of JSON once it is ready, and then answers each line on its standard input with one line:
 *
 *     it says       {"device": "...", ...}           anything worth knowing: versions, which kernels really run
 *     it is asked   12                               how often to run
 *     it answers    [1.31, 1.29, ...]                milliseconds of each run, by its own clock
 *
 * While it is not asked it waits for a line and takes no processor time. It ends when its standard input does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Unavailable } from './unavailable.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** On top of this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What is known of it beside what it will say about itself. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

export class LineProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #said = '';
  /** What it said about itself. */
  readonly facts: Readonly<Record<string, unknown>>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, facts: Record<string, unknown>) {
    this.#child = child;
    this.#lines = lines;
    this.facts = facts;
    listen(child, (text) => (this.#said = `${this.#said}${text}`.slice(-4000)));
  }

  /** Starts it and waits until it is ready. Throws `Unavailable`, with its last words, when it ends instead. */
  static async start({ program, args, env, facts }: Command): Promise<LineProcess> {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let said = '';
    listen(child, (text) => (said = `${said}${text}`.slice(-4000)));
    const failed = new Promise<never>((_, reject) => {
      child.on('error', (error) => {
        reject(new Unavailable(error.message));
      });
    });
    failed.catch(() => undefined);
    child.stdin.on('error', () => undefined);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await Promise.race([lines.next(), failed]);
    if (first.done === true) throw new Unavailable(lastWords(said));
    return new LineProcess(child, lines, { ...(JSON.parse(first.value) as object), ...facts });
  }

  /** Milliseconds of each of `count` runs. */
  async times(count: number): Promise<number[]> {
    this.#child.stdin?.write(`${count}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Unavailable(`stopped while it ran: ${lastWords(this.#said)}`);
    return JSON.parse(line.value) as number[];
  }

  close(): void {
    this.#child.stdin?.end();
  }
}

function listen(child: ChildProcess, said: (text: string) => void): void {
  child.stderr?.on('data', (chunk: Buffer) => {
    said(chunk.toString());
  });
}

/** The line that a failing program most likely says why with. */
function lastWords(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('at ') && !line.startsWith('Node.js v'));
  return (
    lines.findLast((line) => /error|exception|cannot|not found/i.test(line)) ??
    lines.at(-1) ??
    'it ended without a word'
  );
}
