/**
 * From syntax to a graph. Everything that needs more than the grammar is checked here: sizes before memory is taken, numbers
 * against the range of what they fill, names against what is defined, blobs against the files they name. All findings are
 * collected; the graph counts only if there are none.
 */
import type { IToken } from 'chevrotain';
import type { AttributeSchema, AttributeSpec, AttributeValue } from '../attributes.ts';
import type { Diagnostic, Location } from '../diagnostics.ts';
import { type Graph, type Node, typesOf, type Value } from '../graph.ts';
import { completeAttributes } from '../infer.ts';
import { noteSchema } from '../notes.ts';
import { isOpName, opOf } from '../ops/index.ts';
import { allocate, type Tensor, tensor } from '../tensor.ts';
import {
  type Element,
  elementCount,
  formatName,
  formatType,
  isStorage,
  sameType,
  storageRange,
  type TensorType,
} from '../types.ts';
import { maxElements } from '../verify.ts';
import { blobAlignment, isBlobName, packedSize, unpackElements } from './blob.ts';
import { floatOf, integerOf } from './literal.ts';
import { diagnosticAt, excerpt, locationIn, mostDiagnostics, type Source, spanOf } from './syntax.ts';
import type {
  ConstantSyntax,
  EntrySyntax,
  GraphSyntax,
  LocationSyntax,
  NodeSyntax,
  ParameterSyntax,
  TypeSyntax,
} from './syntax-tree.ts';
import { FloatLiteral, Inf, IntegerLiteral, Nan, NumberLiteral, StringLiteral, True } from './tokens.ts';
import { tokenMatcher } from 'chevrotain';

export interface BuildOptions {
  /** The bytes of a blob file, or undefined when there is no such file. Asked once a file. */
  readonly blobs?: (file: string) => Uint8Array | undefined;
  /** Elements that all constants together may have. */
  readonly maxConstantElements: number;
}

export interface Built {
  readonly graph: Graph;
  readonly found: readonly Diagnostic[];
  /** Where nodes, inputs, constants (their tensors) and outputs (their list) stand in the text. */
  readonly places: ReadonlyMap<object, Location>;
}

export function buildGraph(syntax: GraphSyntax, source: Source, options: BuildOptions): Built {
  return new GraphReader(source, options).read(syntax);
}

const noType: TensorType = { element: { kind: 'plain', storage: 'f32' }, shape: [] };

class GraphReader {
  readonly #source: Source;
  readonly #options: BuildOptions;
  readonly #found: Diagnostic[] = [];
  readonly #places = new Map<object, Location>();
  readonly #constants = new Map<string, Tensor>();
  readonly #files = new Map<string, Uint8Array | undefined>();
  #elements = 0;

  constructor(source: Source, options: BuildOptions) {
    this.#source = source;
    this.#options = options;
  }

  read(syntax: GraphSyntax): Built {
    for (const constant of syntax.constants) this.#readConstant(constant);
    const inputs = syntax.inputs.map((input) => this.#placed(this.#readValue(input), input.name));
    const nodes = syntax.nodes.map((node) => this.#placed(this.#readNode(node), node.name));
    const outputs = this.#placed(
      syntax.outputs.map((output) => this.#readOperand(output)),
      syntax.outputs[0] ?? syntax.returnToken,
    );
    const graph: Graph = {
      name: nameOf(syntax.name),
      inputs,
      constants: this.#constants,
      nodes,
      outputs,
    };
    this.#checkResults(syntax, graph);
    return { graph, found: this.#found, places: this.#places };
  }

  #report(token: IToken, code: string, message: string): void {
    if (this.#found.length >= mostDiagnostics) return;
    this.#found.push(diagnosticAt(this.#source, spanOf(token, this.#source), `text/${code}`, message));
  }

  #placed<T extends object>(thing: T, token: IToken): T {
    this.#places.set(thing, locationIn(this.#source, spanOf(token, this.#source)));
    return thing;
  }

  #readInteger(token: IToken, what: string, min: number, max: number): number {
    const value = integerOf(token.image);
    if (value !== undefined && value >= min && value <= max) return value;
    this.#report(
      token,
      'integer-range',
      `${what} is ${excerpt(token.image)}, expected an integer in [${min}, ${max}]`,
    );
    return min;
  }

  #readFloat(token: IToken): number {
    const value = floatOf(token.image);
    if (value !== undefined) return value;
    this.#report(token, 'float-range', `${excerpt(token.image)} is beyond the range of f32`);
    return 0;
  }

  #readType(syntax: TypeSyntax): TensorType {
    const element = this.#readElement(syntax);
    const shape = syntax.shape.map((extent) => this.#readInteger(extent, 'an extent', 1, maxElements));
    if (element === undefined) return noType;
    if (elementCount(shape) > maxElements) {
      this.#report(syntax.head, 'too-many-elements', `[${shape.join(', ')}] has more than 2^31 - 1 elements`);
      return noType;
    }
    return { element, shape };
  }

  #readElement({ head, storage, parameters }: TypeSyntax): Element | undefined {
    if (storage === undefined) {
      if (head.image === 'f32' || isStorage(head.image)) return { kind: 'plain', storage: head.image };
      this.#report(
        head,
        'unknown-type',
        `${excerpt(head.image)} is not a type: f32, i2, u2, i4, u4, i8, u8, i16, i32 or q<...>`,
      );
      return undefined;
    }
    if (head.image !== 'q' || !isStorage(storage.image)) {
      this.#report(
        head.image === 'q' ? storage : head,
        'unknown-type',
        `${excerpt(head.image)}<${excerpt(storage.image)}, ...> is not a type: expected q<...> of an integer storage`,
      );
      return undefined;
    }
    const given = new Map<string, IToken>();
    for (const { key, value } of parameters) {
      if (!['scale', 'zero_point', 'axis'].includes(key.image)) {
        this.#report(
          key,
          'type-parameter',
          `q<...> has scale, zero_point and axis, not ${excerpt(key.image)}`,
        );
      } else if (given.has(key.image)) {
        this.#report(key, 'type-parameter', `${key.image} is given twice`);
      }
      given.set(key.image, value);
    }
    const scale = given.get('scale');
    if (scale === undefined) {
      this.#report(head, 'type-parameter', 'q<...> needs a scale');
      return undefined;
    }
    const [min, max] = storageRange(storage.image);
    const zeroPoint = given.get('zero_point');
    const axis = given.get('axis');
    return {
      kind: 'quantized',
      storage: storage.image,
      scale: tokenMatcher(scale, NumberLiteral) ? this.#readFloat(scale) : nameOf(scale),
      zeroPoint: zeroPoint === undefined ? 0 : this.#readInteger(zeroPoint, 'zero_point', min, max),
      ...(axis === undefined ? {} : { axis: this.#readInteger(axis, 'axis', 0, maxElements) }),
    };
  }

  #readConstant(syntax: ConstantSyntax): void {
    const name = nameOf(syntax.name);
    if (this.#constants.has(name)) {
      this.#report(syntax.name, 'duplicate-name', `${excerpt(syntax.name.image)} is defined twice`);
      return;
    }
    const before = this.#found.length;
    const type = this.#readType(syntax.type);
    const count = elementCount(type.shape);
    this.#elements += count;
    if (this.#elements > this.#options.maxConstantElements) {
      this.#report(
        syntax.name,
        'too-many-elements',
        `the constants up to ${excerpt(syntax.name.image)} have more than ${this.#options.maxConstantElements} elements`,
      );
    }
    const value = this.#found.length > before ? undefined : this.#readElements(syntax, type, count);
    this.#constants.set(
      name,
      this.#placed(value ?? { type: noType, data: new Float32Array(1) }, syntax.name),
    );
  }

  #readElements({ initial, name }: ConstantSyntax, type: TensorType, count: number): Tensor | undefined {
    const storage = type.element.storage;
    const read = (token: IToken): number => {
      if (storage === 'f32') return this.#readFloat(token);
      const [min, max] = storageRange(storage);
      return this.#readInteger(token, `an element of ${excerpt(name.image)}`, min, max);
    };
    const [first, second] = initial.arguments;
    switch (initial.form.image) {
      case 'splat':
        return { type, data: allocate(storage, count).fill(read(first!)) };
      case 'dense':
        if (initial.arguments.length === count) return tensor(type, initial.arguments.map(read));
        this.#report(
          initial.form,
          'element-count',
          `${initial.arguments.length} elements for ${formatType(type)}, expected ${count}`,
        );
        return undefined;
      default:
        return this.#readBlob(first!, second!, type, count);
    }
  }

  #readBlob(fileToken: IToken, offsetToken: IToken, type: TensorType, count: number): Tensor | undefined {
    const file = JSON.parse(fileToken.image) as string;
    if (!isBlobName(file)) {
      this.#report(fileToken, 'blob-name', `${excerpt(fileToken.image)} is not a plain file name`);
      return undefined;
    }
    if (!this.#files.has(file)) this.#files.set(file, this.#options.blobs?.(file));
    const bytes = this.#files.get(file);
    if (bytes === undefined) {
      this.#report(fileToken, 'blob-missing', `there is no file ${fileToken.image} to read constants from`);
      return undefined;
    }
    const offset = this.#readInteger(offsetToken, 'the offset', 0, Number.MAX_SAFE_INTEGER);
    if (offset % blobAlignment !== 0) {
      this.#report(offsetToken, 'blob-offset', `offset ${offset} is not divisible by ${blobAlignment}`);
      return undefined;
    }
    const size = packedSize(type.element.storage, count);
    if (offset + size > bytes.length) {
      this.#report(
        offsetToken,
        'blob-size',
        `${formatType(type)} takes ${size} bytes from ${offset}, but ${fileToken.image} has ${bytes.length}`,
      );
      return undefined;
    }
    return unpackElements(type, bytes, offset);
  }

  #readValue({ name, type, notes }: ParameterSyntax): Value {
    const value = { name: nameOf(name), type: this.#readType(type) };
    return notes === undefined ? value : { ...value, notes: this.#readEntries(notes, noteSchema) };
  }

  #readNode(syntax: NodeSyntax): Node {
    const op = syntax.op.image;
    const definition = isOpName(op) ? opOf(op) : undefined;
    const given = this.#readEntries(syntax.attributes, definition?.attributes ?? {});
    return {
      op,
      operands: syntax.operands.map((operand) => this.#readOperand(operand)),
      attributes: definition === undefined ? given : completeAttributes(definition, given),
      result: this.#readValue(syntax),
      ...(syntax.location === undefined ? {} : { location: this.#readLocation(syntax.location) }),
    };
  }

  #readOperand(token: IToken): string {
    const name = nameOf(token);
    const isConstant = this.#constants.has(name);
    if (token.image.startsWith('@') !== isConstant) {
      this.#report(
        token,
        'sigil',
        isConstant
          ? `%${formatName(name)} is a constant: write @${formatName(name)}`
          : `there is no constant ${excerpt(token.image)}`,
      );
    }
    return name;
  }

  #readEntries(entries: readonly EntrySyntax[], schema: AttributeSchema): Record<string, AttributeValue> {
    const values = new Map<string, AttributeValue>();
    for (const { key, value } of entries) {
      const name = key.image;
      if (values.has(name)) this.#report(key, 'duplicate-entry', `${excerpt(name)} is given twice`);
      const spec = Object.hasOwn(schema, name) ? schema[name] : undefined;
      values.set(
        name,
        Array.isArray(value)
          ? (value as IToken[]).map((item) => this.#readNumber(item, name, spec))
          : this.#readScalar(value as IToken, name, spec),
      );
    }
    return Object.fromEntries(values);
  }

  #readScalar(token: IToken, name: string, spec: AttributeSpec | undefined): number | string | boolean {
    if (tokenMatcher(token, NumberLiteral)) return this.#readNumber(token, name, spec);
    if (tokenMatcher(token, StringLiteral)) return JSON.parse(token.image) as string;
    return tokenMatcher(token, True);
  }

  /** A number of the declared kind. Where nothing is declared it is what it looks like, and the verifier names the rest. */
  #readNumber(token: IToken, name: string, spec: AttributeSpec | undefined): number {
    if (!tokenMatcher(token, NumberLiteral)) {
      this.#report(token, 'list-item', `${excerpt(name)} lists ${excerpt(token.image)}, expected numbers`);
      return 0;
    }
    const isFloat = spec?.kind === 'float' || spec?.kind === 'floats';
    const looksFloat = [FloatLiteral, Inf, Nan].some((type) => tokenMatcher(token, type));
    if (isFloat || (looksFloat && spec === undefined)) return this.#readFloat(token);
    if (tokenMatcher(token, IntegerLiteral)) {
      return this.#readInteger(token, excerpt(name), Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    }
    this.#report(token, 'integer-range', `${excerpt(name)} is ${excerpt(token.image)}, expected an integer`);
    return 0;
  }

  #readLocation({ head, position, from }: LocationSyntax): Location {
    if (from !== undefined) {
      return { kind: 'derived', by: textOf(head), from: from.map((origin) => this.#readLocation(origin)) };
    }
    const [first, second] = position;
    if (first === undefined) return { kind: 'onnx', node: textOf(head) };
    const number = (token: IToken): number => this.#readInteger(token, 'a line or column', 0, maxElements);
    return second === undefined
      ? { kind: 'text', line: number(head), column: number(first) }
      : { kind: 'text', file: textOf(head), line: number(first), column: number(second) };
  }

  #checkResults({ results, returnToken }: GraphSyntax, graph: Graph): void {
    const types = typesOf(graph);
    const returned = graph.outputs.flatMap((output) => types.get(output) ?? []);
    if (returned.length < graph.outputs.length) return;
    if (returned.length !== results.length) {
      this.#report(
        returnToken,
        'result-type',
        `${returned.length} values are returned, ${results.length} declared`,
      );
      return;
    }
    for (const [i, result] of results.entries()) {
      const declared = this.#readType(result);
      if (!sameType(declared, returned[i]!)) {
        this.#report(
          result.head,
          'result-type',
          `result ${i} is declared ${formatType(declared)}, but ${formatType(returned[i]!)} is returned`,
        );
      }
    }
  }
}

function nameOf(token: IToken): string {
  const name = token.image.slice(1);
  return name.startsWith('"') ? (JSON.parse(name) as string) : name;
}

function textOf(token: IToken): string {
  return tokenMatcher(token, StringLiteral) ? (JSON.parse(token.image) as string) : token.image;
}
