/** Every name an artifact shows to the world, made from its prefix. */
import { fail } from '../../ir/index.ts';
import { identifier, KernelError } from '../kernel/index.ts';

export interface PublicNames {
  readonly prefix: string;
  readonly run: string;
  readonly runImage: string;
  /** What the threads of a team call, one entry point each. */
  readonly runTeam: string;
  readonly runImageTeam: string;
  /** A team of threads: its type, the function that waits for all of it, and the one that finds a thread's own scratch. */
  readonly team: string;
  readonly meet: string;
  readonly own: string;
  /** A pool of POSIX threads: its type and its functions. */
  readonly pool: string;
  readonly poolSize: string;
  readonly poolStart: string;
  readonly poolRun: string;
  readonly poolRunImage: string;
  readonly poolStop: string;
  readonly steps: string;
  /** The function that picks an instruction set, and the macro that decides instead of it. */
  readonly isa: string;
  /** What tells which one that is. */
  readonly isaName: string;
  readonly isaSwitch: string;
  readonly arenaSizeFunction: string;
  /** Macros of the header. */
  readonly arenaSize: string;
  readonly arenaAlignment: string;
  /** Bytes of scratch for each thread of a team but the first. */
  readonly threadSize: string;
  readonly guard: string;
  readonly traceSwitch: string;
  readonly trace: string;
  readonly stored: string;
  readonly weights: string;
  readonly header: string;
  readonly source: string;
  readonly weightsSource: string;
  /** The same as bytes, and the file that includes them. */
  readonly weightsBinary: string;
  readonly weightsAssembly: string;
  /** Names of classes, for the example: an array and the file it is in. */
  readonly classes: string;
  readonly classesHeader: string;
  readonly threadsSource: string;
  /** All identifiers, for those who hand out others. */
  readonly all: readonly string[];
}

/** Longest prefix: what is left of the 63 characters C tells apart, with room for the longest ending. */
const longestPrefix = 40;

/** Throws a QcError when the prefix cannot begin a C identifier. */
export function publicNames(prefix: string): PublicNames {
  try {
    identifier(`${prefix}_run`);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    refuse(prefix);
  }
  if (prefix.length > longestPrefix || prefix.endsWith('_')) refuse(prefix);
  const upper = prefix.toUpperCase();
  const identifiers = {
    run: `${prefix}_run`,
    runImage: `${prefix}_run_u8`,
    runTeam: `${prefix}_run_team`,
    runImageTeam: `${prefix}_run_u8_team`,
    team: `${prefix}_team`,
    meet: `${prefix}_meet`,
    own: `${prefix}_own`,
    pool: `${prefix}_pool`,
    poolSize: `${prefix}_pool_size`,
    poolStart: `${prefix}_pool_start`,
    poolRun: `${prefix}_pool_run`,
    poolRunImage: `${prefix}_pool_run_u8`,
    poolStop: `${prefix}_pool_stop`,
    steps: `${prefix}_steps`,
    isa: `${prefix}_isa`,
    isaName: `${prefix}_isa_name`,
    isaSwitch: `${upper}_ISA`,
    arenaSizeFunction: `${prefix}_arena_size`,
    arenaSize: `${upper}_ARENA_SIZE`,
    arenaAlignment: `${upper}_ARENA_ALIGNMENT`,
    threadSize: `${upper}_THREAD_SIZE`,
    guard: `${upper}_H`,
    traceSwitch: `${upper}_TRACE`,
    trace: `${prefix}_trace`,
    stored: `${upper}_STORED`,
    weights: `${prefix}_weights`,
    classes: `${prefix}_classes`,
  };
  return {
    prefix,
    ...identifiers,
    header: `${prefix}.h`,
    source: `${prefix}.c`,
    weightsSource: `${prefix}_weights.c`,
    weightsBinary: `${prefix}_weights.bin`,
    weightsAssembly: `${prefix}_weights.S`,
    classesHeader: `${prefix}_classes.h`,
    threadsSource: `${prefix}_threads.c`,
    all: Object.values(identifiers),
  };
}

function refuse(prefix: string): never {
  return fail('c/name', `${JSON.stringify(prefix)} cannot begin the names of a C artifact`, {
    help: `use at most ${longestPrefix} letters, digits and single underscores, a letter first`,
  });
}
