/** NEON with the dot product extension: 4 lanes, 32 registers, `sdot`. Cortex-A76, Apple M1, Graviton 2 and later. */
import { call, type Isa, loadVector, neon as rows } from '../../kernel/index.ts';
import { byteLanes, fusedCost, wordOps } from './lanes.ts';
import type { VectorMachine } from './machine.ts';

const features: readonly rows.NeonFeature[] = ['neon', 'dotprod'];

const isa: Isa = {
  name: 'neon',
  guard: 'defined(__aarch64__)',
  header: 'arm_neon.h',
  attribute: 'target("arch=armv8.2-a+dotprod")',
  clangAttribute: 'target("dotprod")',
  implied: 'defined(__ARM_FEATURE_DOTPROD)',
  preamble: [
    '#if defined(__ARM_FEATURE_DOTPROD)',
    '#define HAS_NEON_DOTPROD 1',
    '#elif defined(__linux__)',
    '#include <sys/auxv.h>',
    '// AT_HWCAP, HWCAP_ASIMDDP',
    '#define HAS_NEON_DOTPROD ((getauxval(16) >> 20 & 1) != 0)',
    '#else',
    '#define HAS_NEON_DOTPROD 0',
    '#endif',
  ],
  features: new Set(features),
};

export const neon: VectorMachine = {
  isa,
  summary: 'AArch64 with the dot product extension (sdot on 16 bytes)',
  probe: 'HAS_NEON_DOTPROD',
  register: 'neon128',
  lanes: 4,
  accumulators: 24,
  ...wordOps(rows),
  shiftLeft: (a, by) => (by === 0 ? a : call(rows.shiftLeftBy, a, call(rows.splat, by))),
  shiftRight: (a, by) => (by === 0 ? a : call(rows.shiftRightBy, a, call(rows.splat, by))),
  multiplyHalves: (addend, a, b) => call(rows.add, addend, call(rows.multiply, a, b)),
  scaleBy16: (value, multiplier, _raised, addend) => call(rows.scaleBy16, value, multiplier, addend),
  widenBytes: (array, index) =>
    loadVector(array.element === 'i8' ? rows.loadI8To32 : rows.loadU8To32, array, index),
  storeBytes: { row: rows.storeLowBytes, narrow: (value) => value },
  products: {
    bytes: {
      step: 4,
      inputs: 'u8',
      weights: 'i8',
      splat: (array, index) => loadVector(rows.loadWordSplat, array, index),
      load: (array, index) => loadVector(rows.load, array, index),
      dot: (sum, bytes, weights) => call(rows.dot, sum, bytes, weights),
      flip: (bytes) => call(rows.bitXor, bytes, call(rows.splat, 0x80808080 | 0)),
      ready: (array, index) => [
        loadVector(array.element === 'i8' ? rows.load : rows.loadNibbles, array, index),
      ],
      store: rows.store,
      narrow: [byteLanes(rows)],
      cost: fusedCost,
    },
  },
};
