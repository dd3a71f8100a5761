/** What machines of x86 share. */
import {
  call,
  type Expression,
  type KernelArray,
  loadVector,
  type Operand,
  x86,
} from '../../kernel/index.ts';
import { byteLanes, shifts, wordOps } from './lanes.ts';
import type { Product, VectorMachine } from './machine.ts';

const { wide16, wide32 } = x86;

/** Signed bytes from pairs of nibbles, each pair at the bottom of a 16-bit lane: the upper one moves up, both signs are extended. */
function signedNibbles(rows: x86.WideRows, pairs: Expression): Expression {
  const both = call(
    rows.bitAnd,
    call(rows.bitOr, pairs, call(rows.shiftLeft, pairs, 4)),
    call(rows.splat, 0x0f0f0f0f),
  );
  return call(
    rows.subtractBytes,
    call(rows.bitXor, both, call(rows.splat, 0x08080808)),
    call(rows.splat, 0x08080808),
  );
}

/** A register of weights as bytes, from 8 bits or 4; `pairs` widens bytes to 16-bit lanes. */
export const storedWeights =
  (rows: x86.WideRows, pairs: (array: KernelArray, index: Operand) => Expression) =>
  (array: KernelArray, index: Operand): Expression =>
    array.element === 'i8' ? loadVector(rows.load, array, index) : signedNibbles(rows, pairs(array, index));

/** Four inputs in every lane. */
export const splatWord =
  (rows: x86.WideRows) =>
  (array: KernelArray, index: Operand): Expression =>
    call(rows.splat, loadVector(x86.loadWord, array, index));

/** Operations on 32-bit lanes, of any width. */
export const wideOps = (rows: x86.WideRows) =>
  ({
    register: rows.register,
    ...wordOps(rows),
    ...shifts(rows),
    zero: call(rows.zero),
    multiplyHalves: (addend, a, b) => call(rows.add, addend, call(rows.multiplyAddPairs, a, b)),
  }) satisfies Partial<VectorMachine>;

/** Eight lanes: weights of eight outputs as bytes, for four inputs. */
export const stored32 = storedWeights(wide32, (array, index) =>
  call(x86.widenU8To16x16, loadVector(x86.load16, array, index)),
);

/** What machines with registers of 32 bytes have in common. */
export const ops32 = {
  ...wideOps(wide32),
  lanes: 8,
  // Of 16 registers: two hold weights, one inputs, one what is multiplied.
  accumulators: 12,
  widenBytes: (array, index) =>
    call(array.element === 'i8' ? x86.widenI8To32x8 : x86.widenU8To32x8, loadVector(x86.load8, array, index)),
  storeBytes: { row: x86.store8, narrow: (value) => call(x86.lowBytes32, value) },
  scaleBy16: (value, multiplier, raised, addend) =>
    call(
      wide32.add,
      call(x86.dotWords32, addend, value, raised),
      call(wide32.highUnsigned, value, multiplier),
    ),
} satisfies Partial<VectorMachine>;

/** Products of bytes in registers of 32, by an instruction that adds four, or two, of them up. */
export const bytes32: Omit<Product, 'dot' | 'cost'> = {
  step: 4,
  inputs: 'u8',
  weights: 'i8',
  splat: splatWord(wide32),
  load: (array, index) => loadVector(wide32.load, array, index),
  ready: (array, index) => [stored32(array, index)],
  store: wide32.store,
  narrow: [wide32, wide16].map(byteLanes),
};
