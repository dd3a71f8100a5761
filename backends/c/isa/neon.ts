/** NEON with the dot product extension: 4 lanes, 32 registers, `sdot`. Cortex-A76, Apple M1, Graviton 2 and later. */
import { call, type Isa, loadVector, neon as rows } from '../../kernel/index.ts';
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
  zero: call(rows.splat, 0),
  splat: (value) => call(rows.splat, value),
  loadWords: rows.load,
  storeWords: rows.store,
  widenBytes: (array, index) =>
    loadVector(array.element === 'i8' ? rows.loadI8To32 : rows.loadU8To32, array, index),
  storeBytes: { row: rows.storeLowBytes, narrow: (value) => value },
  splatBytes: (array, index) => loadVector(rows.loadWordSplat, array, index),
  loadWeights: (array, index) => loadVector(rows.load, array, index),
  dot: (sum, bytes, weights) => call(rows.dot, sum, bytes, weights),
  flip: (bytes) => call(rows.bitXor, bytes, call(rows.splat, 0x80808080 | 0)),
  add: (a, b) => call(rows.add, a, b),
  subtract: (a, b) => call(rows.subtract, a, b),
  smaller: (a, b) => call(rows.smaller, a, b),
  larger: (a, b) => call(rows.larger, a, b),
  multiply: (a, b) => call(rows.multiply, a, b),
  multiplyHalves: (a, b) => call(rows.multiply, a, b),
  lowHalf: (a) => call(rows.bitAnd, a, call(rows.splat, 0xffff)),
  shiftLeft: (a, by) => (by === 0 ? a : call(rows.shiftLeftBy, a, call(rows.splat, by))),
  shiftRight: (a, by) => (by === 0 ? a : call(rows.shiftRightBy, a, call(rows.splat, by))),
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
