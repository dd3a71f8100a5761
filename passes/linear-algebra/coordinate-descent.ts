/**
 * Local search for the integers q and the step s of a row, from those at hand, where what matters is the error of the whole,
 *
 *     error(s, q) = (s q - w) H (s q - w)^T = s^2 q H q^T - 2 s q c^T + constant,      c = w H
 *
 * With the gradient g = s q H - c, moving q_j by d changes it by  s^2 d^2 H_jj + 2 s d g_j,  which is least at the grid point nearest to
 * q_j - g_j / (s H_jj). Each such move costs one row of H; sweeps go over the row until none lowers the error. Between sweeps the step
 * becomes the one that is best for the integers,  s = q c^T / (q H q^T). Neither can raise the error.
 *
 * Nearest planes look at each weight once, when those after it are not yet free to answer; this is what lets them.
 */
import { roundHalfEven, saturate } from '../../ir/index.ts';
import { matrix, type Matrix } from './matrix.ts';
import type { Products } from './products.ts';

/** Sweeps are few: nearly all moves are made in the first two. */
const mostSweeps = 8;

/** Share of H_jj s^2 that a move has to gain: rounding in float32 must not keep it going. */
const leastGain = 2 ** -16;

export interface Rows {
  /** Improved in place, [rows, columns]. */
  readonly integers: Int8Array;
  /** Improved in place, one a row. */
  readonly scales: Float32Array;
  readonly leastScales: Float32Array;
  /** Integers stay in [-limit, limit]. */
  readonly limit: number;
}

/** Improves rows. `h` is symmetric and both its triangles are read; `c` is [rows, columns]. */
export async function descend(
  h: Matrix,
  c: Matrix,
  { integers, scales, leastScales, limit }: Rows,
  { timesTransposed }: Products,
): Promise<void> {
  const { rows, columns } = c;
  // q H of every row at once; from here on a row follows its own moves.
  const images = await timesTransposed(matrix(rows, columns, Float32Array.from(integers)), h);
  const gradient = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    const q = integers.subarray(from, from + columns);
    const wanted = c.data.subarray(from, from + columns);
    let scale = scales[row]!;
    for (let i = 0; i < columns; i++) gradient[i] = scale * images.data[from + i]! - wanted[i]!;
    for (let sweep = 0; sweep < mostSweeps; sweep++) {
      const moves = sweepOver(h, q, gradient, scale, limit);
      const better = Math.max(leastScales[row]!, bestScale(q, wanted, gradient, scale));
      const ratio = better / scale;
      if (moves === 0 && Math.abs(ratio - 1) < leastGain) break;
      for (let i = 0; i < columns; i++) gradient[i] = (gradient[i]! + wanted[i]!) * ratio - wanted[i]!;
      scale = better;
    }
    scales[row] = scale;
  }
}

/** One sweep; the number of weights it moved. */
function sweepOver(h: Matrix, q: Int8Array, gradient: Float64Array, scale: number, limit: number): number {
  const { columns } = h;
  let moves = 0;
  for (let j = 0; j < columns; j++) {
    const curvature = h.data[j * columns + j]! * scale;
    if (!(curvature > 0)) continue;
    const goal = saturate(roundHalfEven(q[j]! - gradient[j]! / curvature), -limit, limit);
    const distance = goal - q[j]!;
    if (distance === 0) continue;
    if (distance * (distance * curvature + 2 * gradient[j]!) > -leastGain * curvature) continue;
    q[j] = goal;
    moves += 1;
    const change = scale * distance;
    const at = j * columns;
    for (let i = 0; i < columns; i++) gradient[i]! += change * h.data[at + i]!;
  }
  return moves;
}

/** The step that suits the integers best; the one at hand where they say nothing of it. */
function bestScale(q: Int8Array, wanted: Float32Array, gradient: Float64Array, scale: number): number {
  let [along, curvature] = [0, 0];
  for (let i = 0; i < q.length; i++) {
    along += q[i]! * wanted[i]!;
    curvature += q[i]! * (gradient[i]! + wanted[i]!);
  }
  const best = Math.fround((along * scale) / curvature);
  return best > 0 && Number.isFinite(best) ? best : scale;
}
