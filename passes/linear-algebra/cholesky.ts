/**
 * Cholesky's factorization  H = L L^T  of a symmetric positive definite matrix, and the forward substitution that goes with it. Blocked
 * and left-looking: nearly all work is products of large blocks, which an executor does quickly; what remains on the diagonal is computed
 * here in double precision.
 */
import { blockOf, matrix, type Matrix, rowsOf } from './matrix.ts';
import type { Products } from './products.ts';

/** Columns of one step. */
export const blockSize = 192;

/**
 * Overwrites the lower triangle of `h` by L; what is above the diagonal becomes meaningless. Throws a RangeError when a pivot is not
 * positive.
 */
export async function factorize(h: Matrix, { timesTransposed }: Products): Promise<void> {
  const n = h.rows;
  for (let left = 0; left < n; left += blockSize) {
    const right = Math.min(n, left + blockSize);
    const panel = blockOf(h, left, n, left, right);
    if (left > 0) {
      const done = blockOf(h, left, n, 0, left);
      const update = await timesTransposed(done, rowsOf(done, 0, right - left));
      for (let i = 0; i < panel.data.length; i++) panel.data[i]! -= update.data[i]!;
    }
    const width = right - left;
    const corner = factorOfBlock(rowsOf(panel, 0, width));
    writeBlock(h, left, left, corner);
    if (right < n) {
      const below = await timesTransposed(rowsOf(panel, width, n - left), inverseOfLower(corner));
      writeBlock(h, right, left, below);
    }
  }
}

/** Z with  Z L^T = B, row by row: each row z solves  L z = b. [rows of b, n]. */
export async function solveLower(l: Matrix, b: Matrix, { timesTransposed }: Products): Promise<Matrix> {
  const n = l.rows;
  const z = matrix(b.rows, n, b.data.slice());
  for (let left = 0; left < n; left += blockSize) {
    const right = Math.min(n, left + blockSize);
    const known =
      left === 0
        ? undefined
        : await timesTransposed(blockOf(z, 0, z.rows, 0, left), blockOf(l, left, right, 0, left));
    for (let row = 0; row < z.rows; row++) {
      const at = row * n;
      for (let i = left; i < right; i++) {
        let sum = z.data[at + i]! - (known?.data[row * (right - left) + (i - left)] ?? 0);
        for (let j = left; j < i; j++) sum -= l.data[i * n + j]! * z.data[at + j]!;
        z.data[at + i] = sum / l.data[i * n + i]!;
      }
    }
  }
  return z;
}

function factorOfBlock(block: Matrix): Matrix {
  const n = block.rows;
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = block.data[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      if (i !== j) l[i * n + j] = sum / l[j * n + j]!;
      else if (sum > 0) l[i * n + i] = Math.sqrt(sum);
      else throw new RangeError(`pivot ${sum}: the matrix is not positive definite`);
    }
  }
  return matrix(n, n, Float32Array.from(l));
}

function inverseOfLower(l: Matrix): Matrix {
  const n = l.rows;
  const inverse = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    inverse[j * n + j] = 1 / l.data[j * n + j]!;
    for (let i = j + 1; i < n; i++) {
      let sum = 0;
      for (let k = j; k < i; k++) sum -= l.data[i * n + k]! * inverse[k * n + j]!;
      inverse[i * n + j] = sum / l.data[i * n + i]!;
    }
  }
  return matrix(n, n, Float32Array.from(inverse));
}

function writeBlock(target: Matrix, top: number, left: number, block: Matrix): void {
  for (let i = 0; i < block.rows; i++) {
    target.data.set(rowsOf(block, i, i + 1).data, (top + i) * target.columns + left);
  }
}
