/**
 * Rounds every variant as the compiler rounds a program of its width. What a pipeline does to weights may depend on the narrowest layer of
 * the program (statistics are corrected only where there is something to correct), so variants of different widths are rounded apart:
 * calibrated once together, then, width by width, quantized and rounded beside the base. The results are put back into one program.
 */
import { type Graph, isQuantized, type Node, type TensorType } from '../../ir/index.ts';
import { createPassRegistry, type PassContext, type Pipeline, runPipeline } from '../../passes/index.ts';
import type { VariantProgram } from './variants.ts';

/** `pipeline` leads from noted bits to rounded weights. The base stays as it was rounded beside the widest of the other widths. */
export async function roundVariants(
  program: VariantProgram,
  pipeline: Pipeline,
  context: PassContext,
): Promise<Graph> {
  const registry = createPassRegistry();
  const split = pipeline.findIndex((step) => step.kind === 'pass' && step.name === 'insert-quantizers');
  const calibrated = await runPipeline(program.graph, pipeline.slice(0, split), registry, context);
  let merged: Graph | undefined;
  for (const width of widthsOf(program)) {
    const graph = await runPipeline(
      withVariants(calibrated, program, width),
      pipeline.slice(split),
      registry,
      context,
    );
    merged = merged === undefined ? graph : joined(merged, graph, width);
  }
  return merged ?? (await runPipeline(calibrated, pipeline.slice(split), registry, context));
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
