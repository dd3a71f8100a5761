/**
 * How large a piece of a convolution one invocation makes. Registers bound the product of the two sides; whole words of what is stored
 * set the least number of channels. These are starting values, not a
 * result: tried on lavapipe on a busy machine, where one and the same tile measured twice differed by a quarter, nearly as much as most
 * tiles did from one another. No GPU was asked.
 */

export interface ConvolutionTile {
  /** Output pixels of an invocation. */
  readonly pixels: number;
  /** Output channels of an invocation, in fours. */
  readonly quads: number;
  /** Invocations along the channels and along the tiles of pixels. */
  readonly workgroup: readonly [runs: number, tiles: number];
}

/** Pixels of a tile by its quads: 16 to 56 sums. */
const pixelsByQuads: Readonly<Record<number, number>> = { 1: 4, 2: 7, 4: 3 };

/** Invocations of a workgroup: two subgroups of most GPUs. */
const invocations = 64;

/** Neighbours along the channels share the activations they load; 16 of them read 256 bytes of weights side by side. */
const mostAlongChannels = 16;

/** Chooses a tile. `leastQuads` is what whole words of everything stored need. */
export function chooseTile(pixels: number, outputs: number, leastQuads: number): ConvolutionTile {
  const runs = Math.ceil(outputs / (4 * leastQuads));
  const side = Math.min(pixels, pixelsByQuads[leastQuads] ?? 2);
  const lanes = Math.min(mostAlongChannels, 2 ** Math.ceil(Math.log2(runs)));
  const rows = Math.min(invocations / lanes, 2 ** Math.ceil(Math.log2(Math.ceil(pixels / side))));
  return { pixels: side, quads: leastQuads, workgroup: [lanes, rows] };
}
