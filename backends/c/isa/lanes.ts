/** What instruction sets have alike: rows of the same names, and so the same operations on lanes of 32 bits and of bytes. */
import {
  type Builtin,
  call,
  type Expression,
  type LoadRow,
  loadVector,
  type StoreRow,
} from '../../kernel/index.ts';
import type { NarrowLanes, ProductCost, VectorMachine } from './machine.ts';

interface WordRows {
  readonly splat: Builtin;
  readonly add: Builtin;
  readonly subtract: Builtin;
  readonly smaller: Builtin;
  readonly larger: Builtin;
  readonly multiply: Builtin;
  readonly shiftLeftBy: Builtin;
  readonly shiftRightBy: Builtin;
  readonly bitAnd: Builtin;
  readonly load: LoadRow;
  readonly store: StoreRow;
}

interface ByteRows {
  readonly splat: Builtin;
  readonly addBytes: Builtin;
  readonly subtractBytes: Builtin;
  readonly load: LoadRow;
  readonly store: StoreRow;
}

type Two = (a: Expression, b: Expression) => Expression;

const binary =
  (row: Builtin): Two =>
  (a, b) =>
    call(row, a, b);

/** Operations on 32-bit lanes. */
export const wordOps = (rows: WordRows) =>
  ({
    zero: call(rows.splat, 0),
    splat: (value) => call(rows.splat, value),
    loadWords: rows.load,
    storeWords: rows.store,
    add: binary(rows.add),
    subtract: binary(rows.subtract),
    smaller: binary(rows.smaller),
    larger: binary(rows.larger),
    multiply: binary(rows.multiply),
    lowHalf: (a) => call(rows.bitAnd, a, call(rows.splat, 0xffff)),
    shiftLeftBy: binary(rows.shiftLeftBy),
    shiftRightBy: binary(rows.shiftRightBy),
  }) satisfies Partial<VectorMachine>;

/** Shifts by an amount that is known, where rows take one for all lanes. */
export const shifts = (rows: { readonly shiftLeft: Builtin; readonly shiftRight: Builtin }) =>
  ({
    shiftLeft: (a, by) => (by === 0 ? a : call(rows.shiftLeft, a, by)),
    shiftRight: (a, by) => (by === 0 ? a : call(rows.shiftRight, a, by)),
  }) satisfies Partial<VectorMachine>;

/** A register as bytes. */
export const byteLanes = (rows: ByteRows): NarrowLanes => ({
  size: rows.load.bytes,
  load: (array, index) => loadVector(rows.load, array, index),
  store: rows.store,
  add: binary(rows.addBytes),
  subtract: binary(rows.subtractBytes),
  splat: (byte) => call(rows.splat, (byte * 0x01010101) | 0),
});

/**
 * Where one instruction adds four products to a lane. Two of them and two loads a cycle; a chain of them waits four cycles or more for each. The
 * rest is fitted to what Zen 5 takes for 3x3 layers of 16 to 512 channels: a transformed filter costs 2.25 cycles, because 16 bytes of it are
 * written and come back through the caches.
 */
export const fusedCost: ProductCost = {
  step: (pixels, registers) => Math.max((pixels * registers) / 2, (pixels + registers) / 2, 4.5),
  input: 32,
  filter: 144,
  result: 40,
};
