/**
 * What a layer has to make where a ReLU follows: below the floor of the ReLU one output is as good as another. So the error that counts is
 *
 *     sum |max(y, f) - max(y', f)|^2          y wanted, y' made, f the floor
 *
 * which least squares cannot minimise, but this can, step by step (majorise and minimise): wherever y and y' are both below the floor, y' itself is
 * taken for what is wanted; where only y' is above it, the floor. The squared error to such targets is nowhere below the one that counts
 * and equals it at y', so whatever lowers the first lowers the second. About half of all outputs are below the floor, and
 * what the weights need not do there they can do better elsewhere.
 */
import { matrix, type Matrix, rowsOf } from '../linear-algebra/matrix.ts';
import type { Products } from '../linear-algebra/products.ts';

/** Columns at hand: integers x, [inputs, count], with the targets y and floors f of their outputs, [outputs, count]. */
export interface ColumnBlock {
  readonly inputs: Matrix;
  readonly targets: Matrix;
  readonly floors: Float32Array;
  /** Columns that are filled, from the left. */
  readonly filled: number;
}

interface KeptBlock extends Omit<ColumnBlock, 'inputs'> {
  readonly inputs: Int8Array | Int16Array;
}

export class RectifiedTargets {
  readonly #blocks: KeptBlock[] = [];
  readonly #narrow: boolean;
  readonly #products: Products;

  /** `narrow`: inputs fit a signed byte. */
  constructor(narrow: boolean, products: Products) {
    this.#narrow = narrow;
    this.#products = products;
  }

  /** Copies a block. */
  keep({ inputs, targets, floors, filled }: ColumnBlock): void {
    this.#blocks.push({
      inputs: this.#narrow ? Int8Array.from(inputs.data) : Int16Array.from(inputs.data),
      targets: matrix(targets.rows, targets.columns, targets.data.slice()),
      floors: floors.slice(),
      filled,
    });
  }

  /**
   * The targets that go with a layer's real weights, [outputs, inputs of a group], and bias: by `add`, block after block, as
   * [outputs, count] beside the inputs they belong to, both filled with zeros beyond the block's end.
   */
  async forEach(
    weights: Matrix,
    bias: Float64Array,
    groups: number,
    add: (inputs: Matrix, targets: Matrix) => Promise<void>,
  ): Promise<void> {
    for (const { inputs, targets, floors, filled } of this.#blocks) {
      const { columns } = targets;
      const x = matrix(inputs.length / columns, columns, Float32Array.from(inputs));
      const wanted = matrix(targets.rows, columns);
      const [outputs, taps] = [targets.rows / groups, x.rows / groups];
      for (let g = 0; g < groups; g++) {
        const made = await this.#products.timesTransposed(
          rowsOf(weights, g * outputs, (g + 1) * outputs),
          transposed(rowsOf(x, g * taps, (g + 1) * taps)),
        );
        for (let o = 0; o < outputs; o++) {
          const shift = bias[g * outputs + o]!;
          const from = (g * outputs + o) * columns;
          for (let i = 0; i < filled; i++) {
            const [target, floor] = [targets.data[from + i]!, floors[from + i]!];
            wanted.data[from + i] =
              target > floor ? target : Math.min(made.data[o * columns + i]! + shift, floor);
          }
        }
      }
      await add(x, wanted);
    }
  }
}

function transposed({ rows, columns, data }: Matrix): Matrix {
  const result = matrix(columns, rows);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result.data[j * rows + i] = data[i * columns + j]!;
  }
  return result;
}
