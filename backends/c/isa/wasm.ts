/** WebAssembly with SIMD128: 4 lanes; products of 16-bit pairs. In every browser and Node since 2023. */
import { call, type Isa, loadVector, wasm as rows } from '../../kernel/index.ts';
import { byteLanes, fusedCost, shifts, wordOps } from './lanes.ts';
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
  ...wordOps(rows),
  ...shifts(rows),
  multiplyHalves: (addend, a, b) => call(rows.add, addend, call(rows.multiplyAddPairs, a, b)),
  scaleBy16: (value, multiplier, _raised, addend) => call(rows.scaleBy16, value, multiplier, addend),
  widenBytes: (array, index) =>
    loadVector(array.element === 'i8' ? rows.loadI8To32 : rows.loadU8To32, array, index),
  storeBytes: { row: rows.storeLowBytes, narrow: (value) => value },
  products: {
    bytes: {
      step: 4,
      inputs: 'u8',
      weights: 'i8',
      splat: (array, index) => loadVector(rows.loadFourSplat, array, index),
      load: (array, index) => loadVector(rows.loadFours, array, index),
      dot: (sum, bytes, weights) => call(rows.dot, sum, bytes, weights),
      ready: (array, index) => [
        loadVector(array.element === 'i8' ? rows.load : rows.loadNibbles, array, index),
      ],
      store: rows.store,
      narrow: [byteLanes(rows)],
      cost: fusedCost,
    },
  },
};
