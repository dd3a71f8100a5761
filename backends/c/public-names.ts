/** Every name an artifact shows to the world, made from its prefix. */
import { fail } from '../../ir/index.ts';
import { identifier, KernelError } from '../kernel/index.ts';

export interface PublicNames {
  readonly prefix: string;
  readonly run: string;
  readonly runImage: string;
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
  readonly guard: string;
  readonly traceSwitch: string;
  readonly trace: string;
  readonly stored: string;
  readonly weights: string;
  readonly header: string;
  readonly source: string;
  readonly weightsSource: string;
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
    steps: `${prefix}_steps`,
    isa: `${prefix}_isa`,
    isaName: `${prefix}_isa_name`,
    isaSwitch: `${upper}_ISA`,
    arenaSizeFunction: `${prefix}_arena_size`,
    arenaSize: `${upper}_ARENA_SIZE`,
    arenaAlignment: `${upper}_ARENA_ALIGNMENT`,
    guard: `${upper}_H`,
    traceSwitch: `${upper}_TRACE`,
    trace: `${prefix}_trace`,
    stored: `${upper}_STORED`,
    weights: `${prefix}_weights`,
  };
  return {
    prefix,
    ...identifiers,
    header: `${prefix}.h`,
    source: `${prefix}.c`,
    weightsSource: `${prefix}_weights.c`,
    all: Object.values(identifiers),
  };
}

function refuse(prefix: string): never {
  return fail('c/name', `${JSON.stringify(prefix)} cannot begin the names of a C artifact`, {
    help: `use at most ${longestPrefix} letters, digits and single underscores, a letter first`,
  });
}
