/**
 * What every verb shares: its common options, how its result is printed, and what its failures look like. A verb computes an `Outcome`; the
 * host prints it as text or as one JSON document, and turns errors into diagnostics and an exit status:
 *
 *     0  done      1  a check failed      2  bad usage or bad input      70  a bug of ours, with its stack
 *     130  interrupted, with what was done by then
 */
import { type Command, Option } from 'commander';
import { type Diagnostic, QcError } from '../../ir/index.ts';
import { integerArgument } from './arguments.ts';
import { type Streams, Terminal } from './terminal.ts';

export interface Outcome {
  /** What `--format json` prints. */
  readonly json: unknown;
  /** What a person reads, lines ended. */
  readonly text: string;
  /** False when a check failed. */
  readonly passed?: boolean;
  /** Where the work ended neither well nor badly: it was interrupted. */
  readonly status?: number;
}

export interface CommonOptions {
  readonly format: 'text' | 'json';
  readonly quiet?: true;
  readonly seed: number;
}

export const exitStatus = { done: 0, checkFailed: 1, badInput: 2, bug: 70, interrupted: 130 } as const;

export interface VerbDescription {
  /** `cost`, or with its arguments: `cost <MODEL>`. */
  readonly usage: string;
  readonly summary: string;
  /** Command lines without the program's name, each with what it does. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
}

/** What a verb does. `argument` is the model or file, where the verb takes one. */
export type Work<O extends CommonOptions> = (
  terminal: Terminal,
  options: O,
  argument: string,
) => Promise<Outcome>;

export class Host {
  readonly #streams: Streams;
  status: number = exitStatus.done;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /** Declares a verb with the options that all have, and its examples under its help. */
  verb(program: Command, { usage, summary, examples }: VerbDescription): Command {
    const lines = examples.map(([line, meaning]) => `  # ${meaning}\n  ${program.name()} ${line}`);
    return program
      .command(usage)
      .description(summary)
      .addOption(
        new Option('--format <form>', 'how the result is printed').choices(['text', 'json']).default('text'),
      )
      .option('--quiet', 'no progress and no notes')
      .option('--seed <n>', 'of everything that is drawn', integerArgument(0), 0)
      .addHelpText('after', `\nExamples:\n${lines.join('\n')}\n`);
  }

  /** The action of a verb. Commander calls it with the arguments, the options and the command. */
  action<O extends CommonOptions>(work: Work<O>): (...given: unknown[]) => Promise<void> {
    return async (...given) => {
      const options = given.at(-2) as O;
      const terminal = new Terminal(this.#streams, {
        json: options.format === 'json',
        quiet: options.quiet === true,
      });
      try {
        const { json, text, passed, status } = await work(terminal, options, String(given[0]));
        terminal.endProgress();
        this.#streams.out(terminal.json ? `${JSON.stringify(json, undefined, 2)}\n` : text);
        this.status = status ?? (passed === false ? exitStatus.checkFailed : exitStatus.done);
      } catch (error) {
        terminal.endProgress();
        this.fail(error, terminal);
      }
    };
  }

  /** Prints an error and sets the exit status. */
  fail(error: unknown, terminal: Terminal): void {
    const known = error instanceof QcError;
    const diagnostics = known ? error.diagnostics : [bugDiagnostic(error)];
    if (terminal.json) {
      this.#streams.out(`${JSON.stringify(errorDocument(diagnostics), undefined, 2)}\n`);
    }
    for (const diagnostic of diagnostics) terminal.report(diagnostic);
    this.status = known ? exitStatus.badInput : exitStatus.bug;
  }
}

/** What `--format json` prints of an error. */
export function errorDocument(diagnostics: readonly Diagnostic[]): { readonly error: object } {
  const [first] = diagnostics;
  return { error: { code: first?.code, message: first?.message, diagnostics } };
}

function bugDiagnostic(error: unknown): Diagnostic {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const [message = '', ...frames] = stack.split('\n');
  return {
    code: 'internal/bug',
    severity: 'error',
    message,
    notes: frames.map((frame) => frame.trim()),
    help: 'this is a bug of qc: please report it with the command that caused it',
  };
}
