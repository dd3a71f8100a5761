/**
 * Rounding a row of weights when what matters is not the distance of each weight but the error of the whole,
 *
 *     error(q) = (q - w) H (q - w)^T,      H = L L^T
 *              = sum over i of e_i^2,      e_i = z_i - (q L)_i,      z = w L
 *
 * Since L is lower triangular, e_i depends on q_i, q_i+1, ... only. So the weights are rounded from the last to the first, each to the
 * grid point nearest to what makes its own e_i zero given those already rounded:
 *
 *     q_i = round to the grid of  (z_i - sum over k > i of q_k L_ki) / L_ii
 *
 * This is Babai's nearest plane algorithm. It rounds as GPTQ does in the opposite order of columns, and needs neither the inverse of H nor
 * its second factorization. It takes z and not w: where z solves a least-squares problem, w need never be computed.
 */
import { roundHalfEven, saturate } from '../../ir/index.ts';
import { blockSize } from './cholesky.ts';
import { blockOf, matrix, type Matrix, transposedBlockOf } from './matrix.ts';
import type { Products } from './products.ts';

export interface PlaneRounding {
  /** The chosen integers, [rows, columns]. */
  readonly integers: Int8Array;
  /** e of each row, [rows, columns]. */
  readonly errors: Matrix;
}

/**
 * Rounds each row of `z` to integers in [-limit, limit] times `scales[row]`. With `given`, those integers are only judged: their errors
 * are what is computed.
 */
export async function roundToPlanes(
  l: Matrix,
  z: Matrix,
  scales: Float32Array,
  limit: number,
  { timesTransposed }: Products,
  given?: Int8Array,
): Promise<PlaneRounding> {
  const { rows, columns } = z;
  const integers = given ?? new Int8Array(rows * columns);
  const reals = matrix(rows, columns);
  const errors = matrix(rows, columns);
  for (let right = columns; right > 0; right -= Math.min(right, blockSize)) {
    const left = Math.max(0, right - blockSize);
    const width = right - left;
    const behind =
      right === columns
        ? undefined
        : await timesTransposed(
            blockOf(reals, 0, rows, right, columns),
            transposedBlockOf(l, right, columns, left, right),
          );
    // Rows are contiguous once the corner is transposed: row i holds L_ki over k.
    const corner = transposedBlockOf(l, left, right, left, right);
    for (let row = 0; row < rows; row++) {
      const scale = scales[row]!;
      const at = row * columns;
      for (let i = right - 1; i >= left; i--) {
        let rest = z.data[at + i]! - (behind?.data[row * width + (i - left)] ?? 0);
        for (let k = i + 1; k < right; k++) {
          rest -= reals.data[at + k]! * corner.data[(i - left) * width + (k - left)]!;
        }
        const pivot = corner.data[(i - left) * width + (i - left)]!;
        if (given === undefined) {
          integers[at + i] = saturate(roundHalfEven(rest / pivot / scale), -limit, limit);
        }
        const real = integers[at + i]! * scale;
        reals.data[at + i] = real;
        errors.data[at + i] = rest - real * pivot;
      }
    }
  }
  return { integers, errors };
}

/** Sum of squares of each row. */
export function squaredNorms({ rows, columns, data }: Matrix): Float64Array {
  const sums = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    for (let i = row * columns; i < (row + 1) * columns; i++) sums[row]! += data[i]! ** 2;
  }
  return sums;
}
