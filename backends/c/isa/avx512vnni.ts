/** AVX-512 with VNNI: 16 lanes, 32 registers, `vpdpbusd`. Intel from Cascade Lake on, AMD from Zen 4 on. */
import { call, type KernelArray, loadVector, type Isa, type Operand, x86 } from '../../kernel/index.ts';
import type { VectorMachine } from './machine.ts';
import { byteLanes } from './x86-bytes.ts';

const features: readonly x86.X86Feature[] = ['avx2', 'avx512', 'avx512vnni'];

const isa: Isa = {
  name: 'avx512vnni',
  guard: 'defined(__x86_64__)',
  header: 'immintrin.h',
  attribute: 'target("avx2,avx512f,avx512bw,avx512vl,avx512vnni")',
  features: new Set(features),
};

const { wide64 } = x86;

const quarter = (array: KernelArray, index: Operand) => loadVector(x86.load16, array, index);

export const avx512vnni: VectorMachine = {
  isa,
  summary: 'x86 with AVX-512 VNNI (vpdpbusd on 64 bytes)',
  probe:
    '__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")',
  register: 'm512i',
  lanes: 16,
  accumulators: 28,
  zero: call(wide64.zero),
  splat: (value) => call(wide64.splat, value),
  loadWords: wide64.load,
  storeWords: wide64.store,
  widenBytes: (array, index) =>
    call(array.element === 'i8' ? x86.widenI8To32x16 : x86.widenU8To32x16, quarter(array, index)),
  storeBytes: { row: x86.store16, narrow: (value) => call(x86.lowBytes64, value) },
  splatBytes: (array, index) => call(wide64.splat, loadVector(x86.loadWord, array, index)),
  loadWeights: (array, index) => loadVector(wide64.load, array, index),
  dot: (sum, bytes, weights) => call(x86.dot64, sum, bytes, weights),
  add: (a, b) => call(wide64.add, a, b),
  subtract: (a, b) => call(wide64.subtract, a, b),
  smaller: (a, b) => call(wide64.smaller, a, b),
  larger: (a, b) => call(wide64.larger, a, b),
  multiply: (a, b) => call(wide64.multiply, a, b),
  multiplyHalves: (a, b) => call(wide64.multiplyAddPairs, a, b),
  lowHalf: (a) => call(wide64.bitAnd, a, call(wide64.splat, 0xffff)),
  shiftLeft: (a, by) => (by === 0 ? a : call(wide64.shiftLeft, a, by)),
  shiftRight: (a, by) => (by === 0 ? a : call(wide64.shiftRight, a, by)),
  shiftLeftBy: (a, by) => call(wide64.shiftLeftBy, a, by),
  shiftRightBy: (a, by) => call(wide64.shiftRightBy, a, by),
  scaleBy16: (value, multiplier, raised, addend) =>
    call(
      wide64.add,
      call(x86.dotWords64, addend, value, raised),
      call(wide64.highUnsigned, value, multiplier),
    ),
  storeWeights: wide64.store,
  bytes: [wide64, x86.wide32, x86.wide16].map(byteLanes),
  unpackNibbles: (array, index) => {
    // A byte holds weights 2j and 2j+1: spread to 16 bits, move the upper one up, extend both signs.
    const pairs = call(x86.widenU8To16x32, loadVector(x86.load32, array, index));
    const both = call(
      wide64.bitAnd,
      call(wide64.bitOr, pairs, call(wide64.shiftLeft, pairs, 4)),
      call(wide64.splat, 0x0f0f0f0f),
    );
    return call(
      wide64.subtractBytes,
      call(wide64.bitXor, both, call(wide64.splat, 0x08080808)),
      call(wide64.splat, 0x08080808),
    );
  },
};
