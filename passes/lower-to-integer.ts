/**
 * lower-to-integer: from the quantized level to the integer level. The float ops between dequantize and quantize are replaced by what
 * they do to integers, and every scale is folded into a multiplier and a shift.
 *
 * The pass walks the program with a *representation* of each real value in hand, an integer tensor and what it stands for:
 *
 *     real = (integer - zeroPoint) * step[c]          clamped to [low, high], applied to real curves
 *
 *   dequantize    takes the quantized tensor itself as the representation
 *   layers        make int32 accumulators of step  step(x) * step(w)[c],  with the bias counted in the same steps
 *   add           brings the shortcut to the accumulator's step (an integer again) and adds: no rounding that matters, since
 *                 the accumulator's step is much finer than the shortcut's, or is made so
 *   relu, clip    only narrow the clamp
 *   quantize      is where a representation becomes stored: one requantize, whose saturation is the clamp
 *   curves        (sigmoid, hard swish, ...) become one table from the stored integers to the stored integers
 */
import {
  bitWidth,
  type Element,
  f32,
  fail,
  type Graph,
  GraphBuilder,
  isEncodable,
  isQuantized,
  type Location,
  narrowLimit,
  type Node,
  opOf,
  perAxis,
  perTensor,
  plain,
  quantizeValue,
  type QuantizedElement,
  roundHalfEven,
  storageRange,
  tensor,
  type Tensor,
  typesOf,
} from '../ir/index.ts';
import { evaluateNode } from '../ir/interpret.ts';
import { addTables } from './fixed-point.ts';
import { definePass, type PassContext } from './pass.ts';
import {
  type Curve,
  type Integers,
  isInSteps,
  narrowed,
  real,
  type Representation,
  saturation,
  stepAt,
  stored,
  unclamped,
} from './representation.ts';

/** A shortcut of 8 bits counted in steps this much finer than its own leaves a factor of 2^10 to int32. */
const finestShortcut = 2 ** -13;

/** An accumulator adds a shortcut to within 2^-6 of the shortcut's own step. */
const coarseShortcut = 2 ** -5;

export const lowerToInteger = definePass({
  name: 'lower-to-integer',
  summary:
    'Replace float arithmetic between quantizers by integer arithmetic, scales folded into multiplier and shift.',
  options: {},
  requires: 'quantized',
  ensures: 'integer',
  run: (graph, _options, { report }) => new Lowering(graph, report).run(),
});

class Lowering {
  readonly #graph: Graph;
  readonly #report: PassContext['report'];
  readonly #builder: GraphBuilder;
  readonly #representations = new Map<string, Representation>();
  /** Constants behind a dequantize: quantized weights, by the name of the real value. */
  readonly #weights = new Map<string, string>();

  constructor(graph: Graph, report: PassContext['report']) {
    this.#graph = graph;
    this.#report = report;
    this.#builder = new GraphBuilder(graph.name);
  }

  run(): Graph {
    const types = typesOf(this.#graph);
    for (const [name, value] of this.#graph.constants) this.#builder.constant(name, value);
    for (const input of this.#graph.inputs) {
      this.#builder.addInput(input);
      this.#representations.set(
        input.name,
        isQuantized(input.type) ? stored(input.name, input.type.element) : real(input.name),
      );
    }
    for (const node of this.#graph.nodes) {
      const representation = this.#lower(node);
      if (representation !== undefined) this.#representations.set(node.result.name, representation);
    }
    const returned = this.#graph.outputs.map((output) => {
      if (this.#graph.constants.has(output)) return output;
      return isQuantized(types.get(output)!) ? this.#integers(output).name : this.#real(output);
    });
    return this.#builder.finish(returned);
  }

  #lower(node: Node): Representation | undefined {
    const { traits } = opOf(node.op);
    if (node.op === 'dequantize') return this.#dequantize(node);
    if (node.op === 'quantize') return this.#quantize(node);
    if (traits.boundary === true) {
      const operands = node.operands.map((operand) => this.#real(operand));
      return real(this.#builder.add(node.op, operands, node.attributes, sameAs(node)));
    }
    if (traits.layer === true) return this.#layer(node);
    if (traits.clamp !== undefined) return this.#clamp(node, traits.clamp(node.attributes));
    if (traits.unary === true) return this.#curve(node);
    if (traits.transparent === true) return this.#move(node);
    if (node.op === 'add' || node.op === 'sub') return this.#sum(node);
    if (node.op === 'mul') return this.#product(node);
    if (node.op === 'affine') return this.#affine(node);
    if (node.op === 'average_pool2d') {
      return { kind: 'mean', base: this.#settled(node, node.operands[0]!), node, clamp: unclamped };
    }
    return this.#refuse(node, `there is no integer form of ${node.op}`);
  }

  #refuse(node: Node, why: string): never {
    return fail('lower-to-integer/no-form', `%${node.result.name} = ${node.op}: ${why}`, {
      ...(node.location === undefined ? {} : { location: node.location }),
      help: 'import it in a supported form, or keep this layer in float and choose a target that can',
    });
  }

  /** The integers behind a real value; a curve or a mean that nobody quantized has none. */
  #integers(name: string, reader?: Node): Integers {
    const found = this.#representations.get(name);
    if (found?.kind === 'integers') return found;
    const what = `%${name} is not quantized`;
    if (reader !== undefined) return this.#refuse(reader, `its operand ${what}`);
    return fail('lower-to-integer/not-quantized', what, { help: 'run insert-quantizers first' });
  }

  /** Integers that a layer or a table can read: stored in at most 8 bits, no clamp pending. */
  #settled(node: Node, name: string): Integers {
    const found = this.#integers(name, node);
    if (found.element.kind !== 'quantized' || bitWidth(found.element.storage) > 8) {
      return this.#refuse(node, `its operand %${name} is not quantized to at most 8 bits`);
    }
    if (found.clamp === unclamped) return found;
    return this.#requantize(found, found.element, `${name}.clamped`, node.location);
  }

  #dequantize(node: Node): Representation | undefined {
    const operand = node.operands[0]!;
    const constant = this.#graph.constants.get(operand);
    if (constant !== undefined) {
      this.#weights.set(node.result.name, this.#symmetric(operand, constant, node));
      return undefined;
    }
    return this.#integers(operand);
  }

  /**
   * Integer weights of our own making have zero point 0; imported ones may not. They are rounded once more, to the scale that holds
   * them symmetrically in 8 bits, and the user is told.
   */
  #symmetric(name: string, { type, data }: Tensor, node: Node): string {
    const { scale, zeroPoint, storage } = type.element as QuantizedElement;
    if (zeroPoint === 0 || bitWidth(storage) > 8 || typeof scale !== 'number') return name;
    const largest = Array.from(data).reduce((most, value) => Math.max(most, Math.abs(value - zeroPoint)), 0);
    const limit = narrowLimit(8);
    const shrink = largest > limit ? limit / largest : 1;
    if (shrink < 1) {
      this.#report({
        code: 'lower-to-integer/asymmetric-weights',
        severity: 'warning',
        message: `@${name} has zero point ${zeroPoint} and reaches ${largest} steps; it was rounded again, to ${limit}`,
        ...(node.location === undefined ? {} : { location: node.location }),
        help: 'weights quantized symmetrically are kept as they are',
      });
    }
    const element = perTensor('i8', scale / shrink);
    const symmetric = Array.from(data, (value) => roundHalfEven((value - zeroPoint) * shrink));
    return this.#builder.constant(`${name}.i8`, tensor({ element, shape: type.shape }, symmetric));
  }

  #quantize(node: Node): Representation {
    const element = node.result.type.element as QuantizedElement;
    const { name } = node.result;
    const from = this.#representations.get(node.operands[0]!);
    if (typeof element.scale !== 'number')
      return this.#refuse(node, 'activations are quantized per tensor, not per axis');
    switch (from?.kind) {
      case undefined:
        return this.#refuse(node, `its operand %${node.operands[0]!} has no representation`);
      case 'real': {
        const options = { ...sameAs(node), element };
        if (from.moves.length === 0)
          return stored(this.#builder.add('quantize', [from.name], {}, options), element);
        const first = this.#builder.add(
          'quantize',
          [from.name],
          {},
          { ...options, name: `${from.name}.${element.storage}` },
        );
        const last = from.moves.length - 1;
        const moved = from.moves.reduce(
          (x, move, i) =>
            this.#builder.add(move.op, [x], move.attributes, {
              name: i === last ? name : `${move.result.name}.${element.storage}`,
              location: move.location,
            }),
          first,
        );
        return stored(moved, element);
      }
      case 'integers':
        return this.#requantize(from, element, name, node.location, node);
      case 'curve':
        return this.#table(from, element, node);
      case 'mean': {
        const base = from.base;
        const [height, width] = from.node.attributes['kernel'] as readonly [number, number];
        const ratios = Array.from(
          { length: height * width },
          (_, n) => base.steps[0]! / ((n + 1) * (element.scale as number)),
        );
        const { multiplier, shift } = addTables(this.#builder, name, ratios);
        const attributes = { ...from.node.attributes, ...saturation(from.clamp, element) };
        return stored(
          this.#builder.add('average_pool2d', [base.name, multiplier, shift], attributes, {
            ...sameAs(node),
            element,
          }),
          element,
        );
      }
    }
  }

  /** The one place where integers change their step. Nothing to do when neither step nor clamp changes. */
  #requantize(
    from: Integers,
    element: QuantizedElement,
    name: string,
    location: Location | undefined,
    node?: Node,
  ): Integers {
    const same =
      from.element.kind === 'quantized' &&
      from.element.storage === element.storage &&
      from.element.scale === element.scale &&
      from.element.zeroPoint === element.zeroPoint;
    const clamp = saturation(from.clamp, element);
    if (same && clamp.min === undefined && clamp.max === undefined) return { ...from, clamp: unclamped };
    const step = element.scale as number;
    const ratios = from.steps.map((each) => each / step);
    const tooLarge = ratios.find((ratio) => !isEncodable(Math.abs(ratio)) && Math.abs(ratio) >= 1);
    if (tooLarge !== undefined) {
      return fail(
        'lower-to-integer/ratio',
        `%${name}: one step of its operand is ${tooLarge} steps of its result`,
        {
          help: 'the scales of this model are too far apart for a 15-bit multiplier',
        },
      );
    }
    const { multiplier, shift } = addTables(this.#builder, name, ratios);
    const made = this.#builder.add('requantize', [from.name, multiplier, shift], clamp, {
      name,
      element,
      location,
      notes: node?.result.notes,
    });
    return stored(made, element);
  }

  #table(curve: Curve, element: QuantizedElement, node: Node): Integers {
    const { base } = curve;
    const from = base.element as QuantizedElement;
    const [min, max] = storageRange(from.storage);
    const integers = Array.from({ length: max - min + 1 }, (_, i) => i + min);
    let reals: Tensor = tensor(
      f32([integers.length]),
      integers.map((integer) => Math.fround((integer - from.zeroPoint) * (from.scale as number))),
    );
    for (const each of curve.nodes) {
      reals = evaluateNode(
        { ...each, result: { ...each.result, type: reals.type } },
        [reals],
        () => undefined,
      );
    }
    const entries = Array.from(reals.data, (value) =>
      quantizeValue(value, element.scale as number, element.zeroPoint, element.storage),
    );
    const table = this.#builder.constant(
      `${node.result.name}.table`,
      tensor(plain(element.storage, [entries.length]), entries),
    );
    return stored(this.#builder.add('lookup', [base.name, table], {}, { ...sameAs(node), element }), element);
  }

  #clamp(node: Node, [low, high]: readonly [number, number]): Representation {
    const from = this.#representations.get(node.operands[0]!);
    if (from === undefined || from.kind === 'real') return this.#refuse(node, 'its operand is not quantized');
    if (from.kind === 'curve') return { ...from, nodes: [...from.nodes, node] };
    return { ...from, clamp: narrowed(from.clamp, low, high) };
  }

  #curve(node: Node): Representation {
    const from = this.#representations.get(node.operands[0]!);
    if (from?.kind === 'curve') return { ...from, nodes: [...from.nodes, node] };
    return { kind: 'curve', base: this.#settled(node, node.operands[0]!), nodes: [node] };
  }

  #move(node: Node): Representation {
    const only = node.operands.length === 1 ? this.#representations.get(node.operands[0]!) : undefined;
    if (only?.kind === 'real') return { ...only, moves: [...only.moves, node] };
    const parts = node.operands.map((operand) => this.#integers(operand, node));
    const perChannel = parts.some((part) => part.steps.length > 1);
    const clamped = parts.some((part) => part.clamp !== unclamped);
    const ready =
      perChannel || clamped ? node.operands.map((operand) => this.#settled(node, operand)) : parts;
    const first = ready[0]!;
    const name = this.#builder.add(
      node.op,
      ready.map((part) => part.name),
      node.attributes,
      {
        name: `${node.result.name}.${first.element.storage}`,
        location: node.location,
        notes: node.result.notes,
      },
    );
    return { ...first, name };
  }

  #layer(node: Node): Integers {
    const x = this.#settled(node, node.operands[0]!);
    const weight = this.#weights.get(node.operands[1]!);
    if (weight === undefined) return this.#refuse(node, 'its weights are not quantized constants');
    const weightSteps = this.#stepsOfConstant(weight);
    const outputs = this.#builder.constantOf(weight)!.type.shape[0]!;
    const steps = Array.from(
      { length: outputs },
      (_, o) => x.steps[0]! * weightSteps[weightSteps.length === 1 ? 0 : o]!,
    );
    const operands = [x.name, weight];
    if (node.operands[2] !== undefined) operands.push(this.#bias(node, node.operands[2], steps));
    return this.#accumulate(node, node.op, operands, steps, node.attributes);
  }

  #stepsOfConstant(name: string): readonly number[] {
    const { type } = this.#builder.constantOf(name)!;
    const { scale } = type.element as QuantizedElement;
    return typeof scale === 'number' ? [scale] : [...this.#builder.constantOf(scale)!.data];
  }

  /** A real bias counted in the steps of an accumulator. */
  #bias(node: Node, name: string, steps: readonly number[]): string {
    const real = this.#realConstant(name);
    if (real === undefined) return this.#refuse(node, `its operand @${name} is not constant`);
    const counts = steps.map((step, o) => roundHalfEven(real[o]! / step));
    const outside = counts.findIndex((count) => Math.abs(count) >= 2 ** 31);
    if (outside >= 0) {
      return this.#refuse(
        node,
        `bias ${real[outside]!} of channel ${outside} is ${counts[outside]!} accumulator steps, which int32 cannot hold`,
      );
    }
    return this.#builder.constant(`${name}.i32`, tensor(plain('i32', [counts.length]), counts));
  }

  /** Values of a constant, dequantized if it is an integer behind a dequantize. */
  #realConstant(name: string): ArrayLike<number> | undefined {
    const plainConstant = this.#graph.constants.get(name);
    if (plainConstant !== undefined) return plainConstant.data;
    const quantized = this.#weights.get(name);
    if (quantized === undefined) return undefined;
    const { data, type } = this.#builder.constantOf(quantized)!;
    const steps = this.#stepsOfConstant(quantized);
    const { zeroPoint } = type.element as QuantizedElement;
    return Array.from(data, (value, i) => (value - zeroPoint) * steps[steps.length === 1 ? 0 : i]!);
  }

  #accumulate(
    node: Node,
    op: string,
    operands: readonly string[],
    steps: readonly number[],
    attributes: Node['attributes'],
  ): Integers {
    const element = this.#accumulatorElement(node.result.name, steps);
    const name = this.#builder.add(op, operands, attributes, {
      name: `${node.result.name}.i32`,
      element,
      location: node.location,
      notes: node.result.notes,
    });
    return { kind: 'integers', name, steps, zeroPoint: 0, element, clamp: unclamped };
  }

  #accumulatorElement(name: string, steps: readonly number[]): QuantizedElement {
    if (steps.length === 1) return perTensor('i32', steps[0]!);
    const data = Float32Array.from(steps, (step) => Math.max(Math.fround(step), 2 ** -126));
    const scale = this.#builder.constant(`${name}.step`, { type: f32([steps.length]), data });
    return perAxis('i32', scale, 1);
  }

  #affine(node: Node): Integers {
    const x = this.#settled(node, node.operands[0]!);
    const gains = this.#realConstant(node.operands[1]!);
    if (gains === undefined) return this.#refuse(node, 'its gain is not constant');
    // One weight a channel: +-127 is exact whatever the gain, and makes the step fine enough to count the shift in.
    const { length } = gains;
    const weightSteps = Float32Array.from({ length }, (_, c) =>
      Math.max(Math.abs(gains[c]!) / 127, 2 ** -60),
    );
    const signs = Array.from({ length }, (_, c) => roundHalfEven(gains[c]! / weightSteps[c]!));
    const scale = this.#builder.constant(`${node.operands[1]!}.scale`, {
      type: f32([length]),
      data: weightSteps,
    });
    const gain = this.#builder.constant(
      `${node.operands[1]!}.i8`,
      tensor({ element: perAxis('i8', scale, 0), shape: [length] }, signs),
    );
    const steps = Array.from(weightSteps, (step) => step * x.steps[0]!);
    const shift = this.#bias(node, node.operands[2]!, steps);
    return this.#accumulate(node, 'affine', [x.name, gain, shift], steps, node.attributes);
  }

  #product(node: Node): Integers {
    const [a, b] = node.operands.map((operand) => this.#settled(node, operand)) as [Integers, Integers];
    return this.#accumulate(node, 'mul', [a.name, b.name], [a.steps[0]! * b.steps[0]!], node.attributes);
  }

  /**
   * Brings both operands to one step per channel and adds. That is the accumulator's own step, where a shortcut is counted finely
   * enough in it; with few bits the accumulator may be too coarse, and is then counted in steps smaller by a power of two,
   * which is exact. No step is finer than 2^-13 of a stored operand's, so that none leaves int32.
   */
  #sum(node: Node): Integers {
    const sides = node.operands.map((operand) => {
      const side = this.#integers(operand, node);
      return side.clamp === unclamped ? side : this.#settled(node, operand);
    });
    const stored = sides.filter((side) => side.element.storage !== 'i32').map((side) => side.steps[0]!);
    const accumulators = sides.filter((side) => side.element.storage === 'i32');
    const channels = Math.max(...sides.map((side) => side.steps.length));
    const coarsest = accumulators.map((side) => Math.max(...side.steps));
    const doublings = Math.ceil(Math.log2(Math.max(...coarsest, 0) / (Math.min(...stored) * coarseShortcut)));
    const finer = Number.isFinite(doublings) ? 2 ** -Math.max(0, doublings) : 1;
    const steps = Array.from({ length: channels }, (_, c) =>
      Math.max(
        ...accumulators.map((side) => stepAt(side, c) * finer),
        ...stored.map((step) => step * finestShortcut),
      ),
    );
    const inStep = sides.find((side) => isInSteps(side, steps));
    const element = inStep?.element ?? this.#accumulatorElement(node.result.name, steps);
    const operands = sides.map((side, i) =>
      isInSteps(side, steps) && side.element === element
        ? side.name
        : this.#bringTo(side, steps, element, `${node.operands[i]!}.shortcut`, node),
    );
    const name = this.#builder.add(node.op, operands, node.attributes, {
      name: `${node.result.name}.i32`,
      element,
      location: node.location,
      notes: node.result.notes,
    });
    return { kind: 'integers', name, steps, zeroPoint: 0, element, clamp: unclamped };
  }

  /** The same reals counted in other steps, as an accumulator. */
  #bringTo(side: Integers, steps: readonly number[], element: Element, name: string, node: Node): string {
    const ratios = steps.map((step, c) => stepAt(side, c) / step);
    const uniform = ratios.every((ratio) => ratio === ratios[0]) ? [ratios[0]!] : ratios;
    const { multiplier, shift } = addTables(this.#builder, name, uniform);
    return this.#builder.add(
      'requantize',
      [side.name, multiplier, shift],
      {},
      { name, element, location: node.location },
    );
  }

  /** A real value for an op at the edge or for the caller: dequantized where it is an integer. */
  #real(name: string): string {
    const found = this.#representations.get(name);
    if (found === undefined) return fail('lower-to-integer/not-quantized', `%${name} has no representation`);
    if (found.kind === 'real' && found.moves.length === 0) return found.name;
    if (found.kind !== 'integers') {
      return fail('lower-to-integer/not-quantized', `%${name} is returned without being quantized`, {
        help: 'run insert-quantizers first',
      });
    }
    const node = this.#graph.nodes.find(({ result }) => result.name === name);
    const ready = found.clamp === unclamped || node === undefined ? found : this.#settled(node, name);
    const made = this.#builder.add('dequantize', [ready.name], {}, { name, location: node?.location });
    this.#representations.set(name, real(made));
    return made;
  }
}

function sameAs(node: Node): {
  name: string;
  location: Location | undefined;
  notes: Node['result']['notes'];
} {
  return { name: node.result.name, location: node.location, notes: node.result.notes };
}
