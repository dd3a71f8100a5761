/**
 * The columns that a layer multiplies: for each output position the inputs under the window (im2col), as integers less their zero point,
 * so that products of short integers are exact in float32.
 */
import type { Window } from '../../ir/ops/window.ts';
import type { Matrix } from '../linear-algebra/matrix.ts';
import type { QuantizedLayer } from './quantized-layer.ts';

export interface Patches {
  /** Rows of a column over all groups: groups x (inputs per group x kernel). */
  readonly rows: number;
  /** Output positions of one sample. */
  readonly positions: number;
  /** Writes the column at an output position of `data` into column `at` of `target`. */
  readonly write: (data: ArrayLike<number>, position: number, target: Matrix, at: number) => void;
}

/** How the columns of a layer are read. For a dense layer of batch n there are n positions. */
export function patchesOf({ node, input, weights }: QuantizedLayer): Patches {
  const { zeroPoint } = input.type.element;
  const { shape } = input.type;
  if (node.op === 'dense') {
    const channels = shape[1]!;
    return {
      rows: channels,
      positions: shape[0]!,
      write: (data, position, target, at) => {
        for (let c = 0; c < channels; c++) {
          target.data[c * target.columns + at] = data[position * channels + c]! - zeroPoint;
        }
      },
    };
  }
  const window = node.attributes as unknown as Window;
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const [, , kernelHeight, kernelWidth] = weights.tensor.type.shape as [number, number, number, number];
  const [, , outputHeight, outputWidth] = node.result.type.shape as [number, number, number, number];
  const plane = outputHeight * outputWidth;
  return {
    rows: channels * kernelHeight * kernelWidth,
    positions: batch * plane,
    write: (data, position, target, at) => {
      const n = Math.floor(position / plane);
      const top = Math.floor((position % plane) / outputWidth) * window.strides[0]! - window.pads[0]!;
      const left = (position % outputWidth) * window.strides[1]! - window.pads[1]!;
      let row = at;
      for (let c = 0; c < channels; c++) {
        const from = (n * channels + c) * height * width;
        for (let u = 0; u < kernelHeight; u++) {
          const y = top + u * window.dilations[0]!;
          for (let v = 0; v < kernelWidth; v++) {
            const x = left + v * window.dilations[1]!;
            const inside = y >= 0 && y < height && x >= 0 && x < width;
            target.data[row] = inside ? data[from + y * width + x]! - zeroPoint : 0;
            row += target.columns;
          }
        }
      }
    },
  };
}

/** Fractional part of the golden ratio: multiples of it fall evenly into the unit interval, whatever their number. */
const golden = 0.6180339887498949;

/**
 * Which positions of sample `sample` stand for all: all of them if they are at most `count`, else `count` that are spread evenly over
 * the plane and differ from sample to sample. Needs no random number, so a second run takes the same ones.
 */
export function chosenPositions(positions: number, count: number, sample: number): Int32Array {
  if (positions <= count) return Int32Array.from({ length: positions }, (_, i) => i);
  return Int32Array.from({ length: count }, (_, i) =>
    Math.floor((((sample * count + i) * golden) % 1) * positions),
  );
}
