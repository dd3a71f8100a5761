/**
 * The cost models of "Pareto-Optimal Quantized ResNet Is Mostly 4-bit" (arXiv 2105.03536), under the names its library AQT gives them.
 * Per image; only the multiplications and weights of convolutions and dense layers count:
 *
 *     compute_cost         = sum  macs * bits(activation) * bits(weight)                     quadratic: ACE, or bit operations
 *     compute_cost_linear  = sum  macs * P(max(bits(activation), bits(weight)))              P rounds up to 4, 8 or 16
 *     memory_cost          = sum  weights * bits(weight)                                     in bits
 *
 * A layer that is not quantized counts as 16 bits, bfloat16, which every ratio is taken against. Unlike AQT, the multiplications of a grouped
 * convolution are divided by its groups. All sums are integers below 2^53 for any network that fits memory, so they are exact.
 */
import { unquantizedBits } from './layer-bits.ts';

/** What the models need to know about a layer. */
export interface CostedLayer {
  readonly macs: number;
  readonly weights: number;
  readonly weightBits: number;
  readonly activationBits: number;
}

/** Field names are those of the JSON that `qc cost` prints. */
export interface Cost {
  readonly macs: number;
  readonly weights: number;
  readonly compute_cost: number;
  readonly compute_cost_linear: number;
  readonly memory_cost: number;
  readonly compute_cost_ratio_to_bfloat16: number;
  readonly compute_cost_linear_ratio_to_bfloat16: number;
  readonly memory_cost_ratio_to_bfloat16: number;
}

/** Widths that a multiplier unit has. */
const unitWidths = [4, 8, 16] as const;

/** The narrowest multiplier that takes operands of `bits`. */
export function unitWidth(bits: number): number {
  return unitWidths.find((width) => bits <= width) ?? bits;
}

export function costOf(layers: readonly CostedLayer[]): Cost {
  const sum = (term: (layer: CostedLayer) => number): number =>
    layers.reduce((total, layer) => total + term(layer), 0);
  const macs = sum((layer) => layer.macs);
  const weights = sum((layer) => layer.weights);
  const quadratic = sum((layer) => layer.macs * layer.activationBits * layer.weightBits);
  const linear = sum((layer) => layer.macs * unitWidth(Math.max(layer.activationBits, layer.weightBits)));
  const memory = sum((layer) => layer.weights * layer.weightBits);
  const ratio = (cost: number, baseline: number): number => (baseline === 0 ? 1 : cost / baseline);
  return {
    macs,
    weights,
    compute_cost: quadratic,
    compute_cost_linear: linear,
    memory_cost: memory,
    compute_cost_ratio_to_bfloat16: ratio(quadratic, macs * unquantizedBits ** 2),
    compute_cost_linear_ratio_to_bfloat16: ratio(linear, macs * unquantizedBits),
    memory_cost_ratio_to_bfloat16: ratio(memory, weights * unquantizedBits),
  };
}
