/**
 * The float program that a quantized one came from, computed beside it: every quantizer is erased, every weight is what it was before it
 * was rounded. Passes that compare the two run one graph that holds both.
 *
 *     %x.u4 = quantize(%x)                                     x'
 *     %x.u4.real = dequantize(%x.u4)                           x'
 *     %w = dequantize(@w.i4)                                   @w
 *     %y = conv2d(%x.u4.real, %w, @b.corrected)                y' = conv2d(x', @w, @b)
 *
 * Where a layer's result is only added to a shortcut, float sum less quantized shortcut is what the layer should make: then the sum is
 * right, although the shortcut is not. This is what keeps errors from adding up along a residual stream.
 *
 *     %s = add(%y, %x.u8.real)                                 s' = add(y', x')        y.goal = s' - %x.u8.real
 *
 * The names of constants say what they were made from: `@w.i4` from `@w`, `@b.corrected` from `@b`.
 */
import {
  fail,
  type Graph,
  GraphBuilder,
  isF32,
  type Node,
  opOf,
  sameShape,
  type Tensor,
  usersOf,
} from '../../ir/index.ts';

/** What a bias is called once it belongs to one layer and has been moved. */
export const correctedSuffix = '.corrected';

/** The end of such a name; a number follows where layers shared one bias. */
export const correctedName = /\.corrected(\.\d+)?$/;

export interface JoinedProgram {
  /** The quantized program with its float twin, each float node next to its quantized one. */
  readonly graph: Graph;
  /** Value of the quantized program -> the value that stands for it in float. */
  readonly twin: ReadonlyMap<string, string>;
  /** Layer -> what it should make to put its sum right; only where the rest of the sum is known before the layer is. */
  readonly goals: ReadonlyMap<string, string>;
  /** Layer -> below what it does not matter what it makes, since only a ReLU reads it, or reads the sum that its goal puts right. */
  readonly floors: ReadonlyMap<string, string | 0>;
}

/** Throws a QcError `float-twin/weights` where the float weights are no longer in the program. */
export function joinFloatTwin(graph: Graph): JoinedProgram {
  const builder = new GraphBuilder(graph.name);
  const twin = new Map<string, string>();
  for (const [name, value] of graph.constants) builder.constant(name, value);
  for (const input of graph.inputs) builder.addInput(input);
  // Every name of the program is taken before twins are named.
  const names = new Set(graph.nodes.map(({ result }) => result.name));
  const goals = new Map<string, string>();
  const floors = new Map<string, string | 0>();
  const readers = usersOf(graph);
  const isRectified = (name: string): boolean => {
    const [reader, other] = readers.get(name) ?? [];
    if (reader === undefined || other !== undefined || graph.outputs.includes(name)) return false;
    return opOf(reader.op).traits.clamp?.(reader.attributes)[0] === 0;
  };
  for (const node of graph.nodes) {
    builder.addNode(node);
    twin.set(node.result.name, twinOf(node, graph, builder, twin, names));
    if (opOf(node.op).traits.layer === true && isRectified(node.result.name)) {
      floors.set(node.result.name, 0);
    }
    if (node.op !== 'add') continue;
    for (const [layer, shortcut] of summands(node, graph)) {
      const goal = builder.add('sub', [twin.get(node.result.name)!, shortcut], {}, { name: `${layer}.goal` });
      goals.set(layer, goal);
      if (isRectified(node.result.name)) {
        floors.set(
          layer,
          builder.add('sub', [goal, twin.get(node.result.name)!], {}, { name: `${layer}.floor` }),
        );
      }
    }
  }
  return { graph: builder.finish(graph.outputs), twin, goals, floors };
}

/** A layer that only this sum reads, with the other summand, if that one is computed before the layer. */
function summands(sum: Node, graph: Graph): [layer: string, shortcut: string][] {
  const order = new Map(graph.nodes.map(({ result }, i) => [result.name, i]));
  const [a, b] = sum.operands as [string, string];
  return (
    [
      [a, b],
      [b, a],
    ] as [string, string][]
  ).filter(([layer, shortcut]) => {
    const at = order.get(layer);
    if (at === undefined || opOf(graph.nodes[at]!.op).traits.layer !== true) return false;
    const readers = graph.nodes.filter(({ operands }) => operands.includes(layer));
    return readers.length === 1 && computedBefore(shortcut, at, graph, order);
  });
}

/** True for a value that needs nothing from position `end` on, wherever it stands itself. */
function computedBefore(
  name: string,
  end: number,
  graph: Graph,
  order: ReadonlyMap<string, number>,
): boolean {
  const at = order.get(name);
  if (at === undefined || at < end) return true;
  const { op, operands } = graph.nodes[at]!;
  const light = op === 'quantize' || op === 'dequantize';
  return light && operands.every((operand) => computedBefore(operand, end, graph, order));
}

function twinOf(
  node: Node,
  graph: Graph,
  builder: GraphBuilder,
  twin: ReadonlyMap<string, string>,
  names: ReadonlySet<string>,
): string {
  const real = (name: string): string => twin.get(name) ?? name;
  if (node.op === 'quantize') return real(node.operands[0]!);
  if (node.op === 'dequantize') {
    const source = node.operands[0]!;
    const stored = graph.constants.get(source);
    return stored === undefined ? real(source) : originalWeights(node, source, stored, graph);
  }
  const operands = node.operands.map(real);
  if (opOf(node.op).traits.layer === true && operands[2] !== undefined) {
    const bias = originalBias(operands[2], graph);
    operands.splice(2, 1, ...(bias === undefined ? [] : [bias]));
  }
  if (operands.every((operand, i) => operand === node.operands[i])) return node.result.name;
  let name = `${node.result.name}.float`;
  while (names.has(name)) name += '.float';
  return builder.add(node.op, operands, node.attributes, { name, location: node.location });
}

function originalWeights(node: Node, stored: string, { type }: Tensor, graph: Graph): string {
  const name = stored.replace(/\.i\d+(\.\d+)?$/, '');
  const original = graph.constants.get(name);
  if (
    name !== stored &&
    original !== undefined &&
    isF32(original.type) &&
    sameShape(original.type.shape, type.shape)
  ) {
    return name;
  }
  return fail(
    'float-twin/weights',
    `the float weights that @${stored} was made from are not in the program`,
    {
      ...(node.location === undefined ? {} : { location: node.location }),
      help: 'run this pass right after insert-quantizers, before eliminate-dead',
    },
  );
}

/** Undefined where the layer had no bias. */
function originalBias(name: string, graph: Graph): string | undefined {
  const base = name.replace(correctedName, '');
  if (base === name) return name;
  return graph.constants.has(base) ? base : undefined;
}
