/**
 * A checkpoint: all that a training needs to go on as if it had never stopped, and all that the compiler needs to take the result back.
 *
 * A description in JSON names every tensor and the file that holds their elements. A store writes the elements first and the description
 * last, in one move, so whoever is killed in between has the checkpoint before.
 */
import type { Recipe } from './recipe.ts';
import type { StoredTensors, TensorEntry } from './state.ts';

export const checkpointFormat = 'qc-training/1';

/** A quantizer of activations, as the compiler looks for it. */
export interface QuantizerSummary {
  /** Value of the program that is quantized. */
  readonly value: string;
  readonly bits: number;
  readonly signed: boolean;
  /** Tensor that holds its step. */
  readonly step: string;
}

/** A layer whose weights are quantized. */
export interface QuantizedLayerSummary {
  /** As `qc inspect` names it. */
  readonly name: string;
  readonly op: 'conv2d' | 'dense';
  readonly weights: string;
  readonly weightBits: number;
  readonly activationBits: number;
}

/** Sums over steps that are still to become a line of the metrics. */
export interface Window {
  readonly steps: number;
  readonly loss: number;
  readonly correct: number;
  readonly count: number;
}

export const emptyWindow: Window = { steps: 0, loss: 0, correct: 0, count: 0 };

/** What the model is, apart from numbers: written by the compiler, carried along, read again by the compiler. */
export interface ModelSummary {
  readonly name: string;
  readonly layers: readonly QuantizedLayerSummary[];
  readonly quantizers: readonly QuantizerSummary[];
}

export interface CheckpointDescription {
  readonly format: typeof checkpointFormat;
  readonly step: number;
  readonly recipe: Recipe;
  readonly model: ModelSummary;
  readonly tensors: readonly TensorEntry[];
  /** Sums since the last line of the metrics. */
  readonly window: Window;
  /** Name of the file with the elements. */
  readonly elements: string;
}

export interface Checkpoint {
  readonly description: CheckpointDescription;
  readonly stored: StoredTensors;
}

/** Where checkpoints and metrics are kept. */
export interface CheckpointStore {
  /** The last complete checkpoint. */
  load: () => Promise<Checkpoint | undefined>;
  /** Replaces the last one, whole or not at all. */
  save: (description: CheckpointDescription, elements: Uint8Array) => Promise<void>;
  /** Metrics so far, as JSON lines. */
  readMetrics: () => Promise<string>;
  writeMetrics: (text: string) => Promise<void>;
  appendMetrics: (line: string) => Promise<void>;
}

/** A store that forgets with the page. */
export function memoryStore(): CheckpointStore {
  let kept: Checkpoint | undefined;
  let metrics = '';
  return {
    load: () => Promise.resolve(kept),
    save: (description, elements) => {
      kept = { description, stored: { tensors: description.tensors, bytes: elements } };
      return Promise.resolve();
    },
    readMetrics: () => Promise.resolve(metrics),
    writeMetrics: (text) => {
      metrics = text;
      return Promise.resolve();
    },
    appendMetrics: (line) => {
      metrics += line;
      return Promise.resolve();
    },
  };
}
