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
  ge,
  i32,
  invoke,
  type KernelArray,
  type KernelFunction,
  load,
  lt,
  max,
  min,
  mul,
  pureFunction,
  rem,
  select,
  sub,
  type Variable,
} from '../kernel/index.ts';
import { shiftQuad } from './arithmetic.ts';
import { constantOperand, StepEnd, type StepScope, zeroPointOf } from './body.ts';
import {
  activationFields,
  dotRows,
  type DotRows,
  flipped,
  foldedBias,
  packDotWeights,
  packedWeightBits,
  replicated,
} from './dot-layout.ts';
import { dotFunction } from './dot-product.ts';
import { type Granule, storageOf, wordsPerPixel } from './stored.ts';
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

export interface ConvolutionArrays {
  readonly x: KernelArray;
  readonly weights: KernelArray;
  /** This invocation's tile and run of output channels, both inside the tensor. */
  readonly tile: Expression;
  readonly run: Expression;
}

/**
 * Writes the body of an invocation whose tile and run are inside. The sums are variables while they grow, and an array when they are done: the
 * end of a step is then a loop over the tile's pixels, and its text stands once.
 */
export function writeConvolution(scope: StepScope, plan: ConvolutionPlan, arrays: ConvolutionArrays): void {
  const { block: b, reader, tables } = scope;
  const { convolution, rows, tile } = plan;
  const pixelCount = convolution.batch * convolution.outputHeight * convolution.outputWidth;
  const bias = tables.byChannel(plan.bias, 0);
  const first = b.let('first', mul(arrays.tile, tile.pixels));
  const cut = pixelCount % tile.pixels !== 0;
  const held = (p: number | Expression): Expression => {
    const number = add(first, p);
    return cut && p !== 0 ? min(number, pixelCount - 1) : number;
  };
  const sums = Array.from({ length: tile.pixels }, () =>
    Array.from({ length: rows.quads }, () => b.var('sum', compose('vec4i', i32(0)))),
  );
  const pixels = Array.from({ length: tile.pixels }, (_, p) => held(p));
  writeTaps(b, plan, arrays, pixels, sums);

  const granuleOf = (pixel: Expression): Granule => ({ pixel, run: arrays.run, quads: rows.quads });
  // Tables are read once, before the loop over pixels.
  const biases = Array.from({ length: rows.quads }, (_, j) => reader.quad('bias', bias, granuleOf(first), j));
  const end = new StepEnd(scope);
  end.prepare(granuleOf(first));
  const done = b.array('sums', 'vec4i', tile.pixels * rows.quads);
  for (const [i, sum] of sums.flat().entries()) b.store(done, i, sum);
  b.for('p', 0, tile.pixels, (p) => {
    const granule = granuleOf(b.let('pixel', held(p)));
    const anchor = biases.map((quad, j) => {
      const sum = load(done, add(mul(p, rows.quads), j));
      return b.let('sum', add(shiftQuad(sum, 8 - rows.weightBits), quad));
    });
    const write = end.values(granule, anchor);
    if (cut) b.if(lt(add(first, p), pixelCount), write);
    else write();
  });
}

/** True when output pixel i reads input pixel i and no other. */
const isPointwise = (c: Convolution): boolean =>
  [...c.kernel, ...c.strides].every((extent) => extent === 1) && c.pads.every((pad) => pad === 0);

const inside = (index: Expression, extent: number): Expression => lt(bitcast('u32', index), extent);

type Sums = readonly (readonly Variable[])[];

/** Where the window of an output pixel begins: (row, column, first row of its image, 0). */
function cornerFunction(c: Convolution): KernelFunction {
  return pureFunction('corner', { parameters: { pixel: 'i32' }, result: 'vec4i' }, (b, { pixel }) => {
    const area = c.outputHeight * c.outputWidth;
    const image = c.batch === 1 ? i32(0) : area === 1 ? pixel : div(pixel, area);
    const within = c.batch === 1 ? pixel : rem(pixel, area);
    const top = sub(mul(div(within, c.outputWidth), c.strides[0]!), c.pads[0]!);
    const left = sub(mul(rem(within, c.outputWidth), c.strides[1]!), c.pads[1]!);
    b.return(compose('vec4i', top, left, mul(image, c.height), 0));
  });
}

/** Index of the input pixel that tap (u, v) of a window reads; -1 in the padding. */
function tapFunction(c: Convolution): KernelFunction {
  return pureFunction(
    'tap',
    { parameters: { corner: 'vec4i', u: 'i32', v: 'i32' }, result: 'i32' },
    (b, { corner, u, v }) => {
      const y = b.let('y', add(component(corner, 0), mul(u, c.dilations[0]!)));
      const x = b.let('x', add(component(corner, 1), mul(v, c.dilations[1]!)));
      const index = add(mul(add(component(corner, 2), y), c.width), x);
      const conditions = [
        ...(c.pads[0] !== 0 || c.pads[2] !== 0 ? [inside(y, c.height)] : []),
        ...(c.pads[1] !== 0 || c.pads[3] !== 0 ? [inside(x, c.width)] : []),
      ];
      b.return(select(and(...conditions), index, i32(-1)));
    },
  );
}

function writeTaps(
  b: Block,
  plan: ConvolutionPlan,
  arrays: ConvolutionArrays,
  pixels: readonly Expression[],
  sums: Sums,
): void {
  const { convolution: c, rows, vectors } = plan;
  const unit = vectors ? 4 : 1;
  const pitch = Math.ceil((c.channels * rows.fields.bits) / 32) / unit;
  const start = startOf(b, plan, arrays.run, unit);
  const rowOf = (pixel: Expression): Expression => add(mul(pixel, pitch), start);
  if (isPointwise(c)) {
    const places = pixels.map((pixel) => ({ at: b.let('at', rowOf(pixel)), within: undefined }));
    writeTap(b, plan, arrays, places, i32(0), sums);
    return;
  }
  const [cornerOf, tapOf] = [cornerFunction(c), tapFunction(c)];
  const padded = c.pads.some((pad) => pad !== 0);
  const corners = pixels.map((pixel) => b.let('corner', invoke(cornerOf, pixel)));
  b.for('u', 0, c.kernel[0], (u) => {
    b.for('v', 0, c.kernel[1], (v) => {
      const places = corners.map((corner) => {
        const pixel = b.let('at', invoke(tapOf, corner, u, v));
        if (!padded) return { at: rowOf(pixel), within: undefined };
        return { at: rowOf(max(pixel, 0)), within: ge(pixel, 0) };
      });
      writeTap(b, plan, arrays, places, add(mul(u, c.kernel[1]), v), sums);
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
  const wordsOfUnit = vectors ? 4 : Math.max(1, partsOfWeight / fields.parts);
  const weightsOfUnit = Math.max(1, (wordsOfUnit * fields.parts) / partsOfWeight);
  for (let word = 0, weight = 0; word < words; word += wordsOfUnit, weight += weightsOfUnit) {
    const count = Math.min(wordsOfUnit, words - word);
    const multiply = dotFunction(fields, weightBits, count, weightsOfUnit, vectors);
    const factors = Array.from({ length: quads }, (_, j) =>
      Array.from({ length: weightsOfUnit }, (__, i) =>
        b.let('w', load(weights, add(weightAt, (weight + i) * runs * quads + j))),
      ),
    );
    for (const [p, tileSums] of sums.entries()) {
      const pieces = vectors ? loaded[p]! : loaded[p]!.slice(word, word + count);
      for (const [j, sum] of tileSums.entries()) b.addTo(sum, invoke(multiply, ...pieces, ...factors[j]!));
    }
  }
}
