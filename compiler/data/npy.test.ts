import { describe, expect, it } from '@jest/globals';
import { QcError } from '../../ir/diagnostics.ts';
import { decodeFloat16, encodeFloat16 } from './float16.ts';
import { type NpyArray, parseNpyHeader, readNpy, toFloat32, toInt32, writeNpy } from './npy.ts';
import { readNpz, writeNpz } from './npz.ts';

const arrays: readonly NpyArray[] = [
  { dtype: 'b1', shape: [3], data: Uint8Array.of(0, 1, 1) },
  { dtype: 'u1', shape: [2, 2], data: Uint8Array.of(0, 1, 254, 255) },
  { dtype: 'i1', shape: [3], data: Int8Array.of(-128, 0, 127) },
  { dtype: 'u2', shape: [1], data: Uint16Array.of(65535) },
  { dtype: 'i2', shape: [2, 1], data: Int16Array.of(-32768, 32767) },
  { dtype: 'u4', shape: [1], data: Uint32Array.of(2 ** 32 - 1) },
  { dtype: 'i4', shape: [1, 2, 1], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1) },
  { dtype: 'u8', shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
  { dtype: 'i8', shape: [2], data: BigInt64Array.of(-(2n ** 63n), 5n) },
  { dtype: 'f2', shape: [4], data: Float32Array.of(1.5, -2, 65504, 2 ** -24) },
  { dtype: 'f4', shape: [2, 3], data: Float32Array.of(0, -0, 1e-45, 3.4e38, NaN, -Infinity) },
  { dtype: 'f8', shape: [], data: Float64Array.of(Math.PI) },
  { dtype: 'f4', shape: [0, 4], data: new Float32Array(0) },
];

/** A version 1 file with any header text, however wrong, and so many bytes of data. */
function fileWith(header: string, dataBytes: number, version = 1): Uint8Array {
  const text = new TextEncoder().encode(`${header}\n`);
  const length =
    version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
  return Uint8Array.of(
    0x93,
    0x4e,
    0x55,
    0x4d,
    0x50,
    0x59,
    version,
    0,
    ...length,
    ...text,
    ...new Uint8Array(dataBytes),
  );
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof QcError) return error.diagnostics[0]?.code;
    throw error;
  }
  return undefined;
}

describe('npy', () => {
  it.each(arrays)('reads back the $dtype $shape it wrote', (array) => {
    const file = writeNpy(array);
    expect(readNpy(file, 'x')).toEqual(array);
    expect(
      (file.length - array.data.length * (array.dtype === 'f2' ? 2 : array.data.BYTES_PER_ELEMENT)) % 64,
    ).toBe(0);
  });

  it('writes what numpy writes', () => {
    const header = "{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }".padEnd(117);
    const expected = `\x93NUMPY\x01\x00v\x00${header}\n\x00>\x00\xc0`;
    const file = writeNpy({ dtype: 'f2', shape: [2], data: Float32Array.of(1.5, -2) });
    expect(String.fromCharCode(...file)).toBe(expected);
  });

  it('reads the elements of a Node Buffer that is part of a larger one', () => {
    const file = writeNpy({ dtype: 'i4', shape: [2], data: Int32Array.of(7, 8) });
    const pooled = Buffer.concat([Buffer.alloc(3), file]).subarray(3);
    expect(readNpy(pooled, 'x').data).toEqual(Int32Array.of(7, 8));
  });

  it.each([1, 2, 3])('reads version %i, keys in any order', (version) => {
    const file = fileWith("{'shape': (2, 3), 'fortran_order': False, 'descr': '|u1'}", 6, version);
    expect(readNpy(file, 'x')).toEqual({ dtype: 'u1', shape: [2, 3], data: new Uint8Array(6) });
  });

  it('accepts the L of Python 2 and Fortran order where it is the same as C order', () => {
    expect(
      readNpy(fileWith("{'descr': '<i2', 'fortran_order': True, 'shape': (3L,), }", 6), 'x').shape,
    ).toEqual([3]);
  });

  const good = "'fortran_order': False, 'shape': (2, 3), }";
  it.each([
    ['data/npy-header', "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3)", 6],
    ['data/npy-header', "{'descr': '|u1', 'fortran_order': False, }", 6],
    ['data/npy-header', `{'descr': '|u1', 'descr': '|u1', ${good}`, 6],
    ['data/npy-header', `{'descr': '|u1', 'extra': True, ${good}`, 6],
    ['data/npy-header', `{'descr': [('a', '<f4')], ${good}`, 6],
    ['data/npy-header', "{'descr': '|u1', 'fortran_order': False, 'shape': (6), }", 6],
    ['data/npy-header', "{'descr': '|u1', 'fortran_order': False, 'shape': (-2, -3), }", 6],
    ['data/npy-header', "{'descr': '|u1', 'fortran_order': 0, 'shape': (2, 3), }", 6],
    ['data/npy-header', `{'descr': '|u1', ${good} __import__('os')`, 6],
    ['data/npy-header', `{'descr': '|u1', ${good}`, 7],
    ['data/npy-truncated', `{'descr': '|u1', ${good}`, 5],
    ['data/npy-truncated', "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }", 8],
    [
      'data/npy-shape',
      "{'descr': '<f4', 'fortran_order': False, 'shape': (9000000000000000, 9000000000000000), }",
      8,
    ],
    ['data/npy-shape', `{'descr': '|u1', 'fortran_order': False, 'shape': (${'1, '.repeat(33)}), }`, 1],
    ['data/npy-fortran-order', "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", 6],
    ['data/npy-dtype', `{'descr': '>f4', ${good}`, 24],
    ['data/npy-dtype', `{'descr': '|O', ${good}`, 48],
    ['data/npy-dtype', `{'descr': '<c8', ${good}`, 48],
  ])('refuses with %s: %s', (code, header, dataBytes) => {
    expect(codeOf(() => readNpy(fileWith(header, dataBytes), 'x'))).toBe(code);
  });

  it('refuses every proper prefix of a file', () => {
    const file = writeNpy(arrays[1]!);
    for (let length = 0; length < file.length; length++) {
      expect(codeOf(() => readNpy(file.slice(0, length), 'x'))).toMatch(/^data\/npy-(header|truncated)$/);
    }
  });

  it('refuses a header length that no header has before reading it', () => {
    const prelude = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 255, 255, 255, 255);
    expect(() => parseNpyHeader(prelude, 2 ** 33, '"big.npy"')).toThrow(
      '"big.npy" claims an .npy header of 4294967295 bytes; 10000 are the most',
    );
  });

  it('refuses a version it does not know', () => {
    expect(codeOf(() => readNpy(fileWith("{'descr': '|u1'}", 0, 4), 'x'))).toBe('data/npy-header');
  });

  it('converts labels to int32 and refuses what is no integer or too large', () => {
    expect(
      toInt32(
        arrays.find(({ dtype }) => dtype === 'i1')!,
        'x',
      ),
    ).toEqual(Int32Array.of(-128, 0, 127));
    expect(toInt32({ dtype: 'i8', shape: [2], data: BigInt64Array.of(999n, -1n) }, 'x')).toEqual(
      Int32Array.of(999, -1),
    );
    expect(codeOf(() => toInt32({ dtype: 'i8', shape: [1], data: BigInt64Array.of(2n ** 31n) }, 'x'))).toBe(
      'data/npy-range',
    );
    expect(codeOf(() => toInt32({ dtype: 'f4', shape: [1], data: Float32Array.of(1) }, 'x'))).toBe(
      'data/npy-dtype',
    );
  });

  it('converts to float32', () => {
    expect(toFloat32({ dtype: 'f8', shape: [1], data: Float64Array.of(0.1) })).toEqual(Float32Array.of(0.1));
    expect(toFloat32({ dtype: 'i8', shape: [1], data: BigInt64Array.of(-3n) })).toEqual(Float32Array.of(-3));
    expect(toFloat32({ dtype: 'u1', shape: [1], data: Uint8Array.of(200) })).toEqual(Float32Array.of(200));
  });
});

describe('float16', () => {
  it('encodes every decoded pattern back to itself', () => {
    const patterns = Array.from({ length: 2 ** 16 }, (_, bits) => bits);
    const numbers = patterns.filter((bits) => !Number.isNaN(decodeFloat16(bits)));
    expect(numbers.filter((bits) => encodeFloat16(decodeFloat16(bits)) !== bits)).toEqual([]);
    expect(decodeFloat16(encodeFloat16(NaN))).toBeNaN();
  });

  // value, numpy's float16 pattern
  it.each([
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [2 ** -25, 0],
    [3 * 2 ** -25, 2],
    [2 ** -14 - 2 ** -25, 0x0400],
    [-0, 0x8000],
  ])('rounds %d half to even, to pattern %i', (value, bits) => expect(encodeFloat16(value)).toBe(bits));
});

describe('npz', () => {
  const tensors = new Map<string, NpyArray>([
    ['/layer1/conv/Conv_output_0', arrays[10]!],
    ['../up\\and%out', arrays[1]!],
    ['plain', arrays[8]!],
  ]);

  it('reads back what it wrote, the same bytes each time', () => {
    const zip = writeNpz(tensors);
    expect(readNpz(zip, 'x')).toEqual(tensors);
    expect(writeNpz(tensors)).toEqual(zip);
  });

  it('writes no name that could leave the folder it is unpacked in', () => {
    const text = String.fromCharCode(...writeNpz(tensors));
    expect(text).toContain('%2e%2e/up%5cand%25out.npy');
    expect(text).not.toContain('../');
  });

  it('refuses a damaged archive', () => {
    const zip = writeNpz(tensors);
    expect(codeOf(() => readNpz(zip.slice(0, zip.length - 30), 'x'))).toBe('data/npz');
    expect(codeOf(() => readNpz(new Uint8Array(100), 'x'))).toBe('data/npz');
  });

  it('refuses an archive that would unpack past its limit, before unpacking', () => {
    const zip = writeNpz(new Map([['a', arrays[1]!]]));
    // The central directory's uncompressed size: 24 bytes into the record that begins PK 1 2.
    const record = String.fromCharCode(...zip).indexOf('PK\x01\x02');
    new DataView(zip.buffer).setUint32(record + 24, 2 ** 32 - 2, true);
    expect(() => readNpz(zip, '"a.npz"')).toThrow(
      '"a.npz" would unpack to 4294967294 bytes; 2147483648 are the most',
    );
  });
});
