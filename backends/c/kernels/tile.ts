/**
 * Register tiles, which all vector kernels are made of: `pixels` times `registers` of outputs, every sum in a register while its products are
 * added. For AVX-512 and 14 x 32, of 32 registers:
 *
 *              panel 0   panel 1
 *               w[0]      w[1]         one load each, per step of 4 inputs
 *     x[0]    acc_0_0   acc_0_1        4 bytes of a pixel, copied to every lane
 *     x[1]    acc_1_0   acc_1_1
 *      :         :         :           28 dot products on 16 loads
 *     x[13]   acc_13_0  acc_13_1
 */
import {
  add,
  type Block,
  type Expression,
  type KernelArray,
  min,
  mul,
  sub,
  type Variable,
} from '../../kernel/index.ts';
import type { Product, VectorMachine } from '../isa/machine.ts';
import type { Span } from '../share.ts';
import { emitPairedStep } from './paired-steps.ts';
import { panelOutputs } from './panels.ts';

/** Accumulators of a kernel: neighbouring pixels of a row, times registers of outputs. */
export interface Tile {
  readonly pixels: number;
  readonly registers: number;
}

/** How a kernel multiplies: a tile of a machine, in one of its ways. */
export interface Method {
  readonly machine: VectorMachine;
  readonly product: Product;
  readonly tile: Tile;
}

export const counted = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** Panels a tile takes: a panel is one register of AVX-512, several of narrower machines. */
export const panelsOfTile = ({ machine, tile }: Method): number =>
  Math.max(1, (tile.registers * machine.lanes) / panelOutputs);

/**
 * A loop a tile of `size` items at a time: the span counts tiles where they divide the loop (`even`), otherwise items, at least a tile of them, and
 * the last tile starts early. `body` is given the first item.
 */
export function overTiles(
  block: Block,
  name: string,
  size: number,
  even: boolean,
  { from, to }: Span,
  body: (start: Expression) => void,
): void {
  if (even) {
    block.for(`${name}_tile`, from, to, (tile) => {
      body(mul(tile, size));
    });
    return;
  }
  block.for(
    `${name}_at`,
    from,
    to,
    (at) => {
      body(block.let(name, min(at, sub(to, size))));
    },
    size,
  );
}

/** Sums of a tile, [pixel][register], with what each starts from. */
export const declareSums = (
  block: Block,
  { pixels, registers }: Tile,
  start: (register: number, pixel: number) => Expression,
): readonly (readonly Variable[])[] =>
  counted(pixels).map((p) => counted(registers).map((v) => block.var(`acc_${p}_${v}`, start(v, p))));

/**
 * One step, or two at once: adds the products of the tile's inputs and weights to its sums. `weights` are read from `at` on, `pitch` elements from
 * one panel to the next; `input` gives what a pixel multiplies them with, so many inputs further on.
 */
export function emitStep(
  block: Block,
  { machine, product }: Method,
  sums: readonly (readonly Variable[])[],
  weights: { readonly array: KernelArray; readonly at: Expression; readonly pitch: number },
  input: (pixel: number, further: number) => Expression,
): void {
  const perPanel = panelOutputs / machine.lanes;
  const load = (v: number, further: number): Expression => {
    const own = Math.floor(v / perPanel) * weights.pitch + (v % perPanel) * machine.lanes * product.step;
    return product.load(weights.array, add(weights.at, own + further * panelOutputs));
  };
  if (product.pairs !== undefined) {
    const further = (second: boolean): number => (second ? product.step : 0);
    emitPairedStep(
      block,
      product,
      sums,
      (v, second) => load(v, further(second)),
      (p, second) => input(p, further(second)),
    );
    return;
  }
  const registers = sums[0]!.map((_, v) => block.let(`w_${v}`, load(v, 0)));
  sums.forEach((own, p) => {
    const x = block.let(`x_${p}`, input(p, 0));
    own.forEach((sum, v) => {
      block.set(sum, product.dot(sum, x, registers[v]!));
    });
  });
}
