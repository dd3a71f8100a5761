import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { f32, plain, storageRange, storages, tensor } from '../index.ts';
import { BlobWriter, isBlobName, packedSize, packElements, unpackElements } from './index.ts';

describe('packing', () => {
  it.each([
    ['i4', [1, -1, 7, -8, 3], [0xf1, 0x87, 0x03]],
    ['u4', [1, 15, 0, 8], [0xf1, 0x80]],
    ['i2', [1, -1, 0, -2, 1], [0b10_00_11_01, 0b01]],
    ['u2', [3, 2, 1, 0], [0b00_01_10_11]],
    ['i8', [-1, 127], [0xff, 0x7f]],
    ['u8', [255, 1], [0xff, 1]],
    ['i16', [-2, 258], [0xfe, 0xff, 2, 1]],
    ['i32', [-2, 1], [0xfe, 0xff, 0xff, 0xff, 1, 0, 0, 0]],
  ] as const)('of %s: lowest bits first, little-endian', (storage, values, bytes) => {
    const value = tensor(plain(storage, [values.length]), values);
    expect([...packElements(value)]).toEqual(bytes);
    expect(packedSize(storage, values.length)).toBe(bytes.length);
    expect(unpackElements(value.type, packElements(value), 0)).toEqual(value);
  });

  it('keeps every float', () => {
    const value = tensor(f32([6]), [0, -0, Infinity, -Infinity, 2 ** -149, Math.fround(0.1)]);
    const read = unpackElements(value.type, packElements(value), 0);
    expect([...read.data].every((element, i) => Object.is(element, value.data[i]))).toBe(true);
    expect(unpackElements(f32([1]), packElements(tensor(f32([1]), [NaN])), 0).data[0]).toBeNaN();
  });

  it('round-trips any integers, at any offset', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...storages).chain((storage) => {
          const [min, max] = storageRange(storage);
          return fc
            .array(fc.integer({ min, max }), { minLength: 1, maxLength: 20 })
            .map((values) => tensor(plain(storage, [values.length]), values));
        }),
        fc.nat({ max: 9 }),
        (value, offset) => {
          const packed = packElements(value);
          const file = new Uint8Array(offset + packed.length + 3).fill(0xa5);
          file.set(packed, offset);
          expect(unpackElements(value.type, file.subarray(0), offset)).toEqual(value);
        },
      ),
    );
  });
});

describe('BlobWriter', () => {
  it('aligns to 64 bytes and fills with zeros', () => {
    const writer = new BlobWriter('w');
    const three = tensor(plain('u8', [3]), [1, 2, 3]);
    expect([writer.place(three), writer.place(three), writer.place(three)]).toEqual([0, 64, 128]);
    const bytes = writer.bytes();
    expect(bytes).toHaveLength(131);
    expect([...bytes.subarray(0, 66)]).toEqual([1, 2, 3, ...new Array<number>(61).fill(0), 1, 2]);
  });

  it('takes plain file names only', () => {
    for (const name of ['model.weights', 'a', '_b-1.bin']) expect(isBlobName(name)).toBe(true);
    for (const name of [
      '',
      '.',
      '..',
      '.a',
      '-a',
      'a/b',
      'a\\b',
      'a b',
      'ä',
      'a\n',
      'c:d',
      'x'.repeat(101),
    ]) {
      expect([name, isBlobName(name)]).toEqual([name, false]);
    }
    expect(() => new BlobWriter('../w')).toThrow('not a plain file name');
  });
});
