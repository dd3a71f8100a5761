/** `npm run bench -- VERB`: the measurements, as a program of verbs like `qc` itself. */
import { Command } from 'commander';
import { runVerbs } from '../compiler/cli/program.ts';
import type { Streams } from '../compiler/cli/terminal.ts';
import { declareC } from './verbs/c.ts';
import { declarePeak } from './verbs/peak.ts';
import { declareWgsl } from './verbs/wgsl.ts';

/** Runs one command line; returns its exit status. */
export async function runBench(args: readonly string[], streams: Streams): Promise<number> {
  const program = new Command('npm run bench --').description(
    'Times what qc compiles against other engines on this machine, all taking turns in one run.',
  );
  return runVerbs(program, [declareC, declareWgsl, declarePeak], args, streams);
}
