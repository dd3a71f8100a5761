import { describe, expect, it } from '@jest/globals';
import { allocate, f32, plain, rowMajorStrides, storages, tensor, zeros } from './index.ts';

describe('tensor', () => {
  it('wraps data of its own kind and converts other data', () => {
    const data = Float32Array.of(1, 2);
    expect(tensor(f32([2]), data).data).toBe(data);
    expect(tensor(f32([2]), [1, 2]).data).toEqual(data);
    expect(tensor(plain('i4', [2]), [-8, 7]).data).toEqual(Int8Array.of(-8, 7));
  });

  it('refuses what does not fit', () => {
    expect(() => tensor(f32([3]), [1, 2])).toThrow('2 elements for f32[3]');
    expect(() => tensor(plain('i4', [1]), Int8Array.of(8))).toThrow('8 does not fit i4[1]');
    expect(() => tensor(plain('u2', [1]), [-1])).toThrow('-1 does not fit u2[1]');
    expect(() => tensor(plain('i32', [1]), [0.5])).toThrow('0.5 does not fit i32[1]');
  });

  it('has an array for every storage, and zeros', () => {
    for (const storage of storages) expect(zeros(plain(storage, [2])).data).toEqual(allocate(storage, 2));
    expect(zeros(f32([])).data).toEqual(Float32Array.of(0));
  });

  it('strides are row-major', () => {
    expect([rowMajorStrides([2, 3, 4]), rowMajorStrides([])]).toEqual([[12, 4, 1], []]);
  });
});
