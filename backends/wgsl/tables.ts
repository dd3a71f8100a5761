/**
 * The constants of one step other than weights: biases, multipliers, shifts, lookup tables. They lie in one run of i32 words, so that a
 * step binds one range whatever it computes, and layers of one shape share one kernel whatever their numbers are.
 *
 * A per-channel table is padded to whole runs of channels; a single number is repeated four times. Both are then read a quad at a time.
 */
import { component, type Expression, type KernelArray, add, load, mul } from '../kernel/index.ts';
import type { Block } from '../kernel/index.ts';
import type { Granule } from './stored.ts';
import { channelGranule } from './tile.ts';

/** A table that is read by channel: `quad` is where it begins, in quads. */
export interface ChannelTable {
  readonly quad: number;
  readonly perChannel: boolean;
}

export class StepTables {
  readonly #words: number[] = [];
  readonly #paddedChannels: number;

  /** `channels` is rounded up to whole runs of channels, however wide they are. */
  constructor(channels: number) {
    this.#paddedChannels = Math.ceil(channels / channelGranule) * channelGranule;
  }

  /** Adds one number, or one for each channel. */
  byChannel(values: readonly number[], padding: number): ChannelTable {
    const quad = this.#words.length / 4;
    const perChannel = values.length > 1;
    const length = perChannel ? this.#paddedChannels : 4;
    for (let c = 0; c < length; c++) {
      this.#words.push(perChannel ? (c < values.length ? values[c]! : padding) : values[0]!);
    }
    return { quad, perChannel };
  }

  /** Adds up to four numbers that are read together; returns the index of their quad. */
  record(values: readonly number[]): number {
    return this.list(values) / 4;
  }

  /** Adds a list to be indexed at run time; returns the index of its first word. */
  list(values: ArrayLike<number>): number {
    const first = this.#words.length;
    for (let i = 0; i < values.length; i++) this.#words.push(values[i]!);
    while (this.#words.length % 4 !== 0) this.#words.push(0);
    return first;
  }

  get bytes(): Uint8Array {
    return new Uint8Array(Int32Array.from(this.#words).buffer);
  }
}

/** Reads channel tables in a kernel, each quad once however often it is asked for. */
export class TableReader {
  readonly #block: Block;
  readonly #array: KernelArray;
  readonly #loaded = new Map<string, Expression>();

  constructor(block: Block, array: KernelArray) {
    this.#block = block;
    this.#array = array;
  }

  /** A reader for the body of a loop: what it loads is seen there alone. */
  inside(): TableReader {
    return new TableReader(this.#block, this.#array);
  }

  /** The quad of a table that meets quad `j` of a granule. All granules of one kernel have one `run`. */
  quad(name: string, table: ChannelTable, { run, quads }: Granule, j: number): Expression {
    const place = table.perChannel ? j : 0;
    const key = `${table.quad} ${place}`;
    let loaded = this.#loaded.get(key);
    if (loaded === undefined) {
      const index = table.perChannel ? add(mul(run, quads), table.quad + place) : table.quad;
      loaded = this.#block.let(name, load(this.#array, index));
      this.#loaded.set(key, loaded);
    }
    return loaded;
  }

  /** A record, as a quad. */
  quadAt(name: string, quad: number): Expression {
    return this.#block.let(name, load(this.#array, quad));
  }

  /** The numbers of a record. */
  record(name: string, quad: number): readonly Expression[] {
    const loaded = this.quadAt(name, quad);
    return [0, 1, 2, 3].map((lane) => laneOf(loaded, lane));
  }

  /** One number of a list, by an index that is known only at run time. `list` is where the list begins. */
  entry(lists: KernelArray, list: number, index: Expression): Expression {
    return load(lists, add(index, list));
  }
}

/** A function of each lane of a quad. */
export const laneOf = (quad: Expression, lane: number): Expression => component(quad, lane as 0 | 1 | 2 | 3);
