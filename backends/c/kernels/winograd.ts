/**
 * 3x3 convolution of stride 1 by integer Winograd F(2x2, 3x3): see `plan/winograd.ts` for the algebra and its ranges. 4-bit operands stay in bytes
 * all the way; 8-bit ones take words, on machines that multiply words anyway. One image at a time, a *band* of result rows at a time:
 *
 *     input    every 4x4 patch (step 2) of the padded input, transformed:                       patches[16][tile][channel]
 *     weights  of a tile of outputs, transformed from what is stored, in panels:                filters[16][panel][channel / step][16][step]
 *     sums     for some patches and those outputs, 16 products of matrices, by register tiles:  sums[16][patch][output]
 *     result   2x2 pixels out of 16 sums, and the step's elementwise work on them in registers
 *
 * Where the transformed input of the whole image is small there is one band, and filters are transformed a tile of outputs at a time: they are
 * then still near when they are multiplied. Otherwise all filters are transformed first, and bands are small enough for the second-level cache.
 *
 * Threads share the outputs of a single band, once all of them have transformed it; otherwise each has bands of its own.
 */
import {
  offsetSums,
  type Ring,
  transformInput,
  transformSums,
  transformWeights,
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
  opaque,
  sub,
} from '../../kernel/index.ts';
import type { Layer } from '../layer.ts';
import { share, shareBoth, type Span, type Work } from '../share.ts';
import type { StepWriter } from '../step-writer.ts';
import { copyPadded } from './padded-copy.ts';
import { InputTerms, pairedOffsetSums, pairOffset, stepInputs } from './paired-steps.ts';
import { panelOutputs, panelPitch, panelsOf, panelStart, runsOf } from './panels.ts';
import { overPanel, storedPanels } from './ready-weights.ts';
import type { Folding } from './short-sums.ts';
import { counted, declareSums, emitStep, type Method, overTiles, panelsOfTile } from './tile.ts';
import type { FinishedSums, VectorEpilogue } from './vector-epilogue.ts';
import {
  patchesAtATime,
  positions,
  winogradFolding,
  type WinogradGeometry,
  winogradGeometry,
} from './winograd-plan.ts';

/** Writes the whole layer into the step. */
export function winogradConvolution(
  writer: StepWriter,
  layer: Layer,
  method: Method,
  epilogue: VectorEpilogue,
): void {
  new WinogradConvolution(writer, layer, method, epilogue).write();
}

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

/**
 * Elements between positions beside what they hold: sixteen addresses a power of two apart would share one set of a first-level cache, which holds
 * eight or twelve lines of them.
 */
const apart = 64;

class WinogradConvolution {
  readonly #writer: StepWriter;
  readonly #layer: Layer;
  readonly #method: Method;
  readonly #epilogue: VectorEpilogue;
  readonly #geometry: WinogradGeometry;
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
  /** Elements from one position to the next. */
  readonly #patchPitch: number;
  readonly #filterPitch: number;
  readonly #folding: Folding | undefined;
  /** What is added to transformed inputs. */
  readonly #offset: number;
  /** Products in pairs: what the sums of each position and patch of a band start from. */
  readonly #terms: KernelArray | undefined;

  constructor(writer: StepWriter, layer: Layer, method: Method, epilogue: VectorEpilogue) {
    this.#writer = writer;
    this.#layer = layer;
    this.#method = method;
    this.#epilogue = epilogue;
    const { machine, product, tile } = method;
    this.#geometry = winogradGeometry(layer, product);
    this.#group = patchesAtATime(this.#geometry, method);
    const { channels, outputs, node, weight } = layer;
    const { width, height, patches, bands } = this.#geometry;
    this.#own = panelsOfTile(method);
    const alone = bands === 1;
    this.#kept = alone ? this.#own : panelsOf(outputs);
    this.#x = writer.input(node.operands[0]!, 'x');
    this.#stored = storedPanels(writer, layer);
    this.#patchPitch = patches * channels + apart;
    this.#filterPitch = this.#kept * panelOutputs * channels + apart;
    this.#padded = writer.scratch('shared', 'padded', 'u8', width * height * channels);
    const [ofBand, ofTile] = alone ? (['shared', 'own'] as const) : (['own', 'shared'] as const);
    this.#patches = writer.scratch(ofBand, 'patches', product.inputs, positions * this.#patchPitch);
    this.#filters = writer.scratch(ofTile, 'filters', product.weights, positions * this.#filterPitch);
    this.#sums = writer.scratch(
      'own',
      'sums',
      'i32',
      positions * this.#group * tile.registers * machine.lanes,
    );
    this.#folding = product.fold === undefined ? undefined : winogradFolding(layer);
    this.#terms =
      product.pairs === undefined ? undefined : writer.scratch(ofBand, 'terms', 'i32', positions * patches);
    this.#offset = product.inputs === 'u8' && product.pairs === undefined ? winogradOffset : 0;
    // Four times the bias, less what sums have beside products: one table for each of the four results of a patch.
    const inputs = weight.data.length / outputs;
    const offsets = counted(outputs).map((o) => {
      const filter = weight.data.subarray(o * inputs, (o + 1) * inputs);
      if (product.pairs !== undefined) return pairedOffsetSums(filter);
      return this.#offset === 0 ? [0, 0, 0, 0] : offsetSums(filter);
    });
    this.#bias = writer.table(
      'bias',
      'i32',
      counted(4).flatMap((i) => layer.bias.map((bias, o) => (4 * bias - offsets[o]![i]!) | 0)),
    );
  }

  write(): void {
    const { block } = this.#writer;
    const alone = this.#geometry.bands === 1;
    const { batch } = this.#layer;
    if (!alone) this.#transformFilters(i32(0), share(this.#writer, { items: this.#kept }));
    block.for('image_at', 0, batch, (image) => {
      this.#pad(image);
      block.barrier();
      if (alone) this.#oneBand(image);
      else this.#ownBands(image);
      if (batch > 1) block.barrier();
    });
  }

  /** The whole image is one band. */
  #oneBand(image: Expression): void {
    const { block } = this.#writer;
    const { outputs } = this.#layer;
    this.#transformInput(i32(0), share(this.#writer, { items: this.#geometry.bandRows }));
    block.barrier();
    // Outputs of an incomplete panel are computed with those of the one before: no two threads may have them.
    const tiles: Work =
      outputs % panelOutputs === 0
        ? this.#panelWork
        : { items: this.#panelWork.items, least: panelsOf(outputs) };
    const [ownPanels, ownGroups] = shareBoth(this.#writer, tiles, this.#groupWork);
    this.#overPanels(ownPanels, (panel) => {
      this.#transformFilters(panel, { from: 0, to: this.#kept });
      this.#overGroups(ownGroups, (patch) => {
        this.#multiply(patch, i32(0));
        this.#finish(image, i32(0), patch, panel);
      });
    });
  }

  /** Bands of rows, all outputs of each: a thread has some of the rows, and makes bands of them. */
  #ownBands(image: Expression): void {
    const { block } = this.#writer;
    const { bandRows, down } = this.#geometry;
    overTiles(
      block,
      'first_row',
      bandRows,
      false,
      share(this.#writer, { items: down, least: bandRows }),
      (firstRow) => {
        this.#transformInput(firstRow, { from: 0, to: bandRows });
        this.#overPanels({ from: 0, to: this.#panelWork.items }, (panel) => {
          this.#overGroups({ from: 0, to: this.#groupWork.items }, (patch) => {
            this.#multiply(patch, panel);
            this.#finish(image, firstRow, patch, panel);
          });
        });
      },
    );
  }

  /** The loop over panels: tiles of them where those divide them, else panel by panel with the last tile starting early. */
  get #panelWork(): Work {
    const panels = panelsOf(this.#layer.outputs);
    return panels % this.#own === 0 ? { items: panels / this.#own } : { items: panels, least: this.#own };
  }

  #overPanels(span: Span, body: (panel: Expression) => void): void {
    const even = panelsOf(this.#layer.outputs) % this.#own === 0;
    overTiles(this.#writer.block, 'panel', this.#own, even, span, body);
  }

  /** Copies an image between columns and rows of padding; 1 before, whatever completes the patches behind. */
  #pad(image: Expression): void {
    const { channels, form, window } = this.#layer;
    const { width, height } = this.#geometry;
    const { x, y } = window;
    copyPadded(this.#writer, image, {
      from: this.#x,
      to: this.#padded,
      channels,
      extent: { rows: y.extent, columns: x.extent },
      top: y.pad,
      left: x.pad,
      width,
      height,
      slack: 0,
      padding: form.padding,
      ofValue: form.ofValue,
    });
  }

  /** Transforms some rows of patches of the band that begins at `firstRow`. */
  #transformInput(firstRow: Expression, rows: Span): void {
    const { block } = this.#writer;
    const { channels } = this.#layer;
    const { across, width } = this.#geometry;
    const lanes = this.#method.product.narrow.find(({ size }) => channels % size === 0)!;
    const ring = namedRing(block, lanes);
    const offset = this.#offset;
    block.comment(`transformed patches: B^T d B${offset === 0 ? '' : ` + ${offset}`}`);
    block.for('row', rows.from, rows.to, (row) => {
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
                block.let(`d_${v}${u}`, lanes.load(this.#padded, add(from, c, (v * width + u) * channels))),
              ),
            );
            transformInput(inputs, ring)
              .flat()
              .forEach((value, position) => {
                const at = add(to, c, position * this.#patchPitch);
                const moved = offset === 0 ? value : lanes.add(value, lanes.splat(offset));
                block.storeVector(lanes.store, this.#patches, at, moved);
              });
          },
          lanes.size,
        );
        if (this.#terms !== undefined) this.#makeTerms(add(mul(row, across), column), this.#terms);
      });
    });
  }

  /** What the sums of a patch start from, at each of its positions. */
  #makeTerms(patch: Expression, terms: KernelArray): void {
    const { block } = this.#writer;
    const { machine, product } = this.#method;
    const { channels } = this.#layer;
    const { patches } = this.#geometry;
    const inputTerms = new InputTerms(this.#writer, machine, product, pairOffset.winograd);
    block.for('position', 0, positions, (position) => {
      const from = block.let('transformed', add(mul(position, this.#patchPitch), mul(patch, channels)));
      inputTerms.make(terms, add(mul(position, patches), patch), this.#patches, channels, (body) => {
        body(from);
      });
    });
  }

  /** Transforms the filters of some of the panels kept, the first of which is `panel`. */
  #transformFilters(panel: Expression, panels: Span): void {
    const { block } = this.#writer;
    const { machine, product } = this.#method;
    const runs = runsOf(this.#layer);
    const { channels, weightBits } = this.#layer;
    const packed = weightBits === 8 ? 1 : 2;
    const pitch = panelOutputs * channels;
    const lanes = product.narrow.find(({ size }) => size === machine.lanes * product.step)!;
    const ring = namedRing(block, lanes);
    block.comment('transformed filters: 2G g (2G)^T');
    block.for('own', panels.from, panels.to, (own) => {
      const from = block.let('stored', mul(add(panel, own), panelPitch(runs) / packed));
      overPanel(this.#writer, this.#method, channels, (stored, ready, second) => {
        const start = add(from, packed === 1 ? stored : div(stored, packed));
        const taps = counted(3).map((v) =>
          counted(3).map((u) =>
            product
              .ready(this.#stored, add(start, ((v * runs.length + u * channels) * panelOutputs) / packed))
              .map((weights) => block.let(`g_${v}${u}`, weights)),
          ),
        );
        taps[0]![0]!.forEach((_, step) => {
          transformWeights(
            taps.map((row) => row.map((steps) => steps[step]!)),
            ring,
          )
            .flat()
            .forEach((value, position) => {
              const at = add(mul(own, pitch), ready(step), position * this.#filterPitch);
              const factors = second ? lanes.add(value, lanes.splat(pairOffset.winograd)) : value;
              block.storeVector(product.store, this.#filters, at, factors);
            });
        });
      });
    });
  }

  /** The loop over patches: groups of them where those divide them, else patch by patch with the last group starting early. */
  get #groupWork(): Work {
    const { patches } = this.#geometry;
    const own = this.#group;
    return patches % own === 0 ? { items: patches / own } : { items: patches, least: own };
  }

  #overGroups(span: Span, body: (patch: Expression) => void): void {
    const even = this.#geometry.patches % this.#group === 0;
    overTiles(this.#writer.block, 'first_patch', this.#group, even, span, body);
  }

  /** The 16 products of a group: sums[position][patch][register]. */
  #multiply(patch: Expression, panel: Expression): void {
    const { block } = this.#writer;
    const { machine, product, tile } = this.#method;
    const { channels } = this.#layer;
    const { patches } = this.#geometry;
    const pitch = panelOutputs * channels;
    const sumsOf = tile.registers * machine.lanes;
    block.for('position', 0, positions, (position) => {
      const wAt = block.let('w_at', add(mul(position, this.#filterPitch), mul(panel, pitch)));
      block.for('tile', 0, Math.ceil(this.#group / tile.pixels), (number) => {
        const start = mul(number, tile.pixels);
        const last = this.#group - tile.pixels;
        const strip = this.#group % tile.pixels === 0 ? start : block.let('strip', min(start, last));
        const xAt = block.let('x_at', add(mul(position, this.#patchPitch), mul(add(patch, strip), channels)));
        const to = block.let('sums_at', mul(add(mul(position, this.#group), strip), sumsOf));
        const terms = this.#terms;
        const first = terms === undefined ? undefined : add(mul(position, patches), patch, strip);
        const ofPatch =
          terms === undefined
            ? []
            : counted(tile.pixels).map((p) =>
                block.let(`term_${p}`, machine.splat(load(terms, add(first!, p)))),
              );
        const sums = declareSums(block, tile, (_, p) => ofPatch[p] ?? machine.zero);
        /** Calls `body` with the place of every sum. */
        const overSums = (body: (at: Expression, sum: Expression) => void): void => {
          sums.forEach((own, p) => {
            own.forEach((sum, v) => {
              body(add(to, p * sumsOf + v * machine.lanes), sum);
            });
          });
        };
        const steps = (from: Expression, end: Expression): void => {
          block.for(
            'k',
            from,
            end,
            (k) => {
              const at = block.let('at', opaque(add(xAt, k)));
              const weights = { array: this.#filters, at: add(wAt, mul(k, panelOutputs)), pitch };
              emitStep(block, this.#method, sums, weights, (p, further) =>
                product.splat(this.#patches, add(at, p * channels + further)),
              );
            },
            stepInputs(product),
          );
        };
        const folding = this.#folding;
        if (typeof folding !== 'number') {
          steps(i32(0), i32(channels));
          overSums((at, sum) => {
            const total = product.fold === undefined ? sum : product.fold(machine.zero, sum);
            block.storeVector(machine.storeWords, this.#sums, at, total);
          });
          return;
        }
        overSums((at) => {
          block.storeVector(machine.storeWords, this.#sums, at, machine.zero);
        });
        block.for(
          'part',
          0,
          channels,
          (from) => {
            steps(from, channels % folding === 0 ? add(from, folding) : min(add(from, folding), channels));
            overSums((at, sum) => {
              const total = loadVector(machine.loadWords, this.#sums, at);
              block.storeVector(machine.storeWords, this.#sums, at, product.fold!(total, sum));
            });
            for (const sum of sums.flat()) block.set(sum, machine.zero);
          },
          folding,
        );
      });
    });
  }

  #finish(image: Expression, firstRow: Expression, patch: Expression, panel: Expression): void {
    const { block } = this.#writer;
    const { machine } = this.#method;
    const { registers } = this.#method.tile;
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
        const finished = (i: number): FinishedSums => ({
          constants,
          accumulators: block.let(`acc_${i}`, machine.shiftRight(machine.add(four[i]!, biases[i]!), 2)),
          at: add(to, ((i >> 1) * width + (i & 1)) * outputs),
          suffix: `_${i}`,
        });
        if (height % 2 === 0 && width % 2 === 0) {
          this.#epilogue.finish(counted(4).map(finished));
          return;
        }
        four.forEach((_, i) => {
          const [down, right] = [i >> 1, i & 1];
          const write = (): void => {
            this.#epilogue.finish([finished(i)]);
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
