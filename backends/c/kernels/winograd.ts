/**
 * 3x3 convolution of stride 1 on 4-bit operands by integer Winograd F(2x2, 3x3): see `plan/winograd.ts` for the algebra and why everything stays
 * in bytes. One image at a time, a *band* of result rows at a time:
 *
 *     input    every 4x4 patch (step 2) of the padded input, transformed, as bytes:            patches[16][tile][channel]
 *     weights  of a tile of outputs, transformed from their packed nibbles, in panels:          filters[16][panel][channel / 4][16][4]
 *     sums     for some patches and those outputs, 16 products of matrices, by register tiles:  sums[16][patch][output]
 *     result   2x2 pixels out of 16 sums, and the step's elementwise work on them in registers
 *
 * Where the transformed input of the whole image is small there is one band, and filters are transformed a tile of outputs at a time: they are
 * then still near when they are multiplied. Otherwise all filters are transformed first, and bands are small enough for the second-level cache.
 */
import {
  offsetSums,
  type Ring,
  transformInput,
  transformSums,
  transformWeights,
  winogradLimits,
  winogradOffset,
} from '../../plan/index.ts';
import {
  add,
  type Block,
  div,
  type Expression,
  i32,
  type KernelArray,
  load,
  loadVector,
  lt,
  min,
  mul,
  sub,
} from '../../kernel/index.ts';
import type { VectorMachine } from '../isa/machine.ts';
import type { Layer } from '../layer.ts';
import type { StepWriter } from '../step-writer.ts';
import type { Tile } from './direct.ts';
import {
  panelOutputs,
  panelPitch,
  panelsOf,
  panelStart,
  panelTitle,
  panelWeights,
  runsOf,
} from './panels.ts';
import type { VectorEpilogue } from './vector-epilogue.ts';

const positions = 16;

/** Bytes of transformed input that are kept at a time: about half of a second-level cache. */
const bandBytes = 512 * 1024;
/** And of a band, where there are several: they compete with all filters. */
const smallBandBytes = 160 * 1024;

/** Bytes of sums that are kept at a time: the filters of one position are read once for all of them. */
const sumsBytes = 64 * 1024;

interface Geometry {
  /** Patches across and down the result. */
  readonly across: number;
  readonly down: number;
  /** Rows of patches in a band, and bands. */
  readonly bandRows: number;
  readonly bands: number;
  readonly patches: number;
  /** Pixels of a row of the padded input. */
  readonly width: number;
  readonly height: number;
}

function geometryOf({ window, channels }: Layer): Geometry {
  const across = Math.ceil(window.x.outputs / 2);
  const down = Math.ceil(window.y.outputs / 2);
  const rowBytes = positions * across * channels;
  const all = rowBytes * down <= bandBytes;
  const most = all ? down : Math.max(1, Math.floor(smallBandBytes / rowBytes));
  const bands = Math.ceil(down / most);
  const bandRows = Math.ceil(down / bands);
  return {
    across,
    down,
    bandRows,
    bands,
    patches: bandRows * across,
    width: 2 * across + 2,
    height: 2 * down + 2,
  };
}

/** Why a layer cannot be done this way with a tile. */
export function winogradRefuses(layer: Layer, machine: VectorMachine, tile: Tile): string | undefined {
  const { window, channels, outputs, groups, form, weight, weightBits, lowest, highest } = layer;
  const square = [window.x, window.y].every(
    ({ taps, stride, dilation }) => taps === 3 && stride === 1 && dilation === 1,
  );
  if (!square || groups !== 1) return 'not a plain 3x3 convolution of stride 1';
  if (weightBits !== 4) return `weights of ${weightBits} bits`;
  if (form.element !== 'u8' || form.highest > winogradLimits.input) return 'inputs of more than 4 bits';
  if (weight.data.some((w) => Math.abs(w) > winogradLimits.weight)) return 'weights beyond 8';
  if (channels % 16 !== 0) return `${channels} channels are no multiple of 16`;
  if (outputs < panelOutputs) return `${outputs} outputs are fewer than ${panelOutputs}`;
  const most = Math.max(...highest.map(Math.abs), ...lowest.map(Math.abs));
  // Nine sums of sixteen meet in a result, each of products of 92 * 72, and the bias four times.
  if (4 * most + 9 * 92 * 72 * channels >= 2 ** 31) return 'sums that might leave 32 bits';
  if (tile.pixels > geometryOf(layer).patches) return 'fewer patches than the tile has';
  if (tile.registers * machine.lanes > panelsOf(outputs) * panelOutputs)
    return 'fewer outputs than the tile has';
  return undefined;
}

/**
 * Estimated cycles, on the scale of `directCycles`: products, transforms of inputs and of filters, transforms of results. Fitted to what Zen 5
 * takes for 3x3 layers of 16 to 512 channels (`qc bench`): a transformed filter costs 2.25 cycles, because 16 bytes of it are written and come
 * back through the caches; few channels leave registers of the transforms partly empty, and are better done directly.
 */
export function winogradCycles(layer: Layer, machine: VectorMachine, { pixels, registers }: Tile): number {
  const { bands, patches, down, across } = geometryOf(layer);
  const panels = panelsOf(layer.outputs);
  const own = Math.max(1, (registers * machine.lanes) / panelOutputs);
  const tiles = bands * Math.ceil(patches / pixels) * Math.ceil(panels / own);
  const step = Math.max((pixels * registers) / 2, (pixels + registers) / 2, 4.5);
  const products = (tiles * positions * layer.channels * step) / 4;
  const inputs = (down * across * layer.channels * 32) / Math.min(machine.bytes[0]!.size, layer.channels);
  const filters = (layer.outputs * layer.channels * 144) / (4 * machine.lanes);
  const results = tiles * pixels * registers * 40;
  return layer.batch * (products + inputs + filters + results);
}

/** Writes the whole layer into the step. */
export function winogradConvolution(
  writer: StepWriter,
  layer: Layer,
  machine: VectorMachine,
  tile: Tile,
  epilogue: VectorEpilogue,
): void {
  new WinogradConvolution(writer, layer, machine, tile, epilogue).write();
}

const counted = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** Names every sum, so that none is computed twice. */
const namedRing = (
  block: Block,
  ops: {
    readonly add: (a: Expression, b: Expression) => Expression;
    readonly subtract: (a: Expression, b: Expression) => Expression;
  },
): Ring<Expression> => ({
  add: (a, b) => block.let('t', ops.add(a, b)),
  subtract: (a, b) => block.let('t', ops.subtract(a, b)),
});

class WinogradConvolution {
  readonly #writer: StepWriter;
  readonly #layer: Layer;
  readonly #machine: VectorMachine;
  readonly #tile: Tile;
  readonly #epilogue: VectorEpilogue;
  readonly #geometry: Geometry;
  readonly #x: KernelArray;
  readonly #stored: KernelArray;
  readonly #padded: KernelArray;
  readonly #patches: KernelArray;
  readonly #filters: KernelArray;
  readonly #sums: KernelArray;
  readonly #bias: KernelArray;
  /** Patches whose sums are kept at a time. */
  readonly #group: number;
  /** Panels of a tile, and of `filters`. */
  readonly #own: number;
  readonly #kept: number;

  constructor(
    writer: StepWriter,
    layer: Layer,
    machine: VectorMachine,
    tile: Tile,
    epilogue: VectorEpilogue,
  ) {
    this.#writer = writer;
    this.#layer = layer;
    this.#machine = machine;
    this.#tile = tile;
    this.#epilogue = epilogue;
    this.#geometry = geometryOf(layer);
    const { channels, outputs, node, weight } = layer;
    const { width, height, patches, bands } = this.#geometry;
    const most = sumsBytes / (4 * positions * tile.registers * machine.lanes);
    const strips = Math.min(Math.floor(most / tile.pixels), Math.floor(patches / tile.pixels));
    this.#group = Math.max(1, strips) * tile.pixels;
    this.#own = Math.max(1, (tile.registers * machine.lanes) / panelOutputs);
    this.#kept = bands === 1 ? this.#own : panelsOf(outputs);
    this.#x = writer.input(node.operands[0]!, 'x');
    this.#stored = writer.weights('u8', panelWeights(layer), panelTitle(layer));
    this.#padded = writer.scratch('padded', 'u8', width * height * channels);
    this.#patches = writer.scratch('patches', 'u8', positions * patches * channels);
    this.#filters = writer.scratch('filters', 'i8', positions * this.#kept * panelOutputs * channels);
    this.#sums = writer.scratch('sums', 'i32', positions * this.#group * tile.registers * machine.lanes);
    // Four times the bias, less what the offset adds: one table for each of the four results of a patch.
    const inputs = weight.data.length / outputs;
    const offsets = counted(outputs).map((o) =>
      offsetSums(weight.data.subarray(o * inputs, (o + 1) * inputs)),
    );
    this.#bias = writer.table(
      'bias',
      'i32',
      counted(4).flatMap((i) => layer.bias.map((bias, o) => 4 * bias - offsets[o]![i]!)),
    );
  }

  write(): void {
    const { block } = this.#writer;
    const { bands, bandRows, down } = this.#geometry;
    const panels = panelsOf(this.#layer.outputs);
    const alone = bands === 1;
    if (!alone) this.#transformFilters(i32(0));
    block.for('image_at', 0, this.#layer.batch, (image) => {
      this.#pad(image);
      block.for('band', 0, bands, (band) => {
        const firstRow = alone ? i32(0) : block.let('first_row', min(mul(band, bandRows), down - bandRows));
        this.#transformInput(firstRow);
        block.for('tile', 0, Math.ceil(panels / this.#own), (tile) => {
          const start = mul(tile, this.#own);
          const panel = panels % this.#own === 0 ? start : block.let('panel', min(start, panels - this.#own));
          if (alone) this.#transformFilters(panel);
          this.#overGroups((patch) => {
            this.#multiply(patch, alone ? i32(0) : panel);
            this.#finish(image, firstRow, patch, panel);
          });
        });
      });
    });
  }

  /** Copies an image between columns and rows of padding; 1 before, whatever completes the patches behind. */
  #pad(image: Expression): void {
    const { block } = this.#writer;
    const { channels, form, window } = this.#layer;
    const { width, height } = this.#geometry;
    const { x, y } = window;
    const row = width * channels;
    const fill = (from: Expression, to: Expression): void => {
      block.for('k', from, to, (k) => {
        block.store(this.#padded, k, form.padding);
      });
    };
    const rows = Math.min(y.extent, height - y.pad);
    const columns = Math.min(x.extent, width - x.pad);
    fill(i32(0), i32(y.pad * row));
    block.for('y', 0, rows, (v) => {
      const to = block.let('to', mul(add(v, y.pad), row));
      const source = block.let('source', mul(add(mul(image, y.extent), v), x.extent * channels));
      fill(to, add(to, x.pad * channels));
      block.for('k', 0, columns * channels, (k) => {
        block.store(this.#padded, add(to, k, x.pad * channels), form.ofValue(load(this.#x, add(source, k))));
      });
      fill(add(to, (x.pad + columns) * channels), add(to, row));
    });
    fill(i32((y.pad + rows) * row), i32(height * row));
  }

  #transformInput(firstRow: Expression): void {
    const { block } = this.#writer;
    const { channels } = this.#layer;
    const { across, bandRows, width, patches } = this.#geometry;
    const lanes = this.#machine.bytes.find(({ size }) => channels % size === 0)!;
    const ring = namedRing(block, lanes);
    const offset = lanes.splat(winogradOffset);
    block.comment('transformed patches: B^T d B + 32');
    block.for('row', 0, bandRows, (row) => {
      block.for('column', 0, across, (column) => {
        const from = block.let(
          'source',
          mul(add(mul(add(firstRow, row), 2 * width), mul(column, 2)), channels),
        );
        const to = block.let('to', mul(add(mul(row, across), column), channels));
        block.for(
          'c',
          0,
          channels,
          (c) => {
            const inputs = counted(4).map((v) =>
              counted(4).map((u) =>
                block.let(
                  `d_${v}${u}`,
                  loadVector(lanes.load, this.#padded, add(from, c, (v * width + u) * channels)),
                ),
              ),
            );
            transformInput(inputs, ring)
              .flat()
              .forEach((value, position) => {
                const at = add(to, c, position * patches * channels);
                block.storeVector(lanes.store, this.#patches, at, lanes.add(value, offset));
              });
          },
          lanes.size,
        );
      });
    });
  }

  /** Transforms the filters of the panels kept, from `panel` on. */
  #transformFilters(panel: Expression): void {
    const { block } = this.#writer;
    const machine = this.#machine;
    const runs = runsOf(this.#layer);
    const { channels } = this.#layer;
    const bytes = 4 * machine.lanes;
    const pitch = panelOutputs * channels;
    const lanes = machine.bytes.find(({ size }) => size === bytes)!;
    const ring = namedRing(block, lanes);
    block.comment('transformed filters: 2G g (2G)^T');
    block.for('own', 0, this.#kept, (own) => {
      const from = block.let('packed', mul(add(panel, own), panelPitch(runs) / 2));
      block.for(
        'k',
        0,
        pitch,
        (k) => {
          const taps = counted(3).map((v) =>
            counted(3).map((u) =>
              block.let(
                `g_${v}${u}`,
                machine.unpackNibbles(
                  this.#stored,
                  add(from, div(k, 2), ((v * runs.length + u * channels) * panelOutputs) / 2),
                ),
              ),
            ),
          );
          transformWeights(taps, ring)
            .flat()
            .forEach((value, position) => {
              const at = add(mul(own, pitch), k, position * this.#kept * pitch);
              block.storeVector(lanes.store, this.#filters, at, value);
            });
        },
        bytes,
      );
    });
  }

  #overGroups(body: (patch: Expression) => void): void {
    const { block } = this.#writer;
    const { patches } = this.#geometry;
    const own = this.#group;
    block.for('group', 0, Math.ceil(patches / own), (group) => {
      const start = mul(group, own);
      body(patches % own === 0 ? start : block.let('first_patch', min(start, patches - own)));
    });
  }

  /** The 16 products of a group: sums[position][patch][register]. */
  #multiply(patch: Expression, panel: Expression): void {
    const { block } = this.#writer;
    const machine = this.#machine;
    const { pixels, registers } = this.#tile;
    const { channels } = this.#layer;
    const { patches } = this.#geometry;
    const pitch = panelOutputs * channels;
    const perPanel = panelOutputs / machine.lanes;
    const sumsOf = registers * machine.lanes;
    block.for('position', 0, positions, (position) => {
      const wAt = block.let('w_at', mul(add(mul(position, this.#kept), panel), pitch));
      block.for(
        'strip',
        0,
        this.#group,
        (strip) => {
          const sums = counted(pixels).map((p) =>
            counted(registers).map((v) => block.var(`acc_${p}_${v}`, machine.zero)),
          );
          const xAt = block.let('x_at', mul(add(mul(position, patches), patch, strip), channels));
          block.for(
            'k',
            0,
            channels,
            (k) => {
              const weights = counted(registers).map((v) => {
                const own = Math.floor(v / perPanel) * pitch + (v % perPanel) * machine.lanes * 4;
                return block.let(
                  `w_${v}`,
                  machine.loadWeights(this.#filters, add(wAt, mul(k, panelOutputs), own)),
                );
              });
              sums.forEach((own, p) => {
                const x = block.let(`x_${p}`, machine.splatBytes(this.#patches, add(xAt, k, p * channels)));
                own.forEach((sum, v) => {
                  block.set(sum, machine.dot(sum, x, weights[v]!));
                });
              });
            },
            4,
          );
          const to = block.let('sums_at', mul(add(mul(position, this.#group), strip), sumsOf));
          sums.forEach((own, p) => {
            own.forEach((sum, v) => {
              block.storeVector(machine.storeWords, this.#sums, add(to, p * sumsOf + v * machine.lanes), sum);
            });
          });
        },
        pixels,
      );
    });
  }

  #finish(image: Expression, firstRow: Expression, patch: Expression, panel: Expression): void {
    const { block } = this.#writer;
    const machine = this.#machine;
    const { registers } = this.#tile;
    const { outputs, window } = this.#layer;
    const { across } = this.#geometry;
    const [height, width] = [window.y.outputs, window.x.outputs];
    const perPanel = panelOutputs / machine.lanes;
    const ring = namedRing(block, machine);
    block.comment('results: A^T M A / 4, then the elementwise work on 2 x 2 pixels');
    counted(registers).forEach((v) => {
      const start = mul(add(panel, Math.floor(v / perPanel)), panelOutputs);
      const last = panelStart(panelsOf(outputs) - 1, outputs);
      const own = outputs % panelOutputs === 0 ? start : min(start, last);
      const channel = block.let(`channel_${v}`, add(own, (v % perPanel) * machine.lanes));
      const constants = this.#epilogue.prepare(channel, `_${v}`);
      const biases = counted(4).map((i) =>
        block.let(`bias_${v}_${i}`, loadVector(machine.loadWords, this.#bias, add(channel, i * outputs))),
      );
      block.for('p', 0, this.#group, (p) => {
        const number = block.let('number', add(patch, p));
        const row = block.let('row', div(number, across));
        const y = block.let('y', mul(add(firstRow, row), 2));
        const x = block.let('x_at', mul(sub(number, mul(row, across)), 2));
        const from = block.let('source', mul(add(mul(p, registers), v), machine.lanes));
        const sums = counted(4).map((i) =>
          counted(4).map((j) => {
            const at = add(from, (4 * i + j) * this.#group * registers * machine.lanes);
            return block.let(`m_${i}${j}`, loadVector(machine.loadWords, this.#sums, at));
          }),
        );
        const four = transformSums(sums, ring).flat();
        const to = block.let(
          'to',
          add(mul(add(mul(add(mul(image, height), y), width), x), outputs), channel),
        );
        four.forEach((value, i) => {
          const [down, right] = [i >> 1, i & 1];
          const result = machine.shiftRight(machine.add(value, biases[i]!), 2);
          const write = (): void => {
            const acc = block.let(`acc_${i}`, result);
            this.#epilogue.finish(constants, acc, add(to, (down * width + right) * outputs), `_${i}`);
          };
          const inRow = down === 0 || height % 2 === 0;
          const inColumn = right === 0 || width % 2 === 0;
          if (inRow && inColumn) write();
          else if (inRow) block.if(lt(add(x, 1), width), write);
          else if (inColumn) block.if(lt(add(y, 1), height), write);
          else
            block.if(lt(add(x, 1), width), () => {
              block.if(lt(add(y, 1), height), write);
            });
        });
      });
    });
  }
}
