/**
 * AVX2: 8 lanes, 16 registers. Every x86-64 processor since Haswell (2013) and Zen (2017).
 *
 * There is no exact product of u8 and i8: `vpmaddubsw` adds two products of bytes and saturates at 16 bits, which 255 * 127 twice passes. So
 * such operands are widened to 16 bits, two to a lane, when they are made ready, and multiplied by `vpmaddwd`. Half as many to an
 * instruction, but then there are bits to spare: 3x3 layers of 8 bits go through integer Winograd.
 *
 * Where a product has 12 bits or fewer `vpmaddubsw` is exact, and so is the sum of as many as fit 16 bits: twice the rate.
 */
import { call, type Isa, loadVector, x86 } from '../../kernel/index.ts';
import type { NarrowLanes, ProductCost, VectorMachine } from './machine.ts';
import { bytes32, ops32, splatWord, stored32 } from './x86.ts';

const features: readonly x86.X86Feature[] = ['avx2'];

const isa: Isa = {
  name: 'avx2',
  guard: 'defined(__x86_64__)',
  header: 'immintrin.h',
  attribute: 'target("avx2")',
  features: new Set(features),
};

const { wide32 } = x86;

/** A register as 16-bit words, of bytes in memory. */
const words: NarrowLanes = {
  size: 16,
  load: (array, index) => {
    if (array.element === 'i16') return loadVector(wide32.load, array, index);
    return call(
      array.element === 'i8' ? x86.widenI8To16x16 : x86.widenU8To16x16,
      loadVector(x86.load16, array, index),
    );
  },
  store: wide32.store,
  add: (a, b) => call(wide32.addHalves, a, b),
  subtract: (a, b) => call(wide32.subtractHalves, a, b),
  splat: (value) => call(wide32.splat, (value & 0xffff) | (value << 16)),
};

/**
 * Fitted to what Zen 3 takes for layers of ResNet-8, 18 and 50: two instructions to a product, which four units share, and sums that wait for
 * nothing but an addition.
 */
const cost: ProductCost = {
  step: (pixels, registers) => 0.65 * pixels * registers + 0.25 * pixels + 0.2,
  input: 48,
  filter: 48,
  result: 80,
};

export const avx2: VectorMachine = {
  isa,
  summary: 'x86 with AVX2 (vpmaddwd on 16 words, vpmaddubsw on 32 bytes where 4-bit weights make it exact)',
  probe: '__builtin_cpu_supports("avx2")',
  ...ops32,
  products: {
    words: {
      step: 2,
      inputs: 'i16',
      weights: 'i16',
      splat: splatWord(wide32),
      load: (array, index) => loadVector(wide32.load, array, index),
      dot: (sum, inputs, weights) => call(x86.dotWords32, sum, inputs, weights),
      ready: (array, index) => {
        const bytes = stored32(array, index);
        // Four weights of an output lie side by side; a step takes two of each.
        const low = call(x86.widenI8To16x16, call(x86.lowHalf32, bytes));
        const high = call(x86.widenI8To16x16, call(x86.highHalf32, bytes));
        return [call(x86.firstsOfPairs32, low, high), call(x86.secondsOfPairs32, low, high)];
      },
      store: wide32.store,
      narrow: [words],
      cost,
    },
    short: {
      ...bytes32,
      dot: (sum, bytes, weights) => call(x86.dotShort32, sum, bytes, weights),
      fold: (total, sums) => call(x86.dotWords32, total, sums, call(wide32.splat, 0x00010001)),
      cost,
    },
  },
};
