/**
 * What least squares needs to know of a layer, streamed: for the columns x that it reads (integers) and the outputs y that it should make
 * (in units of the input's step), per group of channels
 *
 *     inputs = sum (x - mean x)(x - mean x)^T         targets = sum (y - mean y)(x - mean x)^T
 *
 * About the mean, because a bias is free: it takes up whatever constant the weights leave. Memory is one square matrix per group.
 */
import { storageRange } from '../../ir/index.ts';
import { matrix, type Matrix, rowsOf } from '../linear-algebra/matrix.ts';
import type { Products } from '../linear-algebra/products.ts';
import { chosenPositions, patchesOf } from './patches.ts';
import type { QuantizedLayer } from './quantized-layer.ts';
import { RectifiedTargets } from './rectified-targets.ts';
import type { LayerSample } from './walk-layers.ts';

/** Columns multiplied at once. */
const columnsAtOnce = 1024;

/** Rows of one block of the symmetric product, of which only those on and below the diagonal are computed. */
const symmetricBlock = 1152;

/** What the outputs should be, as least squares needs it. */
export interface Targets {
  /** Per group, [outputs of the group, inputs of the group]. */
  readonly groups: readonly Matrix[];
  /** Of each output channel. */
  readonly means: Float64Array;
}

export interface Moments {
  readonly count: number;
  /** Per group; lower triangle only. */
  readonly inputs: readonly Matrix[];
  /** Of each row of the columns, over all groups. */
  readonly inputMeans: Float64Array;
  readonly targets: Targets;
  /**
   * Where a ReLU follows: the targets to lower the error behind it with, for the real weights, [outputs, inputs of a group], and the bias
   * at hand.
   */
  readonly rectified?: (weights: Matrix, bias: Float64Array) => Promise<Targets>;
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
  readonly #floors: Float32Array;
  readonly #inputs: Matrix[];
  readonly #targets: SummedTargets;
  readonly #inputSums: Float64Array;
  #rectified: RectifiedTargets | undefined;
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
    this.#floors = new Float32Array(outputs * atOnce);
    this.#inputs = Array.from({ length: layer.groups }, () => matrix(taps, taps));
    this.#targets = new SummedTargets(outputs, taps, layer.groups, products);
    this.#inputSums = new Float64Array(rows);
  }

  async add({ input, target, floor, index }: LayerSample): Promise<void> {
    const { positions, write } = this.#patches;
    const step = this.#layer.input.type.element.scale as number;
    const outputs = this.#outputs.rows;
    // A dense layer's output is [n, outputs], a convolution's [n, outputs, height, width].
    const plane = this.#layer.node.result.type.shape
      .slice(2)
      .reduce((product, extent) => product * extent, 1);
    if (floor !== undefined) {
      const { storage, zeroPoint } = this.#layer.input.type.element;
      const [least, most] = storageRange(storage);
      const narrow = least - zeroPoint >= -128 && most - zeroPoint <= 127;
      this.#rectified ??= new RectifiedTargets(narrow, this.#products);
    }
    for (const position of chosenPositions(positions, this.#perSample, index)) {
      const at = this.#filled;
      write(input.data, position, this.#columns, at);
      const from = Math.floor(position / plane) * outputs * plane + (position % plane);
      for (let o = 0; o < outputs; o++) {
        const to = o * this.#outputs.columns + at;
        const source = from + o * plane;
        this.#outputs.data[to] = target.data[source]! / step;
        if (floor !== undefined) this.#floors[to] = (floor === 0 ? 0 : floor.data[source]!) / step;
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
    this.#rectified?.keep({
      inputs: this.#columns,
      targets: this.#outputs,
      floors: this.#floors,
      filled: this.#filled,
    });
    this.#filled = 0;
    addRowSums(this.#inputSums, this.#columns);
    for (const [g, inputs] of this.#inputs.entries()) {
      const x = rowsOf(this.#columns, g * inputs.rows, (g + 1) * inputs.rows);
      for (let top = 0; top < x.rows; top += symmetricBlock) {
        const lower = rowsOf(x, top, Math.min(x.rows, top + symmetricBlock));
        for (let left = 0; left <= top; left += symmetricBlock) {
          const upper = rowsOf(x, left, Math.min(x.rows, left + symmetricBlock));
          addBlock(inputs, top, left, await this.#products.timesTransposed(lower, upper));
        }
      }
    }
    await this.#targets.add(this.#columns, this.#outputs);
  }

  /** Ends the stream. The matrices are handed over: they belong to the caller. */
  async finish(): Promise<Moments> {
    if (this.#filled > 0) await this.#flush();
    const n = this.#count;
    const inputMeans = this.#inputSums.map((sum) => sum / n);
    for (const [g, inputs] of this.#inputs.entries()) {
      const x = inputMeans.subarray(g * inputs.rows, (g + 1) * inputs.rows);
      aboutMean(inputs, x, x, n);
    }
    const rectified = this.#rectified;
    const taps = this.#inputs[0]!.rows;
    return {
      count: n,
      inputs: this.#inputs,
      inputMeans,
      targets: this.#targets.finish(inputMeans, n),
      ...(rectified === undefined
        ? {}
        : {
            rectified: async (weights, bias) => {
              const groups = this.#inputs.length;
              const sum = new SummedTargets(weights.rows, taps, groups, this.#products);
              await rectified.forEach(weights, bias, groups, (x, y) => sum.add(x, y));
              return sum.finish(inputMeans, n);
            },
          }),
    };
  }
}

/** sum (y - mean y)(x - mean x)^T of each group, streamed. */
class SummedTargets {
  readonly #groups: Matrix[];
  readonly #sums: Float64Array;
  readonly #products: Products;

  constructor(outputs: number, taps: number, groups: number, products: Products) {
    this.#groups = Array.from({ length: groups }, () => matrix(outputs / groups, taps));
    this.#sums = new Float64Array(outputs);
    this.#products = products;
  }

  /** Inputs [rows, count] and outputs [outputs, count]. */
  async add(inputs: Matrix, outputs: Matrix): Promise<void> {
    addRowSums(this.#sums, outputs);
    for (const [g, { rows, columns }] of this.#groups.entries()) {
      const x = rowsOf(inputs, g * columns, (g + 1) * columns);
      const y = rowsOf(outputs, g * rows, (g + 1) * rows);
      addBlock(this.#groups[g]!, 0, 0, await this.#products.timesTransposed(y, x));
    }
  }

  finish(inputMeans: Float64Array, count: number): Targets {
    const means = this.#sums.map((sum) => sum / count);
    for (const [g, group] of this.#groups.entries()) {
      const { rows, columns } = group;
      const [y, x] = [means.subarray(g * rows), inputMeans.subarray(g * columns)];
      aboutMean(group, y, x, count);
    }
    return { groups: this.#groups, means };
  }
}

function addRowSums(sums: Float64Array, { rows, columns, data }: Matrix): void {
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) sum += data[i]!;
    sums[row]! += sum;
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
