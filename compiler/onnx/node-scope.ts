/**
 * What an op importer sees of its node: attributes by kind, operands as the importer needs them, and ways to answer. It keeps three
 * laws for all of them: every diagnostic names the node, every attribute is read or refused, and every value that is made has a shape
 * that can be held.
 */
import type { OnnxAttribute, OnnxNode, OnnxTensor } from '../../backends/onnx/model.ts';
import {
  type Attributes,
  type Element,
  fail,
  isF32,
  type Location,
  opOf,
  sameElement,
} from '../../ir/index.ts';
import type { ImportContext } from './context.ts';
import { type Imported, type QuantizedWeights, realWeights, signedWeights } from './imported.ts';
import type { NamedNode } from './order.ts';
import { rearrangeStatic } from './rearrange.ts';
import { checkDims, type StaticTensor, staticTensor } from './static-tensor.ts';
import type { DataType } from '../../backends/onnx/model.ts';

/** Turns one ONNX node into what its first output stands for. */
export type OpImporter = (node: NodeScope) => Imported;

export class NodeScope {
  readonly context: ImportContext;
  readonly node: OnnxNode;
  readonly location: Location;
  /** Version of the operators of the node's domain. */
  readonly opset: number;
  readonly #label: string;
  readonly #read = new Set<string>();

  constructor(context: ImportContext, { node, label, location }: NamedNode, opset: number) {
    this.context = context;
    this.node = node;
    this.location = location;
    this.opset = opset;
    this.#label = label;
  }

  /** Name of the value that the node makes. */
  get result(): string {
    return this.node.outputs.find((name) => name !== '') ?? this.#label;
  }

  // Attributes. Reading one under the wrong kind is `onnx/bad-attribute`.

  hasAttribute(name: string): boolean {
    return this.node.attributes[name] !== undefined;
  }

  int(name: string, missing: number): number {
    return this.#attribute(name, 'int')?.value ?? missing;
  }

  float(name: string, missing: number): number {
    return this.#attribute(name, 'float')?.value ?? missing;
  }

  string(name: string, missing: string): string {
    return this.#attribute(name, 'string')?.value ?? missing;
  }

  ints(name: string): readonly number[] | undefined {
    return this.#attribute(name, 'ints')?.value;
  }

  floats(name: string): readonly number[] | undefined {
    return this.#attribute(name, 'floats')?.value;
  }

  tensor(name: string): OnnxTensor | undefined {
    return this.#attribute(name, 'tensor')?.value;
  }

  /** Says that an attribute does not matter here: it steers training, or repeats what the operands say. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#read.add(name);
  }

  /** Throws when an attribute was neither read nor ignored: it may change what the op means. */
  checkAttributes(): void {
    for (const [name, attribute] of Object.entries(this.node.attributes)) {
      if (attribute.kind === 'other') this.#refuseSubgraph(name, attribute.what);
      if (!this.#read.has(name)) {
        this.fail(
          'onnx/bad-attribute',
          `${this.node.opType} of opset ${this.opset} has no attribute ${JSON.stringify(name)} that is known here`,
        );
      }
    }
  }

  #attribute<K extends OnnxAttribute['kind']>(
    name: string,
    kind: K,
  ): Extract<OnnxAttribute, { kind: K }> | undefined {
    this.#read.add(name);
    const attribute = this.node.attributes[name];
    if (attribute === undefined || attribute.kind === kind) {
      return attribute as Extract<OnnxAttribute, { kind: K }> | undefined;
    }
    // An empty list does not say of what.
    if ((attribute.kind === 'ints' || attribute.kind === 'floats') && attribute.value.length === 0)
      return undefined;
    if (attribute.kind === 'other') this.#refuseSubgraph(name, attribute.what);
    return this.fail(
      'onnx/bad-attribute',
      `attribute ${JSON.stringify(name)} of ${this.node.opType} is of kind ${attribute.kind}, expected ${kind}`,
    );
  }

  #refuseSubgraph(name: string, what: string): never {
    const code = what === 'a subgraph' ? 'onnx/subgraph' : 'onnx/bad-attribute';
    this.fail(
      code,
      `attribute ${JSON.stringify(name)} of ${this.node.opType} is ${what}, which is not supported`,
    );
  }

  // Operands.

  get operandCount(): number {
    return this.node.inputs.length;
  }

  has(index: number): boolean {
    return (this.node.inputs[index] ?? '') !== '';
  }

  operand(index: number): Imported {
    const name = this.node.inputs[index] ?? '';
    if (name === '') this.fail('onnx/missing-operand', `${this.node.opType} lacks its operand ${index}`);
    const imported = this.context.values.get(name);
    if (imported === undefined) {
      return this.fail('onnx/dangling-input', `input ${JSON.stringify(name)} is made by nothing`);
    }
    if (imported.kind === 'refused') this.fail(imported.code, imported.reason);
    return imported;
  }

  shape(index: number): readonly number[] {
    return this.context.shapeOf(this.operand(index));
  }

  /** The operand as an f32 value of the program. */
  real(index: number): string {
    return this.context.real(this.operand(index), this.location);
  }

  /** The operand's numbers, if they are known at compile time. */
  known(index: number): StaticTensor | undefined {
    const operand = this.operand(index);
    if (operand.kind === 'static') return operand.tensor;
    return operand.kind === 'weights' ? realWeights(operand) : undefined;
  }

  /** The operand's numbers. It is an error when they depend on the input of the program. */
  fixed(index: number, what: string): StaticTensor {
    return (
      this.known(index) ??
      this.fail(
        'onnx/dynamic-value',
        `${what} of ${this.node.opType} (${JSON.stringify(this.node.inputs[index] ?? '')}) is computed from the model's input; it must be known at compile time`,
      )
    );
  }

  /** A fixed operand of one element. */
  fixedScalar(index: number, what: string): number {
    const { data, dims } = this.fixed(index, what);
    if (data.length !== 1)
      this.unsupported(`${what} of shape [${dims.join(', ')}]`, `${what} of one element`);
    return data[0]!;
  }

  /** A fixed list of integers. */
  fixedInts(index: number, what: string): number[] {
    return Array.from(this.fixed(index, what).data);
  }

  /** Axes counted from the end made axes counted from the start. */
  axis(axis: number, rank: number): number {
    const from = axis < 0 ? axis + rank : axis;
    if (from < 0 || from >= rank)
      this.fail('onnx/bad-attribute', `axis ${axis} of a tensor with ${rank} axes`);
    return from;
  }

  // Answers.

  /** Adds the node that makes the result. */
  emit(op: string, operands: readonly string[], attributes: Attributes = {}): Imported {
    return { kind: 'value', name: this.#add(op, operands, attributes, this.result) };
  }

  /** Adds a node on the way to the result, named after it. */
  step(part: string, op: string, operands: readonly string[], attributes: Attributes = {}): string {
    return this.#add(op, operands, attributes, `${this.result}/${part}`);
  }

  #add(op: string, operands: readonly string[], attributes: Attributes, name: string): string {
    const added = this.context.builder.add(op, operands, attributes, { name, location: this.location });
    return this.context.checkResult(added, this.location);
  }

  /** Numbers known at compile time. */
  answer(type: DataType, dims: readonly number[], values: ArrayLike<number>): Imported {
    checkDims(dims, `value ${JSON.stringify(this.result)}`);
    return { kind: 'static', tensor: staticTensor(this.result, type, dims, values) };
  }

  /** Quantizes `real` to make the result. */
  emitQuantized(real: string, element: Element, part?: string): string {
    const wish = part === undefined ? this.result : `${this.result}/${part}`;
    return this.context.quantize(real, element, wish, this.location);
  }

  /**
   * The result of an op that only moves elements. Known numbers are moved now; integers stay integers (dequantized, moved and
   * quantized again, which is exact); weights stay weights where `axisAfter` says what becomes of their axis.
   */
  rearrange(
    op: string,
    operands: readonly Imported[],
    attributes: Attributes,
    axisAfter?: (axis: number) => number,
  ): Imported {
    const [first] = operands;
    const name = this.result;
    if (operands.length === 1 && first?.kind === 'weights') {
      const moved = this.#rearrangeWeights(op, first, attributes, axisAfter);
      if (moved !== undefined) return moved;
    }
    const statics = operands.map((operand) =>
      operand.kind === 'static'
        ? operand.tensor
        : operand.kind === 'weights'
          ? realWeights(operand)
          : undefined,
    );
    if (statics.every((item) => item !== undefined)) {
      const tensor = rearrangeStatic(op, statics, attributes, name);
      if (typeof tensor === 'string') this.fail('onnx/bad-shape', `${this.node.opType}: ${tensor}`);
      return { kind: 'static', tensor };
    }
    const element = this.#sharedElement(operands);
    const reals = operands.map((operand) => this.context.real(operand, this.location));
    if (element === undefined) return this.emit(op, reals, attributes);
    const moved = this.step('real', op, reals, attributes);
    return { kind: 'value', name: this.emitQuantized(moved, element) };
  }

  #rearrangeWeights(
    op: string,
    weights: QuantizedWeights,
    attributes: Attributes,
    axisAfter?: (axis: number) => number,
  ): Imported | undefined {
    if (weights.axis !== undefined && axisAfter === undefined) return undefined;
    // A border would be an integer that stands for another number.
    if ('value' in opOf(op).attributes) return undefined;
    const ints = rearrangeStatic(op, [weights.ints], attributes, this.result);
    if (typeof ints === 'string') return this.fail('onnx/bad-shape', `${this.node.opType}: ${ints}`);
    return weights.axis === undefined || axisAfter === undefined
      ? { ...weights, ints }
      : { ...weights, ints, axis: axisAfter(weights.axis) };
  }

  /** The quantized element type that all operands have, if there is one. */
  #sharedElement(operands: readonly Imported[]): Element | undefined {
    const elements = operands.map((operand) =>
      operand.kind === 'value' ? this.context.typeOf(operand.name) : undefined,
    );
    const [first] = elements;
    if (first === undefined || isF32(first)) return undefined;
    return elements.every((type) => type !== undefined && sameElement(type.element, first.element))
      ? first.element
      : undefined;
  }

  /** The weight operand of a layer, signed where it is integers, as an f32 value of the program. */
  layerWeights(imported: Imported): string {
    if (imported.kind !== 'weights') return this.context.real(imported, this.location);
    return this.context.weights(signedWeights(imported), this.location);
  }

  // Refusals.

  fail(code: string, message: string, help?: string): never {
    fail(code, `node ${JSON.stringify(this.#label)}: ${message}`, {
      location: this.location,
      ...(help === undefined ? {} : { help }),
    });
  }

  /** An op that is known in a form that is not. `supported` is the nearest form that is. */
  unsupported(form: string, supported: string): never {
    this.fail(
      'onnx/unsupported-form',
      `${this.node.opType} (opset ${this.opset}) with ${form} is not supported`,
      `supported is ${supported}`,
    );
  }
}
