/**
 * conv2d and dense: one kernel. An invocation makes a tile of `pixels` output pixels by `4 * quads` output channels in registers; for
 * every word of activations it loads it does `4 * quads` dot products, for every quad of weight words `4 * pixels`.
 *
 * Neighbouring invocations make neighbouring runs of channels: they read the same activations and adjacent weights. Pixels are numbered
 * through all images and rows, so that only the last tile of a dispatch is ever cut, whatever the width is.
 */
import { type Graph, type Node, type TensorType } from '../../ir/index.ts';
import {
  add,
  and,
  bitcast,
  type Block,
  compose,
  component,
  div,
  type Expression,
  i32,
  invoke,
  type KernelArray,
  load,
  lt,
  min,
  mul,
  rem,
  select,
  sub,
  type Variable,
} from '../kernel/index.ts';
import { dotQuad, shiftQuad } from './arithmetic.ts';
import { constantOperand, StepEnd, type StepScope, zeroPointOf } from './body.ts';
import {
  activationFields,
  activationPart,
  dotRows,
  type DotRows,
  flipped,
  foldedBias,
  packDotWeights,
  packedWeightBits,
  replicated,
  weightPart,
} from './dot-layout.ts';
import { storageOf, wordsPerPixel } from './stored.ts';
import type { ConvolutionTile } from './tile.ts';

/** A convolution's geometry; a dense layer is one of 1x1 pixels. */
export interface Convolution {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly outputs: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
  readonly groups: number;
}

export function convolutionOf(node: Node, x: TensorType, weight: TensorType): Convolution {
  const { shape } = node.result.type;
  if (node.op === 'dense') {
    return {
      batch: shape[0]!,
      channels: x.shape[1]!,
      height: 1,
      width: 1,
      outputs: shape[1]!,
      outputHeight: 1,
      outputWidth: 1,
      kernel: [1, 1],
      strides: [1, 1],
      pads: [0, 0, 0, 0],
      dilations: [1, 1],
      groups: 1,
    };
  }
  const { strides, pads, dilations, groups } = node.attributes as {
    strides: readonly number[];
    pads: readonly number[];
    dilations: readonly number[];
    groups: number;
  };
  return {
    batch: shape[0]!,
    channels: x.shape[1]!,
    height: x.shape[2]!,
    width: x.shape[3]!,
    outputs: shape[1]!,
    outputHeight: shape[2]!,
    outputWidth: shape[3]!,
    kernel: [weight.shape[2]!, weight.shape[3]!],
    strides,
    pads,
    dilations,
    groups,
  };
}

/** All that is decided before the kernel is written. */
export interface ConvolutionPlan {
  readonly node: Node;
  readonly convolution: Convolution;
  readonly rows: DotRows;
  readonly tile: ConvolutionTile;
  /** Activations are bound as vec4u: every row of words is a whole number of them. */
  readonly vectors: boolean;
  readonly weights: Uint8Array;
  readonly bias: readonly number[];
  readonly zeroPoint: number;
}

export function planConvolution(
  graph: Graph,
  node: Node,
  x: TensorType,
  tile: ConvolutionTile,
): ConvolutionPlan {
  const weight = constantOperand(graph, node, 1);
  const bias = node.operands.length > 2 ? constantOperand(graph, node, 2) : undefined;
  const convolution = convolutionOf(node, x, weight.type);
  const fields = activationFields(storageOf(x.element));
  const weightBits = packedWeightBits(weight, fields);
  const { channels, outputs, groups } = convolution;
  const rows = dotRows(fields, weightBits, channels, outputs, groups, tile.quads);
  const zeroPoint = zeroPointOf(x);
  return {
    node,
    convolution,
    rows,
    tile,
    vectors: [wordsPerPixel(x), rows.words, ...rows.starts].every((words) => words % 4 === 0),
    weights: packDotWeights(weight, rows, groups),
    bias: foldedBias(weight, bias, fields, zeroPoint),
    zeroPoint,
  };
}

/** One output pixel of a tile: where its window begins. */
interface TilePixel {
  readonly number: Expression;
  readonly image: Expression;
  readonly top: Expression;
  readonly left: Expression;
}

export interface ConvolutionArrays {
  readonly x: KernelArray;
  readonly weights: KernelArray;
  /** This invocation's tile and run of output channels, both inside the tensor. */
  readonly tile: Expression;
  readonly run: Expression;
}

/** Writes the body of an invocation whose tile and run are inside. */
export function writeConvolution(scope: StepScope, plan: ConvolutionPlan, arrays: ConvolutionArrays): void {
  const { block: b, reader, tables } = scope;
  const { convolution, rows, tile } = plan;
  const { batch, outputHeight, outputWidth } = convolution;
  const pixelCount = batch * outputHeight * outputWidth;
  const bias = tables.byChannel(plan.bias, 0);
  const first = b.let('first', mul(arrays.tile, tile.pixels));
  const cut = pixelCount % tile.pixels !== 0;
  const numbers = Array.from({ length: tile.pixels }, (_, p) => {
    const number = add(first, p);
    return b.let('pixel', cut && p > 0 ? min(number, pixelCount - 1) : number);
  });
  const granules = numbers.map((pixel) => ({ pixel, run: arrays.run, quads: rows.quads }));
  const scale = 8 - rows.weightBits;
  const sums = numbers.map((_, p) =>
    Array.from({ length: rows.quads }, (__, j) =>
      b.var('sum', scale === 0 ? reader.quad('bias', bias, granules[p]!, j) : compose('vec4i', i32(0))),
    ),
  );
  writeTaps(b, plan, arrays, tilePixels(b, convolution, numbers), sums);
  const end = new StepEnd(scope);
  for (const [p, granule] of granules.entries()) {
    const anchor = sums[p]!.map((sum, j) =>
      scale === 0 ? sum : b.let('sum', add(shiftQuad(sum, scale), reader.quad('bias', bias, granule, j))),
    );
    const write = end.values(granule, anchor);
    if (cut && p > 0) b.if(lt(add(first, p), pixelCount), write);
    else write();
  }
}

function tilePixels(b: Block, c: Convolution, numbers: readonly Expression[]): TilePixel[] {
  const area = c.outputHeight * c.outputWidth;
  return numbers.map((number) => {
    const image = c.batch === 1 ? i32(0) : area === 1 ? number : div(number, area);
    const within = c.batch === 1 ? number : rem(number, area);
    const row = div(within, c.outputWidth);
    const column = rem(within, c.outputWidth);
    return {
      number,
      image: mul(image, c.height),
      top: b.let('top', sub(mul(row, c.strides[0]!), c.pads[0]!)),
      left: b.let('left', sub(mul(column, c.strides[1]!), c.pads[1]!)),
    };
  });
}

/** True when output pixel i reads input pixel i and no other. */
const isPointwise = (c: Convolution): boolean =>
  [...c.kernel, ...c.strides].every((extent) => extent === 1) && c.pads.every((pad) => pad === 0);

const inside = (index: Expression, extent: number): Expression => lt(bitcast('u32', index), extent);

type Sums = readonly (readonly Variable[])[];

function writeTaps(
  b: Block,
  plan: ConvolutionPlan,
  arrays: ConvolutionArrays,
  pixels: readonly TilePixel[],
  sums: Sums,
): void {
  const { convolution: c, rows, vectors } = plan;
  const [height, width] = c.kernel;
  const unit = vectors ? 4 : 1;
  const pitch = Math.ceil((c.channels * rows.fields.bits) / 32) / unit;
  const start = startOf(b, plan, arrays.run, unit);
  const [checksRows, checksColumns] = [
    c.pads[0] !== 0 || c.pads[2] !== 0,
    c.pads[1] !== 0 || c.pads[3] !== 0,
  ];
  const offsetOf = (pixel: Expression): Expression => add(mul(pixel, pitch), start);
  if (isPointwise(c)) {
    const places = pixels.map(({ number }) => ({ at: b.let('at', offsetOf(number)), within: undefined }));
    writeTap(b, plan, arrays, places, i32(0), sums);
    return;
  }
  b.for('u', 0, height, (u) => {
    const rowsOf = pixels.map(({ image, top }) => {
      const y = b.let('y', add(top, mul(u, c.dilations[0]!)));
      return {
        base: b.let('base', mul(add(image, y), c.width)),
        within: checksRows ? b.let('in_rows', inside(y, c.height)) : undefined,
      };
    });
    b.for('v', 0, width, (v) => {
      const places = pixels.map(({ left }, p) => {
        const { base, within } = rowsOf[p]!;
        const x = b.let('x', add(left, mul(v, c.dilations[1]!)));
        const conditions = [
          ...(within === undefined ? [] : [within]),
          ...(checksColumns ? [inside(x, c.width)] : []),
        ];
        const offset = offsetOf(add(base, x));
        if (conditions.length === 0) return { at: b.let('at', offset), within: undefined };
        const both = b.let('within', and(...conditions));
        return { at: b.let('at', select(both, offset, start)), within: both };
      });
      const tap = add(mul(u, width), v);
      writeTap(b, plan, arrays, places, tap, sums);
    });
  });
}

/** The first word (or vector of words) of the pixel that this run of channels reads. */
function startOf(b: Block, plan: ConvolutionPlan, run: Expression, unit: number): Expression {
  const { convolution: c, rows } = plan;
  if (rows.starts.every((start) => start === 0)) return i32(0);
  const perWord = 32 / rows.fields.bits;
  const group = div(mul(run, 4 * rows.quads), c.outputs / c.groups);
  const first = div(mul(group, c.channels / c.groups), perWord);
  const last = Math.ceil(c.channels / perWord) - rows.words;
  return b.let('start', div(min(first, last), unit));
}

interface TapPlace {
  /** Index of the first word (or vector) of the row. */
  readonly at: Expression;
  /** Whether the tap lies inside the input; undefined where it always does. */
  readonly within: Expression | undefined;
}

/** One tap: walks the words of a row, a block at a time; what is left over after whole blocks is unrolled. */
function writeTap(
  b: Block,
  plan: ConvolutionPlan,
  arrays: ConvolutionArrays,
  places: readonly TapPlace[],
  tap: Expression,
  sums: Sums,
): void {
  const { rows, vectors } = plan;
  const { fields, weightBits, runs, quads, words } = rows;
  const partsOfWeight = 8 / weightBits;
  const blockWords = vectors ? 4 : Math.max(1, partsOfWeight / fields.parts);
  const blocks = Math.floor(words / blockWords);
  const weightWordsOfBlock = (blockWords * fields.parts) / partsOfWeight;
  const weightPitch = runs * quads;
  const row = b.let('weight_row', add(mul(tap, rows.weightWords * weightPitch), mul(arrays.run, quads)));
  b.for('k', 0, blocks, (k) => {
    const at = add(row, mul(k, weightWordsOfBlock * weightPitch));
    writeBlock(
      b,
      plan,
      arrays,
      places,
      mul(k, vectors ? 1 : blockWords),
      b.let('weight', at),
      blockWords,
      sums,
    );
  });
  const rest = words - blocks * blockWords;
  if (rest > 0) {
    const at = add(row, blocks * weightWordsOfBlock * weightPitch);
    writeBlock(b, plan, arrays, places, i32(blocks * blockWords), at, rest, sums);
  }
}

/** `words` words of every pixel's row, from index `from` of the row on. */
function writeBlock(
  b: Block,
  plan: ConvolutionPlan,
  { x, weights }: ConvolutionArrays,
  places: readonly TapPlace[],
  from: Expression,
  weightAt: Expression,
  words: number,
  sums: Sums,
): void {
  const { rows, vectors, zeroPoint } = plan;
  const { fields, weightBits, quads, runs } = rows;
  const padding = replicated(zeroPoint, fields.bits);
  const partsOfWeight = 8 / weightBits;
  const read = ({ at, within }: TapPlace, index: Expression): Expression => {
    const loaded = load(x, add(at, index));
    const held =
      within === undefined ? loaded : select(within, loaded, vectors ? compose('vec4u', padding) : padding);
    return b.let('a', flipped(fields, held));
  };
  const loaded = places.map((place) =>
    vectors ? [read(place, from)] : Array.from({ length: words }, (_, word) => read(place, add(from, word))),
  );
  const wordOf = (p: number, word: number): Expression =>
    vectors ? component(loaded[p]![0]!, word as 0 | 1 | 2 | 3) : loaded[p]![word]!;
  let packed: Expression[] = [];
  for (let product = 0; product < words * fields.parts; product++) {
    const part = product % partsOfWeight;
    if (part === 0) {
      const index = add(weightAt, (product / partsOfWeight) * runs * quads);
      packed = Array.from({ length: quads }, (_, j) => b.let('w', load(weights, add(index, j))));
    }
    const word = Math.floor(product / fields.parts);
    const factors = packed.map((quad) =>
      weightBits === 8 ? quad : b.let('f', weightPart(weightBits, quad, part)),
    );
    for (const [p, tileSums] of sums.entries()) {
      const piece = activationPart(fields, wordOf(p, word), product % fields.parts);
      const bytes = quads > 1 && fields.parts > 1 ? b.let('e', piece) : piece;
      for (const [j, sum] of tileSums.entries()) b.addTo(sum, invoke(dotQuad, bytes, factors[j]!));
    }
  }
}
