/**
 * The command line as a function: arguments and streams in, an exit status out. `main.ts` gives it the process's own; a test gives it
 * others and runs dozens of commands in one process.
 */
import { Command, CommanderError } from 'commander';
import { QcError } from '../../ir/index.ts';
import { exitStatus, Host } from './host.ts';
import { type Streams, Terminal } from './terminal.ts';
import { declareBench } from './verbs/bench.ts';
import { declareCompile } from './verbs/compile.ts';
import { declareCost } from './verbs/cost.ts';
import { declareEval } from './verbs/eval.ts';
import { declareInspect } from './verbs/inspect.ts';
import { declareOps } from './verbs/ops.ts';
import { declareOpt } from './verbs/opt.ts';
import { declarePasses } from './verbs/passes.ts';
import { declareReport } from './verbs/report.ts';
import { declareRun } from './verbs/run.ts';
import { declareSearch } from './verbs/search.ts';
import { declareServe } from './verbs/serve.ts';
import { declareTune } from './verbs/tune.ts';
import { declareVerify } from './verbs/verify.ts';
import { version } from './version.ts';

/** Every verb, in the order of the help. */
const verbs = [
  declareCompile,
  declareInspect,
  declareCost,
  declareRun,
  declareEval,
  declareVerify,
  declareReport,
  declareBench,
  declareTune,
  declareServe,
  declareSearch,
  declareOpt,
  declarePasses,
  declareOps,
] as const;

/** What declares a verb of a program. */
export type Declare = (program: Command, host: Host) => void;

/** Runs one command line: `args` without the interpreter and the script. Never throws and never ends the process. */
export async function runCommandLine(args: readonly string[], streams: Streams): Promise<number> {
  const program = new Command('qc')
    .description(
      'A quantizing model compiler: an ONNX ResNet in, integer WGSL or C out, the same bits everywhere.',
    )
    .version(version(), '-V, --version');
  return runVerbs(program, verbs, args, streams);
}

/** The same for any program of verbs, named as a user calls it. */
export async function runVerbs(
  program: Command,
  declarations: readonly Declare[],
  args: readonly string[],
  streams: Streams,
): Promise<number> {
  const host = new Host(streams);
  const name = program.name();
  const usageErrors: string[] = [];
  program
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.out(text),
      writeErr: (text) => usageErrors.push(text),
      outputError: (text) => usageErrors.push(text),
    })
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .helpCommand('help [verb]', 'the options of a verb, with examples')
    .addHelpText(
      'after',
      `\n${name} help VERB shows options and examples. Exit status: 0 done, 1 a check failed, 2 bad usage or bad input.\n`,
    );
  for (const declare of declarations) declare(program, host);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return host.status;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return exitStatus.done;
    const printed = usageErrors.join('');
    const terminal = new Terminal(streams, { json: wantsJson(args), quiet: false });
    if (error.code === 'commander.help' && !terminal.json) streams.err(printed);
    else host.fail(usageError(error, printed, program, args[0]), terminal);
    return exitStatus.badInput;
  }
}

/** A usage error as a diagnostic: the first line is the message, suggestions come after it. */
function usageError(
  error: CommanderError,
  printed: string,
  program: Command,
  verb: string | undefined,
): QcError {
  const name = program.name();
  const known = program.commands.some((command) => command.name() === verb);
  if (error.code === 'commander.help') {
    return new QcError({
      code: 'cli/usage',
      severity: 'error',
      message: 'a verb is missing',
      help: `${name} help lists them`,
    });
  }
  const [first = '', ...rest] = printed.trim().split('\n');
  const help = rest.map((line) => line.trim().replace(/^\((.*)\)$/, '$1')).filter((line) => line !== '');
  return new QcError({
    code: 'cli/usage',
    severity: 'error',
    message: (first === '' ? error.message : first).replace(/^error: /, ''),
    help: [
      ...help,
      known
        ? `${name} help ${verb!} shows what can be said`
        : `${name} help and ${name} help VERB show what can be said`,
    ].join(' '),
  });
}

/** Whether the answer should be JSON, although the arguments could not be parsed. */
function wantsJson(args: readonly string[]): boolean {
  return args.some((arg, i) => arg === '--format=json' || (arg === 'json' && args[i - 1] === '--format'));
}
