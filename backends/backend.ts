/** What a backend is: a function from a program of one level to the files of an artifact. It writes nothing itself. */
import type { Graph, Level } from '../ir/index.ts';
import type { StoredTensor } from '../runtime/manifest.ts';

export interface EmittedFile {
  readonly name: string;
  /** `source`, `weights`, `header`, `module`, `types`, `build`: what the manifest calls it. */
  readonly role: string;
  readonly content: string | Uint8Array;
}

export const weightForms = ['array', 'incbin'] as const;
export type WeightForm = (typeof weightForms)[number];

export interface EmitOptions {
  /** Prefix of identifiers and file names; a valid C identifier. */
  readonly name: string;
  /** C: the instruction sets to emit code for, chosen among when it runs; `auto` (the default) is all there are. */
  readonly isa?: readonly string[];
  /** C: weights as an array in C, which any compiler takes, or as bytes that the assembler includes. Default: `array`. */
  readonly weights?: WeightForm;
  /** By class index: for what is emitted to be read or shown. */
  readonly classNames?: readonly string[];
  /**
   * For a graph with one image input, `tables[c][u]` is the real value of byte `u` in channel `c` after preprocessing, and
   * `layout` says where the channels of the input are. Gives the artifact an entry point for bytes.
   */
  readonly image?: {
    readonly tables: readonly Float32Array[];
    readonly layout: 'NCHW' | 'NHWC';
  };
}

export interface Emission {
  readonly files: readonly EmittedFile[];
  readonly weightBytes: number;
  readonly arenaBytes: number;
  /** Fewest bytes that any arena for these steps in this order could have: those alive at the widest of them. For backends that plan one arena. */
  readonly arenaLowerBoundBytes?: number;
  /** Every tensor the artifact stores, for `qc verify`. */
  readonly tensors: readonly StoredTensor[];
  /** Goes into the manifest under `program`. */
  readonly program?: unknown;
}

export interface Backend<O extends EmitOptions = EmitOptions> {
  readonly name: string;
  /** One sentence, shown by `qc compile --help`. */
  readonly summary: string;
  readonly level: Level;
  readonly emit: (graph: Graph, options: O) => Emission | Promise<Emission>;
}
