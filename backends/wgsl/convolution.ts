/**
 * conv2d and dense: one kernel. An invocation makes a tile of `pixels` output pixels by `4 * quads` output channels in registers; for
 * every word of activations it loads it does `4 * quads` dot products, for every word of weights `pixels`.
 *
 * Neighbouring invocations make the same channels of neighbouring pixels, or neighbouring channels of the same pixels (`tile.workgroup`). Where
 * all of a workgroup make the same channels its subgroups load weights together: invocation i loads the word of channel i, and each is told the words of
 * all (`tile.weights`). Pixels are numbered through all images and rows, so that only the last tiles of a dispatch are ever cut, whatever the
 * width is.
 *
 * How often loops run is read from the step's tables: loops whose length a driver knows are unrolled, and the code of three nested ones then
 * leaves the processor's instruction cache (lavapipe: 2.4 times slower).
 */
import { type Graph, type Node, type TensorType } from '../../ir/index.ts';
import {
  add,
  and,
  bitAnd,
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
  subgroupLane,
  type Variable,
  u32,
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
  weightPart,
} from './dot-layout.ts';
import { dotFunction } from './dot-product.ts';
import { type Convolution, convolutionOf } from './convolution-shape.ts';
import { pairActivations, pairProducts, pairSums, pairWeights, runsOfPairs } from './field-pairs.ts';
import { type Granule, storageOf } from './stored.ts';
import type { ConvolutionTile } from './tile.ts';

/** All that is decided before the kernel is written. */
export interface ConvolutionPlan {
  readonly node: Node;
  readonly convolution: Convolution;
  readonly rows: DotRows;
  readonly tile: ConvolutionTile;
  readonly weights: Uint8Array;
  readonly bias: readonly number[];
  readonly zeroPoint: number;
}

/** Plans a layer for one tile; weights and biases are the same for all tiles of one group. */
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
    weights: packDotWeights(weight, rows, groups),
    bias: foldedBias(weight, bias, fields, zeroPoint),
    zeroPoint,
  };
}

export interface ConvolutionArrays {
  readonly x: KernelArray;
  readonly weights: KernelArray;
  /** The run of output channels. */
  readonly run: Expression;
  /** The first pixel, and the distance from one pixel of the tile to the next. */
  readonly first: Expression;
  readonly stride: number;
}

/**
 * Writes the body of an invocation whose tile and run are inside. The sums are variables while they grow, and an array when they are done: the
 * end of a step is then a loop over the tile, and its text stands once.
 */
export function writeConvolution(scope: StepScope, plan: ConvolutionPlan, arrays: ConvolutionArrays): void {
  const { block: b, reader, tables } = scope;
  const { convolution, rows, tile } = plan;
  const pixelCount = convolution.batch * convolution.outputHeight * convolution.outputWidth;
  const bias = tables.byChannel(plan.bias, 0);
  const numberOf = (p: number | Expression): Expression => add(arrays.first, mul(p, arrays.stride));
  const held = (p: number | Expression): Expression => min(numberOf(p), pixelCount - 1);
  const first = b.let('first', held(0));
  const sums = Array.from({ length: tile.pixels }, () =>
    Array.from({ length: rows.quads }, () => b.var('sum', compose('vec4i', i32(0)))),
  );
  const pixels = Array.from({ length: tile.pixels }, (_, p) => (p === 0 ? first : held(p)));
  const trips = reader.record(
    'trips',
    tables.record([...convolution.kernel, Math.floor(rows.words / blockWordsOf(rows)), mostTrips]),
  );
  const geometry = reader.quadAt(
    'geometry',
    tables.record([...convolution.strides, convolution.pads[0]!, convolution.pads[1]!]),
  );
  const runsOfWords = runsOfPairs(rows.words) ?? 1;
  const runs = reader.record('runs', tables.record([runsOfWords, rows.words / runsOfWords]));
  writeTaps(b, plan, arrays, pixels, sums, { trips, geometry, runs });

  // The end of the step is written once, for one granule of one pixel.
  const { leastQuads } = scope;
  const done = b.array('sums', 'vec4i', tile.pixels * rows.quads);
  for (const [i, sum] of sums.flat().entries()) b.store(done, i, sum);
  const parts = rows.quads / leastQuads;
  const granules = Math.ceil(convolution.outputs / (4 * leastQuads));
  const firstGranule = mul(arrays.run, parts);
  const bound = parts === 1 ? 1 : min(trips[3]!, parts);
  b.for('g', 0, granules % parts === 0 ? bound : min(bound, sub(granules, firstGranule)), (g) => {
    const run = b.let('granule', add(firstGranule, g));
    const reader = scope.reader.inside();
    const end = new StepEnd({ ...scope, reader, quads: leastQuads });
    const granuleOf = (pixel: Expression): Granule => ({ pixel, run, quads: leastQuads });
    const biases = Array.from({ length: leastQuads }, (_, j) =>
      reader.quad('bias', bias, granuleOf(first), j),
    );
    end.prepare(granuleOf(first));
    b.for('p', 0, tile.pixels === 1 ? 1 : min(trips[3]!, tile.pixels), (p) => {
      const granule = granuleOf(b.let('pixel', held(p)));
      const at = add(mul(p, rows.quads), mul(g, leastQuads));
      const anchor = biases.map((quad, j) =>
        b.let(
          'sum',
          add(shiftQuad(load(done, add(at, j)), tile.product === 'pairs' ? 0 : 8 - rows.weightBits), quad),
        ),
      );
      const write = end.values(granule, anchor);
      b.if(lt(numberOf(p), pixelCount), write);
    });
  });
}

/** True when output pixel i reads input pixel i and no other. */
const isPointwise = (c: Convolution): boolean =>
  [...c.kernel, ...c.strides].every((extent) => extent === 1) && c.pads.every((pad) => pad === 0);

const inside = (index: Expression, extent: number): Expression => lt(bitcast('u32', index), extent);

type Sums = readonly (readonly Variable[])[];

/**
 * Where the window of an output pixel begins: (row, column, first row of its image, 0). `geometry` is strides and pads: read from the tables, so
 * that layers that differ in them share a text.
 */
function cornerFunction(c: Convolution): KernelFunction {
  const parameters = { pixel: 'i32', geometry: 'vec4i' } as const;
  return pureFunction('corner', { parameters, result: 'vec4i' }, (b, { pixel, geometry }) => {
    const area = c.outputHeight * c.outputWidth;
    const image = c.batch === 1 ? i32(0) : area === 1 ? pixel : div(pixel, area);
    const within = c.batch === 1 ? pixel : rem(pixel, area);
    const along = (index: Expression, axis: 0 | 1): Expression =>
      sub(mul(index, component(geometry, axis)), component(geometry, axis === 0 ? 2 : 3));
    const [top, left] = [along(div(within, c.outputWidth), 0), along(rem(within, c.outputWidth), 1)];
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

/** Numbers of the layer that are read from its tables. */
interface Counts {
  readonly trips: readonly Expression[];
  readonly geometry: Expression;
  readonly runs: readonly Expression[];
}

function writeTaps(
  b: Block,
  plan: ConvolutionPlan,
  arrays: ConvolutionArrays,
  pixels: readonly Expression[],
  sums: Sums,
  { trips, geometry, runs }: Counts,
): void {
  const { convolution: c, rows } = plan;
  const pitch = Math.ceil((c.channels * rows.fields.bits) / 32);
  const start = startOf(b, plan, arrays.run);
  const rowOf = (pixel: Expression): Expression => add(mul(pixel, pitch), start);
  const walk: Walk = {
    plan,
    arrays,
    sums,
    blocks: trips[2]!,
    runs,
    lane: b.let('lane', bitcast('i32', bitAnd(subgroupLane, lanesOfGroup(rows.quads) - 1))),
  };
  const write = plan.tile.product === 'pairs' ? writeTapOfPairs : writeTap;
  if (isPointwise(c)) {
    const places = pixels.map((pixel) => ({ at: b.let('at', rowOf(pixel)), within: undefined }));
    write(b, walk, places, i32(0));
    return;
  }
  const [cornerOf, tapOf] = [cornerFunction(c), tapFunction(c)];
  const padded = c.pads.some((pad) => pad !== 0);
  const corners = pixels.map((pixel) => b.let('corner', invoke(cornerOf, pixel, geometry)));
  b.for('u', 0, trips[0]!, (u) => {
    b.for('v', 0, trips[1]!, (v) => {
      const places = corners.map((corner) => {
        const pixel = b.let('at', invoke(tapOf, corner, u, v));
        if (!padded) return { at: b.let('row', rowOf(pixel)), within: undefined };
        return { at: b.let('row', rowOf(max(pixel, 0))), within: b.let('within', ge(pixel, 0)) };
      });
      write(b, walk, places, add(mul(u, c.kernel[1]), v));
    });
  });
}

/** What stays the same from tap to tap. */
interface Walk {
  readonly plan: ConvolutionPlan;
  readonly arrays: ConvolutionArrays;
  readonly sums: Sums;
  /** How many whole blocks of words a row has. */
  readonly blocks: Expression;
  /** Runs of words that pairs are gathered for, and the words of each. */
  readonly runs: readonly Expression[];
  /** Which word of a group of weights this invocation loads. */
  readonly lane: Expression;
}

/** No tile has more pixels or granules: a bound that drivers do not know. */
const mostTrips = 64;

/** Activation words that meet a whole number of weight words. */
const blockWordsOf = ({ weightBits, fields }: DotRows): number => Math.max(1, 8 / weightBits / fields.parts);

/** Invocations that load weights together: every subgroup has as many. */
const lanesOfGroup = (quads: number): number => Math.min(8, 4 * quads);

/** The first word of the pixel that this run of channels reads. */
function startOf(b: Block, plan: ConvolutionPlan, run: Expression): Expression {
  const { convolution: c, rows } = plan;
  if (rows.starts.every((start) => start === 0)) return i32(0);
  const perWord = 32 / rows.fields.bits;
  const group = div(mul(run, 4 * rows.quads), c.outputs / c.groups);
  const first = div(mul(group, c.channels / c.groups), perWord);
  const last = Math.ceil(c.channels / perWord) - rows.words;
  return b.let('start', min(first, last));
}

interface TapPlace {
  /** Index of the first word of the row. */
  readonly at: Expression;
  /** Whether the tap lies inside the input; undefined where it always does. */
  readonly within: Expression | undefined;
}

/** One tap: walks the words of a row, a block at a time; what is left over after whole blocks is unrolled. */
function writeTap(b: Block, walk: Walk, places: readonly TapPlace[], tap: Expression): void {
  const { rows } = walk.plan;
  const { weightBits, fields, pitch, quads, words } = rows;
  const blockWords = blockWordsOf(rows);
  const blocks = Math.floor(words / blockWords);
  const weightWordsOfBlock = (blockWords * fields.parts * weightBits) / 8;
  // Weights are read as quads by an invocation of its own, as words by those that load for each other.
  const unit = walk.plan.tile.weights === 'own' ? 4 : 1;
  const row = b.let(
    'weight_row',
    add(mul(tap, (rows.weightWords * pitch) / unit), mul(walk.arrays.run, (4 * quads) / unit)),
  );
  const block = (k: Expression): void => {
    const at = b.let('weight', add(row, mul(k, (weightWordsOfBlock * pitch) / unit)));
    writeBlock(b, walk, places, mul(k, blockWords), at, blockWords);
  };
  if (blocks === 1) block(i32(0));
  else if (blocks > 1) b.for('k', 0, walk.blocks, block);
  const rest = words - blocks * blockWords;
  if (rest > 0) {
    const at = add(row, (blocks * weightWordsOfBlock * pitch) / unit);
    writeBlock(b, walk, places, i32(blocks * blockWords), at, rest);
  }
}

/**
 * The same by pairs of fields: both have eight in a word. Products and the sums of activations are gathered for a run of words, and then taken apart.
 */
function writeTapOfPairs(b: Block, walk: Walk, places: readonly TapPlace[], tap: Expression): void {
  const { plan, arrays, sums, runs, lane } = walk;
  const { pitch, quads, words } = plan.rows;
  const row = add(add(mul(tap, words * pitch), mul(arrays.run, 4 * quads)), lane);
  const weightRow = b.let('weight_row', row);
  b.for('run', 0, runs[0]!, (r) => {
    const products = sums.map((ofPixel) => ofPixel.map(() => b.var('products', compose('vec4u', u32(0)))));
    const activations = places.map(() => b.var('activations', u32(0)));
    b.for('k', 0, runs[1]!, (k) => {
      const word = b.let('word', add(mul(r, runs[1]!), k));
      const factors = toldWords(b, arrays.weights, add(weightRow, mul(word, pitch)), quads)
        .map((own) => b.broadcast('w', b.let('own', pairWeights(own)), lanesOfGroup(quads) / 4))
        .flat();
      for (const [p, place] of places.entries()) {
        const a = readActivations(b, plan, arrays, place, word);
        b.addTo(activations[p]!, pairActivations(a));
        for (const [j, product] of products[p]!.entries()) b.addTo(product, pairProducts(a, factors[j]!));
      }
    });
    for (const [p, ofPixel] of sums.entries())
      for (const [j, sum] of ofPixel.entries()) b.addTo(sum, pairSums(products[p]![j]!, activations[p]!));
  });
}

/** A word of a pixel's row; in the padding, that of zero points. */
function readActivations(
  b: Block,
  { rows, zeroPoint }: ConvolutionPlan,
  { x }: ConvolutionArrays,
  { at, within }: TapPlace,
  index: Expression,
): Expression {
  const loaded = load(x, add(at, index));
  const padding = u32(replicated(zeroPoint, rows.fields.bits));
  return b.let('a', flipped(rows.fields, within === undefined ? loaded : select(within, loaded, padding)));
}

/** `words` words of every pixel's row, from index `from` of the row on. */
function writeBlock(
  b: Block,
  { plan, arrays, sums, lane }: Walk,
  places: readonly TapPlace[],
  from: Expression,
  weightAt: Expression,
  words: number,
): void {
  const { rows, tile } = plan;
  const { fields, weightBits, quads, pitch } = rows;
  const weightWords = Math.ceil((words * fields.parts * weightBits) / 8);
  // Neighbours are told bytes: what one unpacks, all need not.
  const [heldBits, heldWords] =
    tile.weights === 'own' ? [weightBits, weightWords] : [8 as const, words * fields.parts];
  const multiply = dotFunction(fields, heldBits, words, heldWords);
  const factors = Array.from({ length: weightWords }, (_, i) =>
    tile.weights === 'own'
      ? [ownWeights(b, arrays.weights, add(weightAt, (i * pitch) / 4), quads)]
      : sharedWeights(b, arrays.weights, add(add(weightAt, i * pitch), lane), quads, weightBits),
  )
    .flat()
    .slice(0, heldWords);
  for (const [p, place] of places.entries()) {
    const pieces = Array.from({ length: words }, (_, word) =>
      readActivations(b, plan, arrays, place, add(from, word)),
    );
    for (const [j, sum] of sums[p]!.entries()) {
      b.addTo(sum, invoke(multiply, ...pieces, ...factors.map((words) => words[j]!)));
    }
  }
}

/** The words of `4 * quads` channels, from a row of quads. */
function ownWeights(b: Block, weights: KernelArray, at: Expression, quads: number): Expression[] {
  return Array.from({ length: quads }, (_, j) => b.let('w', load(weights, add(at, j))));
}

/** The words of the same channels of which this invocation loads one each, in groups; `at` is its own place in a row of words. */
function toldWords(b: Block, weights: KernelArray, at: Expression, quads: number): Expression[] {
  const group = lanesOfGroup(quads);
  return Array.from({ length: (4 * quads) / group }, (_, g) =>
    b.let('own', load(weights, add(at, group * g))),
  );
}

/** The words of `4 * quads` channels, loaded and unpacked together; one list for each part of a word. */
function sharedWeights(
  b: Block,
  weights: KernelArray,
  at: Expression,
  quads: number,
  bits: 2 | 4 | 8,
): Expression[][] {
  const words = toldWords(b, weights, at, quads);
  return Array.from({ length: 8 / bits }, (_, part) =>
    words.flatMap((word) =>
      b.broadcast('w', b.let('part', weightPart(bits, word, part)), lanesOfGroup(quads) / 4),
    ),
  );
}
