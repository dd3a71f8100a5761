/**
 * Convolution, and dense, by register tiles: `pixels` neighbours in a row of the result times `panels` panels of outputs, every accumulator in a
 * register from the bias to the stored result. For AVX-512 and 14 x 32, of 32 registers:
 *
 *              panel 0   panel 1
 *               w[0]      w[1]         one load each, per step of 4 inputs
 *     x[0]    acc_0_0   acc_0_1        4 bytes of a pixel, copied to every lane
 *     x[1]    acc_1_0   acc_1_1
 *      :         :         :           28 dot products on 16 loads
 *     x[13]   acc_13_0  acc_13_1
 *
 * A window's row of taps is one run of bytes, for channels lie innermost; so is all of a 1x1 window. Rows of taps above and below the input are
 * left out, not multiplied; the columns beside it are bytes of a copy of the input, where there are such columns. The copy also makes signed
 * inputs unsigned. It costs one byte moved per input, where the layer multiplies each by hundreds.
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
} from '../../kernel/index.ts';
import type { VectorMachine } from '../isa/machine.ts';
import type { Layer } from '../layer.ts';
import type { RowReader } from '../rows.ts';
import type { StepWriter } from '../step-writer.ts';
import { neverOutside, type WindowAxis } from '../window.ts';
import {
  panelOutputs,
  panelPitch,
  panelsOf,
  panelStart,
  panelTitle,
  panelWeights,
  type Runs,
  runsOf,
} from './panels.ts';
import type { VectorEpilogue } from './vector-epilogue.ts';

/** Accumulators of a kernel: neighbouring pixels of a row, times registers of outputs. */
export interface Tile {
  readonly pixels: number;
  readonly registers: number;
}

/** What becomes of the accumulators: stored from registers, or handed on a row of channels at a time. */
export type Ending =
  | { readonly kind: 'vector'; readonly epilogue: VectorEpilogue }
  | { readonly kind: 'rows'; readonly emitRow: (row: Expression, value: RowReader) => void };

/** A layer as rows of pixels that a tile moves along. */
interface Geometry {
  readonly images: number;
  readonly rows: number;
  readonly columns: number;
  /** Bytes of the input from one image, row, and pixel of the result to the next. */
  readonly imagePitch: number;
  readonly rowPitch: number;
  readonly pixelPitch: number;
  /** Bytes from one row of the input to the next. */
  readonly inputRow: number;
  /** The input is copied, with these columns and rows around it. */
  readonly copy:
    | { readonly left: number; readonly width: number; readonly top: number; readonly height: number }
    | undefined;
  /** Rows of taps outside the input are left out. */
  readonly skips: boolean;
  readonly runs: Runs;
}

const beyond = (axis: WindowAxis): number =>
  Math.max(
    0,
    (axis.outputs - 1) * axis.stride + (axis.taps - 1) * axis.dilation - axis.pad - (axis.extent - 1),
  );

/** True where a machine's signed dot product cannot take the layer's inputs as they are. */
const flips = (layer: Layer, machine: VectorMachine): boolean =>
  machine.flip !== undefined && layer.form.highest > 127;

/** How a layer is walked. */
export function geometryOf(layer: Layer, machine: VectorMachine): Geometry {
  const { window, channels, form, batch } = layer;
  const { x, y } = window;
  const runs = runsOf(layer);
  // Where 128 is taken off every input, what is left out would be missed.
  const skips = form.padding === 0 && y.dilation === 1 && !neverOutside(y) && !flips(layer, machine);
  const inPlace =
    form.offset === 0 && runs.useful === runs.length && neverOutside(x) && (neverOutside(y) || skips);
  const flat = layer.taps === 1 && neverOutside(x) && neverOutside(y) && x.stride === 1 && y.stride === 1;
  if (flat) {
    const pixels = batch * y.outputs * x.outputs;
    return {
      images: 1,
      rows: 1,
      columns: pixels,
      imagePitch: 0,
      rowPitch: 0,
      pixelPitch: channels,
      inputRow: pixels * channels,
      copy: inPlace ? undefined : { left: 0, width: pixels, top: 0, height: 1 },
      skips: false,
      runs,
    };
  }
  const width = inPlace ? x.extent : x.pad + x.extent + beyond(x);
  const top = inPlace || skips ? 0 : y.pad;
  const height = inPlace || skips ? y.extent : y.pad + y.extent + beyond(y);
  return {
    images: batch,
    rows: y.outputs,
    columns: x.outputs,
    imagePitch: inPlace ? y.extent * width * channels : 0,
    rowPitch: y.stride * width * channels,
    pixelPitch: x.stride * channels,
    inputRow: width * channels,
    copy: inPlace ? undefined : { left: x.pad, width, top, height },
    skips,
    runs,
  };
}

/** Bytes a load may reach beyond the last tap. */
const slack = 4;

/** Writes the whole layer into the step. */
export function directConvolution(
  writer: StepWriter,
  layer: Layer,
  machine: VectorMachine,
  tile: Tile,
  ending: Ending,
): void {
  new DirectConvolution(writer, layer, machine, tile, ending).write();
}

class DirectConvolution {
  readonly #writer: StepWriter;
  readonly #layer: Layer;
  readonly #machine: VectorMachine;
  readonly #tile: Tile;
  readonly #ending: Ending;
  readonly #geometry: Geometry;
  readonly #x: KernelArray;
  readonly #input: KernelArray;
  readonly #stored: KernelArray;
  /** Weights as they are multiplied, and whether only those of the current tile are there. */
  readonly #weights: { readonly array: KernelArray; readonly local: boolean };
  readonly #bias: KernelArray;
  readonly #sums: KernelArray | undefined;

  constructor(writer: StepWriter, layer: Layer, machine: VectorMachine, tile: Tile, ending: Ending) {
    this.#writer = writer;
    this.#layer = layer;
    this.#machine = machine;
    this.#tile = tile;
    this.#ending = ending;
    this.#geometry = geometryOf(layer, machine);
    const { copy } = this.#geometry;
    const { node, weightBits, outputs } = layer;
    this.#x = writer.input(node.operands[0]!, 'x');
    this.#input =
      copy === undefined
        ? this.#x
        : writer.scratch('padded', 'u8', copy.width * copy.height * layer.channels + slack);
    this.#stored = writer.weights(weightBits === 8 ? 'i8' : 'u8', panelWeights(layer), panelTitle(layer));
    const local = ending.kind === 'vector';
    this.#weights =
      weightBits === 8
        ? { array: this.#stored, local: false }
        : {
            array: writer.scratch(
              'unpacked',
              'i8',
              (local ? this.#panelsOfTile : layer.groups * panelsOf(outputs / layer.groups)) *
                panelPitch(this.#geometry.runs),
            ),
            local,
          };
    this.#bias = writer.table('bias', 'i32', flips(layer, machine) ? flippedBias(layer) : layer.bias);
    this.#sums = ending.kind === 'rows' ? writer.scratch('sums', 'i32', tile.pixels * outputs) : undefined;
  }

  /** Panels of a tile: a panel is one register of AVX-512, several of narrower machines. */
  get #panelsOfTile(): number {
    return Math.max(1, (this.#tile.registers * this.#machine.lanes) / panelOutputs);
  }

  write(): void {
    const { block } = this.#writer;
    const { images } = this.#geometry;
    const { groups, outputs } = this.#layer;
    const { pixels } = this.#tile;
    if (!this.#weights.local && this.#weights.array !== this.#stored) {
      this.#unpack(i32(0), groups * panelsOf(outputs / groups));
    }
    block.for('image_at', 0, images, (image) => {
      this.#copyInput(image);
      if (this.#ending.kind === 'vector') {
        this.#overPanels((group, panel) => {
          if (this.#weights.local)
            this.#unpack(add(mul(group, panelsOf(outputs / groups)), panel), this.#panelsOfTile);
          this.#overPixels((row, column) => {
            this.#emitTile(image, row, column, group, panel);
          });
        });
      } else {
        const { emitRow } = this.#ending;
        this.#overPixels((row, column) => {
          this.#overPanels((group, panel) => {
            this.#emitTile(image, row, column, group, panel);
          });
          block.for('pixel', 0, pixels, (pixel) => {
            const at = this.#pixel(image, row, column);
            emitRow(block.let('row', add(at, pixel)), (c) => load(this.#sums!, add(mul(pixel, outputs), c)));
          });
        });
      }
    });
  }

  /** The number of a pixel of the result. */
  #pixel(image: Expression, row: Expression, column: Expression): Expression {
    const { rows, columns } = this.#geometry;
    return add(mul(add(mul(image, rows), row), columns), column);
  }

  #overPanels(body: (group: Expression, panel: Expression) => void): void {
    const { block } = this.#writer;
    const { groups, outputs } = this.#layer;
    const panels = panelsOf(outputs / groups);
    const own = this.#panelsOfTile;
    block.for('group', 0, groups, (group) => {
      block.for('tile', 0, Math.ceil(panels / own), (tile) => {
        const start = mul(tile, own);
        body(group, panels % own === 0 ? start : block.let('panel', min(start, panels - own)));
      });
    });
  }

  #overPixels(body: (row: Expression, column: Expression) => void): void {
    const { block } = this.#writer;
    const { rows, columns } = this.#geometry;
    const { pixels } = this.#tile;
    block.for('row_at', 0, rows, (row) => {
      block.for('strip', 0, Math.ceil(columns / pixels), (strip) => {
        const start = mul(strip, pixels);
        body(row, columns % pixels === 0 ? start : block.let('column', min(start, columns - pixels)));
      });
    });
  }

  /** Copies one image of the input between columns, and rows, of padding. */
  #copyInput(image: Expression): void {
    const { copy } = this.#geometry;
    if (copy === undefined) return;
    const { block } = this.#writer;
    const { channels, form, window } = this.#layer;
    const flat = copy.height === 1 && copy.top === 0 && this.#geometry.rows === 1;
    const [height, width] = flat ? [1, copy.width] : [window.y.extent, window.x.extent];
    const rowBytes = copy.width * channels;
    const flipped = flips(this.#layer, this.#machine) ? 128 : 0;
    const fill = (from: Expression, to: Expression): void => {
      block.for('k', from, to, (k) => {
        block.store(this.#input, k, form.padding ^ flipped);
      });
    };
    fill(i32(0), i32(copy.top * rowBytes));
    block.for('y', 0, height, (y) => {
      const to = block.let('to', mul(add(y, copy.top), rowBytes));
      const from = block.let('source', mul(add(mul(image, height), y), width * channels));
      fill(to, add(to, copy.left * channels));
      block.for('k', 0, width * channels, (k) => {
        const value = form.ofValue(load(this.#x, add(from, k)));
        const at = add(to, k, copy.left * channels);
        block.store(this.#input, at, flipped === 0 ? value : bitXor(value, flipped));
      });
      fill(add(to, (copy.left + width) * channels), add(to, rowBytes));
    });
    fill(i32((copy.top + height) * rowBytes), i32(copy.height * rowBytes + slack));
  }

  /** Makes bytes of the 4-bit weights of `count` panels from `first` on. */
  #unpack(first: Expression, count: number): void {
    const { block } = this.#writer;
    const pitch = panelPitch(this.#geometry.runs);
    const bytes = 4 * this.#machine.lanes;
    const from = block.let('packed', mul(first, pitch / 2));
    block.for('k', 0, (count * pitch) / bytes, (k) => {
      const weights = this.#machine.unpackNibbles(this.#stored, add(from, mul(k, bytes / 2)));
      block.storeVector(this.#machine.storeWeights, this.#weights.array, mul(k, bytes), weights);
    });
  }

  /** The first output channel of register `v` of a tile. */
  #channel(group: Expression, panel: Expression, v: number): Expression {
    const { outputs, groups } = this.#layer;
    const perGroup = outputs / groups;
    const perPanel = panelOutputs / this.#machine.lanes;
    const start = mul(add(panel, Math.floor(v / perPanel)), panelOutputs);
    const last = panelStart(panelsOf(perGroup) - 1, perGroup);
    const own = perGroup % panelOutputs === 0 ? start : min(start, last);
    return add(mul(group, perGroup), own, (v % perPanel) * this.#machine.lanes);
  }

  #emitTile(
    image: Expression,
    row: Expression,
    column: Expression,
    group: Expression,
    panel: Expression,
  ): void {
    const { block } = this.#writer;
    const machine = this.#machine;
    const { pixels, registers } = this.#tile;
    const { outputs } = this.#layer;
    const all = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
    const channels = all(registers).map((v) => block.let(`channel_${v}`, this.#channel(group, panel, v)));
    const bias = channels.map((channel, v) =>
      block.let(`bias_${v}`, loadVector(machine.loadWords, this.#bias, channel)),
    );
    const sums = all(pixels).map((p) => all(registers).map((v) => block.var(`acc_${p}_${v}`, bias[v]!)));
    this.#multiply(image, row, column, group, panel, sums);
    if (this.#ending.kind === 'rows') {
      for (const p of all(pixels)) {
        for (const v of all(registers)) {
          block.storeVector(machine.storeWords, this.#sums!, add(channels[v]!, p * outputs), sums[p]![v]!);
        }
      }
      return;
    }
    const { epilogue } = this.#ending;
    const first = block.let('first', mul(this.#pixel(image, row, column), outputs));
    for (const v of all(registers)) {
      const constants = epilogue.prepare(channels[v]!, `_${v}`);
      const to = block.let(`to_${v}`, add(first, channels[v]!));
      for (const p of all(pixels)) {
        epilogue.finish(constants, sums[p]![v]!, add(to, p * outputs), `_${p}_${v}`);
      }
    }
  }

  /** Four bytes of the input in every lane, as the machine multiplies them. */
  #bytes(at: Expression): Expression {
    const bytes = this.#machine.splatBytes(this.#input, at);
    const { copy } = this.#geometry;
    return copy === undefined && flips(this.#layer, this.#machine) ? this.#machine.flip!(bytes) : bytes;
  }

  /** Adds the products of all runs to the accumulators of a tile. */
  #multiply(
    image: Expression,
    row: Expression,
    column: Expression,
    group: Expression,
    panel: Expression,
    sums: readonly (readonly ReturnType<StepWriter['block']['var']>[])[],
  ): void {
    const { block } = this.#writer;
    const machine = this.#machine;
    const { window, channels, groups, outputs } = this.#layer;
    const { imagePitch, rowPitch, pixelPitch, inputRow, runs, skips } = this.#geometry;
    const pitch = panelPitch(runs);
    const perGroup = panelsOf(outputs / groups);
    const panelAt = this.#weights.local ? i32(0) : mul(add(mul(group, perGroup), panel), pitch);
    const { y, x } = window;
    const start = block.let(
      'pixel_at',
      add(mul(image, imagePitch), mul(row, rowPitch), mul(column, pixelPitch), mul(group, channels / groups)),
    );
    const run = (xAt: Expression, number: Expression): void => {
      const wAt = block.let('w', add(panelAt, mul(number, runs.length * panelOutputs)));
      block.for(
        'k',
        0,
        runs.length,
        (k) => {
          const at = block.let('at', opaque(add(xAt, k)));
          const weights = sums[0]!.map((_, v) => {
            const perPanel = panelOutputs / machine.lanes;
            const own = Math.floor(v / perPanel) * pitch + (v % perPanel) * machine.lanes * 4;
            return block.let(
              `w_${v}`,
              machine.loadWeights(this.#weights.array, add(wAt, mul(k, panelOutputs), own)),
            );
          });
          sums.forEach((own, p) => {
            const bytes = block.let(`x_${p}`, this.#bytes(add(at, p * pixelPitch)));
            own.forEach((sum, v) => {
              block.set(sum, machine.dot(sum, bytes, weights[v]!));
            });
          });
        },
        4,
      );
    };
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

/** The bias where every input is 128 too small; what leaves 32 bits on the way comes back with the sums. */
function flippedBias({ bias, weight, outputs }: Layer): readonly number[] {
  const inputs = weight.data.length / outputs;
  return bias.map((value, o) => {
    let sum = 0;
    for (let i = o * inputs; i < (o + 1) * inputs; i++) sum += weight.data[i]!;
    return (value + 128 * sum) | 0;
  });
}

/** Cycles a tile kernel takes for a layer, by its count of dot products, loads and weights to unpack: a ranking, not a promise. */
export function directCycles(layer: Layer, machine: VectorMachine, { pixels, registers }: Tile): number {
  const { images, rows, columns, runs } = geometryOf(layer, machine);
  const own = Math.max(1, (registers * machine.lanes) / panelOutputs);
  const tiles =
    images *
    rows *
    Math.ceil(columns / pixels) *
    layer.groups *
    Math.ceil(panelsOf(layer.outputs / layer.groups) / own);
  const dots = pixels * registers;
  // Two dot products and two loads a cycle; a chain of dot products waits four cycles or more for each.
  const step = Math.max(dots / 2, (pixels + registers) / 2, 4.5);
  const ending = dots * 3;
  const unpacking = layer.weightBits === 8 ? 0 : (layer.weight.data.length * 8) / machine.bytes[0]!.size;
  return tiles * ((runs.count * runs.length * step) / 4 + ending) + unpacking;
}

/** True when a tile fits the layer's rows and outputs. */
export const tileFits = (layer: Layer, machine: VectorMachine, { pixels, registers }: Tile): boolean =>
  pixels <= geometryOf(layer, machine).columns &&
  registers * machine.lanes <= panelsOf(layer.outputs / layer.groups) * panelOutputs;
