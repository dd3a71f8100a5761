/**
 * Everything of a model that numbers can hold: named tensors with a role. It is what the compiler writes beside the project, what training
 * changes, and what a checkpoint keeps.
 *
 * Two files: a description in JSON, and the elements as little-endian float32, one tensor after the other.
 */
import * as tf from '@tensorflow/tfjs-core';

/**
 * `weight`, `bias`, `gain`, `shift` are trained by descent; `step` of a quantizer is trained or observed; `statistic` is a running mean or
 * variance; `constant` never changes.
 */
export const roles = [
  'weight',
  'bias',
  'gain',
  'shift',
  'step',
  'statistic',
  'constant',
  'velocity',
] as const;
export type Role = (typeof roles)[number];

export interface TensorEntry {
  readonly name: string;
  readonly role: Role;
  /** In the layout of training: images [N, H, W, C], filters [U, V, C, K], dense weights [inputs, outputs]. */
  readonly shape: readonly number[];
}

export interface StoredTensors {
  readonly tensors: readonly TensorEntry[];
  readonly bytes: Uint8Array;
}

/** Elements of all tensors in turn. Throws a RangeError where the bytes are not exactly as many as the entries say. */
export function readTensors({ tensors, bytes }: StoredTensors, what: string): Map<string, Float32Array> {
  const sizes = tensors.map(({ shape }) => shape.reduce((product, extent) => product * extent, 1));
  const total = 4 * sizes.reduce((sum, size) => sum + size, 0);
  if (bytes.length !== total) {
    throw new RangeError(`${what} holds ${bytes.length} bytes; its description tells of ${total}`);
  }
  const elements = new Float32Array(bytes.slice().buffer);
  let offset = 0;
  return new Map(
    tensors.map(({ name }, i) => {
      const data = elements.slice(offset, offset + sizes[i]!);
      offset += sizes[i]!;
      return [name, data];
    }),
  );
}

/** One file of the elements, in the order of `values`. */
export function writeTensors(values: readonly Float32Array[]): Uint8Array {
  const elements = new Float32Array(values.reduce((sum, value) => sum + value.length, 0));
  let offset = 0;
  for (const value of values) {
    elements.set(value, offset);
    offset += value.length;
  }
  return new Uint8Array(elements.buffer);
}

export class ModelState {
  readonly entries = new Map<string, TensorEntry>();
  readonly #variables = new Map<string, tf.Variable>();

  /** Takes the tensors as variables of the current backend. */
  static from(stored: StoredTensors, what = 'the weights'): ModelState {
    const state = new ModelState();
    const values = readTensors(stored, what);
    for (const entry of stored.tensors) state.add(entry, values.get(entry.name)!);
    return state;
  }

  add(entry: TensorEntry, values: Float32Array): void {
    if (this.entries.has(entry.name)) throw new Error(`tensor ${entry.name} is there twice`);
    this.entries.set(entry.name, entry);
    const trainable = entry.role !== 'statistic' && entry.role !== 'constant';
    this.#variables.set(
      entry.name,
      tf.tidy(() => tf.variable(tf.tensor(values, [...entry.shape]), trainable)),
    );
  }

  get(name: string): tf.Variable {
    const variable = this.#variables.get(name);
    if (variable === undefined) throw new Error(`the model has no tensor ${JSON.stringify(name)}`);
    return variable;
  }

  /** Variables of the given roles, by name. */
  of(...wanted: readonly Role[]): Map<string, tf.Variable> {
    return new Map(
      [...this.entries.values()]
        .filter(({ role }) => wanted.includes(role))
        .map(({ name }) => [name, this.#variables.get(name)!]),
    );
  }

  /** Sets a tensor's elements. */
  set(name: string, values: Float32Array): void {
    const variable = this.get(name);
    tf.tidy(() => {
      variable.assign(tf.tensor(values, variable.shape));
    });
  }

  /** Elements of all tensors, as they are now. */
  async read(): Promise<Map<string, Float32Array>> {
    const names = [...this.entries.keys()];
    const elements = await Promise.all(
      names.map(async (name) => Float32Array.from(await this.get(name).data())),
    );
    return new Map(names.map((name, i) => [name, elements[i]!]));
  }

  /** A copy of its own. */
  async clone(): Promise<ModelState> {
    const copy = new ModelState();
    const elements = await this.read();
    for (const entry of this.entries.values()) copy.add(entry, elements.get(entry.name)!);
    return copy;
  }

  dispose(): void {
    for (const variable of this.#variables.values()) variable.dispose();
    this.#variables.clear();
    this.entries.clear();
  }
}
