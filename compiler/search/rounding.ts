/**
 * Rounds every variant as the compiler rounds a program of its width. What a pipeline does to weights may depend on the narrowest layer of
 * the program (statistics are corrected only where there is something to correct), so variants of different widths are rounded apart:
 * calibrated once together, then, width by width, quantized and rounded beside the base. The results are put back into one program.
 */
import { type Graph, isQuantized, type Node, opOf, type TensorType, usersOf } from '../../ir/index.ts';
import { annotate } from '../../passes/calibrate.ts';
import {
  createPassRegistry,
  layersOf,
  type PassContext,
  type Pipeline,
  printPipeline,
  runPipeline,
} from '../../passes/index.ts';
import type { Precision } from '../../passes/selector/index.ts';
import { addVariants, type VariantProgram } from './variants.ts';

/**
 * The float program as the pipeline shapes it for narrow activations, before anything is calibrated: variants are made of that, so that all
 * of a layer's have the same weights, whatever channels were evened out between it and the next.
 */
async function shaped(
  float: Graph,
  choices: readonly Precision[],
  pipeline: Pipeline,
  context: PassContext,
): Promise<Graph> {
  const steps = pipeline.slice(0, position(pipeline, 'calibrate'));
  if (steps.length === 0) return float;
  const narrowest = Math.min(...choices.map(({ activationBits }) => activationBits));
  const notes = new Map(layersOf(float).map(({ value }) => [value, { activation_bits: narrowest }]));
  return runPipeline(annotate(float, notes), steps, createPassRegistry(), context);
}

/** Every layer at every choice, rounded. `pipeline` leads from noted bits to rounded weights. */
export async function roundVariants(
  float: Graph,
  choices: readonly Precision[],
  base: number,
  pipeline: Pipeline,
  context: PassContext,
): Promise<VariantProgram> {
  const registry = createPassRegistry();
  const program = addVariants(await shaped(float, choices, pipeline, context), choices, base);
  const [start, split] = [position(pipeline, 'calibrate'), position(pipeline, 'insert-quantizers')];
  const calibrated = await runPipeline(program.graph, pipeline.slice(start, split), registry, context);
  let merged: Graph | undefined;
  for (const width of widthsOf(program)) {
    const alike = withVariants(calibrated, program, width);
    const quantized = await runPipeline(alike, pipeline.slice(split, split + 1), registry, context);
    const read = withReaders(quantized, program);
    const rounded = await runPipeline(read, pipeline.slice(split + 1), registry, context);
    const graph = withoutReaders(rounded, quantized);
    merged = merged === undefined ? graph : joined(merged, graph, width);
  }
  return {
    ...program,
    graph: merged ?? (await runPipeline(calibrated, pipeline.slice(split), registry, context)),
  };
}

function position(pipeline: Pipeline, pass: string): number {
  const found = pipeline.findIndex((step) => step.kind === 'pass' && step.name === pass);
  if (found < 0) throw new Error(`there is no ${pass} in ${printPipeline(pipeline)}`);
  return found;
}

/** Widths of the weights of variants, widest first. */
function widthsOf({ choices, base }: VariantProgram): number[] {
  const widths = choices.flatMap(({ weightBits }, i) => (i === base ? [] : [weightBits]));
  return [...new Set(widths)].sort((a, b) => b - a);
}

/** The program with the variants of one width of weights. */
function withVariants(graph: Graph, { values, choices, base }: VariantProgram, width: number): Graph {
  const others = new Set(
    values.flatMap((names) =>
      names.filter((_, choice) => choice !== base && choices[choice]!.weightBits !== width),
    ),
  );
  return {
    ...graph,
    nodes: graph.nodes.filter(({ result }) => !others.has(result.name)),
    outputs: graph.outputs.filter((name) => !others.has(name)),
  };
}

/**
 * The program with, behind every variant, what stands behind its layer: the sum that it is added to and the ReLU. How a layer is rounded depends on
 * what becomes of its result, and nothing reads a variant's.
 */
function withReaders(graph: Graph, { values, base }: VariantProgram): Graph {
  const users = usersOf(graph);
  const made = new Set(graph.nodes.map(({ result }) => result.name));
  /** Node -> its copies for the variants of the layer in front of it. */
  const copies = new Map<string, Node[]>();
  const ends = new Map<string, string>();
  for (const names of values) {
    const layer = names[base]!;
    const variants = names.filter((name) => name !== layer && made.has(name));
    for (const variant of variants) {
      let [from, to] = [layer, variant];
      for (let next = onlyReader(from, users); next !== undefined; next = onlyReader(from, users)) {
        const { name } = next.result;
        const operands = next.operands.map((operand) => (operand === from ? to : operand));
        const result = { ...next.result, name: freeName(`${variant}.read`, made) };
        copies.set(name, [...(copies.get(name) ?? []), { ...next, operands, result }]);
        made.add(result.name);
        [from, to] = [name, result.name];
        if (opOf(next.op).traits.clamp !== undefined) break;
      }
      if (to !== variant) ends.set(variant, to);
    }
  }
  return {
    ...graph,
    nodes: graph.nodes.flatMap((node) => [node, ...(copies.get(node.result.name) ?? [])]),
    outputs: graph.outputs.map((name) => ends.get(name) ?? name),
  };
}

/** The one node that reads a value, if it is a sum or a clamp that goes on in the accumulator. */
function onlyReader(name: string, users: ReadonlyMap<string, readonly Node[]>): Node | undefined {
  const [reader, ...others] = users.get(name) ?? [];
  if (reader === undefined || others.length > 0) return undefined;
  return reader.op === 'add' || opOf(reader.op).traits.clamp !== undefined ? reader : undefined;
}

function freeName(base: string, taken: ReadonlySet<string>): string {
  let name = base;
  while (taken.has(name)) name += '.read';
  return name;
}

/** The rounded program with the nodes and outputs that it had before readers were added. */
function withoutReaders(rounded: Graph, before: Graph): Graph {
  const known = new Set(before.nodes.map(({ result }) => result.name));
  return {
    ...rounded,
    nodes: rounded.nodes.filter(({ result }) => known.has(result.name)),
    outputs: before.outputs,
  };
}

/**
 * The first program with the variants of the second. A name means the same value in both: names tell of widths, and variants of one width
 * are in one program. Only what variants multiply by, their steps and biases, may have the name of something else, and gets another.
 */
function joined(first: Graph, second: Graph, width: number): Graph {
  const known = new Set(first.nodes.map(({ result }) => result.name));
  const constants = new Map(first.constants);
  const names = new Map<string, string>();
  const place = (name: string): string => {
    const done = names.get(name);
    if (done !== undefined) return done;
    const value = second.constants.get(name);
    if (value === undefined) return name;
    let free = name;
    while (constants.has(free) && constants.get(free)!.data !== value.data) free += `.w${width}`;
    names.set(name, free);
    constants.set(free, { ...value, type: placed(value.type) });
    return free;
  };
  const placed = (type: TensorType): TensorType =>
    isQuantized(type) && typeof type.element.scale === 'string'
      ? { ...type, element: { ...type.element, scale: place(type.element.scale) } }
      : type;
  // Each new node stands behind the one it stood behind: after what it reads, before what may come to read it.
  const followers = new Map<string, Node[]>();
  let anchor = '';
  for (const node of second.nodes) {
    if (known.has(node.result.name)) {
      anchor = node.result.name;
      continue;
    }
    const result = { ...node.result, type: placed(node.result.type) };
    const own: Node = { ...node, operands: node.operands.map(place), result };
    followers.set(anchor, [...(followers.get(anchor) ?? []), own]);
  }
  return {
    ...first,
    constants,
    nodes: [
      ...(followers.get('') ?? []),
      ...first.nodes.flatMap((node) => [node, ...(followers.get(node.result.name) ?? [])]),
    ],
    outputs: [...first.outputs, ...second.outputs.filter((name) => !first.outputs.includes(name))],
  };
}
