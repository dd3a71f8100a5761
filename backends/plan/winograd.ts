/**
 * Integer Winograd F(2x2, 3x3): four results of a 3x3 convolution from 16 products instead of 36, exactly, and on bytes where inputs have 4 bits.
 *
 *     Y = A^T [ (G g G^T) * (B^T d B) ] A        d: 4x4 inputs, g: 3x3 weights, Y: 2x2 sums, * element by element
 *
 *           | 1  0 -1  0 |         | 2  0  0 |
 *     B^T = | 0  1  1  0 |    2G = | 1  1  1 |    A^T = | 1  1  1  0 |
 *           | 0 -1  1  0 |         | 1 -1  1 |          | 0  1 -1 -1 |
 *           | 0  1  0 -1 |         | 0  0  2 |
 *
 * With 2G for G all numbers are integers and Y comes out four times too large: a multiple of 4, so shifting it right by 2 is exact.
 *
 * Ranges, for inputs of 0..15 and weights of -8..7:
 *
 *     a row of B^T d lies in -15..15, or 0..30 for the second; so B^T d B in -30..60, and in 2..92 with 32 added: an unsigned byte
 *     a row of 2G g is at most 3 * 8 in magnitude, of both at most 9 * 8 = 72: a signed byte
 *
 * The 32 adds to each sum a constant per output, known when compiling: `offsetSums`.
 *
 * 8-bit operands fit none of this, but words: B^T d B lies in -510..1020, 2G g (2G)^T within 9 * 128, and sums that wrap at 32 bits are right in
 * the end, for four times the result has fewer.
 *
 * Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015.
 */

/** Added to transformed inputs to make them unsigned. */
export const winogradOffset = 32;

/** Largest input, and largest magnitude of a weight, that stay inside bytes. */
export const winogradLimits = { input: 15, weight: 8 } as const;

/** What adds and subtracts: numbers, or registers of bytes or words. */
export interface Ring<T> {
  readonly add: (a: T, b: T) => T;
  readonly subtract: (a: T, b: T) => T;
}

type Matrix<T> = readonly (readonly T[])[];

const transposed = <T>(matrix: Matrix<T>): Matrix<T> =>
  matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));

/** Applies a transform of one dimension to the columns, then to the rows. */
const both = <T>(matrix: Matrix<T>, transform: (vector: readonly T[]) => readonly T[]): Matrix<T> => {
  const columns = transposed(matrix).map(transform);
  return transposed(columns).map(transform);
};

/** B^T d B of 4x4 inputs. */
export const transformInput = <T>(inputs: Matrix<T>, { add, subtract }: Ring<T>): Matrix<T> =>
  both(inputs, ([a, b, c, d]) => [subtract(a!, c!), add(b!, c!), subtract(c!, b!), subtract(b!, d!)]);

/** (2G) g (2G)^T of 3x3 weights. */
export const transformWeights = <T>(weights: Matrix<T>, { add, subtract }: Ring<T>): Matrix<T> =>
  both(weights, ([a, b, c]) => {
    const ends = add(a!, c!);
    return [add(a!, a!), add(ends, b!), subtract(ends, b!), add(c!, c!)];
  });

/** A^T M A of 4x4 sums: 2x2, four times the results. */
export const transformSums = <T>(sums: Matrix<T>, { add, subtract }: Ring<T>): Matrix<T> =>
  both(sums, ([a, b, c, d]) => [add(add(a!, b!), c!), subtract(subtract(b!, c!), d!)]);

export const numbers: Ring<number> = { add: (a, b) => a + b, subtract: (a, b) => a - b };

/** (2G) g (2G)^T of every filter of `weights`, OIHW: 16 numbers each, row by row. */
export function transformFilters(weights: ArrayLike<number>): Int16Array {
  const filters = weights.length / 9;
  const transformed = new Int16Array(16 * filters);
  const columns = new Int32Array(12);
  /** One dimension: three numbers `step` apart from `from` on become four. */
  const transform = (
    source: ArrayLike<number>,
    from: number,
    step: number,
    into: Int16Array | Int32Array,
    to: number,
    toStep: number,
  ): void => {
    const [a, b, c] = [source[from]!, source[from + step]!, source[from + 2 * step]!];
    into[to] = 2 * a;
    into[to + toStep] = a + c + b;
    into[to + 2 * toStep] = a + c - b;
    into[to + 3 * toStep] = 2 * c;
  };
  for (let filter = 0; filter < filters; filter++) {
    for (let u = 0; u < 3; u++) transform(weights, 9 * filter + u, 3, columns, u, 3);
    for (let i = 0; i < 4; i++) transform(columns, 3 * i, 1, transformed, 16 * filter + 4 * i, 1);
  }
  return transformed;
}

/**
 * What the offset of the inputs adds to the four sums (times 4) of an output whose filter is `weights`, OIHW without the O: row by row.
 */
export function offsetSums(weights: ArrayLike<number>): readonly number[] {
  const total = new Float64Array(16);
  transformFilters(weights).forEach((value, i) => (total[i % 16]! += winogradOffset * value));
  const rows = [0, 4, 8, 12].map((row) => Array.from(total.subarray(row, row + 4)));
  return transformSums(rows, numbers).flat();
}

/**
 * The range of B^T d B at each of its 16 places, for inputs of 0..highest: only where both dimensions take their second row, which adds, is
 * nothing subtracted.
 */
export const transformedRange = (
  position: number,
  highest: number,
): readonly [lowest: number, highest: number] =>
  position === 5 ? [0, 4 * highest] : [-2 * highest, 2 * highest];
