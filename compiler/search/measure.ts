/**
 * Losses, measured: the quantized program with some assignment next to the float one, on samples that rounding has not seen.
 *
 * - `Bench.joint` measures a program as a whole, settled (`settle.ts`) as compilation would settle it.
 * - `Bench.alone` measures each group of layers changed alone, against the base. What comes before the group is the base and is not
 *   computed again: samples are held as the integers at the cut before it (`passes/layer-walk/slice.ts`), and only the rest is run.
 *
 * Law: a number depends on the program, the samples and the assignment alone, not on what was measured before or restored from a journal: the
 * samples always travel by the same cuts.
 */
import type { Graph, Tensor } from '../../ir/index.ts';
import { cutAfter, sliceOf } from '../../passes/layer-walk/slice.ts';
import type { Executor, Samples } from '../../passes/index.ts';
import { type Divergence, divergenceOf, logitsOf } from './divergence.ts';
import { assemble, uniform, type VariantProgram } from './variants.ts';

/** Layers that are changed together: indices, ascending. */
export type LayerGroup = readonly number[];

export interface MeasureOptions {
  readonly executor: Executor;
  readonly samples: Samples;
  /** Called after each sample: may throw to stop. */
  readonly tick: () => void;
}

/** The logits of a program on every sample. */
export async function logitsOn(graph: Graph, { executor, samples, tick }: MeasureOptions): Promise<Tensor[]> {
  const logits = logitsOf(graph);
  const slice = sliceOf(graph, new Set(graph.inputs.map(({ name }) => name)), [logits]);
  const session = await executor.prepare(slice, [logits]);
  const found: Tensor[] = [];
  try {
    for await (const inputs of samples.read()) {
      const given = slice.inputs.map(
        ({ name }) => inputs[graph.inputs.findIndex((input) => input.name === name)]!,
      );
      found.push((await session.run(given)).get(logits)!);
      tick();
    }
  } finally {
    await session.close();
  }
  return found;
}

/** Called with each measurement of a group of layers changed alone. `known` says which need not be measured. */
export interface AloneVisitor {
  readonly wanted: (group: number, choice: number) => boolean;
  readonly found: (group: number, choice: number, divergence: Divergence) => Promise<void> | void;
}

/** Measures every group at every wanted choice, alone. */
export async function measureAlone(
  program: VariantProgram,
  groups: readonly LayerGroup[],
  reference: readonly Tensor[],
  options: MeasureOptions,
  { wanted, found }: AloneVisitor,
): Promise<void> {
  const { executor, samples, tick } = options;
  const { graph, base, layers, choices, values } = program;
  const order = new Map(graph.nodes.map(({ result }, i) => [result.name, i]));
  const variantNames = values.map((names) => new Set(names.filter((_, i) => i !== base)));
  const ordered = groups
    .map((group, index) => ({ group, index, at: order.get(layers[group[0]!]!.value)! }))
    .sort((a, b) => a.at - b.at);

  let frontier: Map<string, Tensor>[] | undefined;
  let available = new Set(graph.inputs.map(({ name }) => name));
  const passed = new Set<string>();
  const remaining = (): Graph => ({
    ...graph,
    nodes: graph.nodes.filter(({ result }) => !passed.has(result.name)),
  });
  for (const { group, index, at } of ordered) {
    // Nothing computes a variant of a layer that lies behind.
    for (const [layer, names] of variantNames.entries()) {
      if (order.get(layers[layer]!.value)! < at) for (const name of names) passed.add(name);
    }
    const rest = remaining();
    const cut = cutAfter(rest, computedBefore(rest, layers[group[0]!]!.value));
    const moving = [...cut].filter((name) => !available.has(name));
    const step = sliceOf(rest, available, moving);
    const session = await executor.prepare(step, moving);
    const held: Map<string, Tensor>[] = [];
    try {
      const take = async (known: ReadonlyMap<string, Tensor>): Promise<void> => {
        const made = await session.run(step.inputs.map(({ name }) => known.get(name)!));
        held.push(new Map([...cut].map((name) => [name, known.get(name) ?? made.get(name)!])));
      };
      if (frontier === undefined) {
        for await (const inputs of samples.read()) {
          await take(new Map(graph.inputs.map(({ name }, i) => [name, inputs[i]!])));
          tick();
        }
      } else {
        for (let i = 0; i < frontier.length; i++) {
          await take(frontier[i]!);
          frontier[i] = new Map();
          tick();
        }
      }
    } finally {
      await session.close();
    }
    frontier = held;
    available = cut;
    for (const choice of choices.keys()) {
      if (choice === base || !wanted(index, choice)) continue;
      const assignment = uniform(program, base).map((own, layer) => (group.includes(layer) ? choice : own));
      const mixed = assemble(program, assignment);
      const logits = logitsOf(mixed);
      const slice = sliceOf(mixed, available, [logits]);
      const outputs: Tensor[] = [];
      const suffix = await executor.prepare(slice, [logits]);
      try {
        for (const known of frontier) {
          const results = await suffix.run(slice.inputs.map(({ name }) => known.get(name)!));
          outputs.push(results.get(logits)!);
          tick();
        }
      } finally {
        await suffix.close();
      }
      await found(index, choice, divergenceOf(reference, outputs));
    }
  }
}

/** All that comes before a layer, and every quantizer of it: so that values are held as the integers that are read, not as reals. */
function computedBefore(graph: Graph, layer: string): Set<string> {
  const done = new Set(graph.inputs.map(({ name }) => name));
  let before = true;
  for (const { op, operands, result } of graph.nodes) {
    if (result.name === layer) before = false;
    const quantizer = op === 'quantize' || op === 'dequantize';
    const ready = operands.every((operand) => done.has(operand) || graph.constants.has(operand));
    if (ready && (before || quantizer)) done.add(result.name);
  }
  return done;
}
