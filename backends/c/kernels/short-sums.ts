/**
 * How long sums of 16 bits are safe. A lane of such a sum adds products of every second pair of inputs: those numbered 0 and 1 of four, or 2 and
 * 3. Inputs are 0..highest, so between two folds it lies between
 *
 *     highest * (the sum of its negative weights)    and    highest * (the sum of its positive ones)
 *
 * whatever the inputs and whichever of them are left out. On the way it may wrap: only what is folded must be right. Weights are known when
 * compiling, so this is a proof for the layer, and its sums run much longer than the worst weights would allow: of u4 and i4 some 136 steps,
 * of u8 and i4 eight.
 */
import type { Tensor } from '../../../ir/index.ts';
import type { Layer } from '../layer.ts';
import type { Runs } from './panels.ts';

/** When sums are folded: once at the end, or whenever a run has gone on for so many inputs. */
export type Folding = 'end' | number;

const lowest = -(2 ** 15);
const largest = 2 ** 15 - 1;

const known = new WeakMap<Tensor, Map<string, Folding | undefined>>();

/** The rarest folding that is safe; undefined where not even one step is. */
export function foldingOf(layer: Layer, runs: Runs): Folding | undefined {
  const { weight, form } = layer;
  const key = [runs.count, runs.length, form.highest].join(' ');
  const own = known.get(weight) ?? new Map<string, Folding | undefined>();
  known.set(weight, own);
  if (!own.has(key)) own.set(key, foundFolding(layer, runs));
  return own.get(key);
}

function foundFolding(layer: Layer, runs: Runs): Folding | undefined {
  if (safe(layer, runs, 'end')) return 'end';
  for (let parts = 1; ; parts++) {
    const inputs = Math.ceil(runs.length / parts / 4) * 4;
    if (safe(layer, runs, inputs)) return inputs;
    if (inputs === 4) return undefined;
  }
}

function safe({ weight, outputs, form, taps }: Layer, runs: Runs, folding: Folding): boolean {
  const inputs = weight.type.shape[1]!;
  const filter = inputs * taps;
  // The negative and the positive weights of both lanes of an output.
  const sums = new Float64Array(4);
  const fits = (): boolean => {
    const inside = sums.every((sum, i) =>
      i < 2 ? form.highest * sum >= lowest : form.highest * sum <= largest,
    );
    sums.fill(0);
    return inside;
  };
  for (let output = 0; output < outputs; output++) {
    for (let run = 0; run < runs.count; run++) {
      const firstTap = (run * taps) / runs.count;
      for (let k = 0; k < runs.useful; k++) {
        const w = weight.data[output * filter + (k % inputs) * taps + firstTap + Math.floor(k / inputs)]!;
        sums[((k >> 1) & 1) + (w < 0 ? 0 : 2)]! += w;
        if (folding !== 'end' && (k + 1) % folding === 0 && !fits()) return false;
      }
      if (folding !== 'end' && !fits()) return false;
    }
    if (folding === 'end' && !fits()) return false;
  }
  return true;
}
