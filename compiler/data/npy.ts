/**
 * NumPy's `.npy` format, versions 1 to 3, as bytes: no file is opened here.
 *
 * A file is untrusted. The header's length is checked before anything is read by it, its dictionary is matched by a grammar that
 * admits exactly the three keys numpy writes, dimensions must multiply to an exact integer, and the bytes that follow must be exactly
 * as many as the header promises: too few is a truncated file, too many is not the file the header describes. Only then
 * is memory allocated, so a header of thirty bytes can't ask for a terabyte.
 *
 * Read and written: little-endian `u1 i1 u2 i2 u4 i4 u8 i8 f2 f4 f8 b1`, C order. Fortran order is refused with the numpy call that
 * cures it, since samples of such a file don't lie side by side.
 */
import { fail } from '../../ir/diagnostics.ts';
import { decodeFloat16, encodeFloat16 } from './float16.ts';

const itemSizes = {
  b1: 1,
  u1: 1,
  i1: 1,
  u2: 2,
  i2: 2,
  u4: 4,
  i4: 4,
  u8: 8,
  i8: 8,
  f2: 2,
  f4: 4,
  f8: 8,
} as const;

export type NpyDtype = keyof typeof itemSizes;

/** `f2` is held as the float32 it equals, `b1` as bytes, 64-bit integers as bigints: no element is ever rounded. */
export type NpyData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

export interface NpyArray {
  readonly dtype: NpyDtype;
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: NpyData;
}

export interface NpyHeader {
  readonly dtype: NpyDtype;
  readonly shape: readonly number[];
  /** Product of the shape. */
  readonly count: number;
  /** Bytes of one element. */
  readonly itemSize: number;
  /** Where the first element lies in the file. */
  readonly dataOffset: number;
}

/** Bytes that tell where the header ends: magic, version and the longer of the two length fields. */
export const npyPreludeLength = 12;

/** numpy's own limit on a header it will parse from a file it doesn't trust. */
const longestHeader = 10_000;
const highestRank = 32;
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** Where the data starts, read off the first 12 bytes (fewer if the file is that short). `what` names the file in errors. */
export function npyDataOffset(prelude: Uint8Array, what: string): number {
  if (magic.some((byte, i) => prelude[i] !== byte)) {
    fail('data/npy-header', `${what} is not an .npy file: it does not start with "\\x93NUMPY"`);
  }
  const version = prelude[6];
  const lengthBytes = version === 1 ? 2 : 4;
  if (prelude.length < 8 + lengthBytes) fail('data/npy-truncated', `${what} ends inside its .npy header`);
  if (version !== 1 && version !== 2 && version !== 3) {
    fail('data/npy-header', `${what} is .npy version ${version ?? '?'}; versions 1, 2 and 3 are read`);
  }
  const view = new DataView(prelude.buffer, prelude.byteOffset, prelude.byteLength);
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > longestHeader) {
    fail(
      'data/npy-header',
      `${what} claims an .npy header of ${length} bytes; ${longestHeader} are the most`,
    );
  }
  return 8 + lengthBytes + length;
}

/**
 * Reads the header at the start of `bytes` (which need hold no data) and checks it against the size of the whole file.
 * Fails with `data/npy-*` for anything but a C-order array of a known type whose data is exactly there.
 */
export function parseNpyHeader(bytes: Uint8Array, fileSize: number, what: string): NpyHeader {
  const dataOffset = npyDataOffset(bytes.subarray(0, npyPreludeLength), what);
  if (bytes.length < dataOffset) fail('data/npy-truncated', `${what} ends inside its .npy header`);
  const start = bytes[6] === 1 ? 10 : 12;
  const { descr, fortranOrder, shape } = parseDictionary(latin1(bytes.subarray(start, dataOffset)), what);
  const dtype = parseDescr(descr, what);
  if (fortranOrder && shape.length > 1) {
    fail('data/npy-fortran-order', `${what} is in Fortran order; C order is read`, {
      help: 'save it as np.save(path, np.ascontiguousarray(array))',
    });
  }
  const itemSize = itemSizes[dtype];
  const count = shape.reduce((product, dim) => product * dim, 1);
  const dataBytes = count * itemSize;
  if (!Number.isSafeInteger(dataBytes)) {
    fail('data/npy-shape', `${what} claims the shape [${shape.join(', ')}], which no file can hold`);
  }
  if (fileSize !== dataOffset + dataBytes) {
    fail(
      fileSize < dataOffset + dataBytes ? 'data/npy-truncated' : 'data/npy-header',
      `${what} holds ${fileSize - dataOffset} bytes of data; ${dtype} [${shape.join(', ')}] takes ${dataBytes}`,
    );
  }
  return { dtype, shape, count, itemSize, dataOffset };
}

/** Reads a whole `.npy` file. */
export function readNpy(bytes: Uint8Array, what: string): NpyArray {
  const header = parseNpyHeader(bytes, bytes.length, what);
  return {
    dtype: header.dtype,
    shape: header.shape,
    data: decodeElements(header.dtype, bytes.subarray(header.dataOffset)),
  };
}

/** The elements of little-endian `bytes`, copied. Hosts are little-endian too: every one Node and browsers run on here is. */
export function decodeElements(dtype: NpyDtype, bytes: Uint8Array): NpyData {
  // Not `bytes.slice()`: on Node's Buffer that is a view, whose buffer starts elsewhere.
  const { buffer } = new Uint8Array(bytes);
  switch (dtype) {
    case 'b1':
    case 'u1':
      return new Uint8Array(buffer);
    case 'i1':
      return new Int8Array(buffer);
    case 'u2':
      return new Uint16Array(buffer);
    case 'i2':
      return new Int16Array(buffer);
    case 'u4':
      return new Uint32Array(buffer);
    case 'i4':
      return new Int32Array(buffer);
    case 'u8':
      return new BigUint64Array(buffer);
    case 'i8':
      return new BigInt64Array(buffer);
    case 'f2':
      return Float32Array.from(new Uint16Array(buffer), decodeFloat16);
    case 'f4':
      return new Float32Array(buffer);
    case 'f8':
      return new Float64Array(buffer);
  }
}

/** A version 1 file, laid out as numpy does: data starts at a multiple of 64. Only `f2` rounds. */
export function writeNpy(array: NpyArray): Uint8Array {
  const { dtype, shape, data } = array;
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (data.length !== count) throw new Error(`${data.length} elements for the shape [${shape.join(', ')}]`);
  const order = itemSizes[dtype] === 1 ? '|' : '<';
  const dims = shape.length === 1 ? `${shape[0] ?? 0},` : shape.join(', ');
  const dictionary = `{'descr': '${order}${dtype}', 'fortran_order': False, 'shape': (${dims}), }`;
  const dataOffset = Math.ceil((10 + dictionary.length + 1) / 64) * 64;
  const header = `${dictionary.padEnd(dataOffset - 11)}\n`;

  const file = new Uint8Array(dataOffset + count * itemSizes[dtype]);
  file.set([...magic, 1, 0, header.length & 0xff, header.length >> 8]);
  file.set(new TextEncoder().encode(header), 10);
  file.set(elementBytes(dtype, data), dataOffset);
  return file;
}

function elementBytes(dtype: NpyDtype, data: NpyData): Uint8Array {
  const stored = dtype === 'f2' ? Uint16Array.from(data as Float32Array, encodeFloat16) : data;
  if (stored.BYTES_PER_ELEMENT !== itemSizes[dtype]) {
    throw new Error(`${stored.constructor.name} elements for dtype ${dtype}`);
  }
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

/** The elements as float32; integers and float64 round to nearest. */
export function toFloat32(array: NpyArray): Float32Array {
  const { data } = array;
  if (data instanceof Float32Array) return data;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float32Array.from(data, Number);
  return Float32Array.from(data);
}

/** The elements of an integer array as int32, such as labels that numpy keeps in 64 bits. Fails on floats and on what doesn't fit. */
export function toInt32(array: NpyArray, what: string): Int32Array {
  const { data, dtype } = array;
  if (dtype.startsWith('f')) {
    fail('data/npy-dtype', `${what} holds ${dtype}; integers are expected`, {
      help: 'save it with .astype(np.int64)',
    });
  }
  const integers = new Int32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i]);
    integers[i] = value;
    if (integers[i] !== value)
      fail('data/npy-range', `${what} holds ${value} at ${i}, which is not an int32`);
  }
  return integers;
}

interface Dictionary {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`: the three keys once each, in any order; then blanks. */
function parseDictionary(text: string, what: string): Dictionary {
  let descr: string | undefined;
  let fortranOrder: boolean | undefined;
  let shape: readonly number[] | undefined;

  const body = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1] ?? malformed(text, what);
  const entry =
    /\s*'(descr|fortran_order|shape)'\s*:\s*(?:'([^'\\]*)'|(True|False)|\(([\d\s,L]*)\))\s*(,|$)/y;
  while (entry.lastIndex < body.trimEnd().length) {
    const match = entry.exec(body) ?? malformed(text, what);
    const [, key, string, boolean, tuple] = match;
    if (key === 'descr' && string !== undefined && descr === undefined) descr = string;
    else if (key === 'fortran_order' && boolean !== undefined && fortranOrder === undefined) {
      fortranOrder = boolean === 'True';
    } else if (key === 'shape' && tuple !== undefined && shape === undefined) {
      shape = parseTuple(tuple) ?? malformed(text, what);
    } else malformed(text, what);
  }
  if (descr === undefined || fortranOrder === undefined || shape === undefined) malformed(text, what);
  if (shape.length > highestRank) {
    fail('data/npy-shape', `${what} has ${shape.length} dimensions; ${highestRank} are the most`);
  }
  return { descr, fortranOrder, shape };
}

/** The inside of a tuple of non-negative integers; Python 2 wrote an `L` after each. */
function parseTuple(text: string): number[] | undefined {
  if (text.trim() === '') return [];
  const items = text.split(',').map((item) => item.trim());
  if (items.at(-1) === '') items.pop();
  else if (items.length === 1) return undefined; // `(3)` is a number in Python, not a tuple
  return items.every((item) => /^\d{1,16}L?$/.test(item))
    ? items.map((item) => parseInt(item, 10))
    : undefined;
}

function parseDescr(descr: string, what: string): NpyDtype {
  const [, order, dtype] = /^([<>=|])([a-zA-Z]\d+)$/.exec(descr) ?? [];
  if (dtype !== undefined && Object.hasOwn(itemSizes, dtype)) {
    const known = dtype as NpyDtype;
    if (order === '<' || (order === '|' && itemSizes[known] === 1)) return known;
  }
  const accepted = Object.keys(itemSizes).join(' ');
  return fail('data/npy-dtype', `${what} holds elements of type ${JSON.stringify(descr)}`, {
    help: `little-endian ${accepted} are read; convert with array.astype('<f4') or such`,
  });
}

function malformed(text: string, what: string): never {
  fail(
    'data/npy-header',
    `${what} has a malformed .npy header: ${JSON.stringify(text.trim().slice(0, 120))}`,
    {
      help: "expected {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } (no structured or object arrays)",
    },
  );
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}
