/**
 * How large a piece of a convolution one invocation makes. Measured on lavapipe; the README has the table. Registers bound the product of
 * the two sides, and a layer with few pixels must still leave work for every invocation.
 */

export interface ConvolutionTile {
  /** Output pixels of an invocation. */
  readonly pixels: number;
  /** Output channels of an invocation, in fours. */
  readonly quads: number;
  /** Invocations along the channels and along the tiles of pixels. */
  readonly workgroup: readonly [runs: number, tiles: number];
}

/** Chooses a tile. `leastQuads` is what whole words of everything stored need. */
export function chooseTile(pixels: number, outputs: number, leastQuads: number): ConvolutionTile {
  const quads = leastQuads;
  const runs = Math.ceil(outputs / (4 * quads));
  const wanted = quads >= 4 ? 2 : quads === 2 ? 4 : 7;
  const lanes = Math.min(64, 2 ** Math.ceil(Math.log2(runs)));
  return { pixels: Math.min(pixels, wanted), quads, workgroup: [lanes, 1] };
}
