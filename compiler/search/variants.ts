/**
 * One program that holds every choice of every layer. Beside each layer, which has the base's bits, stand its variants: the same layer on the
 * same operands at other bits, whose results nothing reads.
 *
 *     %y = conv2d(%x, @w, @b)            {w8a8}
 *     %y.w4a4 = conv2d(%x, @w, @b)       {w4a4}
 *
 * The compiler's own passes quantize and round it like any program, so each variant gets the integers that it has behind predecessors at the
 * base's bits, from one walk for all. A program with any mixture of bits is then put together by renaming: what read %y reads %y.w4a4.
 */
import { fail, type Graph, GraphBuilder, type Node, type Notes } from '../../ir/index.ts';
import { sliceOf } from '../../passes/layer-walk/slice.ts';
import { formatPrecision, type Precision } from '../../passes/selector/index.ts';
import { type Layer, layersOf } from '../../passes/layers.ts';

export interface VariantProgram {
  /** Outputs: those of the model, then every variant. */
  readonly graph: Graph;
  /** How many outputs are the model's. */
  readonly outputs: number;
  /** Layers of the model, in program order. */
  readonly layers: readonly Layer[];
  /** What a layer may be; the base is `choices[base]`. */
  readonly choices: readonly Precision[];
  readonly base: number;
  /** `values[layer][choice]`: the value that the layer makes with that choice. */
  readonly values: readonly (readonly string[])[];
}

/** Which choice each layer takes: an index into `choices` for each. */
export type Assignment = readonly number[];

/** Adds variants to a float program. The bits of all layers and variants are noted, as `assign-bits` does. */
export function addVariants(graph: Graph, choices: readonly Precision[], base: number): VariantProgram {
  const layers = layersOf(graph);
  if (layers.length === 0) {
    fail('search/no-layers', 'the model has no convolution and no dense layer: there are no bits to choose');
  }
  const at = new Map(layers.map((layer, i) => [layer.value, i]));
  const builder = new GraphBuilder(graph.name);
  for (const [name, value] of graph.constants) builder.constant(name, value);
  for (const input of graph.inputs) builder.addInput(input);
  const names = new Set(graph.nodes.map(({ result }) => result.name));
  const values: string[][] = layers.map(({ value }) => choices.map(() => value));
  const added: string[] = [];
  for (const node of graph.nodes) {
    const layer = at.get(node.result.name);
    if (layer === undefined) {
      builder.addNode(node);
      continue;
    }
    builder.addNode(noted(node, node.result.name, choices[base]!));
    for (const [i, choice] of choices.entries()) {
      if (i === base) continue;
      let name = `${node.result.name}.${formatPrecision(choice)}`;
      while (names.has(name)) name += '.variant';
      names.add(name);
      builder.addNode(noted(node, name, choice));
      values[layer]![i] = name;
      added.push(name);
    }
  }
  return {
    graph: builder.finish([...graph.outputs, ...added]),
    outputs: graph.outputs.length,
    layers,
    choices,
    base,
    values,
  };
}

function noted(node: Node, name: string, { weightBits, activationBits }: Precision): Node {
  const notes: Notes = { ...node.result.notes, weight_bits: weightBits, activation_bits: activationBits };
  return { ...node, result: { ...node.result, name, notes } };
}

/** The program in which each layer is what `assignment` says, and nothing else is left but what its outputs need. */
export function assemble(program: VariantProgram, assignment: Assignment): Graph {
  const { graph, base, values, outputs } = program;
  const renamed = new Map(
    values.flatMap((names, layer) => {
      const [from, to] = [names[base]!, names[assignment[layer]!]!];
      return from === to ? [] : [[from, to] as const];
    }),
  );
  const now = (name: string): string => renamed.get(name) ?? name;
  const nodes = graph.nodes.map((node) =>
    node.operands.some((operand) => renamed.has(operand))
      ? { ...node, operands: node.operands.map(now) }
      : node,
  );
  const wanted = graph.outputs.slice(0, outputs).map(now);
  const mixed: Graph = { ...graph, nodes, outputs: wanted };
  const { inputs, ...slice } = sliceOf(mixed, new Set(graph.inputs.map(({ name }) => name)), wanted);
  return inputs.length === graph.inputs.length ? { ...slice, inputs } : { ...slice, inputs: graph.inputs };
}

/** The same layers, all with one choice. */
export function uniform({ layers }: VariantProgram, choice: number): Assignment {
  return layers.map(() => choice);
}
