/**
 * How the integers of a program are written in ONNX: the type that holds a storage, what is added to it on the way, and the bytes of
 * constants.
 *
 *     written = integer + shift          zero point written = zero point + shift
 *
 * A shift moves a signed activation into an unsigned type, see `IntegerForm`. It changes no real number that an integer stands for.
 */
import { bitWidth, type Element, type Storage, type Tensor } from '../../ir/index.ts';
import { type DataType, dataTypeCode, type OnnxTensor } from './model.ts';
import type { IntegerForm } from './profile.ts';
import { containerOf, numbers, type NumberType } from './tensors.ts';

export interface Written {
  readonly type: DataType;
  readonly shift: number;
}

const narrowTypes: Partial<Record<Storage | 'f32', DataType>> = {
  i2: 'int2',
  u2: 'uint2',
  i4: 'int4',
  u4: 'uint4',
};

/** Of a constant. */
export function writtenConstant({ storage }: Element, form: IntegerForm): Written {
  const narrow = form.widths === 'narrow' ? narrowTypes[storage] : undefined;
  return { type: narrow ?? containerOf(storage), shift: 0 };
}

/** Of a value that is computed. */
export function writtenValue(element: Element, form: IntegerForm): Written {
  const written = writtenConstant(element, form);
  const moves = form.offset && written.type === 'int8';
  return moves ? { type: 'uint8', shift: 128 } : written;
}

/** Bits of an integer type. */
export function bitsOf(type: DataType): number {
  return Number(/\d+$/.exec(type)![0]);
}

/** A list of integers of any type; no dims make a scalar. */
export function integers(
  name: string,
  type: DataType,
  values: readonly number[],
  dims: readonly number[],
): OnnxTensor {
  const bits = bitsOf(type);
  if (bits >= 8) return numbers(name, type as NumberType, values, dims);
  const payload = { kind: 'raw', bytes: packed(Int8Array.from(values), bits) } as const;
  return { name, dataType: dataTypeCode[type], dims, payload };
}

/** Narrow integers are packed from the low bits of each byte up. */
export function constantTensor(name: string, { type, data }: Tensor, form: IntegerForm): OnnxTensor {
  const { storage } = type.element;
  const written = writtenConstant(type.element, form).type;
  const bytes =
    written === narrowTypes[storage]
      ? packed(data as Int8Array | Uint8Array, bitWidth(storage))
      : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dataType: dataTypeCode[written], dims: type.shape, payload: { kind: 'raw', bytes } };
}

function packed(integers: Int8Array | Uint8Array, bits: number): Uint8Array {
  const perByte = 8 / bits;
  const bytes = new Uint8Array(Math.ceil(integers.length / perByte));
  const mask = 2 ** bits - 1;
  for (let i = 0; i < integers.length; i++) {
    bytes[Math.floor(i / perByte)]! |= (integers[i]! & mask) << (bits * (i % perByte));
  }
  return bytes;
}
