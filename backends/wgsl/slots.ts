/**
 * Which buffer every stored value lies in. WebGPU forbids a dispatch to bind one buffer both for reading and for writing, whatever the ranges,
 * so an arena in one buffer would make every binding writable and every read look as if it could change. Instead there are a few
 * buffers, *slots*, that values share when their lives do not meet: a step's results are then always in other buffers than its operands.
 *
 * Greedy, largest value first, each into the smallest slot that is free all its life: a slot is as large as its first value.
 */
import { fail, formatName } from '../../ir/index.ts';
import type { Region } from '../plan/index.ts';
import { limits } from './limits.ts';

export interface SlotPlan {
  /** Slot of every value. */
  readonly slotOf: ReadonlyMap<string, number>;
  /** Bytes of every slot. */
  readonly sizes: readonly number[];
}

/** Vectors are loaded whole, so a buffer is a whole number of them. */
const vectorBytes = 16;

export function planSlots(regions: readonly Region[]): SlotPlan {
  const slots: { bytes: number; values: Region[] }[] = [];
  const slotOf = new Map<string, number>();
  const ordered = [...regions].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
  for (const region of ordered) {
    const bytes = Math.ceil(region.bytes / vectorBytes) * vectorBytes;
    if (bytes > limits.bindingBytes) {
      fail(
        'wgsl/too-large',
        `%${formatName(region.name)} takes ${bytes} bytes, at most ${limits.bindingBytes} can be bound`,
        { help: 'compile with a smaller batch or input' },
      );
    }
    const free = slots.filter(({ values }) =>
      values.every((other) => other.last < region.first || region.last < other.first),
    );
    // Slots are made in falling order of size: the last free one is the tightest.
    let slot = free.at(-1);
    if (slot === undefined) {
      slot = { bytes, values: [] };
      slots.push(slot);
    }
    slot.values.push(region);
    slotOf.set(region.name, slots.indexOf(slot));
  }
  return { slotOf, sizes: slots.map(({ bytes }) => bytes) };
}
