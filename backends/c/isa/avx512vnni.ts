/** AVX-512 with VNNI: 16 lanes, 32 registers, `vpdpbusd`. Intel from Cascade Lake on, AMD from Zen 4 on. */
import { call, type Isa, loadVector, x86 } from '../../kernel/index.ts';
import { byteLanes, fusedCost } from './lanes.ts';
import type { VectorMachine } from './machine.ts';
import { splatWord, storedWeights, wideOps } from './x86.ts';

const features: readonly x86.X86Feature[] = ['avx2', 'avx512', 'avx512vnni'];

const isa: Isa = {
  name: 'avx512vnni',
  guard: 'defined(__x86_64__)',
  header: 'immintrin.h',
  attribute: 'target("avx2,avx512f,avx512bw,avx512vl,avx512vnni")',
  features: new Set(features),
};

const { wide64 } = x86;

const stored = storedWeights(wide64, (array, index) =>
  call(x86.widenU8To16x32, loadVector(x86.load32, array, index)),
);

export const avx512vnni: VectorMachine = {
  isa,
  summary: 'x86 with AVX-512 VNNI (vpdpbusd on 64 bytes)',
  probe:
    '__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")',
  ...wideOps(wide64),
  lanes: 16,
  accumulators: 28,
  widenBytes: (array, index) =>
    call(
      array.element === 'i8' ? x86.widenI8To32x16 : x86.widenU8To32x16,
      loadVector(x86.load16, array, index),
    ),
  storeBytes: { row: x86.store16, narrow: (value) => call(x86.lowBytes64, value) },
  packBytes: {
    count: 4,
    pack: (values) => call(x86.saturatedBytes64, ...values),
    limit: (bytes, highest) => call(wide64.smallerBytes, bytes, call(wide64.splat, highest * 0x01010101)),
    part: (bytes, index) => call(x86.quarter64, bytes, index),
    store: x86.store16,
  },
  multiplyHalves: (addend, a, b) => call(x86.dotWords64, addend, a, b),
  scaleBy16: (value, multiplier, raised, addend) =>
    call(
      wide64.add,
      call(x86.dotWords64, addend, value, raised),
      call(wide64.highUnsigned, value, multiplier),
    ),
  products: {
    bytes: {
      step: 4,
      inputs: 'u8',
      weights: 'i8',
      splat: splatWord(wide64),
      load: (array, index) => loadVector(wide64.load, array, index),
      dot: (sum, bytes, weights) => call(x86.dot64, sum, bytes, weights),
      ready: (array, index) => [stored(array, index)],
      store: wide64.store,
      narrow: [wide64, x86.wide32, x86.wide16].map(byteLanes),
      cost: fusedCost,
    },
  },
};
