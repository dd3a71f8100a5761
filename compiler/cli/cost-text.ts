/** The paper's cost models in one line, against bfloat16. */
import type { Cost } from '../cost.ts';

export function costText(cost: Cost): string {
  const share = (ratio: number): string => `${(100 * ratio).toFixed(1)} %`;
  const quadratic = share(cost.compute_cost_ratio_to_bfloat16);
  const linear = share(cost.compute_cost_linear_ratio_to_bfloat16);
  return `compute ${quadratic} of bfloat16 (linear: ${linear}), memory ${share(cost.memory_cost_ratio_to_bfloat16)}`;
}
