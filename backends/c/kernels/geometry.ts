/** How a layer lies before a tile: rows of pixels, runs of inputs, and whether the input must be copied first. */
import type { Product } from '../isa/machine.ts';
import type { Layer } from '../layer.ts';
import { neverOutside, type WindowAxis } from '../window.ts';
import { type Runs, runsOf } from './panels.ts';

/** A layer as rows of pixels that a tile moves along. */
export interface Geometry {
  readonly images: number;
  readonly rows: number;
  readonly columns: number;
  /** Elements of the input from one image, row, and pixel of the result to the next. */
  readonly imagePitch: number;
  readonly rowPitch: number;
  readonly pixelPitch: number;
  /** Elements from one row of the input to the next. */
  readonly inputRow: number;
  /** The input is copied, with these columns and rows around it. */
  readonly copy:
    | { readonly left: number; readonly width: number; readonly top: number; readonly height: number }
    | undefined;
  /** Rows of taps outside the input are left out. */
  readonly skips: boolean;
  readonly runs: Runs;
}

const beyond = (axis: WindowAxis): number =>
  Math.max(
    0,
    (axis.outputs - 1) * axis.stride + (axis.taps - 1) * axis.dilation - axis.pad - (axis.extent - 1),
  );

/** True where a signed product cannot take the layer's inputs as they are. */
export const flips = (layer: Layer, product: Product): boolean =>
  product.flip !== undefined && layer.form.highest > 127;

/** How a layer is walked. */
export function geometryOf(layer: Layer, product: Product): Geometry {
  const { window, channels, form, batch } = layer;
  const { x, y } = window;
  const runs = runsOf(layer);
  // Where 128 is taken off every input, or products are taken in pairs, what is left out would be missed.
  const adds = flips(layer, product) || product.pairs !== undefined;
  const skips = form.padding === 0 && y.dilation === 1 && !neverOutside(y) && !adds;
  const inPlace =
    product.inputs === 'u8' &&
    form.offset === 0 &&
    runs.useful === runs.length &&
    neverOutside(x) &&
    (neverOutside(y) || skips);
  const flat = layer.taps === 1 && neverOutside(x) && neverOutside(y) && x.stride === 1 && y.stride === 1;
  if (flat) {
    const pixels = batch * y.outputs * x.outputs;
    return {
      images: 1,
      rows: 1,
      columns: pixels,
      imagePitch: 0,
      rowPitch: 0,
      pixelPitch: channels,
      inputRow: pixels * channels,
      copy: inPlace ? undefined : { left: 0, width: pixels, top: 0, height: 1 },
      skips: false,
      runs,
    };
  }
  const width = inPlace ? x.extent : x.pad + x.extent + beyond(x);
  const top = inPlace || skips ? 0 : y.pad;
  const height = inPlace || skips ? y.extent : y.pad + y.extent + beyond(y);
  return {
    images: batch,
    rows: y.outputs,
    columns: x.outputs,
    imagePitch: inPlace ? y.extent * width * channels : 0,
    rowPitch: y.stride * width * channels,
    pixelPitch: x.stride * channels,
    inputRow: width * channels,
    copy: inPlace ? undefined : { left: x.pad, width, top, height },
    skips,
    runs,
  };
}

/** Elements a load may reach beyond the last tap. */
export const slack = 4;
