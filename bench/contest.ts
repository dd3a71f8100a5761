/**
 * Contestants that take turns: A B C, A B C, ... Each is a process that stays alive and sleeps while the others run. Before the timed runs
 * of a turn come a few that are not timed, since the others have just had the caches; a turn lasts about as long for a slow one as for a
 * quick one, so that a disturbance of the machine hits all alike.
 */
import { type Command, LineProcess } from './line-process.ts';
import { median, type Rounds } from './statistics.ts';
import { Unavailable } from './unavailable.ts';

export interface Contestant {
  /** Short and unique, such as `ours-w8a8`: what options and results call it. */
  readonly name: string;
  readonly title: string;
  /** Makes ready what it runs and says how it is started. Throws `Unavailable` with the reason where it cannot take part. */
  readonly prepare: () => Promise<Command>;
}

export interface ContestOptions {
  readonly rounds: number;
  /** How long a turn lasts, about. */
  readonly turnMilliseconds: number;
  /** CPUs that every contestant is bound to, as `taskset` takes them. */
  readonly cpus?: string;
  readonly say: (text: string) => void;
  readonly progress: (label: string, done: number, total: number) => void;
}

export interface Entry {
  readonly name: string;
  readonly title: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly rounds: Rounds;
}

export interface Absent {
  readonly name: string;
  readonly title: string;
  readonly reason: string;
}

export interface ContestResult {
  readonly entries: readonly Entry[];
  readonly absent: readonly Absent[];
}

/** Least timed runs in a turn of what is quick, and most. */
const fewest = 3;
const mostRuns = 2000;

interface Running {
  readonly contestant: Contestant;
  readonly process: LineProcess;
  readonly rounds: number[][];
  /** Runs in a turn, and before them. */
  runs: number;
  warmup: number;
}

/** Prepares and starts all, lets them take turns, and ends them. Those who cannot take part are listed with the reason. */
export async function holdContest(
  contestants: readonly Contestant[],
  options: ContestOptions,
): Promise<ContestResult> {
  const { rounds, say, progress } = options;
  const running: Running[] = [];
  const absent: Absent[] = [];
  const leaves = ({ name, title }: Contestant, error: unknown): void => {
    if (!(error instanceof Unavailable)) throw error;
    absent.push({ name, title, reason: error.message });
    say(`without ${title}: ${error.message}`);
  };
  try {
    for (const contestant of contestants) {
      try {
        say(`preparing ${contestant.title}`);
        const process = await LineProcess.start(bound(await contestant.prepare(), options.cpus));
        running.push({
          contestant,
          process,
          rounds: [],
          ...(await turnOf(process, options.turnMilliseconds)),
        });
      } catch (error) {
        leaves(contestant, error);
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const [i, entrant] of [...running].entries()) {
        progress('rounds', round * running.length + i, rounds * running.length);
        try {
          if (entrant.warmup > 0) await entrant.process.times(entrant.warmup);
          entrant.rounds.push(await entrant.process.times(entrant.runs));
        } catch (error) {
          leaves(entrant.contestant, error);
          running.splice(running.indexOf(entrant), 1);
        }
      }
    }
    progress('rounds', 1, 1);
  } finally {
    for (const { process } of running) process.close();
  }
  return {
    entries: running.map(({ contestant: { name, title }, process, rounds: times }) => ({
      name,
      title,
      facts: process.facts,
      rounds: times,
    })),
    absent,
  };
}

/** How many runs make a turn, found by running. What lasts longer than a turn by itself has one run and no other before it. */
async function turnOf(process: LineProcess, milliseconds: number): Promise<Pick<Running, 'runs' | 'warmup'>> {
  const [first] = await process.times(1);
  if (first! > milliseconds) return { runs: 1, warmup: 0 };
  const each = Math.max(1e-3, median(await process.times(3)));
  const within = (time: number): number => Math.min(mostRuns, Math.ceil(time / each));
  return { runs: Math.max(fewest, within(milliseconds)), warmup: within(milliseconds / 5) };
}

function bound(command: Command, cpus: string | undefined): Command {
  if (cpus === undefined) return command;
  return { ...command, program: 'taskset', args: ['-c', cpus, command.program, ...command.args] };
}
