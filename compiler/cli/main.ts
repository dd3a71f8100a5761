#!/usr/bin/env node
/** `qc`: the process around the command line. */
import process from 'node:process';
import { runCommandLine } from './program.ts';

const { stdout, stderr, env } = process;

/** Colours where a terminal shows them and nobody objects (https://no-color.org). */
function colours(isTerminal: boolean): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  if ((env['FORCE_COLOR'] ?? '') !== '') return env['FORCE_COLOR'] !== '0';
  return isTerminal && env['TERM'] !== 'dumb';
}

// A reader that has seen enough (`qc ops | head`) is no error.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2), {
  out: (text) => void stdout.write(text),
  err: (text) => void stderr.write(text),
  terminal: stderr.isTTY ? stderr : undefined,
  outColours: colours(stdout.isTTY),
  errColours: colours(stderr.isTTY),
});
