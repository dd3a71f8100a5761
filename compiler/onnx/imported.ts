/**
 * What the name of an ONNX value stands for once its maker has been imported. Numbers known at compile time stay out of the program
 * until something needs them there; that is how shape arithmetic disappears.
 */
import { bitWidth, isSigned, type Storage, storageRange } from '../../ir/index.ts';
import { allocateStatic, type StaticTensor, staticTensor } from './static-tensor.ts';

/** Integers with the step that makes them real numbers: a dequantized initializer, kept as integers. */
export interface QuantizedWeights {
  readonly kind: 'weights';
  readonly ints: StaticTensor;
  readonly storage: Storage;
  /** One step for all, or one for each index of `axis`. */
  readonly steps: Float32Array;
  readonly axis?: number;
  readonly zeroPoint: number;
}

export type Imported =
  /** A value or constant of the program, by its name there. */
  | { readonly kind: 'value'; readonly name: string }
  | { readonly kind: 'static'; readonly tensor: StaticTensor }
  | QuantizedWeights
  /** A value that exists in the file but cannot be had: using it is the error. */
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string };

/** The real numbers that quantized weights stand for, each rounded to float32 as DequantizeLinear rounds. */
export function realWeights(weights: QuantizedWeights): StaticTensor {
  const { ints, steps, axis, zeroPoint } = weights;
  const inner = axis === undefined ? 1 : ints.dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const values = allocateStatic('float', ints.data.length);
  for (let i = 0; i < values.length; i++) {
    const step = steps[axis === undefined ? 0 : Math.floor(i / inner) % steps.length]!;
    values[i] = (ints.data[i]! - zeroPoint) * step;
  }
  return staticTensor(ints.name, 'float', ints.dims, values);
}

const storages: Readonly<Record<string, Storage>> = {
  int2: 'i2',
  uint2: 'u2',
  int4: 'i4',
  uint4: 'u4',
  int8: 'i8',
  uint8: 'u8',
  int16: 'i16',
  int32: 'i32',
};

/** ONNX integer types that quantized values can have, for those who refuse another. */
export const integerTypes = Object.keys(storages).join(', ');

/** The IR storage of an ONNX integer type, where there is one. */
export function storageOf(type: string): Storage | undefined {
  return Object.hasOwn(storages, type) ? storages[type] : undefined;
}

/**
 * Weights in the signed storage that layers take. Unsigned integers move down by half their range, and their zero point with them: u8
 * around 128 is i8 around 0, the same real numbers.
 */
export function signedWeights(weights: QuantizedWeights): QuantizedWeights {
  if (isSigned(weights.storage)) return weights;
  const [, max] = storageRange(weights.storage);
  const half = (max + 1) / 2;
  const { ints } = weights;
  const bits = bitWidth(weights.storage) as 2 | 4 | 8;
  const type = `int${bits}` as const;
  const moved = allocateStatic(type, ints.data.length);
  for (let i = 0; i < moved.length; i++) moved[i] = ints.data[i]! - half;
  return {
    ...weights,
    ints: { ...ints, type, data: moved },
    storage: `i${bits}`,
    zeroPoint: weights.zeroPoint - half,
  };
}
