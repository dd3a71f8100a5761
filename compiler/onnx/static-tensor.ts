/**
 * Static tensors: the numbers that are known while importing. Initializers, constants, and what follows from them and from shapes.
 *
 * Sizes are checked before anything is allocated: extents first, then their product, then the bytes that are there. 64-bit integers
 * are held as JavaScript numbers, saturated at the safe integers (see `proto.ts`).
 */
import { type DataType, dataTypeCode, type OnnxTensor } from '../../backends/onnx/model.ts';
import { fail, maxElements } from '../../ir/index.ts';
import { decodeFloat16, encodeFloat16 } from '../data/float16.ts';
import { type ExternalData, readExternal } from './external-data.ts';

export type StaticData =
  Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

export interface StaticTensor {
  /** Name of the initializer or value, for names of constants and for messages. */
  readonly name: string;
  readonly type: DataType;
  /** An extent of 0 is allowed: lists of axes may be empty. */
  readonly dims: readonly number[];
  readonly data: StaticData;
}

interface Layout {
  readonly bits: number;
  readonly array: new (length: number) => StaticData;
  readonly real: boolean;
}

const layouts: Readonly<Record<DataType, Layout>> = {
  float: { bits: 32, array: Float32Array, real: true },
  double: { bits: 64, array: Float64Array, real: true },
  float16: { bits: 16, array: Float32Array, real: true },
  bfloat16: { bits: 16, array: Float32Array, real: true },
  int64: { bits: 64, array: Float64Array, real: false },
  uint64: { bits: 64, array: Float64Array, real: false },
  int32: { bits: 32, array: Int32Array, real: false },
  uint32: { bits: 32, array: Uint32Array, real: false },
  int16: { bits: 16, array: Int16Array, real: false },
  uint16: { bits: 16, array: Uint16Array, real: false },
  int8: { bits: 8, array: Int8Array, real: false },
  uint8: { bits: 8, array: Uint8Array, real: false },
  bool: { bits: 8, array: Uint8Array, real: false },
  int4: { bits: 4, array: Int8Array, real: false },
  uint4: { bits: 4, array: Uint8Array, real: false },
  int2: { bits: 2, array: Int8Array, real: false },
  uint2: { bits: 2, array: Uint8Array, real: false },
};

const typeNames = new Map(Object.entries(dataTypeCode).map(([name, code]) => [code, name as DataType]));

/** The name of a data type code, or undefined when this project does not know it. */
export function dataTypeOf(code: number): DataType | undefined {
  return typeNames.get(code as (typeof dataTypeCode)[DataType]);
}

/** True for floating point types: those that become f32 in a program. */
export function isReal(type: DataType): boolean {
  return layouts[type].real;
}

export function allocateStatic(type: DataType, length: number): StaticData {
  return new layouts[type].array(length);
}

export function countOf(dims: readonly number[]): number {
  return dims.reduce((product, extent) => product * extent, 1);
}

/** A static tensor from numbers computed here. */
export function staticTensor(
  name: string,
  type: DataType,
  dims: readonly number[],
  values: ArrayLike<number>,
): StaticTensor {
  const data = allocateStatic(type, countOf(dims));
  if (values.length !== data.length) throw new Error(`${values.length} values for ${data.length} of ${name}`);
  data.set(values);
  return { name, type, dims, data };
}

/** Throws a QcError unless every extent is an integer of at least 0 and the elements can be addressed. */
export function checkDims(dims: readonly number[], label: string): void {
  if (dims.some((extent) => !Number.isSafeInteger(extent) || extent < 0)) {
    fail('onnx/bad-shape', `${label} has shape [${dims.join(', ')}], whose extents are not all at least 0`);
  }
  if (countOf(dims) > maxElements) {
    fail('onnx/too-large', `${label} has shape [${dims.join(', ')}], more than 2^31 - 1 elements`);
  }
}

/**
 * The elements of a tensor of the file. Throws a QcError: `onnx/data-type`, `onnx/bad-shape`, `onnx/too-large`, `onnx/tensor-size`, or
 * one about external data.
 */
export async function loadTensor(
  tensor: OnnxTensor,
  external: ExternalData | undefined,
): Promise<StaticTensor> {
  const { payload } = tensor;
  if (payload.kind !== 'external') return inlineTensor(tensor);
  const { type, count } = headOf(tensor);
  const bytes = await readExternal({ ...tensor, payload }, sizeInBytes(type, count), external);
  return inlineTensor({ ...tensor, payload: { kind: 'raw', bytes } });
}

/** The elements of a tensor that the file itself holds; external data is refused. */
export function inlineTensor(tensor: OnnxTensor): StaticTensor {
  const { name, dims, payload } = tensor;
  const { type, count, label } = headOf(tensor);
  const size = sizeInBytes(type, count);
  switch (payload.kind) {
    case 'external':
      return fail(
        'onnx/unsupported-form',
        `${label} lies in an external file, which only initializers may do`,
      );
    case 'raw': {
      if (payload.bytes.length !== size) {
        fail(
          'onnx/tensor-size',
          `${label} has ${payload.bytes.length} bytes, its shape [${dims.join(', ')}] of ${type} needs ${size}`,
        );
      }
      return { name, type, dims, data: fromBytes(payload.bytes, type, count) };
    }
    case 'typed': {
      const packed = layouts[type].bits < 8;
      const expected = packed ? size : count;
      if (payload.values.length !== expected) {
        fail(
          'onnx/tensor-size',
          `${label} has ${payload.values.length} elements, its shape [${dims.join(', ')}] of ${type} needs ${expected}`,
        );
      }
      if (packed) return { name, type, dims, data: fromBytes(Uint8Array.from(payload.values), type, count) };
      const data = allocateStatic(type, count);
      if (type === 'float16') for (let i = 0; i < count; i++) data[i] = decodeFloat16(payload.values[i]!);
      else if (type === 'bfloat16') data.set(fromBfloat16(Uint16Array.from(payload.values)));
      else data.set(payload.values);
      return { name, type, dims, data };
    }
  }
}

function headOf(tensor: OnnxTensor): { type: DataType; count: number; label: string } {
  const label = `initializer ${JSON.stringify(tensor.name)}`;
  const type = dataTypeOf(tensor.dataType);
  if (type === undefined) {
    return fail('onnx/data-type', `${label} is of data type ${tensor.dataType}, which is not supported`, {
      help: `supported are ${Object.keys(dataTypeCode).join(', ')}`,
    });
  }
  checkDims(tensor.dims, label);
  return { type, count: countOf(tensor.dims), label };
}

function sizeInBytes(type: DataType, count: number): number {
  return Math.ceil((count * layouts[type].bits) / 8);
}

function fromBytes(bytes: Uint8Array, type: DataType, count: number): StaticData {
  switch (type) {
    case 'float':
      return new Float32Array(aligned(bytes, 4), 0, count);
    case 'double':
      return new Float64Array(aligned(bytes, 8), 0, count);
    case 'float16':
      return Float32Array.from(new Uint16Array(aligned(bytes, 2), 0, count), decodeFloat16);
    case 'bfloat16':
      return fromBfloat16(new Uint16Array(aligned(bytes, 2), 0, count));
    case 'int64':
      return Float64Array.from(new BigInt64Array(aligned(bytes, 8), 0, count), saturateSafe);
    case 'uint64':
      return Float64Array.from(new BigUint64Array(aligned(bytes, 8), 0, count), saturateSafe);
    case 'int32':
      return new Int32Array(aligned(bytes, 4), 0, count);
    case 'uint32':
      return new Uint32Array(aligned(bytes, 4), 0, count);
    case 'int16':
      return new Int16Array(aligned(bytes, 2), 0, count);
    case 'uint16':
      return new Uint16Array(aligned(bytes, 2), 0, count);
    case 'int8':
      return new Int8Array(aligned(bytes, 1));
    case 'uint8':
    case 'bool':
      return new Uint8Array(bytes);
    case 'int4':
    case 'int2':
      return Int8Array.from(unpacked(bytes, layouts[type].bits, count), (value) =>
        value >= 2 ** (layouts[type].bits - 1) ? value - 2 ** layouts[type].bits : value,
      );
    case 'uint4':
    case 'uint2':
      return unpacked(bytes, layouts[type].bits, count);
  }
}

/** Integers of less than a byte, the first in the lowest bits of each byte, as unsigned numbers. */
function unpacked(bytes: Uint8Array, bits: number, count: number): Uint8Array {
  const perByte = 8 / bits;
  return Uint8Array.from(
    { length: count },
    (_, i) => (bytes[Math.floor(i / perByte)]! >> (bits * (i % perByte))) & (2 ** bits - 1),
  );
}

/** A buffer of its own for the bytes. Files put tensors at any address, and a view of a file would keep the whole of it alive. */
function aligned(bytes: Uint8Array, width: number): ArrayBuffer {
  if (bytes.length % width !== 0) throw new Error(`${bytes.length} bytes in units of ${width}`);
  return new Uint8Array(bytes).buffer;
}

function fromBfloat16(patterns: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(patterns, (pattern) => pattern * 0x10000).buffer);
}

/** The number of a floating type nearest to `value`, ties to even. */
export function roundToType(value: number, type: DataType): number {
  if (type === 'float16') return decodeFloat16(encodeFloat16(value));
  if (type !== 'bfloat16') return type === 'double' ? value : Math.fround(value);
  if (Number.isNaN(value)) return value;
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  // Half of the dropped part, less one where the kept part is even already.
  const rounded = Math.floor((bits + 0x7fff + ((bits >>> 16) & 1)) / 0x10000);
  return fromBfloat16(Uint16Array.of(rounded))[0]!;
}

function saturateSafe(value: bigint): number {
  const number = Number(value);
  return Math.min(Math.max(number, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}
