/**
 * What a pass is: a named function from graph to graph with typed options. File name = pipeline name = filetest name.
 *
 * A pass returns the same object when it changed nothing. It may wait for an executor (calibration does), so it is asynchronous; it
 * never touches files, processes or the clock: what it needs from outside comes in through its context.
 */
import type { AttributeSchema, AttributesOf, Diagnostic, Graph, Level, Tensor } from '../ir/index.ts';

/** A prepared float program. `run` gives every wanted tensor by name. */
export interface Session {
  run: (inputs: readonly Tensor[]) => Promise<ReadonlyMap<string, Tensor>>;
  close: () => Promise<void>;
}

/** Something that runs graphs. The interpreter by default; the compiler hands in a fast engine. */
export interface Executor {
  prepare: (graph: Graph, wanted: readonly string[]) => Promise<Session>;
}

/** A run of calibration inputs that can be started over: one entry per sample, each holding the tensors of `graph.inputs`. */
export interface Samples {
  readonly count: number;
  /** How the inputs came about, for the manifest and for warnings: `250 images`, `16 generated inputs`. */
  readonly description: string;
  /** Range that inputs can take at all, where the preprocessing fixes it: [min, max]. */
  readonly bounds?: readonly [min: number, max: number];
  read: () => AsyncIterable<readonly Tensor[]>;
  /** SHA-256 of all inputs: what tells two sets apart. Absent where nobody asks; see `withDigest`. */
  digest?: () => Promise<string>;
}

/**
 * Where long work leaves its results, so that a run that was interrupted goes on. A key is a digest of all that determines the result, so
 * what a key gives back is right or nothing; a store belongs to one version of the compiler and one executor.
 */
export interface WorkStore {
  load: (key: string) => Promise<Uint8Array | undefined>;
  save: (key: string, bytes: Uint8Array) => Promise<void>;
}

export interface PassContext {
  readonly executor: Executor;
  readonly samples?: Samples;
  /** Long work is done anew where there is none. */
  readonly store?: WorkStore;
  /** A warning or note for the user. Errors are thrown as QcError. */
  readonly report: (diagnostic: Diagnostic) => void;
  /** A sentence on why a rewrite applied or did not, shown by `--explain`. */
  readonly explain: (sentence: string) => void;
  /** Progress of long work: how many of how many. */
  readonly progress: (label: string, done: number, total: number) => void;
}

export interface Pass<S extends AttributeSchema = AttributeSchema> {
  readonly name: string;
  /** One sentence, shown by `qc passes`. */
  readonly summary: string;
  readonly options: S;
  /** Level the graph must be at before, and is at after. Absent: any, unchanged. */
  readonly requires?: Level;
  readonly ensures?: Level;
  /** Whether it runs the program on samples. */
  readonly readsSamples?: true;
  readonly run: (graph: Graph, options: AttributesOf<S>, context: PassContext) => Graph | Promise<Graph>;
}

/** Types a pass against its own option schema, then forgets that type so that all passes fit one table. */
export function definePass<const S extends AttributeSchema>(pass: Pass<S>): Pass {
  return Object.freeze(pass) as unknown as Pass;
}
