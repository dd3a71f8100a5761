/**
 * bound-accumulators: proves that no accumulator leaves int32, for any input. Each weight meets the worst activation for its sign, so
 * the bound holds for every image and not only for those calibrated on; a program that cannot be bounded is refused.
 *
 * The proof also covers what a requantize computes before it saturates, which backends without 64-bit integers hold in 32.
 */
import {
  type Bounds,
  fail,
  formatName,
  type Graph,
  type Location,
  opOf,
  requantizeValue,
  storageRange,
  type TensorType,
  typesOf,
  isQuantized,
} from '../ir/index.ts';
import { definePass } from './pass.ts';

const [lowest, highest] = storageRange('i32');

/** Inclusive bounds of every integer value of the program, by name. */
export function accumulatorBoundsOf(graph: Graph): Map<string, Bounds> {
  const types = typesOf(graph);
  const bounds = new Map<string, Bounds>();
  const boundsOf = (name: string): Bounds => {
    const known = bounds.get(name);
    if (known !== undefined) return known;
    const constant = graph.constants.get(name);
    if (constant === undefined) return storageBounds(types.get(name)!);
    let [min, max] = [Infinity, -Infinity];
    for (const value of constant.data) [min, max] = [Math.min(min, value), Math.max(max, value)];
    return { min: [min], max: [max] };
  };
  for (const node of graph.nodes) {
    const op = opOf(node.op);
    const operands = node.operands.map((operand) => types.get(operand)!);
    const result = node.result.type;
    if (op.bound !== undefined && result.element.storage !== 'f32') {
      const query = {
        operands,
        attributes: node.attributes,
        result,
        bounds: node.operands.map(boundsOf),
        constants: node.operands.map((operand) => graph.constants.get(operand)),
      };
      bounds.set(node.result.name, op.bound(query));
    } else if (
      op.traits.transparent === true &&
      node.operands.length === 1 &&
      sameChannels(operands[0]!, result)
    ) {
      bounds.set(node.result.name, boundsOf(node.operands[0]!));
    } else {
      bounds.set(node.result.name, storageBounds(result));
    }
  }
  return bounds;
}

function sameChannels(a: TensorType, b: TensorType): boolean {
  return a.shape.length === b.shape.length && a.shape[1] === b.shape[1];
}

function storageBounds(type: TensorType): Bounds {
  const { storage } = type.element;
  const [min, max] = storage === 'f32' ? [-Infinity, Infinity] : storageRange(storage);
  return { min: [min], max: [max] };
}

function refuse(
  value: string,
  what: string,
  low: number,
  high: number,
  location: Location | undefined,
): never {
  return fail(
    'bound-accumulators/overflow',
    `%${formatName(value)}: ${what} may reach [${low}, ${high}], beyond int32`,
    {
      ...(location === undefined ? {} : { location }),
      help: 'use fewer bits for the weights or the activations of this layer',
    },
  );
}

export const boundAccumulators = definePass({
  name: 'bound-accumulators',
  summary: 'Prove that no accumulator leaves int32 for any input, or refuse the program.',
  options: {},
  requires: 'integer',
  ensures: 'integer',
  run: (graph, _options, context) => {
    const bounds = accumulatorBoundsOf(graph);
    const types = typesOf(graph);
    let widest = 0;
    for (const node of graph.nodes) {
      const { name, type } = node.result;
      const found = bounds.get(name)!;
      const [low, high] = [Math.min(...found.min), Math.max(...found.max)];
      if (type.element.storage === 'i32') {
        if (low < lowest || high > highest) refuse(name, 'the accumulator', low, high, node.location);
        widest = Math.max(widest, -low, high);
      }
      if (node.op !== 'requantize') continue;
      const x = bounds.get(node.operands[0]!) ?? storageBounds(types.get(node.operands[0]!)!);
      const operand = types.get(node.operands[0]!)!;
      const zeroPoint = isQuantized(operand) ? operand.element.zeroPoint : 0;
      const [multiplier, shift] = [
        graph.constants.get(node.operands[1]!)!.data,
        graph.constants.get(node.operands[2]!)!.data,
      ];
      for (let c = 0; c < Math.max(multiplier.length, x.min.length); c++) {
        const at = (list: readonly number[]): number =>
          requantizeValue(
            list[list.length === 1 ? 0 : c]! - zeroPoint,
            multiplier[multiplier.length === 1 ? 0 : c]!,
            shift[shift.length === 1 ? 0 : c]!,
          );
        const ends = [at(x.min), at(x.max)];
        const [least, most] = [Math.min(...ends), Math.max(...ends)];
        if (least < lowest || most > highest)
          refuse(name, 'the value before saturation', least, most, node.location);
      }
    }
    context.explain(`the widest accumulator needs ${Math.ceil(Math.log2(widest + 1)) + 1} of 32 bits`);
    return graph;
  },
});
