/**
 * Convolution, and dense, by register tiles (`tile.ts`): neighbours in a row of the result times panels of outputs, every accumulator in a
 * register from the bias to the stored result, or to the fold where sums are short.
 *
 * A window's row of taps is one run of bytes, for channels lie innermost; so is all of a 1x1 window. Rows of taps above and below the input are
 * left out, not multiplied; the columns beside it are bytes of a copy of the input, where there are such columns. The copy also makes signed
 * inputs unsigned, and words of bytes. It costs one element moved per input, where the layer multiplies each by hundreds.
 */
import {
  add,
  bitXor,
  type Expression,
  i32,
  type KernelArray,
  load,
  loadVector,
  max,
  min,
  mul,
  opaque,
  sub,
  type Variable,
} from '../../kernel/index.ts';
import type { Product } from '../isa/machine.ts';
import type { Layer } from '../layer.ts';
import type { RowReader } from '../rows.ts';
import { share, shareBoth, type Span, type Work } from '../share.ts';
import type { StepWriter } from '../step-writer.ts';
import { flips, type Geometry, geometryOf, slack } from './geometry.ts';
import { copyPadded } from './padded-copy.ts';
import { InputTerms, pairedBias, pairOffset, stepInputs } from './paired-steps.ts';
import { panelOutputs, panelPitch, panelsOf, panelStart } from './panels.ts';
import { allPanels, type ReadyWeights, readyWeights } from './ready-weights.ts';
import { type Folding, foldingOf } from './short-sums.ts';
import { counted, declareSums, emitStep, type Method, overTiles, panelsOfTile } from './tile.ts';
import type { VectorEpilogue } from './vector-epilogue.ts';

/** What becomes of the accumulators: stored from registers, or handed on a row of channels at a time. */
export type Ending =
  | { readonly kind: 'vector'; readonly epilogue: VectorEpilogue }
  | { readonly kind: 'rows'; readonly emitRow: (row: Expression, value: RowReader) => void };

/** Writes the whole layer into the step. */
export function directConvolution(writer: StepWriter, layer: Layer, method: Method, ending: Ending): void {
  new DirectConvolution(writer, layer, method, ending).write();
}

type Sums = readonly (readonly Variable[])[];

class DirectConvolution {
  readonly #writer: StepWriter;
  readonly #layer: Layer;
  readonly #method: Method;
  readonly #ending: Ending;
  readonly #geometry: Geometry;
  readonly #x: KernelArray;
  readonly #input: KernelArray;
  readonly #weights: ReadyWeights;
  readonly #bias: KernelArray;
  readonly #sums: KernelArray | undefined;
  /** Short sums: how they are folded, and where their totals wait meanwhile. */
  readonly #folding: Folding | undefined;
  readonly #totals: KernelArray | undefined;
  /** Products in pairs: what the sums of each pixel of an image start from. */
  readonly #terms: KernelArray | undefined;

  constructor(writer: StepWriter, layer: Layer, method: Method, ending: Ending) {
    this.#writer = writer;
    this.#layer = layer;
    this.#method = method;
    this.#ending = ending;
    const { machine, product, tile } = method;
    this.#geometry = geometryOf(layer, product);
    const { copy, runs } = this.#geometry;
    this.#x = writer.input(layer.node.operands[0]!, 'x');
    this.#input =
      copy === undefined
        ? this.#x
        : writer.scratch(
            'shared',
            'padded',
            product.inputs,
            copy.width * copy.height * layer.channels + slack,
          );
    this.#weights =
      ending.kind === 'vector'
        ? readyWeights(writer, layer, method, 'own', panelsOfTile(method))
        : readyWeights(writer, layer, method, 'shared', allPanels(layer));
    this.#bias = writer.table('bias', 'i32', biasOf(layer, product));
    this.#sums =
      ending.kind === 'rows' ? writer.scratch('own', 'sums', 'i32', tile.pixels * layer.outputs) : undefined;
    this.#folding = product.fold === undefined ? undefined : foldingOf(layer, runs);
    this.#totals =
      typeof this.#folding === 'number'
        ? writer.scratch('own', 'totals', 'i32', tile.pixels * tile.registers * machine.lanes)
        : undefined;
    const { rows, columns } = this.#geometry;
    this.#terms =
      product.pairs === undefined ? undefined : writer.scratch('shared', 'terms', 'i32', rows * columns);
  }

  write(): void {
    const { block } = this.#writer;
    const { images, copy } = this.#geometry;
    const { groups, outputs } = this.#layer;
    const { pixels } = this.#method.tile;
    const { make } = this.#weights;
    const makesAll = make !== undefined && this.#ending.kind === 'rows';
    if (makesAll) {
      const { from, to } = share(this.#writer, { items: allPanels(this.#layer) });
      block.for('panel', from, to, (panel) => {
        make(panel, 1, panel);
      });
    }
    block.for('image_at', 0, images, (image) => {
      this.#copyInput(image);
      if (makesAll || copy !== undefined) block.barrier();
      if (this.#terms !== undefined) {
        this.#makeTerms(image, this.#terms);
        block.barrier();
      }
      const [panels, strips] = this.#spans();
      if (this.#ending.kind === 'vector') {
        this.#overPanels(panels, (group, panel) => {
          const first = add(mul(group, panelsOf(outputs / groups)), panel);
          make?.(first, panelsOfTile(this.#method), i32(0));
          this.#overPixels(strips, (row, column) => {
            this.#emitTile(image, row, column, group, panel);
          });
        });
      } else {
        const { emitRow } = this.#ending;
        this.#overPixels(strips, (row, column) => {
          this.#overPanels(panels, (group, panel) => {
            this.#emitTile(image, row, column, group, panel);
          });
          block.for('pixel', 0, pixels, (pixel) => {
            const at = this.#pixel(image, row, column);
            emitRow(block.let('row', add(at, pixel)), (c) => load(this.#sums!, add(mul(pixel, outputs), c)));
          });
        });
      }
      if (images > 1 && (copy !== undefined || this.#terms !== undefined)) block.barrier();
    });
  }

  /** What sums start from, for every pixel of the result. */
  #makeTerms(image: Expression, terms: KernelArray): void {
    const { block } = this.#writer;
    const { machine, product } = this.#method;
    const { rows, columns, runs, imagePitch, rowPitch, pixelPitch } = this.#geometry;
    const inputTerms = new InputTerms(this.#writer, machine, product, pairOffset.direct);
    const make = (row: Expression, column: Expression): void => {
      const start = block.let(
        'pixel_at',
        add(mul(image, imagePitch), mul(row, rowPitch), mul(column, pixelPitch)),
      );
      inputTerms.make(terms, add(mul(row, columns), column), this.#input, runs.length, (body) => {
        this.#overRuns(start, row, body);
      });
    };
    if (rows === 1) {
      const { from, to } = share(this.#writer, { items: columns });
      block.for('column', from, to, (column) => {
        make(i32(0), column);
      });
      return;
    }
    const { from, to } = share(this.#writer, { items: rows });
    block.for('row', from, to, (row) => {
      block.for('column', 0, columns, (column) => {
        make(row, column);
      });
    });
  }

  /** The loop over panels: a tile of them at a time where tiles divide them, else panel by panel with the last tile starting early. */
  get #panelWork(): Work {
    const { groups, outputs } = this.#layer;
    const panels = panelsOf(outputs / groups);
    const own = panelsOfTile(this.#method);
    if (groups > 1) return { items: groups };
    return panels % own === 0 ? { items: panels / own } : { items: panels, least: own };
  }

  /** The loop over pixels: rows, or of a single row strips of a tile, likewise. */
  get #pixelWork(): Work {
    const { rows, columns } = this.#geometry;
    const { pixels } = this.#method.tile;
    if (rows > 1) return { items: rows };
    return columns % pixels === 0 ? { items: columns / pixels } : { items: columns, least: pixels };
  }

  /**
   * What the calling thread does of the loops over panels and over pixels. Every thread reads all of what is not cut, so the larger of weights
   * and inputs is cut first.
   */
  #spans(): readonly [panels: Span, pixels: Span] {
    const { outputs, groups, weight, batch, channels, window } = this.#layer;
    const [panels, pixels] = [this.#panelWork, this.#pixelWork];
    // Rows are handed on whole, and outputs of an incomplete panel are computed with those of the one before.
    if (this.#ending.kind === 'rows' || (outputs / groups) % panelOutputs !== 0) {
      return [{ from: 0, to: panels.items }, share(this.#writer, pixels)];
    }
    const inputs = batch * channels * window.x.extent * window.y.extent;
    if (weight.data.length > inputs) return shareBoth(this.#writer, panels, pixels);
    const [own, all] = shareBoth(this.#writer, pixels, panels);
    return [all, own];
  }

  /** The number of a pixel of the result. */
  #pixel(image: Expression, row: Expression, column: Expression): Expression {
    const { rows, columns } = this.#geometry;
    return add(mul(add(mul(image, rows), row), columns), column);
  }

  #overPanels({ from, to }: Span, body: (group: Expression, panel: Expression) => void): void {
    const { block } = this.#writer;
    const { groups, outputs } = this.#layer;
    const panels = panelsOf(outputs / groups);
    const own = panelsOfTile(this.#method);
    const even = panels % own === 0;
    if (groups === 1) {
      overTiles(block, 'panel', own, even, { from, to }, (panel) => {
        body(i32(0), panel);
      });
      return;
    }
    block.for('group', from, to, (group) => {
      overTiles(block, 'panel', own, even, { from: 0, to: even ? panels / own : panels }, (panel) => {
        body(group, panel);
      });
    });
  }

  #overPixels({ from, to }: Span, body: (row: Expression, column: Expression) => void): void {
    const { block } = this.#writer;
    const { rows, columns } = this.#geometry;
    const { pixels } = this.#method.tile;
    const even = columns % pixels === 0;
    if (rows === 1) {
      overTiles(block, 'column', pixels, even, { from, to }, (column) => {
        body(i32(0), column);
      });
      return;
    }
    block.for('row_at', from, to, (row) => {
      overTiles(
        block,
        'column',
        pixels,
        even,
        { from: 0, to: even ? columns / pixels : columns },
        (column) => {
          body(row, column);
        },
      );
    });
  }

  #copyInput(image: Expression): void {
    const { copy } = this.#geometry;
    if (copy === undefined) return;
    const { channels, form, window } = this.#layer;
    const flat = copy.height === 1 && copy.top === 0 && this.#geometry.rows === 1;
    const flipped = flips(this.#layer, this.#method.product) ? 128 : 0;
    copyPadded(this.#writer, image, {
      ...copy,
      from: this.#x,
      to: this.#input,
      channels,
      extent: flat ? { rows: 1, columns: copy.width } : { rows: window.y.extent, columns: window.x.extent },
      slack,
      padding: form.padding ^ flipped,
      ofValue: (stored) => (flipped === 0 ? form.ofValue(stored) : bitXor(form.ofValue(stored), flipped)),
    });
  }

  /** The first output channel of register `v` of a tile. */
  #channel(group: Expression, panel: Expression, v: number): Expression {
    const { outputs, groups } = this.#layer;
    const { lanes } = this.#method.machine;
    const perGroup = outputs / groups;
    const perPanel = panelOutputs / lanes;
    const start = mul(add(panel, Math.floor(v / perPanel)), panelOutputs);
    const last = panelStart(panelsOf(perGroup) - 1, perGroup);
    const own = perGroup % panelOutputs === 0 ? start : min(start, last);
    return add(mul(group, perGroup), own, (v % perPanel) * lanes);
  }

  #emitTile(
    image: Expression,
    row: Expression,
    column: Expression,
    group: Expression,
    panel: Expression,
  ): void {
    const { block } = this.#writer;
    const { machine, product, tile } = this.#method;
    const { outputs } = this.#layer;
    const [pixels, registers] = [counted(tile.pixels), counted(tile.registers)];
    const channels = registers.map((v) => block.let(`channel_${v}`, this.#channel(group, panel, v)));
    const bias = (v: number): Expression => loadVector(machine.loadWords, this.#bias, channels[v]!);
    const starts = product.fold === undefined ? registers.map((v) => block.let(`bias_${v}`, bias(v))) : [];
    const terms = this.#terms;
    const { columns } = this.#geometry;
    const ofPixel =
      terms === undefined
        ? []
        : pixels.map((p) =>
            block.let(`term_${p}`, machine.splat(load(terms, add(mul(row, columns), column, p)))),
          );
    const sums = declareSums(block, tile, (v, p) => {
      const start = starts[v] ?? machine.zero;
      return terms === undefined ? start : machine.add(start, ofPixel[p]!);
    });
    if (this.#totals !== undefined) {
      this.#overTotals(sums, (at, _, v) => {
        block.storeVector(machine.storeWords, this.#totals!, at, bias(v));
      });
    }
    this.#multiply(image, row, column, group, panel, sums);
    const totals = sums.map((own, p) =>
      own.map((sum, v) => {
        if (product.fold === undefined) return sum;
        if (this.#totals === undefined) return block.let(`total_${p}_${v}`, product.fold(bias(v), sum));
        const at = (p * tile.registers + v) * machine.lanes;
        return loadVector(machine.loadWords, this.#totals, at);
      }),
    );
    if (this.#ending.kind === 'rows') {
      for (const p of pixels) {
        for (const v of registers) {
          block.storeVector(machine.storeWords, this.#sums!, add(channels[v]!, p * outputs), totals[p]![v]!);
        }
      }
      return;
    }
    const { epilogue } = this.#ending;
    const first = block.let('first', mul(this.#pixel(image, row, column), outputs));
    epilogue.finish(
      registers.flatMap((v) => {
        const constants = epilogue.prepare(channels[v]!, `_${v}`);
        const to = block.let(`to_${v}`, add(first, channels[v]!));
        return pixels.map((p) => ({
          constants,
          accumulators: totals[p]![v]!,
          at: add(to, p * outputs),
          suffix: `_${p}_${v}`,
        }));
      }),
    );
  }

  /** Calls `body` with the place of each sum's total. */
  #overTotals(sums: Sums, body: (at: number, sum: Variable, v: number) => void): void {
    const { machine, tile } = this.#method;
    sums.forEach((own, p) => {
      own.forEach((sum, v) => {
        body((p * tile.registers + v) * machine.lanes, sum, v);
      });
    });
  }

  /** Adds what short sums hold to their totals, and starts them again. */
  #fold(sums: Sums): void {
    const { block } = this.#writer;
    const { machine, product } = this.#method;
    this.#overTotals(sums, (at, sum) => {
      const total = loadVector(machine.loadWords, this.#totals!, at);
      block.storeVector(machine.storeWords, this.#totals!, at, product.fold!(total, sum));
      block.set(sum, machine.zero);
    });
  }

  /** The inputs of a step, as the machine multiplies them. */
  #inputs(at: Expression): Expression {
    const { product } = this.#method;
    const inputs = product.splat(this.#input, at);
    const { copy } = this.#geometry;
    return copy === undefined && flips(this.#layer, product) ? product.flip!(inputs) : inputs;
  }

  /** Adds the products of all runs to the accumulators of a tile. */
  #multiply(
    image: Expression,
    row: Expression,
    column: Expression,
    group: Expression,
    panel: Expression,
    sums: Sums,
  ): void {
    const { block } = this.#writer;
    const { product } = this.#method;
    const { channels, groups, outputs } = this.#layer;
    const { imagePitch, rowPitch, pixelPitch, runs } = this.#geometry;
    const pitch = panelPitch(runs);
    const local = this.#ending.kind === 'vector' && this.#weights.make !== undefined;
    const panelAt = local ? i32(0) : mul(add(mul(group, panelsOf(outputs / groups)), panel), pitch);
    const start = block.let(
      'pixel_at',
      add(mul(image, imagePitch), mul(row, rowPitch), mul(column, pixelPitch), mul(group, channels / groups)),
    );
    const length = Math.ceil(runs.useful / product.step) * product.step;
    this.#overRuns(start, row, (xAt: Expression, number: Expression): void => {
      const wAt = block.let('w', add(panelAt, mul(number, runs.length * panelOutputs)));
      const steps = (from: Expression, to: Expression): void => {
        block.for(
          'k',
          from,
          to,
          (k) => {
            const at = block.let('at', opaque(add(xAt, k)));
            const weights = { array: this.#weights.array, at: add(wAt, mul(k, panelOutputs)), pitch };
            emitStep(block, this.#method, sums, weights, (p, further) =>
              this.#inputs(add(at, p * pixelPitch + further)),
            );
          },
          stepInputs(product),
        );
      };
      if (this.#totals === undefined) {
        steps(i32(0), i32(length));
        return;
      }
      const own = this.#folding as number;
      block.for(
        'part',
        0,
        length,
        (from) => {
          steps(from, length % own === 0 ? add(from, own) : min(add(from, own), length));
          this.#fold(sums);
        },
        own,
      );
    });
  }

  /** Calls `run` with where each run of inputs of a pixel's window begins, and its number among them. */
  #overRuns(start: Expression, row: Expression, run: (xAt: Expression, number: Expression) => void): void {
    const { block } = this.#writer;
    const { window, channels } = this.#layer;
    const { inputRow, runs, skips } = this.#geometry;
    const { y, x } = window;
    const rowsOfTaps = runs.count === y.taps;
    const overRow = (v: Expression): void => {
      const down = skips ? sub(mul(v, y.dilation), y.pad) : mul(v, y.dilation);
      const rowAt = block.let('row_start', add(start, mul(down, inputRow)));
      if (rowsOfTaps) run(rowAt, v);
      else {
        block.for('u', 0, x.taps, (u) => {
          run(block.let('tap_at', add(rowAt, mul(u, x.dilation * channels))), add(mul(v, x.taps), u));
        });
      }
    };
    if (!skips) {
      block.for('v', 0, y.taps, overRow);
      return;
    }
    const first = block.let('first_tap', max(sub(y.pad, mul(row, y.stride)), 0));
    const end = block.let('last_tap', min(sub(y.extent + y.pad, mul(row, y.stride)), y.taps));
    block.for('v', first, end, overRow);
  }
}

/** The bias, less what the ways of multiplying add to sums. */
function biasOf(layer: Layer, product: Product): readonly number[] {
  if (product.pairs !== undefined) return pairedBias(layer);
  return flips(layer, product) ? flippedBias(layer) : layer.bias;
}

/** The bias where every input is 128 too small; what leaves 32 bits on the way comes back with the sums. */
function flippedBias({ bias, weight, outputs }: Layer): readonly number[] {
  const inputs = weight.data.length / outputs;
  return bias.map((value, o) => {
    let sum = 0;
    for (let i = o * inputs; i < (o + 1) * inputs; i++) sum += weight.data[i]!;
    return (value + 128 * sum) | 0;
  });
}
