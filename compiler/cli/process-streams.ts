/** The streams of this process, for a command line that is run as a program. */
import process from 'node:process';
import type { Streams } from './terminal.ts';

const { stdout, stderr, env } = process;

/** Where a program reads and writes when nobody redirects it. To be asked for once: it listens to standard output. */
export function processStreams(): Streams {
  // A reader that has seen enough (`qc ops | head`) is no error.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    terminal: stderr.isTTY ? stderr : undefined,
    outColours: colours(stdout.isTTY),
    errColours: colours(stderr.isTTY),
    onInterrupt,
  };
}

/** Colours where a terminal shows them and nobody objects (https://no-color.org). */
function colours(isTerminal: boolean): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  if ((env['FORCE_COLOR'] ?? '') !== '') return env['FORCE_COLOR'] !== '0';
  return isTerminal && env['TERM'] !== 'dumb';
}

/** Exit statuses of a process that a signal ended: 128 and its number. */
const signals = { SIGINT: 130, SIGTERM: 143 } as const;

function onInterrupt(listener: () => void): () => void {
  const handlers = Object.entries(signals).map(([signal, status]) => {
    const handler = (): void => {
      listener();
      process.exit(status);
    };
    process.on(signal, handler);
    return (): void => void process.off(signal, handler);
  });
  return () => {
    for (const remove of handlers) remove();
  };
}
