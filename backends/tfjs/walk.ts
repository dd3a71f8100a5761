/**
 * The walk through a program that makes the statements of a model file. It knows what every value is called in the emitted text, how it is laid
 * out, and which tensors the model needs.
 */
import {
  bitWidth,
  elementCount,
  fail,
  type Graph,
  isQuantized,
  isSigned,
  type Node,
  opOf,
  producersOf,
  type QuantizedElement,
  sameElement,
  type Tensor,
  typesOf,
  usersOf,
} from '../../ir/index.ts';
import { onnxNodeOf } from '../../passes/location.ts';
import type { ModelSummary, QuantizerSummary } from '../../runtime/train/checkpoint.ts';
import type { Role, TensorEntry } from '../../runtime/train/state.ts';
import { type Call, Reference } from './call.ts';
import { channelsLast, channelsLastAxis, permuted, trainingWeights } from './layout.ts';
import { Identifiers, operationNames } from './names.ts';

/** `const name = call;`, and whether a new layer begins with it. */
export interface Statement {
  readonly name: string;
  readonly call: Call;
  readonly begins: boolean;
}

export interface ModelText {
  readonly statements: readonly Statement[];
  /** What the function returns. */
  readonly result: string;
  /** Functions of the runtime that the statements call. */
  readonly operations: readonly string[];
}

interface Held {
  readonly name: string;
  readonly channelsLast: boolean;
}

export interface TrainingTensor {
  readonly entry: TensorEntry;
  readonly data: Float32Array;
}

/** What a program needs besides its text. */
export interface WalkedModel extends ModelText {
  readonly tensors: readonly TrainingTensor[];
  readonly summary: Omit<ModelSummary, 'name'>;
}

/** The parameter of the forward function that holds the image. */
export const imageParameter = 'image';

export interface Lowered {
  readonly call: Call;
  /** Whether the result is an image with its channels last. Default: where it has four axes. */
  readonly channelsLast?: boolean;
}

/** From a node to its call; undefined where the result is another name for something that is there. */
export type Lowering = (node: Node, walk: Walk) => Lowered | undefined;

export class Walk {
  readonly batch: number;
  readonly #graph: Graph;
  readonly #types: ReturnType<typeof typesOf>;
  readonly #makers: ReadonlyMap<string, Node>;
  readonly #users: ReturnType<typeof usersOf>;
  readonly #held = new Map<string, Held>();
  readonly #identifiers = new Identifiers([
    'net',
    imageParameter,
    'forward',
    'Layers',
    'Tensor',
    ...operationNames,
  ]);
  readonly #operations = new Set<string>();
  readonly #statements: Statement[] = [];
  readonly #tensors = new Map<string, TrainingTensor>();
  readonly #quantizers = new Map<string, QuantizerSummary>();
  readonly #steps = new Map<string, string>();
  readonly #layers: ModelSummary['layers'][number][] = [];

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#types = typesOf(graph);
    this.#makers = producersOf(graph);
    this.#users = usersOf(graph);
    const [input] = graph.inputs;
    if (input === undefined || graph.inputs.length > 1 || graph.outputs.length !== 1) {
      fail('tfjs/ports', 'a model to be trained has one input, the image, and one output, the logits');
    }
    this.batch = input.type.shape[0]!;
    this.#held.set(input.name, { name: imageParameter, channelsLast: !this.#isChannelsLastInput() });
    this.#shareSteps();
  }

  run(lowerings: Readonly<Record<string, Lowering>>): WalkedModel {
    for (const node of this.#graph.nodes) {
      const lowering = lowerings[node.op];
      if (lowering === undefined) throw new Error(`${node.op} is no op of the float or the quantized level`);
      const lowered = lowering(node, this);
      if (lowered === undefined) continue;
      const image = lowered.channelsLast ?? node.result.type.shape.length === 4;
      this.#state(
        node.result.name,
        this.#nameOf(node),
        lowered.call,
        image,
        opOf(node.op).traits.layer === true,
      );
    }
    return {
      statements: this.#statements,
      result: this.plain(this.#graph.outputs[0]!).name,
      operations: [...this.#operations].sort(),
      tensors: [...this.#tensors.values()],
      summary: { layers: this.#layers, quantizers: [...this.#quantizers.values()] },
    };
  }

  shape(value: string): readonly number[] {
    return this.#types.get(value)!.shape;
  }

  isConstant(value: string): boolean {
    return this.#graph.constants.has(value);
  }

  isOutput(value: string): boolean {
    return this.#graph.outputs.includes(value);
  }

  isChannelsLast(value: string): boolean {
    return this.#hold(value).channelsLast;
  }

  /** The value in whatever layout it has. */
  value(value: string): Reference {
    return new Reference(this.#hold(value).name);
  }

  /** The value with its channels last. */
  image(value: string): Reference {
    const held = this.#hold(value);
    return held.channelsLast ? new Reference(held.name) : this.#turn(value, held, channelsLast, 'last');
  }

  /** The value with its axes as the program has them. */
  plain(value: string): Reference {
    const held = this.#hold(value);
    return held.channelsLast ? this.#turn(value, held, channelsLastAxis, 'first') : new Reference(held.name);
  }

  /** The value as a side of an operation between images: fewer axes are those of its end. */
  broadcastImage(value: string): Reference {
    const { shape } = this.#types.get(value)!;
    if (shape.length === 4) return this.image(value);
    const constant = this.#graph.constants.get(value);
    if (constant === undefined) {
      return fail('tfjs/cannot-train', `%${value} has ${shape.length} axes and is combined with an image`, {
        help: 'the tfjs target takes constants or images there',
      });
    }
    const whole = [...new Array<number>(4 - shape.length).fill(1), ...shape];
    const spread: Tensor = { type: { ...constant.type, shape: whole }, data: constant.data };
    const { shape: stored, data } = permuted(spread, channelsLast);
    return this.#constant(value, stored, data);
  }

  operation(name: string): string {
    this.#operations.add(name);
    return name;
  }

  /** Gives the result of a node the name that its operand has. */
  alias(node: Node, operand: string, last: boolean): void {
    this.#held.set(node.result.name, { name: this.#hold(operand).name, channelsLast: last });
  }

  /** A vector of the model. */
  tensor(name: string, role: Role): string {
    const { type, data } = this.#graph.constants.get(name)!;
    this.#keep({ name, role, shape: type.shape }, data as Float32Array);
    return name;
  }

  /** The weights of a layer: the name of their tensor, and their bits where they are quantized. */
  weights(node: Node): { name: string; bits?: number } {
    const operand = node.operands[1]!;
    const real = this.#graph.constants.get(operand);
    if (real !== undefined) {
      const { shape, data } = trainingWeights(real);
      this.#keep({ name: operand, role: 'weight', shape }, data);
      return { name: operand };
    }
    const stored = this.#makers.get(operand)?.operands[0];
    const integers = stored === undefined ? undefined : this.#graph.constants.get(stored);
    if (integers === undefined || !isQuantized(integers.type)) {
      return fail('tfjs/weights', `the weights of %${node.result.name} are not a constant`, {
        ...(node.location === undefined ? {} : { location: node.location }),
      });
    }
    const { element } = integers.type;
    const bits = bitWidth(element.storage);
    const name = stored!.slice(0, -`.${element.storage}`.length);
    const trained = this.#graph.constants.get(name);
    const scale = this.#graph.constants.get(element.scale as string);
    if (trained === undefined || scale === undefined) {
      return fail(
        'tfjs/integer-weights',
        `the weights of %${node.result.name} are integers, with no real ones behind them`,
        {
          ...(node.location === undefined ? {} : { location: node.location }),
          help: 'train a float model: one that is quantized already has no more to learn from',
        },
      );
    }
    const { shape, data } = trainingWeights(trained);
    this.#keep({ name, role: 'weight', shape }, data);
    this.#keep({ name: `${name}.step`, role: 'step', shape: scale.type.shape }, scale.data as Float32Array);
    const read = this.#makers.get(node.operands[0]!)?.operands[0];
    const activation = read === undefined ? undefined : this.#types.get(read)?.element;
    this.#layers.push({
      name: onnxNodeOf(node.location) ?? node.result.name,
      op: node.op as 'conv2d' | 'dense',
      weights: name,
      weightBits: bits,
      activationBits: activation?.kind === 'quantized' ? bitWidth(activation.storage) : 8,
    });
    return { name, bits };
  }

  /** The name of a quantizer's tensors; undefined where what it reads stands on the very same grid already. */
  quantizer(node: Node): string | undefined {
    const element = node.result.type.element as QuantizedElement;
    const [x] = node.operands;
    if (this.#isOnGrid(x!, element)) return undefined;
    const name = `${x!}.${element.storage}`;
    const shared = this.#steps.get(node.result.name) ?? name;
    this.#keep(
      { name: `${shared}.step`, role: this.comesFromInput(x!) ? 'constant' : 'step', shape: [] },
      Float32Array.of(element.scale as number),
    );
    this.#quantizers.set(name, {
      value: x!,
      bits: bitWidth(element.storage),
      signed: isSigned(element.storage),
      step: `${shared}.step`,
    });
    return shared;
  }

  /** Whether a value is the image itself, moved about at most. */
  comesFromInput(value: string): boolean {
    const maker = this.#makers.get(value);
    if (maker === undefined) return !this.isConstant(value);
    const moves =
      opOf(maker.op).traits.transparent === true || maker.op === 'quantize' || maker.op === 'dequantize';
    return moves && maker.operands.every((operand) => this.comesFromInput(operand));
  }

  #isOnGrid(value: string, element: QuantizedElement): boolean {
    const maker = this.#makers.get(value);
    if (maker === undefined) return false;
    if (maker.op === 'dequantize') return sameElement(this.#types.get(maker.operands[0]!)!.element, element);
    return (
      opOf(maker.op).traits.transparent === true &&
      maker.operands.every((operand) => this.#isOnGrid(operand, element))
    );
  }

  /** What is joined stands on one grid, so its quantizers share one step. */
  #shareSteps(): void {
    for (const node of this.#graph.nodes) {
      if (opOf(node.op).traits.transparent !== true || node.operands.length < 2) continue;
      const sources = node.operands.flatMap((operand) => this.#quantizersBehind(operand));
      const [first] = sources;
      if (first === undefined) continue;
      const name = this.#steps.get(first.result.name) ?? first.result.name;
      for (const source of sources) this.#steps.set(source.result.name, name);
    }
  }

  #quantizersBehind(value: string): Node[] {
    const maker = this.#makers.get(value);
    if (maker === undefined) return [];
    if (maker.op === 'quantize') return [maker];
    const through = maker.op === 'dequantize' || opOf(maker.op).traits.transparent === true;
    return through ? maker.operands.flatMap((operand) => this.#quantizersBehind(operand)) : [];
  }

  /** An image input [N, H, W, C] that the program turns before it uses it. */
  #isChannelsLastInput(): boolean {
    const { name, type } = this.#graph.inputs[0]!;
    if (type.shape.length !== 4) return true;
    const turned = (value: string): boolean => {
      const users = this.#users.get(value) ?? [];
      return (
        users.length > 0 &&
        users.every((user) =>
          user.op === 'transpose'
            ? (user.attributes['perm'] as readonly number[]).join() === '0,3,1,2'
            : (user.op === 'quantize' || user.op === 'dequantize') && turned(user.result.name),
        )
      );
    };
    return turned(name);
  }

  #hold(value: string): Held {
    const held = this.#held.get(value);
    if (held !== undefined) return held;
    const constant = this.#graph.constants.get(value);
    if (constant === undefined) throw new Error(`%${value} is used before it is there`);
    const image = constant.type.shape.length === 4;
    const { shape, data } = image
      ? permuted(constant, channelsLast)
      : { shape: [...constant.type.shape], data: constant.data as Float32Array };
    const made = { name: this.#constant(value, shape, data).name, channelsLast: image };
    this.#held.set(value, made);
    return made;
  }

  #constant(value: string, shape: readonly number[], data: Float32Array): Reference {
    this.#keep({ name: value, role: 'constant', shape }, data);
    const name = this.#identifiers.of(value);
    this.#statements.push({ name, call: { callee: 'net.constant', arguments: [value] }, begins: false });
    return new Reference(name);
  }

  #turn(value: string, held: Held, perm: readonly number[], how: string): Reference {
    const name = this.#identifiers.of(`${held.name}_channels_${how}`);
    const call: Call = {
      callee: this.operation('transpose'),
      arguments: [new Reference(held.name), [...perm]],
    };
    this.#statements.push({ name, call, begins: false });
    if (!this.#held.has(value)) throw new Error(`%${value} is turned before it is there`);
    return new Reference(name);
  }

  #state(value: string, name: string, call: Call, last: boolean, begins: boolean): void {
    this.#held.set(value, { name, channelsLast: last });
    this.#statements.push({ name, call, begins });
  }

  #nameOf(node: Node): string {
    const onnx = onnxNodeOf(node.location);
    const sameNode =
      onnx !== undefined && this.#graph.nodes.filter((other) => onnxNodeOf(other.location) === onnx);
    if (node.op === 'quantize') return this.#identifiers.of(node.result.name);
    const plainOnes =
      sameNode === false ? [] : sameNode.filter(({ op }) => op !== 'quantize' && op !== 'dequantize');
    return this.#identifiers.of(onnx !== undefined && plainOnes.length === 1 ? onnx : node.result.name);
  }

  #keep(entry: TensorEntry, data: Float32Array): void {
    const { name, shape } = entry;
    const before = this.#tensors.get(name);
    if (before === undefined) {
      this.#tensors.set(name, { entry, data: Float32Array.from(data) });
      return;
    }
    if (before.entry.role !== entry.role || before.entry.shape.join() !== shape.join()) {
      fail('tfjs/shared-tensor', `@${name} is used both as ${before.entry.role} and as ${entry.role}`, {
        help: 'give each layer a tensor of its own',
      });
    }
    if (elementCount(shape) !== before.data.length) throw new Error(`@${name} has two sizes`);
  }
}
