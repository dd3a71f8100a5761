/** AVX-VNNI: `vpdpbusd` on registers of 32 bytes, of which there are 16. Intel's client processors from Alder Lake on, AMD from Zen 5 on. */
import { call, type Isa, x86 } from '../../kernel/index.ts';
import { fusedCost } from './lanes.ts';
import type { VectorMachine } from './machine.ts';
import { bytes32, ops32 } from './x86.ts';

const features: readonly x86.X86Feature[] = ['avx2', 'avxvnni'];

const isa: Isa = {
  name: 'avxvnni',
  guard: 'defined(__x86_64__)',
  header: 'immintrin.h',
  attribute: 'target("avx2,avxvnni")',
  preamble: [
    '#include <cpuid.h>',
    '// Leaf 7, subleaf 1, bit 4 of EAX: not every compiler that has the intrinsics can ask for them by name.',
    'static inline int has_avxvnni(void) {',
    '  unsigned a, b, c, d;',
    '  return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1) != 0;',
    '}',
  ],
  features: new Set(features),
};

export const avxvnni: VectorMachine = {
  isa,
  summary: 'x86 with AVX-VNNI (vpdpbusd on 32 bytes)',
  probe: 'has_avxvnni()',
  ...ops32,
  products: {
    bytes: {
      ...bytes32,
      dot: (sum, bytes, weights) => call(x86.dotAvx32, sum, bytes, weights),
      cost: fusedCost,
    },
  },
};
