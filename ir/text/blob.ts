/**
 * Blobs: where constants live that are too large to read. A blob file is the constants' elements one after the other, each from an
 * offset divisible by 64 (so that a mapped file can be read with any vector instruction), little-endian, row-major. Two and
 * four-bit integers are packed four or two to a byte, the lowest bits first; what is left of the last byte is 0.
 *
 * A file is named, not located: the name is a plain one, and whoever loads it decides where it lies.
 */
import { allocate, type Tensor } from '../tensor.ts';
import { bitWidth, elementCount, isSigned, type Storage, type TensorType } from '../types.ts';

export const blobAlignment = 64;

/** A name that stays inside its folder on every system: letters, digits, `.`, `_`, `-`; not hidden; at most 100 long. */
export function isBlobName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(name);
}

/** Bytes that `count` elements take, packed. */
export function packedSize(storage: Storage | 'f32', count: number): number {
  return Math.ceil((count * bitWidth(storage)) / 8);
}

/** The elements of a tensor as a blob holds them. */
export function packElements({ type, data }: Tensor): Uint8Array {
  const storage = type.element.storage;
  const bits = bitWidth(storage);
  const bytes = new Uint8Array(packedSize(storage, data.length));
  if (bits < 8) {
    const perByte = 8 / bits;
    const mask = 2 ** bits - 1;
    for (let i = 0; i < data.length; i++) {
      bytes[Math.floor(i / perByte)]! |= (data[i]! & mask) << ((i % perByte) * bits);
    }
    return bytes;
  }
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < data.length; i++) {
    if (storage === 'f32') view.setFloat32(i * 4, data[i]!, true);
    else if (bits === 8) view.setUint8(i, data[i]!);
    else if (bits === 16) view.setInt16(i * 2, data[i]!, true);
    else view.setInt32(i * 4, data[i]!, true);
  }
  return bytes;
}

/** Reads what `packElements` wrote. `bytes` holds at least `packedSize` of them from `offset`. */
export function unpackElements(type: TensorType, bytes: Uint8Array, offset: number): Tensor {
  const storage = type.element.storage;
  const bits = bitWidth(storage);
  const signed = storage !== 'f32' && isSigned(storage);
  const data = allocate(storage, elementCount(type.shape));
  if (bits < 8) {
    const perByte = 8 / bits;
    const unused = 32 - bits;
    for (let i = 0; i < data.length; i++) {
      const raised = (bytes[offset + Math.floor(i / perByte)]! >> ((i % perByte) * bits)) << unused;
      data[i] = signed ? raised >> unused : raised >>> unused;
    }
    return { type, data };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, packedSize(storage, data.length));
  for (let i = 0; i < data.length; i++) {
    if (storage === 'f32') data[i] = view.getFloat32(i * 4, true);
    else if (storage === 'i8') data[i] = view.getInt8(i);
    else if (storage === 'u8') data[i] = view.getUint8(i);
    else if (storage === 'i16') data[i] = view.getInt16(i * 2, true);
    else data[i] = view.getInt32(i * 4, true);
  }
  return { type, data };
}

/** Collects the constants of one blob file while a graph is printed. */
export class BlobWriter {
  readonly file: string;
  readonly #chunks: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  #end = 0;

  constructor(file: string) {
    if (!isBlobName(file)) throw new Error(`${JSON.stringify(file)} is not a plain file name`);
    this.file = file;
  }

  /** Appends a constant and returns its offset. */
  place(tensor: Tensor): number {
    const offset = Math.ceil(this.#end / blobAlignment) * blobAlignment;
    const bytes = packElements(tensor);
    this.#chunks.push({ offset, bytes });
    this.#end = offset + bytes.length;
    return offset;
  }

  /** The whole file so far. */
  bytes(): Uint8Array {
    const all = new Uint8Array(this.#end);
    for (const { offset, bytes } of this.#chunks) all.set(bytes, offset);
    return all;
  }
}
