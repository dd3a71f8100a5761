/**
 * conv2d and dense. For a block of pixels, the taps of each pixel's window are gathered side by side into a *patch*; a sum is then the inner
 * product of a patch and a filter, two runs of equal constant length: the form in which compilers find the machine's dot-product
 * instructions. Padding, stride, dilation, packed fields and zero points all end in the gathering.
 */
import type { Node } from '../../ir/index.ts';
import {
  add,
  and,
  div,
  type Expression,
  i32,
  type KernelArray,
  load,
  min,
  mul,
  rem,
  sub,
} from '../kernel/index.ts';
import { rowPitch } from '../plan/index.ts';
import type { AnchorEmitter } from './anchor.ts';
import { blockSize, patchPitch } from './block-size.ts';
import { placeOf, rowSpace, signExtended, unpackFields } from './rows.ts';
import { shareStep } from './share.ts';
import type { StepWriter } from './step-writer.ts';
import { panelOutputs, panelPitch, panelsOf, panelTitle, panelWeights, runsOf } from './kernels/panels.ts';
import { type Layer, layerOf } from './layer.ts';
import { filterRows, tapRows } from './weight-order.ts';
import { inside, neverOutside, tapIndex } from './window.ts';

/** Elements from one patch, and one filter, to the next: all of them take part in the inner product, those beyond the taps as 0. */
function pitchOf({ groups, taps, channels }: Layer): number {
  return groups === 1 ? patchPitch(taps * channels) : taps * channels;
}

/** Where the patches of a block are: gathered into scratch memory, or the input itself when a patch is one of its rows. */
interface Patches {
  readonly array: KernelArray;
  /** Offset in elements of the patch of the `i`-th pixel of the block. */
  readonly start: (i: Expression, first: Expression) => Expression;
}

/** True when a patch is a row of the input as it lies in memory. */
function readsInPlace(layer: Layer): boolean {
  const { form, taps, window, channels } = layer;
  const whole = [window.y, window.x].every((axis) => axis.stride === 1 && axis.pad === 0);
  return (
    form.element === 'u8' &&
    form.offset === 0 &&
    taps === 1 &&
    pitchOf(layer) === channels &&
    whole &&
    neverOutside(window.y) &&
    neverOutside(window.x)
  );
}

export const layer: AnchorEmitter = (writer, node, space, emitRow) => {
  const { block } = writer;
  const own = layerOf(writer, node);
  const { taps, channels, outputs, form } = own;
  const pitch = pitchOf(own);
  const x = writer.input(node.operands[0]!, 'x');
  const pixels = space.rows;
  const inPlace = readsInPlace(own);
  const size = blockSize(pixels, pitch * (form.element === 'u8' ? 1 : 2));
  const weights = weightReader(writer, own);
  const patches: Patches = inPlace
    ? { array: x, start: (i, first) => mul(add(first, i), pitch) }
    : {
        array: writer.scratch('own', 'patches', form.element, size * pitch),
        start: (i) => mul(i, pitch),
      };
  const sums = writer.scratch('own', 'sums', 'i32', size * outputs);
  const bias = writer.table('bias', 'i32', own.bias);

  weights.before();
  if (!inPlace) {
    block.for('i', 0, size, (i) => {
      block.for('k', taps * channels, pitch, (k) => {
        block.store(patches.array, add(mul(i, pitch), k), 0);
      });
    });
  }
  const { from, to } = shareStep(writer, { items: pixels, least: size });
  const blockOf = (start: Expression): void => {
    const first = block.let('first', min(start, sub(to, size)));
    if (!inPlace) {
      block.for('i', 0, size, (i) => {
        gather(writer, own, x, patches, i, add(first, i), node);
      });
    }
    if (weights.depthwise) sumDepthwise(writer, own, patches, first, size, weights, sums, bias);
    else sumFilters(writer, own, patches, first, size, weights, sums, bias);
    block.for('i', 0, size, (i) => {
      emitRow(block.let('pixel', add(first, i)), (c) => load(sums, add(mul(i, outputs), c)));
    });
  };
  block.for('block', from, to, blockOf, size);
};

/** Copies the taps of one pixel's window into its patch. */
function gather(
  writer: StepWriter,
  own: Layer,
  x: KernelArray,
  patches: Patches,
  i: Expression,
  pixel: Expression,
  node: Node,
): void {
  const { block } = writer;
  const { channels, window, form } = own;
  const place = placeOf(block, rowSpace(node.result.type.shape), block.let('pixel', pixel));
  const into = patches.array;
  /** Copies `count` elements that lie side by side from the row of input pixel `row`. */
  const copy = (row: Expression, to: Expression, count: number): void => {
    const from = block.let('source', mul(row, channels));
    block.for('k', 0, count, (k) => {
      block.store(into, add(to, k), form.ofValue(load(x, add(from, k))));
    });
  };
  const fill = (to: Expression): void => {
    block.for('k', 0, channels, (k) => {
      block.store(into, add(to, k), form.padding);
    });
  };
  const { y: vertical, x: horizontal } = window;
  const [n, y, xAt] = [place.at[0] ?? i32(0), place.at[2] ?? i32(0), place.at[3] ?? i32(0)];
  const rowLength = horizontal.taps * channels;
  const contiguous = horizontal.dilation === 1 && horizontal.taps > 1;
  block.for('v', 0, vertical.taps, (v) => {
    const iy = block.let('from_y', tapIndex(vertical, y, v));
    const to = block.let('to', add(patches.start(i, i32(0)), mul(v, rowLength)));
    const pixelAt = (ix: Expression): Expression =>
      add(mul(add(mul(n, vertical.extent), iy), horizontal.extent), ix);
    const tapByTap = (): void => {
      block.for('u', 0, horizontal.taps, (u) => {
        const ix = block.let('from_x', tapIndex(horizontal, xAt, u));
        const tapTo = add(to, mul(u, channels));
        block.if(
          and(inside(vertical, iy), inside(horizontal, ix)),
          () => {
            copy(pixelAt(ix), tapTo, channels);
          },
          () => {
            fill(tapTo);
          },
        );
      });
    };
    if (contiguous) {
      const ix = tapIndex(horizontal, xAt, i32(0));
      block.if(
        and(inside(vertical, iy), inside(horizontal, ix, horizontal.taps)),
        () => {
          copy(pixelAt(ix), to, rowLength);
        },
        tapByTap,
      );
    } else {
      tapByTap();
    }
  });
}

/** Filters as bytes that can be multiplied: where they lie, and what must be unpacked when. */
interface WeightReader {
  readonly depthwise: boolean;
  /** Once, at the beginning. */
  readonly before: () => void;
  /** Makes filter `o` readable. */
  readonly filter: (o: Expression) => (k: Expression) => Expression;
  /** Depthwise: weight of tap t for channel c. */
  readonly tap: (t: Expression, c: Expression) => Expression;
}

function weightReader(writer: StepWriter, own: Layer): WeightReader {
  const { block } = writer;
  const { weight, weightBits: bits, groups, channels, outputs, taps, node } = own;
  const pitch = pitchOf(own);
  const { storage } = weight.type.element;
  const depthwise = groups > 1 && groups === channels && outputs === channels;
  if (!depthwise && writer.sharesPanels(own)) return panelReader(writer, own);
  const { bytes, rowLength } = depthwise
    ? tapRows(weight)
    : filterRows(weight, groups === 1 ? pitch : weight.data.length / outputs);
  const array = writer.weights(
    bits === 8 ? 'i8' : 'u8',
    bytes,
    `${node.operands[1]!}: ${storage}, ${depthwise ? taps : outputs} rows of ${rowLength}`,
  );
  if (bits === 8) {
    return {
      depthwise,
      before: () => undefined,
      filter: (o) => (k) => load(array, add(mul(o, rowLength), k)),
      tap: (t, c) => load(array, add(mul(t, rowLength), c)),
    };
  }
  const rowBytes = (rowPitch(rowLength, bits, 8) * bits) / 8;
  const padded = groups === 1 ? pitch : rowLength;
  const unpacked = writer.scratch('own', 'filter_row', 'i8', depthwise ? taps * rowLength : padded);
  const unpack = (row: Expression, to: Expression): void => {
    unpackFields(block, array, mul(row, rowBytes), bits, rowLength, (index, field) => {
      block.store(unpacked, add(to, index), signExtended(field, bits));
    });
  };
  return {
    depthwise,
    before: () => {
      if (depthwise) {
        block.for('t', 0, taps, (t) => {
          unpack(t, mul(t, rowLength));
        });
      } else {
        zero(writer, unpacked, rowLength, padded);
      }
    },
    filter: (o) => {
      unpack(o, i32(0));
      return (k) => load(unpacked, k);
    },
    tap: (t, c) => load(unpacked, add(mul(t, rowLength), c)),
  };
}

function zero({ block }: StepWriter, array: KernelArray, from: number, to: number): void {
  block.for('k', from, to, (k) => {
    block.store(array, k, 0);
  });
}

/** Takes one filter at a time out of the panels that vector kernels of the same artifact read. */
function panelReader(writer: StepWriter, own: Layer): WeightReader {
  const { block } = writer;
  const { weightBits: bits, groups, outputs } = own;
  const runs = runsOf(own);
  const panelBytes = (panelPitch(runs) * bits) / 8;
  const stepBytes = (4 * panelOutputs * bits) / 8;
  const array = writer.weights(bits === 8 ? 'i8' : 'u8', panelWeights(own), panelTitle(own));
  const length = runs.count * runs.useful;
  const padded = groups === 1 ? pitchOf(own) : length;
  const row = writer.scratch('own', 'filter_row', 'i8', padded);
  const perGroup = outputs / groups;
  /** Weights `first` to `first + count - 1` of the four that start at byte `at`. */
  const four = (at: Expression, to: Expression, count: number): void => {
    if (bits === 8) {
      for (let k = 0; k < count; k++) block.store(row, add(to, k), load(array, add(at, k)));
      return;
    }
    unpackFields(block, array, at, bits, count, (index, field) => {
      block.store(row, add(to, index), signExtended(field, bits));
    });
  };
  return {
    depthwise: false,
    before: () => {
      zero(writer, row, length, padded);
    },
    filter: (o) => {
      const inGroup = groups === 1 ? o : block.let('in_group', rem(o, perGroup));
      const number = block.let('panel', div(inGroup, panelOutputs));
      const start = min(mul(number, panelOutputs), perGroup - panelOutputs);
      const panel = groups === 1 ? number : add(mul(div(o, perGroup), panelsOf(perGroup)), number);
      const lane = block.let('lane', mul(sub(inGroup, start), (4 * bits) / 8));
      block.for('r', 0, runs.count, (r) => {
        const first = add(mul(panel, panelBytes), mul(r, (runs.length / 4) * stepBytes), lane);
        const from = block.let('packed', first);
        const to = block.let('unpacked', mul(r, runs.useful));
        const whole = Math.floor(runs.useful / 4);
        block.for('s', 0, whole, (s) => {
          four(add(from, mul(s, stepBytes)), add(to, mul(s, 4)), 4);
        });
        const rest = runs.useful - 4 * whole;
        if (rest > 0) four(add(from, whole * stepBytes), add(to, 4 * whole), rest);
      });
      return (k) => load(row, k);
    },
    tap: () => {
      throw new Error('a depthwise layer has no panels');
    },
  };
}

function sumFilters(
  { block }: StepWriter,
  layer: Layer,
  patches: Patches,
  first: Expression,
  size: number,
  weights: WeightReader,
  sums: KernelArray,
  bias: KernelArray,
): void {
  const { outputs, groups, channels, taps } = layer;
  const pitch = pitchOf(layer);
  const inputsPerGroup = channels / groups;
  block.for('o', 0, outputs, (o) => {
    const filter = weights.filter(o);
    const group = groups === 1 ? i32(0) : block.let('group', mul(div(o, outputs / groups), inputsPerGroup));
    block.for('i', 0, size, (i) => {
      const patch = block.let('window_at', add(patches.start(i, first), group));
      const sum = block.var('sum', load(bias, o));
      if (groups === 1) {
        block.for('k', 0, pitch, (k) => {
          block.addTo(sum, mul(load(patches.array, add(patch, k)), filter(k)));
        });
      } else {
        block.for('t', 0, taps, (t) => {
          block.for('k', 0, inputsPerGroup, (k) => {
            const pixel = load(patches.array, add(patch, mul(t, channels), k));
            block.addTo(sum, mul(pixel, filter(add(mul(t, inputsPerGroup), k))));
          });
        });
      }
      block.store(sums, add(mul(i, outputs), o), sum);
    });
  });
}

function sumDepthwise(
  { block }: StepWriter,
  { outputs, taps }: Layer,
  patches: Patches,
  first: Expression,
  size: number,
  weights: WeightReader,
  sums: KernelArray,
  bias: KernelArray,
): void {
  block.for('i', 0, size, (i) => {
    const to = block.let('to', mul(i, outputs));
    block.for('c', 0, outputs, (c) => {
      block.store(sums, add(to, c), load(bias, c));
    });
    block.for('t', 0, taps, (t) => {
      const tap = block.let('tap', add(patches.start(i, first), mul(t, outputs)));
      block.for('c', 0, outputs, (c) => {
        const at = add(to, c);
        const product = mul(load(patches.array, add(tap, c)), weights.tap(t, c));
        block.store(sums, at, add(load(sums, at), product));
      });
    });
  });
}
