/**
 * IEEE 754 binary16, as `.npy` files carry it. Decoding is exact; encoding rounds half to even, keeps NaN a NaN and turns what is
 * too large into an infinity, as numpy does. Both ways are written on the bit patterns, so no host support is assumed.
 */

/** The real value of a binary16 bit pattern; every one of them is a float32 too. */
export function decodeFloat16(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The binary16 bit pattern nearest to `value`, ties to the even pattern. */
export function encodeFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  // 65520 is half a step above the largest finite value, and a tie goes to the even pattern: infinity.
  if (magnitude >= 65520) return sign | 0x7c00;
  // Below 2^-14 the step stays 2^-24; a carry out of the fraction lands in the exponent, where it belongs.
  let exponent = -14;
  while (magnitude >= 2 ** (exponent + 1)) exponent++;
  const steps = roundHalfEven(magnitude / 2 ** (exponent - 10));
  return sign | (steps + ((exponent + 14) << 10));
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
