/**
 * AVX-512 with VNNI as AMD builds it, Zen 4 and later: the same instructions as `avx512vnni`, but four pipes add where two multiply. Two steps of
 * 4-bit products are then cheaper as two additions of bytes and one dot product: 1.5 cycles for what takes two (Zen 4, registers of 64 bytes).
 * Where additions share the ports of products, as on Intel, they are not; so this is a row of its own.
 */
import { call, loadVector, x86 } from '../../kernel/index.ts';
import { avx512vnni } from './avx512vnni.ts';
import { byteLanes } from './lanes.ts';
import type { Product, VectorMachine } from './machine.ts';

const { wide64 } = x86;
const bytes: Product = avx512vnni.products.bytes!;
const { add, splat } = byteLanes(wide64);

export const avx512amd: VectorMachine = {
  ...avx512vnni,
  isa: { ...avx512vnni.isa, name: 'avx512amd' },
  refines: avx512vnni,
  summary: 'x86 with AVX-512 VNNI by AMD, where additions are nearly free beside products',
  probe: `__builtin_cpu_is("amd") && ${avx512vnni.probe}`,
  products: {
    paired: {
      ...bytes,
      pairs: {
        add,
        splat,
        bytes: wide64.load.bytes,
        load: (array, index) => loadVector(wide64.load, array, index),
        seconds: (value) => call(x86.upperWords64, value),
        accumulators: 16,
      },
      cost: {
        ...bytes.cost,
        // Of two steps: three instructions on four pipes, of which two multiply.
        step: (pixels, registers) => Math.max((pixels * registers * 3) / 4, pixels + registers, 6),
        // Zen 4, 512 channels on 7x7 and 256 on 14x14.
        filter: 48,
      },
    },
  },
};
