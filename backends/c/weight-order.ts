/**
 * Weights in the order kernels read them. A filter is one row: its taps in window order, the channels of a tap side by side, as a patch of
 * channels-last input is. A depthwise layer has one channel per filter, so there a row is a tap with its channels side by side.
 */
import { elementCount, type Storage, type Tensor } from '../../ir/index.ts';
import { packRows } from '../plan/index.ts';

export interface OrderedWeights {
  readonly bytes: Uint8Array;
  /** Elements of a row, padding not counted. */
  readonly rowLength: number;
}

/** OIHW (or OI) to rows of filters, packed; 8-bit ones at `pitch` elements from each other, narrower ones without gaps but to whole bytes. */
export function filterRows({ type, data }: Tensor, pitch: number): OrderedWeights {
  const [outputs, inputs] = type.shape as [number, number];
  const taps = elementCount(type.shape.slice(2));
  const rowLength = type.element.storage === 'i8' ? pitch : taps * inputs;
  const ordered = new Int8Array(outputs * rowLength);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      const from = (o * inputs + i) * taps;
      for (let tap = 0; tap < taps; tap++) ordered[o * rowLength + tap * inputs + i] = data[from + tap]!;
    }
  }
  return { bytes: packRows(ordered, rowLength, type.element.storage as Storage, 8), rowLength };
}

/** [C, 1, H, W] to rows of taps, packed. */
export function tapRows({ type, data }: Tensor): OrderedWeights {
  const channels = type.shape[0]!;
  const taps = data.length / channels;
  const ordered = new Int8Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let tap = 0; tap < taps; tap++) ordered[tap * channels + c] = data[c * taps + tap]!;
  }
  return { bytes: packRows(ordered, channels, type.element.storage as Storage, 8), rowLength: channels };
}
