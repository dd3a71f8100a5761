/**
 * conv2d and dense. For a block of pixels, the taps of each pixel's window are gathered side by side into a *patch*; a sum is then the inner
 * product of a patch and a filter, two runs of equal constant length: the form in which compilers find the machine's dot-product
 * instructions. Padding, stride, dilation, packed fields and zero points all end in the gathering.
 *
 * Patches hold unsigned bytes. Stored integers become unsigned by adding `offset` (0, or half the range of a signed storage); padding
 * holds the offset zero point, the integer that stands for 0; and
 *
 *     sum of w * (x - zero point) = sum of w * (x + offset) - (zero point + offset) * sum of w
 *
 * puts all of that into the bias. Both sides are exact; the sums on the right are larger, so where they might leave int32 the patches hold
 * x - zero point as int16 instead, which needs no correction.
 */
import { bitWidth, isQuantized, isSigned, type Node, storageRange, type Tensor } from '../../ir/index.ts';
import {
  add,
  and,
  bitXor,
  div,
  type Expression,
  i32,
  type KernelArray,
  load,
  min,
  mul,
  sub,
} from '../kernel/index.ts';
import { rowPitch } from '../plan/index.ts';
import type { AnchorEmitter } from './anchor.ts';
import { blockSize, patchPitch } from './block-size.ts';
import { placeOf, rowSpace, signExtended, unpackFields } from './rows.ts';
import type { StepWriter } from './step-writer.ts';
import { filterRows, tapRows } from './weight-order.ts';
import { inside, neverOutside, slidingWindow, type SlidingWindow, tapIndex } from './window.ts';

/** How patches represent the input, and what that does to the bias. */
interface PatchForm {
  readonly element: 'u8' | 'i16';
  /** What padding holds. */
  readonly padding: number;
  readonly bias: readonly number[];
  /** The patch element for an i32 stored value, and for an unsigned field of a packed one. */
  readonly ofValue: (value: Expression) => Expression;
  readonly ofField: (field: Expression) => Expression;
}

interface Layer {
  readonly bits: number;
  readonly channels: number;
  readonly outputs: number;
  readonly groups: number;
  readonly window: SlidingWindow;
  readonly taps: number;
  /** Elements from one patch, and one filter, to the next: all of them take part in the inner product, those beyond the taps as 0. */
  readonly pitch: number;
  readonly form: PatchForm;
  readonly weight: Tensor;
}

/** Where the patches of a block are: gathered into scratch memory, or the input itself when a patch is one of its rows. */
interface Patches {
  readonly array: KernelArray;
  /** Offset in elements of the patch of the `i`-th pixel of the block. */
  readonly start: (i: Expression, first: Expression) => Expression;
}

const largestInt = 2 ** 31 - 1;

function layerOf(writer: StepWriter, node: Node): Layer {
  const x = writer.typeOf(node.operands[0]!);
  const weight = writer.operandConstant(node, 1);
  if (weight === undefined) throw new Error(`weights of ${node.result.name} are not constant`);
  const [, , height = 1, width = 1] = weight.type.shape;
  const channels = x.shape[1]!;
  const groups = (node.attributes['groups'] as number | undefined) ?? 1;
  const patchLength = height * width * channels;
  return {
    bits: bitWidth(x.element.storage),
    channels,
    outputs: weight.type.shape[0]!,
    groups,
    pitch: groups === 1 ? patchPitch(patchLength) : patchLength,
    window: slidingWindow(node, x, [height, width]),
    taps: height * width,
    form: patchForm(writer, node, weight),
    weight,
  };
}

function patchForm(writer: StepWriter, node: Node, weight: Tensor): PatchForm {
  const x = writer.typeOf(node.operands[0]!);
  const { storage } = x.element;
  if (storage === 'f32') throw new Error('a convolution of floats at the integer level');
  const zeroPoint = isQuantized(x) ? x.element.zeroPoint : 0;
  const bits = bitWidth(storage);
  const signed = isSigned(storage);
  const offset = signed ? 2 ** (bits - 1) : 0;
  const outputs = weight.type.shape[0]!;
  const rowLength = weight.data.length / outputs;
  const given = writer.operandConstant(node, 2)?.data ?? new Int32Array(outputs);

  const bias: number[] = [];
  let fits = true;
  const highest = storageRange(storage)[1] + offset;
  for (let o = 0; o < outputs; o++) {
    let positive = 0;
    let negative = 0;
    for (let i = o * rowLength; i < (o + 1) * rowLength; i++) {
      const w = weight.data[i]!;
      if (w > 0) positive += w;
      else negative += w;
    }
    const start = given[o]! - (zeroPoint + offset) * (positive + negative);
    bias.push(start);
    if (start + positive * highest > largestInt || start + negative * highest < -largestInt) fits = false;
  }
  const value = (field: Expression): Expression => (signed ? signExtended(field, bits) : field);
  return fits
    ? {
        element: 'u8',
        padding: zeroPoint + offset,
        bias,
        ofValue: (stored) => add(stored, offset),
        ofField: (field) => (signed ? bitXor(field, offset) : field),
      }
    : {
        element: 'i16',
        padding: 0,
        bias: Array.from(given),
        ofValue: (stored) => sub(stored, zeroPoint),
        ofField: (field) => sub(value(field), zeroPoint),
      };
}

/** True when a patch is a row of the input as it lies in memory. */
function readsInPlace({ bits, form, taps, window, pitch, channels }: Layer, signed: boolean): boolean {
  const whole = [window.y, window.x].every((axis) => axis.stride === 1 && axis.pad === 0);
  return (
    bits === 8 &&
    !signed &&
    form.element === 'u8' &&
    taps === 1 &&
    pitch === channels &&
    whole &&
    neverOutside(window.y) &&
    neverOutside(window.x)
  );
}

export const layer: AnchorEmitter = (writer, node, space, emitRow) => {
  const { block } = writer;
  const own = layerOf(writer, node);
  const input = writer.typeOf(node.operands[0]!);
  const { taps, channels, outputs, form, pitch } = own;
  const x = writer.input(node.operands[0]!, 'x');
  const pixels = space.rows;
  const inPlace = readsInPlace(own, input.element.storage !== 'u8');
  const size = blockSize(pixels, pitch * (form.element === 'u8' ? 1 : 2));
  const weights = weightReader(writer, own, node);
  const patches: Patches = inPlace
    ? { array: x, start: (i, first) => mul(add(first, i), pitch) }
    : {
        array: writer.scratch('patches', form.element, size * pitch),
        start: (i) => mul(i, pitch),
      };
  const sums = writer.scratch('sums', 'i32', size * outputs);
  const bias = writer.table('bias', 'i32', form.bias);

  weights.before();
  if (!inPlace) {
    block.for('i', 0, size, (i) => {
      block.for('k', taps * channels, pitch, (k) => {
        block.store(patches.array, add(mul(i, pitch), k), 0);
      });
    });
  }
  block.for('block', 0, Math.ceil(pixels / size), (number) => {
    const first = block.let('first', min(mul(number, size), pixels - size));
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
  });
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
  const { bits, channels, window, form } = own;
  const place = placeOf(block, rowSpace(node.result.type.shape), block.let('pixel', pixel));
  const pitch = rowPitch(channels, bits, 8);
  const into = patches.array;
  /** Copies `count` elements that lie side by side from the row of input pixel `row`. */
  const copy = (row: Expression, to: Expression, count: number): void => {
    const from = block.let('source', div(mul(row, pitch), 8 / bits));
    if (bits === 8) {
      block.for('k', 0, count, (k) => {
        block.store(into, add(to, k), form.ofValue(load(x, add(from, k))));
      });
    } else {
      unpackFields(block, x, from, bits, count, (index, field) => {
        block.store(into, add(to, index), form.ofField(field));
      });
    }
  };
  const fill = (to: Expression): void => {
    block.for('k', 0, channels, (k) => {
      block.store(into, add(to, k), form.padding);
    });
  };
  const { y: vertical, x: horizontal } = window;
  const [n, y, xAt] = [place.at[0] ?? i32(0), place.at[2] ?? i32(0), place.at[3] ?? i32(0)];
  const rowLength = horizontal.taps * channels;
  const contiguous = horizontal.dilation === 1 && pitch === channels && horizontal.taps > 1;
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

function weightReader(writer: StepWriter, own: Layer, node: Node): WeightReader {
  const { block } = writer;
  const { weight, groups, channels, outputs, taps, pitch } = own;
  const storage = weight.type.element.storage;
  const bits = bitWidth(storage);
  const depthwise = groups > 1 && groups === channels && outputs === channels;
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
  const unpacked = writer.scratch('filter_row', 'i8', depthwise ? taps * rowLength : padded);
  const unpack = (row: Expression, to: Expression): void => {
    unpackFields(block, array, mul(row, rowBytes), bits, rowLength, (index, field) => {
      block.store(unpacked, add(to, index), signExtended(field, bits));
    });
  };
  return {
    depthwise,
    before: () => {
      if (!depthwise) {
        block.for('k', rowLength, padded, (k) => {
          block.store(unpacked, k, 0);
        });
        return;
      }
      block.for('t', 0, taps, (t) => {
        unpack(t, mul(t, rowLength));
      });
    },
    filter: (o) => {
      unpack(o, i32(0));
      return (k) => load(unpacked, k);
    },
    tap: (t, c) => load(unpacked, add(mul(t, rowLength), c)),
  };
}

function sumFilters(
  { block }: StepWriter,
  { outputs, groups, channels, taps, pitch }: Layer,
  patches: Patches,
  first: Expression,
  size: number,
  weights: WeightReader,
  sums: KernelArray,
  bias: KernelArray,
): void {
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
