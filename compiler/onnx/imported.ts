/**
 * What the name of an ONNX value stands for once its maker has been imported. Numbers known at compile time stay out of the program
 * until something needs them there; that is how shape arithmetic disappears.
 */
import { type Storage, storageRange } from '../../ir/index.ts';
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

/** The IR storage of an ONNX integer type, where there is one. */
export function storageOf(type: string): Storage | undefined {
  const storages: Readonly<Record<string, Storage>> = {
    int4: 'i4',
    uint4: 'u4',
    int8: 'i8',
    uint8: 'u8',
    int16: 'i16',
    int32: 'i32',
  };
  return storages[type];
}

/**
 * Weights in the signed storage that layers take. Unsigned integers move down by half their range, and their zero point with them: u8
 * around 128 is i8 around 0, the same real numbers.
 */
export function signedWeights(weights: QuantizedWeights): QuantizedWeights {
  if (weights.storage !== 'u8' && weights.storage !== 'u4') return weights;
  const [, max] = storageRange(weights.storage);
  const half = (max + 1) / 2;
  const { ints } = weights;
  const type = weights.storage === 'u8' ? 'int8' : 'int4';
  const moved = allocateStatic(type, ints.data.length);
  for (let i = 0; i < moved.length; i++) moved[i] = ints.data[i]! - half;
  return {
    ...weights,
    ints: { ...ints, type, data: moved },
    storage: weights.storage === 'u8' ? 'i8' : 'i4',
    zeroPoint: weights.zeroPoint - half,
  };
}
