/** Constants that are one value per channel, in whatever shape they broadcast. */
import { isF32, type Tensor, tensor, f32 } from '../ir/index.ts';

/**
 * The constant as one value per channel (axis 1) of a tensor of `shape`; undefined where it varies along another axis, widens the
 * tensor, or is not f32.
 */
export function perChannel(constant: Tensor | undefined, shape: readonly number[]): Float32Array | undefined {
  if (constant === undefined || !isF32(constant.type) || shape.length < 2) return undefined;
  const lead = shape.length - constant.type.shape.length;
  if (lead < 0) return undefined;
  const channels = shape[1]!;
  const fits = constant.type.shape.every(
    (extent, i) => extent === 1 || (i + lead === 1 && extent === channels),
  );
  if (!fits) return undefined;
  const { data } = constant;
  return Float32Array.from({ length: channels }, (_, c) => data[data.length === 1 ? 0 : c]!);
}

/** A vector of f32, each value rounded once. */
export function vector(values: ArrayLike<number>): Tensor {
  return tensor(f32([values.length]), Float32Array.from(values));
}

/** An f32 constant of the same shape whose values went through `map`. */
export function mapConstant(constant: Tensor, map: (value: number) => number): Tensor {
  return { type: constant.type, data: Float32Array.from(constant.data, map) };
}

export function allFinite(values: ArrayLike<number>): boolean {
  return Array.prototype.every.call(values, Number.isFinite);
}
