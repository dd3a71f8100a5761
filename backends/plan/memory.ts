/**
 * Where stored values lie in the arena. Two regions may share bytes only when no step needs both, so what a step reads
 * never overlaps what it writes: kernels may be told so (`restrict`), and need not care about order.
 *
 * Placing is a bin packing in time; the optimum is hard, the usual greedy is good: largest first, each into the tightest gap between
 * the regions alive with it. Three orders are tried and the smallest arena kept. No plan can be smaller than the bytes alive at the
 * widest step, and that bound is returned beside the plan, so that the distance is a number.
 */
import type { Schedule } from './step.ts';

/** A run of bytes needed from step `first` through step `last`. */
export interface Region {
  readonly name: string;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface MemoryPlan {
  /** Offset in bytes of every region. */
  readonly offsets: ReadonlyMap<string, number>;
  readonly bytes: number;
  /** Largest sum, over the steps, of the bytes alive. */
  readonly lowerBound: number;
}

export interface LifetimeQuery {
  readonly schedule: Schedule;
  /** Values that must be alive before the first step. */
  readonly inputs: readonly string[];
  /** Values that must be alive after the last step. */
  readonly outputs: readonly string[];
  /** Bytes a stored value takes in the arena; 0 when it lies elsewhere. */
  readonly bytesOf: (name: string) => number;
}

/** The regions of a schedule's stored values. An alias prolongs the life of the value whose bytes it shares. */
export function lifetimes({ schedule, inputs, outputs, bytesOf }: LifetimeQuery): Region[] {
  const first = new Map<string, number>();
  const last = new Map<string, number>();
  const root = (name: string): string => schedule.aliases.get(name) ?? name;
  const touch = (name: string, step: number): void => {
    const owner = root(name);
    first.set(owner, Math.min(first.get(owner) ?? step, step));
    last.set(owner, Math.max(last.get(owner) ?? step, step));
  };
  for (const name of inputs) touch(name, 0);
  for (const [i, step] of schedule.steps.entries()) {
    for (const name of step.inputs) touch(name, i);
    for (const name of step.outputs) touch(name, i);
  }
  for (const name of outputs) touch(name, Math.max(0, schedule.steps.length - 1));
  return [...first]
    .map(([name, start]) => ({ name, bytes: bytesOf(name), first: start, last: last.get(name)! }))
    .filter((region) => region.bytes > 0);
}

const alive = (a: Region, b: Region): boolean => a.first <= b.last && b.first <= a.last;

/** Places every region at a multiple of `alignment` bytes. */
export function planMemory(regions: readonly Region[], alignment: number): MemoryPlan {
  const bound = lowerBound(regions, alignment);
  const bySize = (a: Region, b: Region): number => b.bytes - a.bytes;
  const byDuration = (a: Region, b: Region): number => b.last - b.first - (a.last - a.first);
  const orders: ((a: Region, b: Region) => number)[] = [
    bySize,
    (a, b) => byDuration(a, b) || bySize(a, b),
    (a, b) => a.first - b.first || bySize(a, b),
  ];
  let best: MemoryPlan | undefined;
  for (const order of orders) {
    const plan = place([...regions].sort(order), alignment, bound);
    if (best === undefined || plan.bytes < best.bytes) best = plan;
  }
  return best!;
}

function place(ordered: readonly Region[], alignment: number, bound: number): MemoryPlan {
  const offsets = new Map<string, number>();
  const placed: Region[] = [];
  let bytes = 0;
  for (const region of ordered) {
    const size = aligned(region.bytes, alignment);
    const neighbours = placed
      .filter((other) => alive(region, other))
      .map((other) => {
        const start = offsets.get(other.name)!;
        return { start, end: start + aligned(other.bytes, alignment) };
      })
      .sort((a, b) => a.start - b.start);
    let end = 0;
    let offset = -1;
    let tightest = Infinity;
    for (const neighbour of neighbours) {
      const gap = neighbour.start - end;
      if (gap >= size && gap < tightest) {
        tightest = gap;
        offset = end;
      }
      end = Math.max(end, neighbour.end);
    }
    if (offset < 0) offset = end;
    offsets.set(region.name, offset);
    placed.push(region);
    bytes = Math.max(bytes, offset + size);
  }
  return { offsets, bytes, lowerBound: bound };
}

function lowerBound(regions: readonly Region[], alignment: number): number {
  let widest = 0;
  for (const { first } of regions) {
    let sum = 0;
    for (const region of regions) {
      if (region.first <= first && first <= region.last) sum += aligned(region.bytes, alignment);
    }
    widest = Math.max(widest, sum);
  }
  return widest;
}

const aligned = (bytes: number, alignment: number): number => Math.ceil(bytes / alignment) * alignment;
