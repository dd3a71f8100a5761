/**
 * Inputs to calibrate on when there are none: drawn images, the same for the same seed everywhere.
 *
 * White noise would be wrong: the first convolution averages it away, and every later range comes out far too narrow. What makes
 * ranges realistic is what photographs have: energy that falls with frequency (octaves of smooth noise, each at 0.65 to 1.1 of the
 * amplitude of the last), colour that varies less than brightness, large differences between images in brightness and contrast, and
 * sharp edges (a few ellipses and half-planes of another colour). Images are drawn in bytes and preprocessed like any other,
 * so they stay within what real images can reach. An input that is no image gets standard normal values instead.
 */
import type { Batch, Dataset } from './batches.ts';
import { readBatches } from './batches.ts';
import { imageInput, imageLayouts } from './image-input.ts';
import { createPreprocessor, type Preprocess } from './preprocess.ts';
import { createRandom, type Random } from './random.ts';
import type { RgbImage } from './resize.ts';
import { sampleIndices } from './sampling.ts';

export interface GeneratedOptions {
  readonly seed?: number;
  readonly batch?: number;
}

/** `count` generated samples for a model input of `shape` (batch dimension first, of any size). Sample i depends on seed and i. */
export function generatedInputs(
  preprocess: Preprocess,
  shape: readonly number[],
  count: number,
  { seed = 0, batch = 1 }: GeneratedOptions = {},
): Dataset {
  const sampleShape = shape.slice(1);
  const isImage = imageLayouts(shape).length > 0;
  const draw = isImage
    ? imageDrawer(preprocess, shape)
    : (random: Random) => normalSample(sampleShape, random);
  const plan = {
    indices: sampleIndices(count, count, 'first', 0),
    batch,
    sampleShape,
    nameOf: (index: number) => `generated[${index}]`,
    open: () => ({
      read: (index: number) => draw(createRandom(seed + index * 2 ** 21)),
      close: () => undefined,
    }),
  };
  return {
    description: `${count} generated ${isImage ? 'images' : 'inputs'} (seed ${seed})`,
    kind: 'generated',
    length: count,
    total: count,
    labelled: false,
    sampleShape,
    warnings: [],
    [Symbol.asyncIterator]: (): AsyncGenerator<Batch, void, undefined> => readBatches(plan),
  };
}

function imageDrawer(preprocess: Preprocess, shape: readonly number[]): (random: Random) => Float32Array {
  const input = imageInput(shape, preprocess.layout);
  // Drawn at the model's size: there is nothing to resize or crop.
  const convert = createPreprocessor({ ...preprocess, resize: null, crop: 'none' }, input);
  return (random) => {
    const out = new Float32Array(input.height * input.width * 3);
    convert(drawImage(input.width, input.height, random), 'a generated image', out, 0);
    return out;
  };
}

function normalSample(sampleShape: readonly number[], random: Random): Float32Array {
  const length = sampleShape.reduce((product, dim) => product * dim, 1);
  return Float32Array.from({ length }, random.normal);
}

/** One image of smooth noise and hard-edged shapes. */
export function drawImage(width: number, height: number, random: Random): RgbImage {
  const contrast = 20 + 35 * random.uniform();
  const roughness = 0.65 + 0.45 * random.uniform();
  const brightness = smoothNoise(width, height, roughness, random);
  const tints = [0, 1, 2].map(() => smoothNoise(width, height, 0.55, random));
  const background = colour(random);
  const shapes = Array.from({ length: 2 + random.below(4) }, () => drawShape(width, height, random));
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const base = shapes.findLast((shape) => shape.covers(x, y))?.colour ?? background;
      const p = y * width + x;
      for (let c = 0; c < 3; c++) {
        const value = base[c]! + contrast * (brightness[p]! + 0.2 * tints[c]![p]!);
        data[p * 3 + c] = Math.max(0, Math.min(255, Math.round(value)));
      }
    }
  }
  return { width, height, data };
}

interface Shape {
  readonly colour: readonly number[];
  readonly covers: (x: number, y: number) => boolean;
}

function drawShape(width: number, height: number, random: Random): Shape {
  const [x0, y0] = [width * random.uniform(), height * random.uniform()];
  const [dx, dy] = [random.normal(), random.normal()];
  const ownColour = colour(random);
  if (random.below(3) === 0) {
    return { colour: ownColour, covers: (x, y) => (x - x0) * dx + (y - y0) * dy > 0 };
  }
  const [rx, ry] = [width, height].map((size) => size * (0.05 + 0.3 * random.uniform()) + 1) as [
    number,
    number,
  ];
  return { colour: ownColour, covers: (x, y) => ((x - x0) / rx) ** 2 + ((y - y0) / ry) ** 2 < 1 };
}

/** A muted colour: channels vary around a common grey, as they do in photographs. */
function colour(random: Random): number[] {
  const grey = 45 + 155 * random.uniform();
  return [0, 1, 2].map(() => grey + 20 * random.normal());
}

/** Octaves of value noise on grids of 2, 4, 8 ... cells, up to one cell every two pixels, each `roughness` times the last. */
function smoothNoise(width: number, height: number, roughness: number, random: Random): Float64Array {
  const sum = new Float64Array(width * height);
  let amplitude = 1;
  for (let cells = 2; cells <= Math.max(2, Math.min(width, height) / 2); cells *= 2) {
    addValueNoise(sum, width, height, cells, amplitude, random);
    amplitude *= roughness;
  }
  return sum;
}

/** Adds normal values at the corners of cells x cells squares, joined by smoothstep in both directions. */
function addValueNoise(
  sum: Float64Array,
  width: number,
  height: number,
  cells: number,
  amplitude: number,
  random: Random,
): void {
  const side = cells + 1;
  const corners = Float64Array.from({ length: side * side }, () => amplitude * random.normal());
  const column = Array.from({ length: width }, (_, x) => cellAt(x, width, cells));
  for (let y = 0; y < height; y++) {
    const row = cellAt(y, height, cells);
    for (let x = 0; x < width; x++) {
      const { cell, weight } = column[x]!;
      const at = row.cell * side + cell;
      const above = corners[at]! + (corners[at + 1]! - corners[at]!) * weight;
      const below = corners[at + side]! + (corners[at + side + 1]! - corners[at + side]!) * weight;
      const p = y * width + x;
      sum[p] = sum[p]! + above + (below - above) * row.weight;
    }
  }
}

function cellAt(position: number, size: number, cells: number): { cell: number; weight: number } {
  const at = ((position + 0.5) / size) * cells;
  const cell = Math.min(cells - 1, Math.floor(at));
  const t = at - cell;
  return { cell, weight: t * t * (3 - 2 * t) };
}
