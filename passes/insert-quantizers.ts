/**
 * insert-quantizers: makes quantization explicit. Every value that `quantizationPoints` stores gets quantize and dequantize, in each
 * width it is read in; every layer's weights become integers behind a dequantize.
 *
 *     %y = conv2d(%x, @w, @b)
 * becomes
 *     %x.u4 = quantize(%x) : q<u4, scale = ...>      %x.u4.real = dequantize(%x.u4)
 *     %w = dequantize(@w.i4)
 *     %y = conv2d(%x.u4.real, %w, @b)
 *
 * The program still computes in f32: this is what training and ONNX export see, and `lower-to-integer` folds it.
 */
import {
  bitWidth,
  type Element,
  fail,
  type Graph,
  GraphBuilder,
  type Node,
  isSigned,
  opOf,
  perAxis,
  perTensor,
  producersOf,
  type QuantizedElement,
  type Storage,
  storageRange,
  tensor,
  type Value,
  valuesOf,
} from '../ir/index.ts';
import { staysFloat } from './layers.ts';
import { definePass, type PassContext } from './pass.ts';
import {
  checkPlacement,
  isAccumulated,
  type Placement,
  placementOption,
  type QuantizationPoints,
  quantizationPoints,
  streamBits,
} from './quantization-points.ts';
import { type WeightRange, quantizeWeights, weightRanges } from './quantize-weights.ts';

/** Least real step of an activation: a value that was always 0 still needs a scale. */
const leastActivationStep = 2 ** -24;

/** Accumulator steps that a bias may be counted in: an eighth of int32. */
const biasHeadroom = 2 ** 28;

function activationElement(value: Value, bits: number): QuantizedElement {
  const range = value.notes?.[`clip${bits}` as 'clip4'];
  if (range === undefined) {
    fail('insert-quantizers/no-range', `%${value.name} has no calibrated range for ${bits} bits`, {
      help: 'run calibrate before insert-quantizers',
    });
  }
  const [low, high] = range as [number, number];
  const unsigned = low >= 0;
  const steps = unsigned ? 2 ** bits - 1 : 2 ** (bits - 1) - 1;
  const storage = `${unsigned ? 'u' : 'i'}${bits}` as Storage;
  return perTensor(storage, Math.max(high / steps, leastActivationStep));
}

export const insertQuantizers = definePass({
  name: 'insert-quantizers',
  summary: 'Insert quantize and dequantize around every value that is stored, and quantize weights.',
  options: {
    weight_range: {
      kind: 'string',
      summary: 'weight ranges: max, mse, or auto (mse below 8 bits)',
      default: 'auto',
    },
    placement: placementOption,
  },
  requires: 'float',
  ensures: 'quantized',
  run: (graph, options, context) =>
    new Inserter(graph, options.weight_range, checkPlacement(options.placement), context).run(),
});

class Inserter {
  readonly #graph: Graph;
  readonly #weightRange: string;
  readonly #placement: Placement;
  readonly #context: PassContext;
  readonly #builder: GraphBuilder;
  readonly #makers: ReadonlyMap<string, Node>;
  readonly #points: QuantizationPoints;
  readonly #elements: ReadonlyMap<string, QuantizedElement>;
  /** `value/bits` -> the f32 value that has gone through that quantizer. */
  readonly #real = new Map<string, string>();

  constructor(graph: Graph, weightRange: string, placement: Placement, context: PassContext) {
    if (weightRange !== 'auto' && !(weightRanges as readonly string[]).includes(weightRange)) {
      fail('insert-quantizers/weight-range', `no weight range ${JSON.stringify(weightRange)}`, {
        help: `one of auto, ${weightRanges.join(', ')}`,
      });
    }
    this.#graph = graph;
    this.#weightRange = weightRange;
    this.#context = context;
    this.#builder = new GraphBuilder(graph.name);
    this.#makers = producersOf(graph);
    this.#points = quantizationPoints(graph, placement);
    this.#placement = placement;
    for (const [name, reason] of this.#points.reasons) context.explain(`%${name}: ${reason}`);
    this.#elements = storedElements(graph, this.#points);
  }

  run(): Graph {
    const { nodes, inputs, constants, outputs } = this.#graph;
    for (const [name, value] of constants) this.#builder.constant(name, value);
    for (const input of inputs) this.#builder.addInput(input);
    for (const node of nodes) {
      const reads = this.#points.reads.get(node.result.name);
      const operands = node.operands.map((operand, i) => {
        if (opOf(node.op).traits.layer === true && i === 1 && !staysFloat(node))
          return this.#weights(node, operand);
        const bits = reads?.[i];
        return bits === undefined ? operand : this.#through(operand, bits);
      });
      const same = operands.every((operand, i) => operand === node.operands[i]);
      this.#builder.addNode(same ? node : { ...node, operands });
    }
    return this.#builder.finish(outputs.map((output) => this.#output(output)));
  }

  /** The value as a reader in `bits` sees it: quantized and dequantized, once for all such readers. */
  #through(value: string, bits: number): string {
    const key = `${value}/${bits}`;
    const done = this.#real.get(key);
    if (done !== undefined) return done;
    const element = this.#elements.get(key)!;
    const location = this.#makers.get(value)?.location;
    const [widest] = this.#points.stored.get(value)!;
    const source = this.#placement === 'operators' && bits < widest! ? this.#through(value, widest!) : value;
    const stored = this.#builder.add(
      'quantize',
      [source],
      {},
      { name: `${value}.${element.storage}`, element, location },
    );
    const real = this.#builder.add('dequantize', [stored], {}, { name: `${stored}.real`, location });
    this.#real.set(key, real);
    return real;
  }

  /** An output that no accumulator holds is returned through its 8-bit quantizer. */
  #output(output: string): string {
    const maker = this.#makers.get(output);
    if (maker === undefined) return output;
    const exact = isAccumulated(maker) || opOf(maker.op).traits.boundary === true;
    return exact ? output : this.#through(output, streamBits);
  }

  #weights(node: Node, name: string): string {
    const weight = this.#graph.constants.get(name);
    if (weight === undefined) {
      fail('insert-quantizers/weights', `the weights of %${node.result.name} are not constant`, {
        ...(node.location === undefined ? {} : { location: node.location }),
        help: 'only layers with trained weights can be quantized',
      });
    }
    const bits = node.result.notes?.weight_bits ?? 8;
    const step = this.#stepOf(node);
    const bias =
      node.operands[2] === undefined ? undefined : this.#graph.constants.get(node.operands[2])?.data;
    const range = this.#weightRange === 'auto' ? (bits < 8 ? 'mse' : 'max') : this.#weightRange;
    const { data, scales, floored } = quantizeWeights(
      weight.data as Float32Array,
      weight.type.shape[0]!,
      bits,
      node.result.notes?.weight_steps ?? (range as WeightRange),
      (channel) => Math.max(Math.abs(bias?.[channel] ?? 0) / (step * biasHeadroom), 2 ** -60),
    );
    if (floored.length > 0) {
      this.#context.report({
        code: 'insert-quantizers/dead-channels',
        severity: 'note',
        message: `%${node.result.name}: ${floored.length} of ${scales.length} output channels have almost no weight; their scale was lifted to what int32 can count`,
        ...(node.location === undefined ? {} : { location: node.location }),
      });
    }
    const scale = this.#builder.constant(
      `${name}.scale`,
      tensor({ element: f32Plain, shape: [scales.length] }, scales),
    );
    const element = perAxis(`i${bits}` as Storage, scale, 0);
    const stored = this.#builder.constant(`${name}.i${bits}`, {
      type: { element, shape: weight.type.shape },
      data,
    });
    return this.#builder.add('dequantize', [stored], {}, { name: `${stored}.real`, location: node.location });
  }

  /** Real step of the activations that a layer reads. */
  #stepOf(node: Node): number {
    const bits = this.#points.reads.get(node.result.name)![0]!;
    return this.#elements.get(`${node.operands[0]!}/${bits}`)!.scale as number;
  }
}

const f32Plain: Element = { kind: 'plain', storage: 'f32' };

/**
 * The element of every stored value in every width, by `value/bits`. What a transparent op reads and makes shares one element; where
 * it joins several values, the one whose range covers them all.
 */
function storedElements(graph: Graph, points: QuantizationPoints): Map<string, QuantizedElement> {
  const values = new Map(valuesOf(graph).map((value) => [value.name, value]));
  const leader = new Map<string, string>();
  const find = (key: string): string => {
    const next = leader.get(key);
    return next === undefined ? key : find(next);
  };
  const moved = new Set<string>();
  for (const node of graph.nodes) {
    if (opOf(node.op).traits.transparent !== true) continue;
    for (const [i, operand] of node.operands.entries()) {
      const bits = points.reads.get(node.result.name)?.[i];
      if (bits === undefined) continue;
      const [result, source] = [find(`${node.result.name}/${bits}`), find(`${operand}/${bits}`)];
      if (result !== source) leader.set(result, source);
      moved.add(`${node.result.name}/${bits}`);
    }
  }
  const chosen = new Map<string, QuantizedElement>();
  const elements = new Map<string, QuantizedElement>();
  const keys = [...points.stored].flatMap(([name, widths]) =>
    widths.map((bits) => ({ name, bits, key: `${name}/${bits}` })),
  );
  for (const { name, bits, key } of keys) {
    if (moved.has(key)) continue;
    const own = activationElement(values.get(name)!, bits);
    const shared = chosen.get(find(key));
    chosen.set(find(key), shared === undefined ? own : covering(shared, own));
  }
  for (const { key } of keys) elements.set(key, chosen.get(find(key))!);
  return elements;
}

/** The narrowest element of the same width whose range covers both. */
function covering(a: QuantizedElement, b: QuantizedElement): QuantizedElement {
  const bits = bitWidth(a.storage);
  const signed = isSigned(a.storage) || isSigned(b.storage);
  const reach = Math.max(...[a, b].map(({ storage, scale }) => (scale as number) * storageRange(storage)[1]));
  const steps = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  return perTensor(`${signed ? 'i' : 'u'}${bits}` as Storage, reach / steps);
}
