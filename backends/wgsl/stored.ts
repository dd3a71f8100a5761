/**
 * Reading and writing stored tensors in kernels, a granule at a time. A *granule* is a run of channels of one pixel (pixel: an index over all
 * axes but the channels') that makes whole words of everything the kernel stores, so that no two invocations ever write one word.
 *
 * Lanes past the last channel hold whatever was computed there; nobody may rely on them. Reads never leave the tensor.
 */
import {
  bitWidth,
  type Element,
  isSigned,
  type Storage,
  storageRange,
  type TensorType,
} from '../../ir/index.ts';
import {
  add,
  bitAnd,
  bitcast,
  bitOr,
  type Block,
  compose,
  div,
  type Expression,
  extractBits,
  i32,
  type KernelArray,
  load,
  lt,
  min,
  mul,
  type Operand,
  pack4xU8,
  rem,
  shl,
  shr,
  u32,
  component,
  unpack4xI8,
  unpack4xU8,
} from '../kernel/index.ts';
import { innermostAxis, storedLayout } from '../plan/index.ts';
import type { StoredLayout } from '../../runtime/manifest.ts';
import { fieldsQuad, packedFields } from './arithmetic.ts';

const lanes = [0, 1, 2, 3] as const;

/** The layout of every tensor in this backend: rows of channels padded to words. */
export const layoutOf = (type: TensorType): StoredLayout => storedLayout(type, 32);

/** A stored tensor as a kernel sees it: an array of u32. */
export interface StoredArray {
  readonly array: KernelArray;
  readonly type: TensorType;
}

/** Where an invocation works: `4 * quads` channels of one pixel. */
export interface Granule {
  readonly pixel: Expression;
  readonly run: Expression;
  readonly quads: number;
}

export const storageOf = (element: Element): Storage => {
  if (element.storage === 'f32') throw new Error('no f32 inside an integer program');
  return element.storage;
};

/** Number of channels and of pixels of a tensor. */
export function extentsOf(shape: readonly number[]): { channels: number; pixels: number } {
  const inner = innermostAxis(shape.length);
  const channels = inner < 0 ? 1 : shape[inner]!;
  return { channels, pixels: shape.reduce((product, extent) => product * extent, 1) / channels };
}

/** Quads of a granule that stores tensors of these widths in whole words. */
export function granuleQuads(bits: readonly number[]): number {
  return Math.max(1, ...bits.map((width) => 8 / width));
}

/** The index along every axis of `shape` for a pixel and a channel. */
export function axisIndices(shape: readonly number[], pixel: Expression, channel: Expression): Expression[] {
  const inner = innermostAxis(shape.length);
  const indices = new Array<Expression>(shape.length).fill(channel);
  let rest = pixel;
  const outer = shape.flatMap((_, axis) => (axis === inner ? [] : [axis])).reverse();
  for (const [at, axis] of outer.entries()) {
    const extent = shape[axis]!;
    if (extent === 1) indices[axis] = i32(0);
    else if (at === outer.length - 1) indices[axis] = rest;
    else {
      indices[axis] = rem(rest, extent);
      rest = div(rest, extent);
    }
  }
  return indices;
}

/** One element at a logical index, any storage. */
export function loadElement({ array, type }: StoredArray, indices: readonly Expression[]): Expression {
  const { strides, bits } = layoutOf(type);
  const offset = indices.reduce<Expression>(
    (sum, index, axis) => (type.shape[axis] === 1 ? sum : add(sum, mul(index, strides[axis]!))),
    i32(0),
  );
  if (bits === 32) return bitcast('i32', load(array, offset));
  const perWord = 32 / bits;
  const word = load(array, shr(offset, Math.log2(perWord)));
  const shift = bitcast('u32', mul(bitAnd(offset, perWord - 1), bits));
  return isSigned(storageOf(type.element))
    ? extractBits(bitcast('i32', word), shift, u32(bits))
    : bitcast('i32', extractBits(word, shift, u32(bits)));
}

/** Quad `4 * run * quads + 4 * j` of a row of words that begins at `base`. */
function rowQuad({ array, type }: StoredArray, base: Expression, granule: Granule, j: number): Expression {
  const storage = storageOf(type.element);
  const bits = bitWidth(storage);
  const { channels } = extentsOf(type.shape);
  const { run, quads } = granule;
  const index = add(mul(run, quads), j);
  if (bits === 32) {
    const first = mul(index, 4);
    return compose(
      'vec4i',
      ...lanes.map((lane) => {
        const channel = channels % (4 * quads) === 0 ? add(first, lane) : min(add(first, lane), channels - 1);
        return bitcast('i32', load(array, add(base, channel)));
      }),
    );
  }
  const rowWords = Math.ceil((channels * bits) / 32);
  const covers = Math.ceil(channels / (4 * quads)) * quads * 4 * bits <= 32 * rowWords;
  const within = (word: Expression): Expression => (covers ? word : min(word, rowWords - 1));
  if (bits === 16) {
    const words = [0, 1].map((at) => load(array, add(base, within(add(mul(index, 2), at)))));
    return fieldsQuad(16, isSigned(storage), ...words);
  }
  const perWord = 8 / bits;
  const aligned = quads % perWord === 0;
  const word = load(
    array,
    add(
      base,
      within(
        aligned ? add(mul(run, quads / perWord), Math.floor(j / perWord)) : shr(index, Math.log2(perWord)),
      ),
    ),
  );
  if (bits === 8) {
    return isSigned(storage) ? unpack4xI8(word) : bitcast('vec4i', unpack4xU8(word));
  }
  const shift = aligned
    ? u32((j % perWord) * 4 * bits)
    : bitcast('u32', mul(bitAnd(index, perWord - 1), 4 * bits));
  return fieldsQuad(bits, isSigned(storage), shr(word, shift));
}

/** True when the operand has the channels of `shape` along the same axis, so that its rows are read as words. */
function hasRows(operand: readonly number[], shape: readonly number[]): boolean {
  const inner = innermostAxis(shape.length);
  return operand.length === shape.length && inner >= 0 && operand[inner] === shape[inner];
}

/**
 * The operand's quads that meet a granule of a tensor of `shape`, to which the operand's shape broadcasts.
 */
export function readQuads(
  b: Block,
  operand: StoredArray,
  shape: readonly number[],
  granule: Granule,
): Expression[] {
  const quads = Array.from({ length: granule.quads }, (_, j) => j);
  const own = operand.type.shape;
  if (hasRows(own, shape)) {
    const { strides, bits } = layoutOf(operand.type);
    const inner = innermostAxis(shape.length);
    const base = own.every((extent, axis) => extent === shape[axis])
      ? mul(granule.pixel, wordsPerPixel(operand.type))
      : axisIndices(shape, granule.pixel, i32(0)).reduce<Expression>(
          (sum, index, axis) =>
            axis === inner || own[axis] === 1 ? sum : add(sum, mul(index, (strides[axis]! * bits) / 32)),
          i32(0),
        );
    const at = b.let('row', base);
    return quads.map((j) => b.let('quad', rowQuad(operand, at, granule, j)));
  }
  const lead = shape.length - own.length;
  const { channels } = extentsOf(shape);
  return quads.map((j) =>
    b.let(
      'quad',
      compose(
        'vec4i',
        ...lanes.map((lane) => {
          const channel = channelOf(granule, j, lane, channels);
          const indices = axisIndices(shape, granule.pixel, channel).slice(lead);
          return loadElement(operand, indices);
        }),
      ),
    ),
  );
}

/** The channel of a lane, held inside the tensor. */
export function channelOf({ run, quads }: Granule, j: number, lane: number, channels: number): Expression {
  const channel = add(mul(run, 4 * quads), 4 * j + lane);
  return channels % (4 * quads) === 0 ? channel : min(channel, channels - 1);
}

/** The quads of a row of words that begins at word `base`: for kernels that walk rows themselves. */
export const rowQuads = (operand: StoredArray, base: Expression, granule: Granule): Expression[] =>
  Array.from({ length: granule.quads }, (_, j) => rowQuad(operand, base, granule, j));

/** Words from one pixel's row to the next. */
export function wordsPerPixel(type: TensorType): number {
  return layoutOf(type).bytes / 4 / extentsOf(type.shape).pixels;
}

/** Stores the quads of a granule; all must fit the storage already. */
export function writeQuads(
  b: Block,
  target: StoredArray,
  granule: Granule,
  quads: readonly Expression[],
): void {
  const { array, type } = target;
  const bits = bitWidth(storageOf(type.element));
  const { channels } = extentsOf(type.shape);
  const pitch = wordsPerPixel(type);
  const row = mul(granule.pixel, pitch);
  const { run } = granule;
  if (bits >= 16) {
    for (const [j, quad] of quads.entries()) {
      const first = add(mul(run, 4 * quads.length), 4 * j);
      const perWord = 32 / bits;
      for (let lane = 0; lane < 4; lane += perWord) {
        const channel = add(first, lane);
        const word = wordOfLanes(quad, lane, bits);
        const write = (): void => {
          b.store(array, add(row, perWord === 1 ? channel : shr(channel, 1)), word);
        };
        if (channels % (4 * quads.length) === 0) write();
        else b.if(lt(channel, channels), write);
      }
    }
    return;
  }
  const perWord = 8 / bits;
  const words = quads.length / perWord;
  for (let word = 0; word < words; word++) {
    const parts = quads.slice(word * perWord, (word + 1) * perWord);
    const value =
      bits === 8
        ? pack4xU8(bitcast('vec4u', parts[0]!))
        : parts
            .map((quad, at) => shl(packedFields(bits, quad), 4 * bits * at))
            .reduce((left, right) => bitOr(left, right));
    const at = add(mul(run, words), word);
    const write = (): void => {
      b.store(array, add(row, at), value);
    };
    // The last run of a row may reach past it when a narrower tensor of this kernel sets the granule.
    if (Math.ceil(channels / (4 * quads.length)) * words <= pitch) write();
    else b.if(lt(at, pitch), write);
  }
}

function wordOfLanes(quad: Expression, lane: number, bits: number): Expression {
  const field = (at: number): Expression => bitcast('u32', component(quad, at as 0 | 1 | 2 | 3));
  if (bits === 32) return field(lane);
  return bitOr(bitAnd(field(lane), u32(0xffff)), shl(field(lane + 1), 16));
}

/** The smallest value a tensor of this element can hold. */
export const leastOf = (element: Element): number => storageRange(storageOf(element))[0];

/** A quad of one value. */
export const splat = (value: Operand): Expression => compose('vec4i', value);
