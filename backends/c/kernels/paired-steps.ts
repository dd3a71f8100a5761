/**
 * Two steps of a dot product in one, by Winograd's identity for inner products. With inputs x, weights w, and of every eight the first four and the
 * second four:
 *
 *     x1 w1 + x2 w2 = (x1 + w2 + c) (x2 + w1) - (x1 + c) x2 - (w2 + c) w1
 *
 * The first product has bytes of inputs and weights added up; it takes one dot product and two additions where there were two dot products. The
 * second is of inputs alone: once for all outputs, an *input term* for each pixel that sums start from. The last is of weights alone, and goes into
 * the bias. All of it is exact, in integers that wrap at 32 bits.
 *
 * Ranges. `c` makes the first factor an unsigned byte; the second is a signed one:
 *
 *     direct      x in 0..15,   w in -8..7      c = 8     x1 + w2 + c in 0..30       x2 + w1 in -8..22
 *     winograd    x in -30..60, w in -63..63    c = 93    x1 + w2 + c in 0..216      x2 + w1 in -93..123
 *
 * where Winograd's operands are the transformed ones, of u4 inputs and of weights in -7..7. Zeros in place of x give (w2 + c) w1, which
 * is not zero: padding must be multiplied.
 *
 * Source: S. Winograd, A New Algorithm for Inner Product, IEEE Transactions on Computers C-17, 1968.
 */
import { numbers, transformFilters, transformSums } from '../../plan/index.ts';
import {
  add,
  type Block,
  type Expression,
  type KernelArray,
  load,
  mul,
  type Variable,
} from '../../kernel/index.ts';
import type { Product, VectorMachine } from '../isa/machine.ts';
import type { Layer } from '../layer.ts';
import type { StepWriter } from '../step-writer.ts';
import { runsOf } from './panels.ts';

/** Largest magnitude of a weight that Winograd's second factor has room for. */
const winogradWeight = 7;

/** c above. */
export const pairOffset = { direct: 8, winograd: 93 } as const;

/** Inputs a step of a kernel's loop takes. */
export const stepInputs = ({ step, pairs }: Product): number => (pairs === undefined ? step : 2 * step);

/** Why a layer's products cannot be taken in pairs. */
export function pairsRefuse(
  { channels, groups, form, weight, weightBits }: Layer,
  product: Product,
  algorithm: 'direct' | 'winograd2x2',
): string | undefined {
  if (product.pairs === undefined) return undefined;
  if (weightBits > 4 || form.highest > 15) return 'operands of more than 4 bits';
  if (groups !== 1) return `${groups} groups`;
  if (channels % product.pairs.bytes !== 0)
    return `${channels} channels are no multiple of ${product.pairs.bytes}`;
  if (algorithm === 'winograd2x2' && weight.data.some((w) => Math.abs(w) > winogradWeight))
    return `weights beyond ${winogradWeight}`;
  return undefined;
}

/** Whether the input numbered `k` is among the second four of its eight. */
const isSecond = (k: number): boolean => (k & 4) !== 0;

/** The bias less the terms of weights, `runs` of inputs being what a kernel walks. */
export function pairedBias(layer: Layer): readonly number[] {
  const { bias, weight, outputs, taps } = layer;
  const { count, useful } = runsOf(layer);
  const inputs = weight.data.length / outputs / taps;
  const at = (output: number, run: number, k: number): number =>
    weight.data[(output * inputs + (k % inputs)) * taps + (run * taps) / count + Math.floor(k / inputs)]!;
  return bias.map((value, output) => {
    let terms = 0;
    for (let run = 0; run < count; run++) {
      for (let k = 0; k < useful; k++) {
        if (isSecond(k)) terms += (at(output, run, k) + pairOffset.direct) * at(output, run, k - 4);
      }
    }
    return (value - terms) | 0;
  });
}

/** What terms of weights add to the four sums, times 4, of a patch of Winograd's: for an output whose filter is `weights`, OIHW without the O. */
export function pairedOffsetSums(weights: ArrayLike<number>): readonly number[] {
  const filters = transformFilters(weights);
  const total = new Float64Array(16);
  for (let i = 0; i < filters.length; i++) {
    const channel = i >> 4;
    if (isSecond(channel)) total[i % 16]! += (filters[i]! + pairOffset.winograd) * filters[i - 64]!;
  }
  const rows = [0, 4, 8, 12].map((row) => Array.from(total.subarray(row, row + 4)));
  return transformSums(rows, numbers).flat();
}

/** Adds the products of two steps to the sums of a tile: as `emitStep` of `tile.ts` does for one. */
export function emitPairedStep(
  block: Block,
  { pairs, dot }: Product,
  sums: readonly (readonly Variable[])[],
  weights: (register: number, second: boolean) => Expression,
  input: (pixel: number, second: boolean) => Expression,
): void {
  const { add: addBytes } = pairs!;
  const both = sums[0]!.map((_, v) =>
    [false, true].map((second) => block.let(`w${second ? 2 : 1}_${v}`, weights(v, second))),
  );
  sums.forEach((own, p) => {
    const [x1, x2] = [false, true].map((second) => block.let(`x${second ? 2 : 1}_${p}`, input(p, second)));
    own.forEach((sum, v) => {
      const [w1, w2] = both[v]!;
      block.set(sum, dot(sum, addBytes(x1!, w2!), addBytes(x2!, w1!)));
    });
  });
}

/** Input terms, made where inputs lie and read where sums start. */
export class InputTerms {
  readonly #writer: StepWriter;
  readonly #machine: VectorMachine;
  readonly #product: Product;
  readonly #offset: number;
  readonly #lanes: KernelArray;

  constructor(writer: StepWriter, machine: VectorMachine, product: Product, offset: number) {
    this.#writer = writer;
    this.#machine = machine;
    this.#product = product;
    this.#offset = offset;
    this.#lanes = writer.scratch('own', 'lanes', 'i32', machine.lanes);
  }

  /**
   * Stores at `index` of `terms` what a sum starts from. It is over runs of `inputs`, each `length` long; `overRuns` calls its argument with where each
   * one begins.
   */
  make(
    terms: KernelArray,
    index: Expression,
    inputs: KernelArray,
    length: number,
    overRuns: (body: (from: Expression) => void) => void,
  ): void {
    const { block } = this.#writer;
    const { add: addBytes, splat, bytes, load: loadBytes, seconds } = this.#product.pairs!;
    const sum = block.var('term', this.#machine.zero);
    overRuns((from) => {
      block.for(
        'k',
        0,
        length,
        (k) => {
          const eights = block.let('eights', loadBytes(inputs, add(from, k)));
          const first = addBytes(eights, splat(this.#offset));
          block.set(sum, this.#product.dot(sum, first, seconds(eights)));
        },
        bytes,
      );
    });
    block.storeVector(this.#machine.storeWords, this.#lanes, 0, sum);
    // Every second lane is zero.
    let total: Expression | undefined;
    for (let lane = 0; lane < this.#machine.lanes; lane += 2) {
      const part = load(this.#lanes, lane);
      total = total === undefined ? part : add(total, part);
    }
    block.store(terms, index, mul(total!, -1));
  }
}
