/**
 * The memory a kernel sees while it is evaluated: bounds are checked at every access, narrow elements take only what fits, and arrays that
 * several invocations share are watched for races.
 *
 * A race is two invocations touching one element, at least one of them writing, with no barrier between. The evaluator runs invocations one
 * after the other, so without this watch a missing barrier could give the right answer here and a wrong one on a GPU. Barriers order workgroup
 * arrays only: storage written by one invocation must be left alone by all others for the whole dispatch. Between the threads of a team they
 * order everything.
 */
import { KernelError } from './kernel-error.ts';
import type { KernelArray, Value } from './tree.ts';
import { allocate, type Memory, typeRows } from './types.ts';

const nobody = -1;
const several = -2;

/** Who touched each element since the last barrier. */
class Watch {
  readonly #name: string;
  readonly #writer: Int32Array;
  readonly #reader: Int32Array;

  constructor(name: string, length: number) {
    this.#name = name;
    this.#writer = new Int32Array(length).fill(nobody);
    this.#reader = new Int32Array(length).fill(nobody);
  }

  clear(): void {
    this.#writer.fill(nobody);
    this.#reader.fill(nobody);
  }

  read(at: number, who: number): void {
    const writer = this.#writer[at];
    if (writer !== nobody && writer !== who) this.#race(at);
    const reader = this.#reader[at];
    if (reader !== who) this.#reader[at] = reader === nobody ? who : several;
  }

  write(at: number, who: number): void {
    const writer = this.#writer[at];
    const reader = this.#reader[at];
    if ((writer !== nobody && writer !== who) || (reader !== nobody && reader !== who)) this.#race(at);
    this.#writer[at] = who;
  }

  #race(at: number): never {
    throw new KernelError(`race on ${this.#name}[${String(at)}]: two invocations, no barrier between`);
  }
}

/** One array with its contents. `length` counts elements; a vector is four lanes of `data`. */
export class Cells {
  readonly #array: KernelArray;
  readonly #data: Memory;
  readonly #length: number;
  readonly #lanes: number;
  readonly #lowest: number;
  readonly #highest: number;
  readonly #watch: Watch | undefined;

  constructor(array: KernelArray, data: Memory, watched = false) {
    const row = typeRows[array.element];
    this.#array = array;
    this.#lanes = row.lanes;
    this.#length = array.length ?? Math.floor(data.length / row.lanes);
    this.#data = data;
    [this.#lowest, this.#highest] = row.range ?? [-Infinity, Infinity];
    this.#watch = watched ? new Watch(array.name, this.#length) : undefined;
  }

  /** Zeroed contents for an array of known length. */
  static zeroed(array: KernelArray, watched = false): Cells {
    return new Cells(array, allocate(array.element, array.length ?? 0), watched);
  }

  /** A table's contents. */
  static ofTable(table: KernelArray): Cells {
    const data = allocate(table.element, table.length ?? 0);
    table.values?.forEach((value, position) => {
      data[position] = value;
    });
    return new Cells(table, data);
  }

  /** Forgets who touched what: all invocations have passed a barrier. */
  passBarrier(): void {
    this.#watch?.clear();
  }

  load(at: number, who: number): Value {
    const value = this.#data[at];
    if (value === undefined || at >= this.#length || this.#lanes > 1) return this.#loadVector(at, who);
    this.#watch?.read(at, who);
    return value;
  }

  #loadVector(at: number, who: number): Value {
    this.#check(at);
    this.#watch?.read(at, who);
    return Array.from(this.#data.subarray(4 * at, 4 * at + 4) as Int32Array);
  }

  store(at: number, value: Value, who: number): void {
    this.#check(at);
    this.#watch?.write(at, who);
    if (value instanceof Uint8Array) throw new Error('a register is stored by its row');
    if (typeof value === 'number') {
      if (value < this.#lowest || value > this.#highest) {
        throw new KernelError(
          `${String(value)} does not fit ${this.#array.element} ${this.#array.name}[${String(at)}]`,
        );
      }
      this.#data[at] = value;
    } else if (typeof value === 'bigint') {
      this.#data[at] = value;
    } else {
      (this.#data as Int32Array).set(value, 4 * at);
    }
  }

  /** The bytes from element `at` on; not to be kept, nor written to. */
  read(at: number, bytes: number, who: number): Uint8Array {
    const elements = this.#span(at, bytes);
    for (let i = 0; this.#watch !== undefined && i < elements; i++) this.#watch.read(at + i, who);
    const { buffer, byteOffset, BYTES_PER_ELEMENT } = this.#data;
    return new Uint8Array(buffer, byteOffset + at * this.#lanes * BYTES_PER_ELEMENT, bytes);
  }

  /** Puts bytes where element `at` begins. */
  write(at: number, bytes: Uint8Array, who: number): void {
    const elements = this.#span(at, bytes.length);
    for (let i = 0; this.#watch !== undefined && i < elements; i++) this.#watch.write(at + i, who);
    const { buffer, byteOffset, BYTES_PER_ELEMENT } = this.#data;
    new Uint8Array(buffer, byteOffset + at * this.#lanes * BYTES_PER_ELEMENT, bytes.length).set(bytes);
  }

  /** Elements that `bytes` bytes from `at` on touch; all must exist. */
  #span(at: number, bytes: number): number {
    const elements = Math.ceil(bytes / (this.#lanes * this.#data.BYTES_PER_ELEMENT));
    this.#check(at);
    this.#check(at + elements - 1);
    return elements;
  }

  #check(at: number): void {
    if (at >= 0 && at < this.#length) return;
    throw new KernelError(`index ${String(at)} is outside ${this.#array.name}[${String(this.#length)}]`);
  }
}

/** Binds the caller's contents to a buffer; throws when they are of another element type or too short. */
export function bindStorage(array: KernelArray, contents: unknown, watched: boolean): Cells {
  const expected = allocate(array.element, 0);
  const given = contents as Memory;
  if (
    !ArrayBuffer.isView(contents) ||
    Object.prototype.toString.call(given) !== Object.prototype.toString.call(expected)
  ) {
    throw new KernelError(`${array.name} holds ${array.element}: expected ${expected.constructor.name}`);
  }
  const needed = (array.length ?? 0) * typeRows[array.element].lanes;
  if (given.length < needed) {
    throw new KernelError(`${array.name} needs ${String(needed)} numbers, got ${String(given.length)}`);
  }
  return new Cells(array, given, watched);
}
