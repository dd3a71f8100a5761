/**
 * The integers, and the step of each output, that make a layer's output on the activations it really reads nearest to what is wanted:
 *
 *     minimise over s and q on the grid   sum |y - s q x - b|^2  +  damping |s q - w|^2
 *
 * for the inputs x and targets y of `moments`. With H = sum x x^T + damping and c = sum y x^T + damping w, the real solution is c H^-1: it
 * makes up for what quantizing the activations did. Rounding to nearest planes takes z = c L^-T, so that solution is never written
 * down; a local search then moves integers and steps on. Damping keeps weights that no sample speaks for where they were.
 *
 * H is factorized once. Targets may change and be rounded for again, from the integers at hand.
 *
 * Law: no channel's error is larger than that of the integers it comes with; where rounding would make it so, those are kept.
 */
import { narrowLimit } from '../../ir/index.ts';
import { factorize, solveLower } from '../linear-algebra/cholesky.ts';
import { descend } from '../linear-algebra/coordinate-descent.ts';
import { matrix, type Matrix } from '../linear-algebra/matrix.ts';
import { roundToPlanes, squaredNorms } from '../linear-algebra/nearest-plane.ts';
import type { Products } from '../linear-algebra/products.ts';

/** A step is not made smaller than this share of what it was: the bias that is counted in it has to stay in int32. */
const leastShare = 0.25;

export interface GroupProblem {
  /** Lower triangle of sum x x^T; overwritten. */
  readonly inputs: Matrix;
  /** Float weights of the group, [outputs, inputs]. */
  readonly original: Float32Array;
  /** The steps that insert-quantizers chose. */
  readonly scales: Float32Array;
  readonly bits: number;
  /** Share of the mean of the diagonal of `inputs` that is added to it. */
  readonly damping: number;
}

export interface Rounded {
  readonly integers: Int8Array;
  readonly scales: Float32Array;
}

export interface GroupSolution extends Rounded {
  /** Of each output: the error above, less what no weights can remove, before and after. */
  readonly before: Float64Array;
  readonly after: Float64Array;
}

/** Rounds one group for targets, [outputs, inputs], starting from what it is `given`. */
export type GroupRounding = (targets: Matrix, given: Rounded) => Promise<GroupSolution>;

/** Prepares the rounding of one group. Undefined where the inputs never vary, so that nothing can be learnt. */
export async function leastSquaresRounding(
  { inputs: l, original, scales: firstScales, bits, damping }: GroupProblem,
  products: Products,
): Promise<GroupRounding | undefined> {
  const n = l.rows;
  let trace = 0;
  for (let i = 0; i < n; i++) trace += l.data[i * n + i]!;
  if (!(trace > 0)) return undefined;
  const lambda = (damping * trace) / n;
  for (let i = 0; i < n; i++) l.data[i * n + i]! += lambda;
  const h = bothTriangles(l);
  await factorize(l, products);
  const limit = narrowLimit(bits);
  const leastScales = firstScales.map((scale) => scale * leastShare);
  return async (targets, given) => {
    const wanted = matrix(targets.rows, n);
    for (let i = 0; i < wanted.data.length; i++) wanted.data[i] = targets.data[i]! + lambda * original[i]!;
    const z = await solveLower(l, wanted, products);
    const judge = async ({ integers, scales }: Rounded): Promise<Float64Array> =>
      squaredNorms((await roundToPlanes(l, z, scales, limit, products, integers)).errors);
    const { integers } = await roundToPlanes(l, z, given.scales, limit, products);
    const scales = given.scales.slice();
    await descend(h, wanted, { integers, scales, leastScales, limit }, products);
    const before = await judge(given);
    const after = await judge({ integers, scales });
    for (let row = 0; row < targets.rows; row++) {
      if (after[row]! < before[row]!) continue;
      after[row] = before[row]!;
      scales[row] = given.scales[row]!;
      integers.set(given.integers.subarray(row * n, (row + 1) * n), row * n);
    }
    return { integers, scales, before, after };
  };
}

function bothTriangles(lower: Matrix): Matrix {
  const n = lower.rows;
  const whole = matrix(n, n, lower.data.slice());
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) whole.data[j * n + i] = whole.data[i * n + j]!;
  return whole;
}
