/** Running an artifact from Node, for `qc run`, `eval`, `verify` and `bench`: one interface, one implementation a target. */
import type { Tensor } from '../../ir/index.ts';

export interface BenchResult {
  /** Wall time of each timed run, in milliseconds. */
  readonly milliseconds: readonly number[];
  /** Time by step, median, where the target can measure it. */
  readonly layers: readonly { readonly name: string; readonly milliseconds: number }[];
  /** The processor or adapter it ran on, in words. */
  readonly device: string;
  /** The instruction set that was used, where the target chooses among some. */
  readonly isa?: string;
}

export interface Runner {
  /** One batch: f32 inputs in the order of the manifest, f32 outputs likewise. */
  run: (inputs: readonly Float32Array[]) => Promise<readonly Float32Array[]>;
  /** The same, giving every stored tensor in logical order, by name, with the type it has in the program. */
  trace: (inputs: readonly Float32Array[]) => Promise<ReadonlyMap<string, Tensor>>;
  bench: (
    inputs: readonly Float32Array[],
    options: { repeat: number; warmup: number },
  ) => Promise<BenchResult>;
  close: () => Promise<void>;
}
