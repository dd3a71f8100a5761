/**
 * How a tensor lies in an artifact's memory: the one place that knows, for C and WGSL, for weights packed at compile time and
 * for the bytes that `qc verify` reads back.
 *
 * Integers lie channels last: axis 1 moves innermost, because every inner product runs over channels and every epilogue's tables are
 * indexed by them. One run of channels (a *row*) is padded to whole granules, so that each row starts at an address: 8 bits in C,
 * one 32-bit word in WGSL. Elements of less than a byte are packed low bits first; padding holds zeros. Wider ones are
 * little-endian. f32 exists only where the caller sees it, and lies row-major as he knows it.
 */
import {
  allocate,
  bitWidth,
  elementCount,
  isF32,
  isSigned,
  rowMajorStrides,
  type Storage,
  type Tensor,
  type TensorType,
} from '../../ir/index.ts';
import type { StoredLayout } from '../../runtime/manifest.ts';

/** Bits a row is padded to. */
export type Granule = 8 | 32;

/** The axis that lies innermost, or -1 when there is none (rank 0). */
export function innermostAxis(rank: number): number {
  return rank >= 2 ? 1 : rank - 1;
}

/** Elements from one row to the next, for rows of `extent` elements. */
export function rowPitch(extent: number, bits: number, granule: Granule): number {
  const unit = Math.max(1, granule / bits);
  return Math.ceil(extent / unit) * unit;
}

/** The layout of every tensor of this type under a granule; an element takes `narrowest` bits at least. */
export function storedLayout(type: TensorType, granule: Granule, narrowest = 1): StoredLayout {
  const { shape } = type;
  const bits = Math.max(narrowest, bitWidth(type.element.storage));
  if (isF32(type)) return { strides: rowMajorStrides(shape), bits, bytes: 4 * elementCount(shape) };
  const inner = innermostAxis(shape.length);
  const strides = new Array<number>(shape.length).fill(1);
  let stride = rowPitch(inner < 0 ? 1 : shape[inner]!, bits, granule);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (axis === inner) continue;
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return { strides, bits, bytes: (stride * bits) / 8 };
}

/**
 * True when row-major position i of `a` and of `b` are the same element of memory for every i: a reshape between the two moves nothing.
 * Both layouts are brought to normal form: axes of extent 1 dropped, neighbours merged where they run on without a gap.
 */
export function sameBytes(
  a: readonly number[],
  aLayout: StoredLayout,
  b: readonly number[],
  bLayout: StoredLayout,
): boolean {
  const left = mergedAxes(a, aLayout.strides);
  const right = mergedAxes(b, bLayout.strides);
  return (
    aLayout.bytes === bLayout.bytes &&
    left.length === right.length &&
    left.every(({ extent, stride }, i) => extent === right[i]!.extent && stride === right[i]!.stride)
  );
}

function mergedAxes(
  shape: readonly number[],
  strides: readonly number[],
): { extent: number; stride: number }[] {
  const merged: { extent: number; stride: number }[] = [];
  for (const [axis, extent] of shape.entries()) {
    if (extent === 1) continue;
    const stride = strides[axis]!;
    const last = merged.at(-1);
    if (last?.stride === extent * stride)
      merged[merged.length - 1] = { extent: last.extent * extent, stride };
    else merged.push({ extent, stride });
  }
  return merged;
}

/** Calls `visit(row-major index, offset in elements)` for every element. */
function forEachElement(
  shape: readonly number[],
  strides: readonly number[],
  visit: (index: number, offset: number) => void,
): void {
  const position = new Array<number>(shape.length).fill(0);
  const count = elementCount(shape);
  const last = shape.length - 1;
  const extent = last < 0 ? 1 : shape[last]!;
  const step = last < 0 ? 1 : strides[last]!;
  for (let index = 0, start = 0; index < count; index += extent) {
    for (let i = 0; i < extent; i++) visit(index + i, start + i * step);
    for (let axis = last - 1; axis >= 0; axis--) {
      position[axis]! += 1;
      start += strides[axis]!;
      if (position[axis]! < shape[axis]!) break;
      start -= position[axis]! * strides[axis]!;
      position[axis] = 0;
    }
  }
}

/** Writes one element into packed bytes that are zero there. */
function writer(
  bytes: Uint8Array,
  storage: Storage | 'f32',
  bits = bitWidth(storage),
): (offset: number, value: number) => void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (storage === 'f32') {
    return (offset, value) => {
      view.setFloat32(4 * offset, value, true);
    };
  }
  switch (bits) {
    case 32:
      return (offset, value) => {
        view.setInt32(4 * offset, value, true);
      };
    case 16:
      return (offset, value) => {
        view.setInt16(2 * offset, value, true);
      };
    case 8:
      return (offset, value) => {
        bytes[offset] = value;
      };
    default: {
      const perByte = 8 / bits;
      const mask = 2 ** bits - 1;
      return (offset, value) => {
        const byte = Math.floor(offset / perByte);
        bytes[byte]! |= (value & mask) << (bits * (offset % perByte));
      };
    }
  }
}

/** Reads one element out of packed bytes. */
function reader(bytes: Uint8Array, storage: Storage | 'f32', bits: number): (offset: number) => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (storage === 'f32') return (offset) => view.getFloat32(4 * offset, true);
  switch (bits) {
    case 32:
      return (offset) => view.getInt32(4 * offset, true);
    case 16:
      return (offset) => view.getInt16(2 * offset, true);
    case 8:
      return isSigned(storage) ? (offset) => view.getInt8(offset) : (offset) => bytes[offset]!;
    default: {
      const perByte = 8 / bits;
      const mask = 2 ** bits - 1;
      const spare = isSigned(storage) ? 32 - bits : 0;
      return (offset) => {
        const field = (bytes[Math.floor(offset / perByte)]! >> (bits * (offset % perByte))) & mask;
        return (field << spare) >> spare;
      };
    }
  }
}

/** The bytes of a tensor as an artifact stores it. */
export function packTensor(value: Tensor, layout: StoredLayout): Uint8Array {
  const bytes = new Uint8Array(layout.bytes);
  const write = writer(bytes, value.type.element.storage, layout.bits);
  forEachElement(value.type.shape, layout.strides, (index, offset) => {
    write(offset, value.data[index]!);
  });
  return bytes;
}

/** The tensor that stored bytes stand for, in logical order. Throws when there are too few bytes. */
export function unpackTensor(bytes: Uint8Array, type: TensorType, layout: StoredLayout): Tensor {
  if (bytes.byteLength < layout.bytes) {
    throw new Error(`${bytes.byteLength} bytes for a tensor stored in ${layout.bytes}`);
  }
  const data = allocate(type.element.storage, elementCount(type.shape));
  const read = reader(bytes, type.element.storage, layout.bits);
  forEachElement(type.shape, layout.strides, (index, offset) => {
    data[index] = read(offset);
  });
  return { type, data };
}

/**
 * Packs a matrix of `rowLength` columns row by row, each row padded with zeros to whole granules: how weights are stored, after the
 * backend has put them in the order its kernels read.
 */
export function packRows(
  values: ArrayLike<number>,
  rowLength: number,
  storage: Storage,
  granule: Granule,
): Uint8Array {
  const bits = bitWidth(storage);
  const pitch = rowPitch(rowLength, bits, granule);
  const rows = values.length / rowLength;
  const bytes = new Uint8Array((rows * pitch * bits) / 8);
  const write = writer(bytes, storage);
  for (let row = 0, index = 0; row < rows; row++) {
    for (let column = 0; column < rowLength; column++) write(row * pitch + column, values[index++]!);
  }
  return bytes;
}
