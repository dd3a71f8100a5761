/** Small ONNX tensors made from numbers, and the byte or word that any runtime holds a storage in. */
import type { Storage } from '../../ir/index.ts';
import { type DataType, dataTypeCode, type OnnxTensor } from './model.ts';

/** The ONNX type that holds a storage, narrow ones in 8 bits. */
export function containerOf(storage: Storage | 'f32'): DataType {
  switch (storage) {
    case 'f32':
      return 'float';
    case 'i2':
    case 'i4':
    case 'i8':
      return 'int8';
    case 'u2':
    case 'u4':
    case 'u8':
      return 'uint8';
    case 'i16':
      return 'int16';
    case 'i32':
      return 'int32';
  }
}

/** A list of 64-bit integers, as operands for shapes, axes and pads are. */
export function int64List(name: string, values: readonly number[]): OnnxTensor {
  const wide = BigInt64Array.from(values, (value) => BigInt(value));
  return {
    name,
    dataType: dataTypeCode.int64,
    dims: [values.length],
    payload: { kind: 'raw', bytes: new Uint8Array(wide.buffer) },
  };
}

/** Types that scalars and short lists are written in. */
export type NumberType = 'float' | 'int8' | 'uint8' | 'int16' | 'int32';

/** Numbers of one type; no dims make a scalar. */
export function numbers(
  name: string,
  dataType: NumberType,
  values: readonly number[] | Float32Array,
  dims: readonly number[],
): OnnxTensor {
  const arrays = {
    float: Float32Array,
    int8: Int8Array,
    uint8: Uint8Array,
    int16: Int16Array,
    int32: Int32Array,
  };
  const data = arrays[dataType].from(values);
  return {
    name,
    dataType: dataTypeCode[dataType],
    dims,
    payload: { kind: 'raw', bytes: new Uint8Array(data.buffer) },
  };
}
