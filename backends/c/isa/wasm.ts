/** WebAssembly with SIMD128: 4 lanes; products of 16-bit pairs. In every browser and Node since 2023. */
import { call, type Isa, loadVector, wasm as rows } from '../../kernel/index.ts';
import type { VectorMachine } from './machine.ts';

const features: readonly rows.WasmFeature[] = ['simd128'];

/** A module either has SIMD or does not load: the compiler's flag decides, nothing is asked when it runs. */
const isa: Isa = {
  name: 'wasm',
  guard: 'defined(__wasm_simd128__)',
  header: 'wasm_simd128.h',
  features: new Set(features),
};

export const wasm: VectorMachine = {
  isa,
  summary: 'WebAssembly with SIMD128 (i32x4.dot_i16x8_s), compiled with -msimd128',
  probe: '1',
  register: 'wasm128',
  lanes: 4,
  // Most engines run on processors of 16 registers, which also hold weights and pixels at 16 bits.
  accumulators: 8,
  zero: call(rows.splat, 0),
  splat: (value) => call(rows.splat, value),
  loadWords: rows.load,
  storeWords: rows.store,
  widenBytes: (array, index) =>
    loadVector(array.element === 'i8' ? rows.loadI8To32 : rows.loadU8To32, array, index),
  storeBytes: { row: rows.storeLowBytes, narrow: (value) => value },
  splatBytes: (array, index) => loadVector(rows.loadFourSplat, array, index),
  loadWeights: (array, index) => loadVector(rows.loadFours, array, index),
  dot: (sum, bytes, weights) => call(rows.dot, sum, bytes, weights),
  add: (a, b) => call(rows.add, a, b),
  subtract: (a, b) => call(rows.subtract, a, b),
  smaller: (a, b) => call(rows.smaller, a, b),
  larger: (a, b) => call(rows.larger, a, b),
  multiply: (a, b) => call(rows.multiply, a, b),
  multiplyHalves: (a, b) => call(rows.multiplyAddPairs, a, b),
  lowHalf: (a) => call(rows.bitAnd, a, call(rows.splat, 0xffff)),
  shiftLeft: (a, by) => (by === 0 ? a : call(rows.shiftLeft, a, by)),
  shiftRight: (a, by) => (by === 0 ? a : call(rows.shiftRight, a, by)),
  shiftLeftBy: (a, by) => call(rows.shiftLeftBy, a, by),
  shiftRightBy: (a, by) => call(rows.shiftRightBy, a, by),
  scaleBy16: (value, multiplier, _raised, addend) => call(rows.scaleBy16, value, multiplier, addend),
  storeWeights: rows.store,
  bytes: [
    {
      size: 16,
      load: rows.load,
      store: rows.store,
      add: (a, b) => call(rows.addBytes, a, b),
      subtract: (a, b) => call(rows.subtractBytes, a, b),
      larger: (a, b) => call(rows.largerBytes, a, b),
      splat: (byte) => call(rows.splat, (byte * 0x01010101) | 0),
    },
  ],
  unpackNibbles: (array, index) => loadVector(rows.loadNibbles, array, index),
};
