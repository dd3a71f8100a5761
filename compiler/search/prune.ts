/**
 * Choices that need not be measured. A choice that costs no less than another with at least as many bits for weights and for activations
 * cannot be part of a front: fewer bits never help. With `compute_cost_linear` w4a8 costs what w8a8 costs; with `memory_cost` w4a4 costs
 * what w4a8 does.
 */
import type { Precision } from '../../passes/selector/index.ts';

/** The choices worth considering, ascending: `costs[i]` is what `choices[i]` costs. The base is always among them. */
export function worthwhile(choices: readonly Precision[], costs: readonly number[], base: number): number[] {
  return choices
    .map((_, i) => i)
    .filter(
      (i) =>
        i === base ||
        !choices.some((other, k) => {
          const bits = covers(other, choices[i]!);
          const cheaper = costs[k]! < costs[i]!;
          // Of equal choices the first stays.
          return (
            k !== i && bits && (cheaper || (costs[k] === costs[i] && (!covers(choices[i]!, other) || k < i)))
          );
        }),
    );
}

/** True where the first has at least as many bits in both. */
function covers(a: Precision, b: Precision): boolean {
  return a.weightBits >= b.weightBits && a.activationBits >= b.activationBits;
}

/** The choice that has at least as many bits as every other, else the one with the largest product: what losses are measured against. */
export function widest(choices: readonly Precision[]): number {
  let best = 0;
  for (const [i, { weightBits, activationBits }] of choices.entries()) {
    if (weightBits * activationBits > choices[best]!.weightBits * choices[best]!.activationBits) best = i;
  }
  return best;
}
