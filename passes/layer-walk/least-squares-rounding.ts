/**
 * The integers of one layer that make its output, on the activations it really reads, nearest to what the float layer makes:
 *
 *     minimise over q on the grid   sum |y - q x - b|^2  +  damping |q - w|^2
 *
 * for the inputs x and targets y of `moments`. With H = sum x x^T + damping and c = sum y x^T + damping w, the real solution is c H^-1: it
 * makes up for what quantizing the activations did. Rounding to nearest planes takes z = c L^-T, so that solution is never written
 * down. Damping keeps weights that no sample speaks for where they were.
 *
 * Law: no channel's error is larger than that of the integers it comes with; where rounding would make it so, those are kept.
 */
import { narrowLimit } from '../../ir/index.ts';
import { factorize, solveLower } from '../linear-algebra/cholesky.ts';
import { matrix } from '../linear-algebra/matrix.ts';
import { roundToPlanes, squaredNorms } from '../linear-algebra/nearest-plane.ts';
import type { Products } from '../linear-algebra/products.ts';
import type { GroupMoments } from './moments.ts';

export interface GroupProblem {
  readonly moments: GroupMoments;
  /** Float weights of the group, [outputs, inputs]. */
  readonly original: Float32Array;
  /** The integers that it has now. */
  readonly integers: Int8Array;
  readonly scales: Float32Array;
  readonly bits: number;
  /** Share of the mean of the diagonal of `moments.inputs` that is added to it. */
  readonly damping: number;
}

export interface GroupSolution {
  readonly integers: Int8Array;
  /** Of each output: the error above, less what no weights can remove, before and after. */
  readonly before: Float64Array;
  readonly after: Float64Array;
}

/** Solves one group; `moments.inputs` is overwritten. Undefined where the inputs never vary, so that nothing can be learnt. */
export async function roundByLeastSquares(
  { moments, original, integers, scales, bits, damping }: GroupProblem,
  products: Products,
): Promise<GroupSolution | undefined> {
  const { inputs: h, targets: c } = moments;
  const n = h.rows;
  let trace = 0;
  for (let i = 0; i < n; i++) trace += h.data[i * n + i]!;
  if (!(trace > 0)) return undefined;
  const lambda = (damping * trace) / n;
  for (let i = 0; i < n; i++) h.data[i * n + i]! += lambda;
  await factorize(h, products);
  const wanted = matrix(c.rows, n);
  for (let i = 0; i < wanted.data.length; i++) wanted.data[i] = c.data[i]! + lambda * original[i]!;
  const z = await solveLower(h, wanted, products);
  const limit = narrowLimit(bits);
  const kept = await roundToPlanes(h, z, scales, limit, products, integers);
  const rounded = await roundToPlanes(h, z, scales, limit, products);
  const before = squaredNorms(kept.errors);
  const after = squaredNorms(rounded.errors);
  for (let row = 0; row < c.rows; row++) {
    const worse = !(after[row]! < before[row]!);
    if (worse) after[row] = before[row]!;
    if (worse) rounded.integers.set(integers.subarray(row * n, (row + 1) * n), row * n);
  }
  return { integers: rounded.integers, before, after };
}
