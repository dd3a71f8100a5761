/**
 * The catalogue of tiles: how large a piece of a convolution one invocation makes, how a workgroup is laid out, and where weights come from. Every
 * row computes the same bits on every layer it accepts; which one a layer gets is a matter of time alone.
 *
 * `nanoseconds` is what one word of every pixel's row costs eight invocations, a subgroup of lavapipe, on one core of Zen 3 at 3.2 GHz. Three rows
 * were measured, on a 3x3 layer of 64 channels and 56x56 pixels: those of `dot4I8Packed` along pixels, but for `own` with 4 x 16. The others
 * are put together from parts: a gathered word costs 6 to 8, a word told by a neighbour 1, a quarter of a quad of dot products 1.1, and sums that do
 * not fit the registers as much again. No GPU was asked.
 */
import type { Convolution } from './convolution-shape.ts';
import { runsOfPairs } from './field-pairs.ts';

/** Where an invocation has its weights from. */
export type WeightSource = 'own' | 'subgroup';

export interface ConvolutionTile {
  /** Output pixels of an invocation. */
  readonly pixels: number;
  /** Output channels of an invocation, in fours. */
  readonly quads: number;
  /** Invocations along the channels and along the pixels. */
  readonly workgroup: readonly [runs: number, pixels: number];
  /** `subgroup`: loaded by all together, which takes a device with subgroups of eight or more, and one run of channels in a workgroup. */
  readonly weights: WeightSource;
  /** How products are made: `dot4I8Packed`, or two 4-bit ones in a multiplication (field-pairs.ts). */
  readonly product: 'dot' | 'pairs';
}

/** A layer, as far as it decides which rows can make it. */
export interface TiledLayer {
  readonly convolution: Convolution;
  /** Bits of a field of the words that are multiplied. */
  readonly activationBits: number;
  readonly weightBits: number;
}

/** A row of the catalogue. */
export interface TileRow {
  readonly name: string;
  readonly pixels: number;
  readonly quads: number;
  /** What neighbouring invocations differ in. */
  readonly along: 'pixels' | 'channels';
  readonly weights: WeightSource;
  readonly product: ConvolutionTile['product'];
  readonly nanoseconds: number;
}

const row = (
  weights: WeightSource,
  along: TileRow['along'],
  [pixels, quads]: readonly [number, number],
  nanoseconds: number,
  product: ConvolutionTile['product'] = 'dot',
): TileRow => ({
  name: `${weights}_${along}_${pixels}x${4 * quads}${product === 'dot' ? '' : `_${product}`}`,
  pixels,
  quads,
  along,
  weights,
  product,
  nanoseconds,
});

export const tileRows: readonly TileRow[] = [
  row('subgroup', 'pixels', [2, 4], 90),
  row('subgroup', 'pixels', [4, 2], 105),
  row('subgroup', 'pixels', [2, 4], 75, 'pairs'),
  row('subgroup', 'pixels', [4, 2], 80, 'pairs'),
  row('own', 'pixels', [4, 2], 142),
  row('own', 'pixels', [4, 4], 290),
  row('own', 'channels', [1, 1], 45),
  row('own', 'channels', [1, 2], 80),
  row('own', 'channels', [1, 4], 170),
];

/** Channels of every table and weight row are padded to this, so that all rows read the same bytes. */
export const channelGranule = 16;

/** Invocations of a workgroup, from the fewest that fill a subgroup of lavapipe to two subgroups of most GPUs. */
const workgroupSizes = [64, 32, 16, 8] as const;

/** Why a row cannot make a layer; undefined where it can. `leastQuads` is what whole words of everything stored need. */
export function refuses(
  { quads, weights, product }: TileRow,
  { convolution: { channels, groups }, activationBits, weightBits }: TiledLayer,
  leastQuads: number,
): string | undefined {
  if (quads % leastQuads !== 0) return `${4 * quads} channels are no whole words of what is stored`;
  if (groups > 1 && weights === 'subgroup') return 'grouped';
  if (product === 'pairs' && (activationBits !== 4 || weightBits !== 4)) return 'pairs are of 4-bit numbers';
  if (product === 'pairs' && runsOfPairs(Math.ceil(channels / 8)) === undefined)
    return `${channels} channels are no whole number of short runs`;
  return undefined;
}

export interface TileChoice {
  readonly row: TileRow;
  readonly tile: ConvolutionTile;
  /** Nanoseconds for one word of every pixel's row, all pixels and channels together. */
  readonly cost: number;
}

/** How many invocations a row makes of a layer, along what neighbours differ in and along the other side. */
function extentsOf(row: TileRow, convolution: Convolution): readonly [many: number, few: number] {
  const pixels = convolution.batch * convolution.outputHeight * convolution.outputWidth;
  const [along, runs] = [Math.ceil(pixels / row.pixels), Math.ceil(convolution.outputs / (4 * row.quads))];
  return row.along === 'pixels' ? [along, runs] : [runs, along];
}

const lanesOf = (many: number, size: number): number => Math.ceil(many / size) * size;

/** The largest workgroup that leaves no more invocations idle than a smaller one would. */
function fittingSize(many: number): number {
  const least = Math.min(...workgroupSizes.map((size) => lanesOf(many, size)));
  return workgroupSizes.find((size) => lanesOf(many, size) === least)!;
}

/** A row on a layer. `size` is that of the workgroup, by default the one that fits best. */
export function layOut(
  row: TileRow,
  convolution: Convolution,
  size = fittingSize(extentsOf(row, convolution)[0]),
): TileChoice {
  const [many, few] = extentsOf(row, convolution);
  return {
    row,
    tile: {
      pixels: row.pixels,
      quads: row.quads,
      workgroup: row.along === 'pixels' ? [1, size] : [size, 1],
      weights: row.weights,
      product: row.product,
    },
    cost: (row.nanoseconds * spanOf(row, convolution) * lanesOf(many, size) * few) / 8,
  };
}

/** Input channels that a run of channels reads, of those of one group. */
const spanOf = ({ quads }: TileRow, { groups, outputs }: Convolution): number =>
  groups === 1 ? 1 : Math.ceil((4 * quads) / (outputs / groups));

/**
 * The tiles that a layer is compiled for, among which a device may choose: the first is what every device can run, the first of those with weights by
 * `subgroup` is for devices whose subgroups have eight invocations. `step` is what the program calls the step.
 */
export type ChooseTiles = (layer: TiledLayer, leastQuads: number, step: string) => readonly TileChoice[];

const rowsFor = (layer: TiledLayer, leastQuads: number): readonly TileRow[] =>
  tileRows.filter((row) => refuses(row, layer, leastQuads) === undefined);

/** The quickest row for a layer, by the estimates above, among those that have their weights from `source`; undefined where none takes it. */
export function chooseTile(
  layer: TiledLayer,
  leastQuads: number,
  source: WeightSource,
): TileChoice | undefined {
  return rowsFor(layer, leastQuads)
    .filter(({ weights }) => weights === source)
    .map((row) => layOut(row, layer.convolution))
    .reduce<TileChoice | undefined>(
      (best, each) => (best === undefined || each.cost < best.cost ? each : best),
      undefined,
    );
}

/** Workgroups that a row is tried with beside the one that fits best: texts are the same, so each costs an artifact a line. */
const otherSizes = [256, 128, 32] as const;

/** A tile, and the same with other workgroups where no subgroup depends on them. */
export function withOtherSizes(best: TileChoice, { convolution }: TiledLayer): readonly TileChoice[] {
  if (best.tile.weights === 'subgroup') return [best];
  const [many] = extentsOf(best.row, convolution);
  const chosen = Math.max(...best.tile.workgroup);
  const others = otherSizes.filter((size) => size !== chosen && size < 2 * many);
  return [best, ...others.map((size) => layOut(best.row, convolution, size))];
}

/** What artifacts hold: the row that is quickest by estimate, of each source of weights, with several workgroups. */
export const estimatedTiles = (layer: TiledLayer, leastQuads: number): readonly TileChoice[] =>
  (['own', 'subgroup'] as const).flatMap((source) => {
    const choice = chooseTile(layer, leastQuads, source);
    return choice === undefined ? [] : withOtherSizes(choice, layer);
  });

/** Everything there is, for a device to be timed with; the estimated ones first. */
export const allTiles = (layer: TiledLayer, leastQuads: number): readonly TileChoice[] => {
  const estimated = estimatedTiles(layer, leastQuads);
  const rows = rowsFor(layer, leastQuads).filter((row) => estimated.every((choice) => choice.row !== row));
  return [...estimated, ...rows.map((row) => layOut(row, layer.convolution))];
};
