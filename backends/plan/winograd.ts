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
 * The 32 adds to each sum a constant per output, known when compiling: `offsetSums`. 8-bit operands fit none of this.
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

/**
 * What the offset of the inputs adds to the four sums (times 4) of an output whose filter is `weights`, OIHW without the O: row by row.
 */
export function offsetSums(weights: ArrayLike<number>): readonly number[] {
  const total = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
  for (let filter = 0; filter < weights.length; filter += 9) {
    const taps = [0, 3, 6].map((row) => [0, 1, 2].map((column) => weights[filter + row + column]!));
    transformWeights(taps, numbers).forEach((row, i) => {
      row.forEach((value, j) => {
        total[i]![j]! += winogradOffset * value;
      });
    });
  }
  return transformSums(total, numbers).flat();
}
