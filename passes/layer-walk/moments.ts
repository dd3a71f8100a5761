/**
 * What least squares needs to know of a layer, streamed: for the columns x that it reads (integers) and the outputs y that it should make
 * (in units of the input's step), per group of channels
 *
 *     inputs = sum (x - mean x)(x - mean x)^T         targets = sum (y - mean y)(x - mean x)^T
 *
 * About the mean, because a bias is free: it takes up whatever constant the weights leave. Memory is one square matrix per group.
 */
import { matrix, type Matrix, rowsOf } from '../linear-algebra/matrix.ts';
import type { Products } from '../linear-algebra/products.ts';
import { chosenPositions, patchesOf } from './patches.ts';
import type { QuantizedLayer } from './quantized-layer.ts';
import type { LayerSample } from './walk-layers.ts';

/** Columns multiplied at once. */
const columnsAtOnce = 1024;

/** Rows of one block of the symmetric product, of which only those on and below the diagonal are computed. */
const symmetricBlock = 1152;

export interface GroupMoments {
  /** Lower triangle only. */
  readonly inputs: Matrix;
  /** [outputs of the group, inputs of the group]. */
  readonly targets: Matrix;
}

export interface Moments {
  readonly count: number;
  readonly groups: readonly GroupMoments[];
  /** Of each row of the columns, over all groups. */
  readonly inputMeans: Float64Array;
  /** Of each output channel. */
  readonly targetMeans: Float64Array;
  /** Mean squared distance from the mean, of each output channel. */
  readonly targetVariances: Float64Array;
}

/** Columns that a layer of `rows` inputs is looked at on, in all: some for each unknown, and enough for a small layer. */
export function columnBudget(rows: number): number {
  return Math.max(16384, 8 * rows);
}

export class MomentsOfLayer {
  readonly #layer: QuantizedLayer;
  readonly #products: Products;
  readonly #patches: ReturnType<typeof patchesOf>;
  readonly #perSample: number;
  readonly #columns: Matrix;
  readonly #outputs: Matrix;
  readonly #groups: GroupMoments[];
  readonly #inputSums: Float64Array;
  readonly #targetSums: Float64Array;
  readonly #targetSquares: Float64Array;
  #filled = 0;
  #count = 0;

  constructor(layer: QuantizedLayer, samples: number, products: Products) {
    this.#layer = layer;
    this.#products = products;
    this.#patches = patchesOf(layer);
    const outputs = layer.weights.tensor.type.shape[0]!;
    const { rows, positions } = this.#patches;
    const taps = rows / layer.groups;
    this.#perSample = Math.min(positions, Math.ceil(columnBudget(taps) / samples));
    const atOnce = Math.min(columnsAtOnce, this.#perSample * samples);
    this.#columns = matrix(rows, atOnce);
    this.#outputs = matrix(outputs, atOnce);
    this.#groups = Array.from({ length: layer.groups }, () => ({
      inputs: matrix(taps, taps),
      targets: matrix(outputs / layer.groups, taps),
    }));
    this.#inputSums = new Float64Array(rows);
    this.#targetSums = new Float64Array(outputs);
    this.#targetSquares = new Float64Array(outputs);
  }

  async add({ input, target, index }: LayerSample): Promise<void> {
    const { positions, write } = this.#patches;
    const step = this.#layer.input.type.element.scale as number;
    const outputs = this.#outputs.rows;
    // A dense layer's output is [n, outputs], a convolution's [n, outputs, height, width].
    const plane = this.#layer.node.result.type.shape
      .slice(2)
      .reduce((product, extent) => product * extent, 1);
    for (const position of chosenPositions(positions, this.#perSample, index)) {
      const at = this.#filled;
      write(input.data, position, this.#columns, at);
      const from = Math.floor(position / plane) * outputs * plane + (position % plane);
      for (let o = 0; o < outputs; o++) {
        const y = target.data[from + o * plane]! / step;
        this.#outputs.data[o * this.#outputs.columns + at] = y;
        this.#targetSums[o]! += y;
        this.#targetSquares[o]! += y * y;
      }
      this.#filled += 1;
      this.#count += 1;
      if (this.#filled === this.#columns.columns) await this.#flush();
    }
  }

  /** Adds the columns at hand to the sums. Columns not filled are zeros, which add nothing. */
  async #flush(): Promise<void> {
    if (this.#filled < this.#columns.columns) {
      for (const { rows, columns, data } of [this.#columns, this.#outputs]) {
        for (let row = 0; row < rows; row++) data.fill(0, row * columns + this.#filled, (row + 1) * columns);
      }
    }
    this.#filled = 0;
    const { rows, columns, data } = this.#columns;
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let i = row * columns; i < (row + 1) * columns; i++) sum += data[i]!;
      this.#inputSums[row]! += sum;
    }
    for (const [g, { inputs, targets }] of this.#groups.entries()) {
      const x = rowsOf(this.#columns, g * inputs.rows, (g + 1) * inputs.rows);
      const y = rowsOf(this.#outputs, g * targets.rows, (g + 1) * targets.rows);
      for (let top = 0; top < x.rows; top += symmetricBlock) {
        const lower = rowsOf(x, top, Math.min(x.rows, top + symmetricBlock));
        for (let left = 0; left <= top; left += symmetricBlock) {
          const upper = rowsOf(x, left, Math.min(x.rows, left + symmetricBlock));
          addBlock(inputs, top, left, await this.#products.timesTransposed(lower, upper));
        }
      }
      addBlock(targets, 0, 0, await this.#products.timesTransposed(y, x));
    }
  }

  /** Ends the stream. The matrices are handed over: they belong to the caller. */
  async finish(): Promise<Moments> {
    if (this.#filled > 0) await this.#flush();
    const n = this.#count;
    const inputMeans = this.#inputSums.map((sum) => sum / n);
    const targetMeans = this.#targetSums.map((sum) => sum / n);
    for (const [g, { inputs, targets }] of this.#groups.entries()) {
      const x = inputMeans.subarray(g * inputs.rows, (g + 1) * inputs.rows);
      const y = targetMeans.subarray(g * targets.rows, (g + 1) * targets.rows);
      aboutMean(inputs, x, x, n);
      aboutMean(targets, y, x, n);
    }
    return {
      count: n,
      groups: this.#groups,
      inputMeans,
      targetMeans,
      targetVariances: this.#targetSquares.map((square, o) => Math.max(0, square / n - targetMeans[o]! ** 2)),
    };
  }
}

function addBlock(sum: Matrix, top: number, left: number, block: Matrix): void {
  for (let i = 0; i < block.rows; i++) {
    const to = (top + i) * sum.columns + left;
    const from = i * block.columns;
    for (let j = 0; j < block.columns; j++) sum.data[to + j]! += block.data[from + j]!;
  }
}

/** sum (a - mean a)(b - mean b) = sum a b - n mean a mean b. */
function aboutMean(sum: Matrix, rowMeans: Float64Array, columnMeans: Float64Array, n: number): void {
  for (let i = 0; i < sum.rows; i++) {
    const mean = n * rowMeans[i]!;
    for (let j = 0; j < sum.columns; j++) sum.data[i * sum.columns + j]! -= mean * columnMeans[j]!;
  }
}
