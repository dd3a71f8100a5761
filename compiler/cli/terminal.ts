/**
 * Talking to a person or a script. Standard output carries the result and nothing else; diagnostics and progress go to standard error.
 * Progress is a bar where standard error is a terminal, an occasional line where it is not, and nothing with `--quiet`.
 */
import { SingleBar } from 'cli-progress';
import picocolors from 'picocolors';
import { type Diagnostic, formatDiagnostic } from '../../ir/index.ts';
import { printable, printableLines } from '../printable.ts';

/** Where a run of the command line reads and writes: the process's own streams, or a test's. */
export interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Standard error, where it is a terminal that can show a bar. */
  readonly terminal?: NodeJS.WriteStream | undefined;
  readonly outColours: boolean;
  readonly errColours: boolean;
  /** Has `listener` called when the user interrupts the process, just before it ends. Returns what takes that back. */
  readonly onInterrupt?: (listener: () => void) => () => void;
}

export interface TerminalOptions {
  readonly json: boolean;
  readonly quiet: boolean;
}

/** A plain line of progress comes at most this often. */
const lineEvery = 10_000;

export class Terminal {
  readonly #streams: Streams;
  readonly #options: TerminalOptions;
  readonly #errColours: ReturnType<typeof picocolors.createColors>;
  /** For the result on standard output. */
  readonly colours: ReturnType<typeof picocolors.createColors>;
  #bar: { readonly label: string; readonly bar: SingleBar } | undefined;
  #line: { label: string; shown: number } | undefined;

  constructor(streams: Streams, options: TerminalOptions) {
    this.#streams = streams;
    this.#options = options;
    this.colours = picocolors.createColors(streams.outColours && !options.json);
    this.#errColours = picocolors.createColors(streams.errColours);
  }

  get json(): boolean {
    return this.#options.json;
  }

  /** A diagnostic on standard error. `--quiet` keeps warnings and errors. */
  report = (diagnostic: Diagnostic): void => {
    if (this.#options.quiet && diagnostic.severity === 'note') return;
    const { red, yellow, cyan, bold } = this.#errColours;
    const paint = { error: red, warning: yellow, note: cyan }[diagnostic.severity];
    const [first = '', ...rest] = printableLines(formatDiagnostic(diagnostic)).split('\n');
    const end = first.indexOf(']: ') + 1;
    this.#write([bold(paint(first.slice(0, end))) + first.slice(end), ...rest].join('\n'));
  };

  /** A line for a person, on standard error. */
  say = (text: string): void => {
    if (!this.#options.quiet) this.#write(printableLines(text));
  };

  /** A last line for a user who interrupts what follows; undefined says nothing. Returns what takes it back. */
  onInterrupt(lastLine: () => string | undefined): () => void {
    const take = this.#streams.onInterrupt?.(() => {
      this.endProgress();
      const line = lastLine();
      if (line !== undefined) this.#write(printableLines(line));
    });
    return take ?? ((): void => undefined);
  }

  /** Progress of long work. The bar goes away by itself when all is done. */
  progress = (label: string, done: number, total: number): void => {
    if (this.#options.quiet) return;
    const { terminal } = this.#streams;
    if (terminal === undefined) {
      this.#progressLine(label, done, total);
      return;
    }
    if (this.#bar?.label !== label) {
      this.endProgress();
      const format = `${printable(label)} {bar} {value}/{total}  {duration_formatted}, {eta_formatted} left`;
      const bar = new SingleBar({
        stream: terminal,
        format,
        barsize: 30,
        hideCursor: true,
        clearOnComplete: true,
        etaBuffer: 20,
      });
      bar.start(total, done);
      this.#bar = { label, bar };
    }
    this.#bar.bar.update(done);
    if (done >= total) this.endProgress();
  };

  endProgress(): void {
    this.#bar?.bar.stop();
    this.#bar = undefined;
  }

  #progressLine(label: string, done: number, total: number): void {
    const now = Date.now();
    if (this.#line?.label !== label) this.#line = { label, shown: now };
    if (now - this.#line.shown < lineEvery) return;
    this.#line.shown = now;
    this.#write(`${printable(label)}: ${done} of ${total}`);
  }

  #write(text: string): void {
    this.endProgress();
    this.#streams.err(`${text}\n`);
  }
}
