/**
 * The numerics contract, stated once. Every backend computes exactly these functions; the tables in `numerics.test.ts`
 * are their corner cases.
 *
 * - `quantize`    real -> integer. Round half to even of float32(x / scale), plus zero point, saturate. (ONNX QuantizeLinear)
 * - `dequantize`  integer -> real. float32((q - zeroPoint) * scale). (ONNX DequantizeLinear)
 * - `requantize`  integer -> integer, no float. One product, one rounding (half towards +infinity), one saturation:
 *
 *       requantize(a, m, s) = floor((a * m + half) / 2^s),   half = 2^(s-1), or 0 when s = 0
 *
 *   The multiplier has 15 bits: `0 <= m < 2^15`, and `0 <= s <= 46`. Fifteen bits keep the result within 2^-15 of the real
 *   ratio, far below half a step of an 8-bit output, and buy exactness everywhere: `a * m` stays below 2^46, so a JavaScript
 *   number holds it; two 16-bit limbs hold it in WGSL, which has no 64-bit integers; and an 8-bit `a` needs no limbs at all.
 */
import { type Storage, storageRange } from './types.ts';

export const multiplierBits = 15;
export const maxShift = 46;

/** Round to nearest, ties to even, as ONNX QuantizeLinear and IEEE 754 default rounding do (`Math.round` does not). */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const fraction = value - below;
  if (fraction < 0.5) return below;
  if (fraction > 0.5) return below + 1;
  return below % 2 === 0 ? below : below + 1;
}

export function saturate(value: number, min: number, max: number): number {
  return value < min ? min : value > max ? max : value;
}

/** One element of `quantize`. NaN becomes the zero point: the integer that stands for 0. */
export function quantizeValue(value: number, scale: number, zeroPoint: number, storage: Storage): number {
  if (Number.isNaN(value)) return zeroPoint;
  const [min, max] = storageRange(storage);
  return saturate(roundHalfEven(Math.fround(value / scale)) + zeroPoint, min, max);
}

/** One element of `dequantize`: a float32. `integer - zeroPoint` is first rounded to float32, as hardware conversion does. */
export function dequantizeValue(integer: number, scale: number, zeroPoint: number): number {
  return Math.fround(Math.fround(integer - zeroPoint) * scale);
}

/** `floor((a * m + half) / 2^s)` before zero point and saturation. Exact for every int32 `a`. */
export function requantizeValue(a: number, multiplier: number, shift: number): number {
  const half = shift === 0 ? 0 : 2 ** (shift - 1);
  return Math.floor((a * multiplier + half) / 2 ** shift);
}

export interface FixedPoint {
  /** In [0, 2^15); in [2^14, 2^15) unless the ratio is below 2^-32. */
  readonly multiplier: number;
  /** In [0, 46]. */
  readonly shift: number;
}

/**
 * The fixed-point number nearest to a positive ratio: `multiplier / 2^shift`, with 15 significant bits.
 * Throws a RangeError when the ratio is not positive and finite or is 2^15 or more.
 */
export function encodeRatio(ratio: number): FixedPoint {
  if (!(ratio > 0) || !Number.isFinite(ratio))
    throw new RangeError(`ratio ${ratio} is not positive and finite`);
  let shift = multiplierBits - 1 - Math.floor(Math.log2(ratio));
  shift = Math.min(maxShift, shift);
  let multiplier = Math.round(ratio * 2 ** shift);
  if (multiplier >= 2 ** multiplierBits) {
    shift -= 1;
    multiplier = Math.round(ratio * 2 ** shift);
  }
  if (shift < 0) throw new RangeError(`ratio ${ratio} does not fit ${multiplierBits} bits`);
  return { multiplier, shift };
}

/** True when `encodeRatio` accepts the ratio. */
export function isEncodable(ratio: number): boolean {
  return ratio > 0 && ratio < 2 ** multiplierBits - 0.5;
}

/** Narrow symmetric range of weights: 4 bits are [-7, 7], 8 bits [-127, 127]; 2 bits [-1, 1]. */
export function narrowLimit(bits: number): number {
  return 2 ** (bits - 1) - 1;
}
