/**
 * `manifest.json`: what an artifact says about itself. Written by the compiler, read by the runtime and by later commands, so that
 * nobody has to repeat a preprocessing or guess a shape. These types are the only thing that flows from here to the compiler.
 */

/** How an integer tensor lies in memory. `strides` are in elements, per logical axis; `bits` per element, packed low bits first. */
export interface StoredLayout {
  readonly strides: readonly number[];
  readonly bits: number;
  readonly bytes: number;
}

/** How integers stand for reals, per tensor: real = (integer - zero_point) * scale. */
export interface StoredQuantization {
  readonly storage: string;
  readonly scale: number;
  readonly zero_point: number;
}

/** A tensor that the artifact really stores, by its name in the program: what `qc verify` compares. */
export interface StoredTensor {
  readonly name: string;
  readonly storage: string;
  readonly shape: readonly number[];
  readonly layout: StoredLayout;
}

export interface Port {
  readonly name: string;
  /** Logical shape, batch first, in the model's own axis order. */
  readonly shape: readonly number[];
}

export interface LayerSummary {
  readonly name: string;
  readonly op: string;
  readonly weight_bits: number;
  readonly activation_bits: number;
}

export interface CalibrationSummary {
  readonly source: string;
  readonly samples: number;
  readonly method: string;
  /** True when no data was given and inputs were generated: accuracy is then nobody's promise. */
  readonly generated: boolean;
}

export interface Manifest {
  readonly format: 'qc-artifact/1';
  readonly target: string;
  readonly name: string;
  /** Canonical pipeline string that made the program. */
  readonly pipeline: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** The preprocessing as data, or null when the model takes tensors. */
  readonly preprocess: unknown;
  readonly class_names?: readonly string[];
  readonly calibration: CalibrationSummary | null;
  readonly layers: readonly LayerSummary[];
  readonly tensors: readonly StoredTensor[];
  readonly weight_bytes: number;
  readonly arena_bytes: number;
  readonly warnings: readonly string[];
  /** Files of the artifact, by role, with size and SHA-256. */
  readonly files: readonly {
    readonly name: string;
    readonly role: string;
    readonly bytes: number;
    readonly sha256: string;
  }[];
  /** What only this target's runtime reads. */
  readonly program?: unknown;
}
