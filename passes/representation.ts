/**
 * Representations: what `lower-to-integer` knows of a real value while it walks a program. Most are integers,
 *
 *     real = (integer - zeroPoint) * step[c]          clamped to [low, high]
 *
 * and the others wait for the quantize that will say which integers they become.
 */
import { type Element, type Node, type QuantizedElement, quantizeValue, storageRange } from '../ir/index.ts';

export interface Clamp {
  readonly low: number;
  readonly high: number;
}

export const unclamped: Clamp = { low: -Infinity, high: Infinity };

/** An integer tensor that stands for real numbers: stored (per tensor) or an accumulator (per channel). */
export interface Integers {
  readonly kind: 'integers';
  readonly name: string;
  /** One step, or one per channel (axis 1). */
  readonly steps: readonly number[];
  readonly zeroPoint: number;
  /** At most 8 bits, quantized per tensor: what layers and tables read. */
  readonly element: Element;
  readonly clamp: Clamp;
}

/** Curves of one variable waiting for the quantize that turns them into a table over `base`. */
export interface Curve {
  readonly kind: 'curve';
  readonly base: Integers;
  readonly nodes: readonly Node[];
}

/** A mean waiting for the quantize that gives it its scale. */
export interface Mean {
  readonly kind: 'mean';
  readonly base: Integers;
  readonly node: Node;
  readonly clamp: Clamp;
}

/** Real numbers at the edge: a graph input, or behind the last dequantize. `moves` wait for the integers: moving is the same on both. */
export interface Real {
  readonly kind: 'real';
  readonly name: string;
  readonly moves: readonly Node[];
}

export type Representation = Integers | Curve | Mean | Real;

/** Real numbers with nothing waiting. */
export function real(name: string): Real {
  return { kind: 'real', name, moves: [] };
}

/** A tensor stored in integers, quantized per tensor. */
export function stored(name: string, element: QuantizedElement): Integers {
  const steps = [element.scale as number];
  return { kind: 'integers', name, steps, zeroPoint: element.zeroPoint, element, clamp: unclamped };
}

/** Real size of one step of a channel. */
export function stepAt({ steps }: Integers, channel: number): number {
  return steps[steps.length === 1 ? 0 : channel]!;
}

/** True for an accumulator already counted in exactly these steps. */
export function isInSteps(side: Integers, steps: readonly number[]): boolean {
  return (
    side.element.storage === 'i32' &&
    side.steps.length === steps.length &&
    side.steps.every((step, c) => step === steps[c])
  );
}

/** The clamp that applies `[low, high]` after `clamp`. */
export function narrowed(clamp: Clamp, low: number, high: number): Clamp {
  return { low: Math.min(Math.max(clamp.low, low), high), high: Math.max(Math.min(clamp.high, high), low) };
}

/** A real clamp as the integer saturation of an element; absent where the storage range already does it. */
export function saturation({ low, high }: Clamp, element: QuantizedElement): { min?: number; max?: number } {
  const { storage, zeroPoint } = element;
  const [smallest, largest] = storageRange(storage);
  const at = (real: number): number => quantizeValue(real, element.scale as number, zeroPoint, storage);
  const min = low === -Infinity ? smallest : at(low);
  const max = high === Infinity ? largest : at(high);
  return { ...(min > smallest ? { min } : {}), ...(max < largest ? { max } : {}) };
}
