/**
 * NumPy's `.npy` files of images and labels: C order, little-endian, the types that such files come in. The compiler's own reader takes
 * more; a project that is emitted stands alone.
 */
const types = {
  '|u1': Uint8Array,
  '<f4': Float32Array,
  '<f8': Float64Array,
  '<i4': Int32Array,
  '<i8': BigInt64Array,
} as const;

export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array | Float32Array | Float64Array | Int32Array | BigInt64Array;
}

/** Reads a whole file. Throws an Error that names `what` for anything but such an array with exactly its data behind it. */
export function readNpy(bytes: Uint8Array, what: string): NpyArray {
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
  if (bytes.length < 12 || !magic.every((byte, i) => bytes[i] === byte)) {
    throw new Error(`${what} is not an .npy file`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = bytes[6] === 1;
  const begin = first ? 10 : 12;
  const end = begin + (first ? view.getUint16(8, true) : view.getUint32(8, true));
  const header = new TextDecoder('latin1').decode(bytes.subarray(begin, end));
  const type = /'descr': '([^']+)'/.exec(header)?.[1] ?? '';
  const extents = /'shape': \(([\d, ]*)\)/.exec(header)?.[1];
  if (!(type in types)) {
    throw new Error(
      `${what} holds ${type === '' ? 'no known type' : type}; ${Object.keys(types).join(', ')} are read`,
    );
  }
  if (extents === undefined || !header.includes("'fortran_order': False")) {
    throw new Error(
      `${what} has a header that is not read here; save it with np.save(path, np.ascontiguousarray(array))`,
    );
  }
  const shape = extents
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map(Number);
  const kind = types[type as keyof typeof types];
  const count = shape.reduce((product, extent) => product * extent, 1);
  const data = bytes.slice(end);
  if (data.length !== count * kind.BYTES_PER_ELEMENT) {
    throw new Error(
      `${what} holds ${data.length} bytes of data; ${type} (${shape.join(', ')}) takes ${count * kind.BYTES_PER_ELEMENT}`,
    );
  }
  // Not the slice of a Buffer, which is a view into another one.
  return { shape, data: new kind(Uint8Array.from(data).buffer) };
}

/** Class indices out of an array of integers. */
export function readLabels(bytes: Uint8Array, what: string): Int32Array {
  const { shape, data } = readNpy(bytes, what);
  if (shape.length !== 1)
    throw new Error(`${what} has the shape (${shape.join(', ')}); labels are one number an image`);
  return Int32Array.from(data as ArrayLike<number | bigint> as ArrayLike<number>, Number);
}
