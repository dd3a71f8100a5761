/**
 * The type of a tensor: element and static shape.
 *
 * Quantization lives in the type. A quantized element `q<u4, scale = 0.0186>` says how integers stand for reals:
 *
 *     real = (integer - zeroPoint) * scale          (scale[c] where c is the index along `axis`, if there is one)
 *
 * A per-tensor scale is a number that float32 represents exactly. A per-axis scale is the *name* of an f32 constant of the
 * graph: types stay small, compare by name and print the way they are stored. Shapes are logical (NCHW, OIHW); a backend
 * chooses its own physical layout.
 */

export const storages = ['i2', 'u2', 'i4', 'u4', 'i8', 'u8', 'i16', 'i32'] as const;

/** An integer storage format. The digits are its width in bits, `u` is unsigned, `i` two's complement. */
export type Storage = (typeof storages)[number];

export interface QuantizedElement {
  readonly kind: 'quantized';
  readonly storage: Storage;
  /** Real value of one step: a positive float32, or the name of an f32 constant with one step per index of `axis`. */
  readonly scale: number | string;
  readonly zeroPoint: number;
  /** Present exactly when `scale` is a name. */
  readonly axis?: number;
}

export interface PlainElement {
  readonly kind: 'plain';
  readonly storage: 'f32' | Storage;
}

export type Element = PlainElement | QuantizedElement;

export interface TensorType {
  readonly element: Element;
  readonly shape: readonly number[];
}

export function isStorage(text: string): text is Storage {
  return (storages as readonly string[]).includes(text);
}

export function bitWidth(storage: Storage | 'f32'): number {
  return Number(storage.slice(1));
}

export function isSigned(storage: Storage): boolean {
  return storage.startsWith('i');
}

/** Smallest and largest integer of a storage format, both inclusive. */
export function storageRange(storage: Storage): readonly [min: number, max: number] {
  const bits = bitWidth(storage);
  return isSigned(storage) ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

const f32Element: PlainElement = Object.freeze({ kind: 'plain', storage: 'f32' });

/** `f32[shape]`. */
export function f32(shape: readonly number[]): TensorType {
  return { element: f32Element, shape };
}

/** An unquantized integer tensor, such as a multiplier table or a bare accumulator. */
export function plain(storage: Storage, shape: readonly number[]): TensorType {
  return { element: { kind: 'plain', storage }, shape };
}

/** Per-tensor quantization. `scale` is rounded to float32, so that text and memory agree. */
export function perTensor(storage: Storage, scale: number, zeroPoint = 0): QuantizedElement {
  return { kind: 'quantized', storage, scale: Math.fround(scale), zeroPoint };
}

/** Per-axis quantization with zero point 0; `scale` names an f32 constant. */
export function perAxis(storage: Storage, scale: string, axis: number): QuantizedElement {
  return { kind: 'quantized', storage, scale, zeroPoint: 0, axis };
}

export function isF32(type: TensorType): boolean {
  return type.element.storage === 'f32';
}

export function isQuantized(type: TensorType): type is TensorType & { readonly element: QuantizedElement } {
  return type.element.kind === 'quantized';
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, index) => dimension === b[index]);
}

export function sameElement(a: Element, b: Element): boolean {
  if (a.kind !== b.kind || a.storage !== b.storage) return false;
  if (a.kind === 'plain' || b.kind === 'plain') return true;
  return a.scale === b.scale && a.zeroPoint === b.zeroPoint && a.axis === b.axis;
}

export function sameType(a: TensorType, b: TensorType): boolean {
  return sameElement(a.element, b.element) && sameShape(a.shape, b.shape);
}

/** A name as the text form writes it after its sigil: bare when it is a plain identifier, quoted otherwise. */
export function formatName(name: string): string {
  return /^[A-Za-z_0-9][A-Za-z_0-9.$-]*$/.test(name) ? name : JSON.stringify(name);
}

export function formatElement(element: Element): string {
  if (element.kind === 'plain') return element.storage;
  const parts: string[] = [element.storage];
  parts.push(
    `scale = ${typeof element.scale === 'number' ? formatFloat(element.scale) : `@${formatName(element.scale)}`}`,
  );
  if (element.zeroPoint !== 0) parts.push(`zero_point = ${element.zeroPoint}`);
  if (element.axis !== undefined) parts.push(`axis = ${element.axis}`);
  return `q<${parts.join(', ')}>`;
}

/** `f32[1, 64, 56, 56]`, `q<u4, scale = 0.0186>[1, 64, 56, 56]`: what the text form reads back. */
export function formatType(type: TensorType): string {
  return `${formatElement(type.element)}[${type.shape.join(', ')}]`;
}

/** Shortest decimal that rounds back to the same float32; `nan`, `inf` and `-inf` by name. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0.0';
  const single = Math.fround(value);
  if (single !== value) throw new Error(`${value} is not a float32`);
  for (let digits = 1; digits <= 9; digits++) {
    const text = single.toPrecision(digits);
    if (Math.fround(Number(text)) === single) {
      const short = String(Number(text));
      return /[.e]/.test(short) ? short : `${short}.0`;
    }
  }
  throw new Error(`no decimal for ${value}`);
}
