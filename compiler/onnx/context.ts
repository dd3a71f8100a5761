/**
 * The state of one import: the program being built, what each ONNX name stands for, and the rules by which known numbers enter the
 * program. A static tensor enters once, under the name of its initializer, as f32; it must be finite and not empty.
 */
import {
  type Diagnostic,
  type Element,
  f32,
  fail,
  GraphBuilder,
  isF32,
  type Location,
  maxElements,
  perAxis,
  perTensor,
  tensor,
  type TensorType,
} from '../../ir/index.ts';
import { type Imported, type QuantizedWeights, realWeights } from './imported.ts';
import { countOf, type StaticTensor } from './static-tensor.ts';

export class ImportContext {
  readonly builder: GraphBuilder;
  readonly values = new Map<string, Imported>();
  readonly warnings: Diagnostic[] = [];
  readonly #constants = new Map<StaticTensor, string>();
  readonly #dequantized = new Map<string, string>();
  readonly #quantized = new Map<string, string>();
  readonly #written = new Map<string, Element>();

  constructor(name: string) {
    this.builder = new GraphBuilder(name);
  }

  warn(code: string, message: string, location?: Location): void {
    this.warnings.push({
      code,
      severity: 'warning',
      message,
      ...(location === undefined ? {} : { location }),
    });
  }

  typeOf(name: string): TensorType {
    return this.builder.typeOf(name);
  }

  shapeOf(imported: Imported): readonly number[] {
    switch (imported.kind) {
      case 'value':
        return this.typeOf(imported.name).shape;
      case 'static':
        return imported.tensor.dims;
      case 'weights':
        return imported.ints.dims;
      case 'refused':
        return fail(imported.code, imported.reason);
    }
  }

  /** The name of an f32 value of the program that holds these numbers. Adds a constant or a `dequantize` where needed. */
  real(imported: Imported, location?: Location): string {
    switch (imported.kind) {
      case 'value':
        return isF32(this.typeOf(imported.name)) ? imported.name : this.dequantize(imported.name, location);
      case 'static':
        return this.constant(imported.tensor, location);
      case 'weights':
        return this.constant(realWeights(imported), location);
      case 'refused':
        return fail(imported.code, imported.reason, location === undefined ? {} : { location });
    }
  }

  /** One `dequantize` a quantized value, however many read it. */
  dequantize(name: string, location?: Location, wish = `${name}/real`): string {
    const known = this.#dequantized.get(name);
    if (known !== undefined) return known;
    const result = this.builder.add('dequantize', [name], {}, { name: wish, location });
    this.#dequantized.set(name, result);
    return result;
  }

  /** Brings a static tensor into the program as an f32 constant. */
  constant(source: StaticTensor, location?: Location): string {
    const known = this.#constants.get(source);
    if (known !== undefined) return known;
    const where = location === undefined ? {} : { location };
    if (source.dims.includes(0)) {
      fail(
        'onnx/bad-shape',
        `${JSON.stringify(source.name)} of shape [${source.dims.join(', ')}] is empty`,
        where,
      );
    }
    const data = source.data instanceof Float32Array ? source.data : Float32Array.from(source.data);
    let wrong = 0;
    // Of all floats only NaN and the infinities differ from themselves by something else than 0.
    for (let i = 0; i < data.length; i++) if (data[i]! - data[i]! !== 0) wrong++;
    if (wrong > 0) {
      fail(
        'onnx/non-finite',
        `initializer ${JSON.stringify(source.name)} holds ${wrong} of ${data.length} values that are NaN or infinite`,
        {
          ...where,
          help: 'the model was trained or converted wrongly; no integer can stand for such a value',
        },
      );
    }
    const name = this.builder.constant(source.name, tensor(f32(source.dims), data));
    this.#constants.set(source, name);
    return name;
  }

  /** Brings weights into the program as integers, and returns the f32 value that a `dequantize` makes of them. */
  weights(weights: QuantizedWeights, location?: Location): string {
    const { ints, storage, steps, axis, zeroPoint } = weights;
    const element =
      axis === undefined
        ? perTensor(storage, steps[0]!, zeroPoint)
        : perAxis(storage, this.scale(`${ints.name}.scale`, steps), axis);
    const type: TensorType = { element, shape: ints.dims };
    const name = this.builder.constant(`${ints.name}.integer`, tensor(type, Array.from(ints.data)));
    return this.builder.add('dequantize', [name], {}, { name: ints.name, location });
  }

  /** A constant that holds the steps of a per-axis quantization; its name goes into the type. */
  scale(name: string, steps: Float32Array): string {
    return this.builder.constant(name, tensor(f32([steps.length]), steps));
  }

  /** Throws unless the value can be held: every extent positive, the bytes of its f32 form addressable with 31 bits. */
  checkResult(name: string, location?: Location): string {
    checkHolds(this.typeOf(name).shape, `value ${JSON.stringify(name)}`, location);
    return name;
  }

  /** Quantizes a value again after an op that only moved it. */
  quantize(name: string, element: Element, wish: string, location?: Location): string {
    const result = this.builder.add('quantize', [name], {}, { name: wish, element, location });
    this.#quantized.set(result, name);
    return result;
  }

  /** Notes that a value of narrow integers is written in a wider type, as the file has it. */
  noteWritten(name: string, element: Element): void {
    this.#written.set(name, element);
  }

  /** The element that the file gives a quantized value. */
  writtenElement(name: string): Element {
    return this.#written.get(name) ?? this.typeOf(name).element;
  }

  /** The real value that a value was quantized from, where that is known. */
  quantizedFrom(name: string): string | undefined {
    return this.#quantized.get(name);
  }
}

const bytesOfReal = 4;

export function checkHolds(shape: readonly number[], label: string, location?: Location): void {
  const where = location === undefined ? {} : { location };
  if (shape.some((extent) => !Number.isSafeInteger(extent) || extent < 1)) {
    fail(
      'onnx/bad-shape',
      `${label} has shape [${shape.join(', ')}], whose extents are not all positive`,
      where,
    );
  }
  if (countOf(shape) * bytesOfReal > maxElements) {
    fail('onnx/too-large', `${label} of shape [${shape.join(', ')}] is larger than 2 GiB`, where);
  }
}
