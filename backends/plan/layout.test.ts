import { describe, expect, it } from '@jest/globals';
import { createRandom } from '../../compiler/data/random.ts';
import {
  elementCount,
  f32,
  plain,
  type Storage,
  storageRange,
  storages,
  type Tensor,
  tensor,
  type TensorType,
} from '../../ir/index.ts';
import { packRows, packTensor, rowPitch, sameBytes, storedLayout, unpackTensor } from './layout.ts';

const shapes = [[], [5], [3, 7], [2, 3, 5], [1, 1, 4, 4], [2, 9, 3, 2], [2, 3, 1, 2, 3]];

function randomTensor(type: TensorType, seed: number): Tensor {
  const random = createRandom(seed);
  const count = elementCount(type.shape);
  if (type.element.storage === 'f32') {
    return tensor(
      type,
      Array.from({ length: count }, () => Math.fround(random.normal())),
    );
  }
  const [min, max] = storageRange(type.element.storage);
  return tensor(
    type,
    Array.from({ length: count }, () => min + random.below(max - min + 1)),
  );
}

describe('stored layouts', () => {
  const storagesAndShapes = storages.flatMap((storage) => shapes.map((shape) => [storage, shape] as const));

  it.each(storagesAndShapes)('pack %s%j and unpack it again', (storage, shape) => {
    for (const granule of [8, 32] as const) {
      const value = randomTensor(plain(storage, shape), 3);
      const layout = storedLayout(value.type, granule);
      expect(layout.bytes * 8).toBeGreaterThanOrEqual(elementCount(shape) * layout.bits);
      expect((layout.bytes * 8) % granule).toBe(0);
      const bytes = packTensor(value, layout);
      expect(bytes).toHaveLength(layout.bytes);
      expect(unpackTensor(bytes, value.type, layout)).toEqual(value);
    }
  });

  it('keep f32 row-major', () => {
    const value = randomTensor(f32([2, 3, 4, 5]), 1);
    const layout = storedLayout(value.type, 32);
    expect(layout.strides).toEqual([60, 20, 5, 1]);
    expect(new Float32Array(packTensor(value, layout).buffer)).toEqual(value.data);
  });

  it('put channels innermost, padded to the granule', () => {
    expect(storedLayout(plain('u4', [2, 5, 3, 4]), 8).strides).toEqual([72, 1, 24, 6]);
    expect(storedLayout(plain('u4', [2, 5, 3, 4]), 32).strides).toEqual([96, 1, 32, 8]);
    expect(storedLayout(plain('i8', [2, 5, 3, 4]), 8).strides).toEqual([60, 1, 20, 5]);
    expect(storedLayout(plain('i32', [2, 5]), 32)).toEqual({ strides: [5, 1], bits: 32, bytes: 40 });
    expect([rowPitch(5, 2, 8), rowPitch(5, 8, 8), rowPitch(5, 8, 32), rowPitch(3, 32, 32)]).toEqual([
      8, 5, 8, 3,
    ]);
  });

  it('pack low bits first and two in complement', () => {
    expect(packTensor(tensor(plain('i4', [3]), [-1, 2, -8]), storedLayout(plain('i4', [3]), 8))).toEqual(
      Uint8Array.of(0x2f, 0x08),
    );
    expect(packRows([1, -1, 0, 1, -2, 1], 3, 'i2', 8)).toEqual(Uint8Array.of(0b00001101, 0b00011001));
    expect(packRows([1, 2, 3], 3, 'i8', 32)).toEqual(Uint8Array.of(1, 2, 3, 0));
  });

  it('know when a reshape moves nothing', () => {
    const free = (storage: Storage, from: readonly number[], to: readonly number[]): boolean =>
      sameBytes(from, storedLayout(plain(storage, from), 8), to, storedLayout(plain(storage, to), 8));
    expect(free('u8', [2, 6, 1, 1], [2, 6])).toBe(true);
    expect(free('u4', [2, 5, 1, 1], [2, 5])).toBe(true);
    expect(free('u8', [1, 6, 1, 1], [6])).toBe(true);
    expect(free('u8', [1, 6, 2, 1], [1, 12])).toBe(false);
    expect(free('u8', [1, 1, 3, 4], [1, 12])).toBe(true);
    expect(free('u4', [1, 1, 3, 4], [1, 12])).toBe(false);
    expect(free('u4', [2, 5, 1, 1], [1, 10])).toBe(false);
    expect(free('u4', [2, 6, 1, 1], [1, 12])).toBe(true);
  });

  it('refuse too few bytes', () => {
    const type = plain('u8', [4]);
    expect(() => unpackTensor(new Uint8Array(3), type, storedLayout(type, 8))).toThrow('3 bytes');
  });
});
