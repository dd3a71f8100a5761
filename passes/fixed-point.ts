/** Ratios of real steps as the integer tables that `requantize` and `average_pool2d` read. */
import { encodeRatio, type GraphBuilder, plain, tensor } from '../ir/index.ts';

/**
 * Adds multiplier and shift tables for the given positive or negative ratios; equal tables of one length are shared by name.
 * Ratios of magnitude below 2^-60 become 0.
 */
export function addTables(
  builder: GraphBuilder,
  name: string,
  ratios: readonly number[],
): { readonly multiplier: string; readonly shift: string } {
  const encoded = ratios.map((ratio) => {
    if (Math.abs(ratio) < 2 ** -60) return { multiplier: 0, shift: 0 };
    const { multiplier, shift } = encodeRatio(Math.abs(ratio));
    return { multiplier: Math.sign(ratio) * multiplier, shift };
  });
  const type = plain('i32', [ratios.length]);
  return {
    multiplier: builder.constant(
      `${name}.multiplier`,
      tensor(
        type,
        encoded.map((entry) => entry.multiplier),
      ),
    ),
    shift: builder.constant(
      `${name}.shift`,
      tensor(
        type,
        encoded.map((entry) => entry.shift),
      ),
    ),
  };
}
