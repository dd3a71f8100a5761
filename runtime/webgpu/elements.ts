/** Integers in and out of packed bytes. */
import type { HostOutput } from './program.ts';

export const elementCount = (shape: readonly number[]): number =>
  shape.reduce((product, extent) => product * extent, 1);

/** Smallest and largest value of a storage such as `u4`. */
export function rangeOf(storage: string): readonly [number, number] {
  const bits = Number(storage.slice(1));
  return storage.startsWith('i') ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** Calls `visit(row-major index, offset in elements)` for every element of a tensor. */
export function forEachElement(
  shape: readonly number[],
  strides: readonly number[],
  visit: (index: number, offset: number) => void,
): void {
  const last = shape.length - 1;
  const extent = shape[last] ?? 1;
  const step = strides[last] ?? 1;
  const position = shape.map(() => 0);
  const count = elementCount(shape);
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

/** Puts integers of `bits` bits into zeroed bytes, a whole number of words. */
export function packer(bytes: Uint8Array, bits: number): (offset: number, value: number) => void {
  const words = new Int32Array(bytes.buffer);
  const mask = 2 ** bits - 1;
  return (offset, value) => {
    const at = offset * bits;
    words[at >>> 5]! |= (value & mask) << (at & 31);
  };
}

/** Integers out of packed bytes, in row-major order. */
export function unpackIntegers(
  { shape, strides, bits, storage }: HostOutput,
  bytes: Uint8Array,
): Float64Array {
  const values = new Float64Array(elementCount(shape));
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  const spare = 32 - bits;
  const signed = storage.startsWith('i');
  forEachElement(shape, strides, (index, offset) => {
    const at = offset * bits;
    const high = words[at >>> 5]! << (spare - (at & 31));
    values[index] = signed ? high >> spare : high >>> spare;
  });
  return values;
}
