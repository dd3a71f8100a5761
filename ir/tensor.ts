/**
 * A tensor: a type and its elements, one array element per tensor element, row-major in the logical layout. Sub-byte
 * integers are stored unpacked here, one per byte; packing is a matter of files and backends.
 */
import { elementCount, formatType, type Storage, storageRange, type TensorType } from './types.ts';

export type TensorData = Float32Array | Int8Array | Uint8Array | Int16Array | Int32Array;

export interface Tensor {
  readonly type: TensorType;
  readonly data: TensorData;
}

export function allocate(storage: Storage | 'f32', length: number): TensorData {
  switch (storage) {
    case 'f32':
      return new Float32Array(length);
    case 'i2':
    case 'i4':
    case 'i8':
      return new Int8Array(length);
    case 'u2':
    case 'u4':
    case 'u8':
      return new Uint8Array(length);
    case 'i16':
      return new Int16Array(length);
    case 'i32':
      return new Int32Array(length);
  }
}

/** A tensor of zeros. */
export function zeros(type: TensorType): Tensor {
  return { type, data: allocate(type.element.storage, elementCount(type.shape)) };
}

/** Wraps `data`, or converts it to the array kind of the type. Integers outside the storage range are our bug: throws. */
export function tensor(type: TensorType, data: TensorData | readonly number[]): Tensor {
  const storage = type.element.storage;
  const count = elementCount(type.shape);
  if (data.length !== count) throw new Error(`${data.length} elements for ${formatType(type)}`);
  const home = allocate(storage, 0);
  if (storage !== 'f32') {
    const [min, max] = storageRange(storage);
    for (const value of data) {
      if (!Number.isInteger(value) || value < min || value > max) {
        throw new Error(`${value} does not fit ${formatType(type)}`);
      }
    }
  }
  if (data.constructor === home.constructor) return { type, data: data as TensorData };
  const copy = allocate(storage, count);
  copy.set(data);
  return { type, data: copy };
}

/** Distance in elements between neighbours along each axis of a row-major tensor. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}
