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

/** A layer of the quantized program next to the same layer of the float one. */
export interface LayerHealth {
  readonly name: string;
  /** Of what the layer makes, bias included, all errors before it included; in decibels, null where nothing differs. */
  readonly sqnr_db: number | null;
  /** Percent of its weights at the largest integer of either sign; null where they are not quantized. */
  readonly weights_at_limit: number | null;
  /** Output channels that never change, and how many of those do not in float either. */
  readonly dead_channels: number;
  readonly dead_in_float: number;
}

export interface ActivationHealth {
  readonly name: string;
  readonly storage: string;
  /** Layers that read it. */
  readonly read_by: readonly string[];
  /** Percent of its values at the largest integer or the smallest, unless that one stands for 0. */
  readonly clipped: number;
}

/** The quantized program next to the float one, on samples of the calibration. */
export interface HealthSummary {
  readonly samples: number;
  /** Percent of samples whose largest output is in the same place. */
  readonly agreement: number;
  /** Of the first output, in decibels; null where nothing differs. */
  readonly sqnr_db: number | null;
  readonly layers: readonly LayerHealth[];
  readonly activations: readonly ActivationHealth[];
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
  /** Null, or absent, where a compilation did not quantize, and so had nothing to compare. */
  readonly health?: HealthSummary | null;
  readonly layers: readonly LayerSummary[];
  readonly tensors: readonly StoredTensor[];
  readonly weight_bytes: number;
  readonly arena_bytes: number;
  /** Bytes alive at the widest step, below which no arena for these steps can go; absent where the target has no single arena. */
  readonly arena_lower_bound_bytes?: number;
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
