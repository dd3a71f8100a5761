/**
 * Walks a quantized program layer by layer, in program order, with its float twin beside it. At each layer that the visitor asks for, all
 * samples stream by: what the layer reads (from predecessors that are already revised), what it should make and, if wanted, what it
 * makes; then the visitor may revise the layer, and the walk goes on from the revised one.
 *
 * Nothing is computed from the beginning again: between two layers every sample is held as the values at that cut of the program,
 * activations as stored integers. One walk costs about one run of both programs per sample, and memory is
 * O(samples x the widest cut).
 *
 * Where the context has a store, every revision is kept in it, and a walk that was interrupted takes back what it had: the samples still
 * run through the revised layers, in the very pieces they would have, so that every bit comes out the same; but nothing is observed or
 * solved again. A walk that had come to its end is not run at all.
 */
import {
  elementCount,
  fail,
  f32,
  type Graph,
  GraphBuilder,
  tensor,
  type Tensor,
  typesOf,
} from '../../ir/index.ts';
import type { PassContext } from '../pass.ts';
import { correctedName, correctedSuffix, joinFloatTwin } from './float-twin.ts';
import { keptRevisions } from './kept-revisions.ts';
import { type QuantizedLayer, quantizedLayersOf, type Revision } from './quantized-layer.ts';
import { cutAfter, sliceOf } from './slice.ts';

export interface LayerSample {
  /** The stored integers that the layer reads. */
  readonly input: Tensor;
  /** What the float layer makes of the float input, f32, bias included. */
  readonly target: Tensor;
  /** Below this it does not matter what the layer makes, for a ReLU follows: one for each value of the target, or 0 for all. */
  readonly floor?: Tensor | 0;
  /** What the quantized layer makes, f32; absent unless the visit asked for it. */
  readonly output?: Tensor;
  readonly index: number;
}

export interface LayerVisit {
  readonly readsOutput: boolean;
  readonly observe: (sample: LayerSample) => Promise<void>;
  readonly revise: () => Promise<Revision | undefined>;
}

export interface WalkOptions {
  /** Shown with progress. */
  readonly label: string;
  /** At most so many samples. */
  readonly samples: number;
  /** Targets make up for the error of the shortcut that a layer's result is added to. */
  readonly compensates: boolean;
  /** What else visits depend on: two walks over one program that differ in nothing written here make the same revisions. */
  readonly settings: Readonly<Record<string, number | string | boolean>>;
  /** Undefined for a layer that is to be passed by. `bias` is what it adds now, `original` its float weights. */
  readonly visit: (layer: QuantizedLayer, facts: LayerFacts) => LayerVisit | undefined;
}

export interface LayerFacts {
  readonly original: Float32Array;
  readonly bias: Float32Array;
  /** Position among the layers of the program. */
  readonly index: number;
  readonly sampleCount: number;
}

/** The program with its revised layers; the same object when none was revised. */
export async function walkLayers(graph: Graph, context: PassContext, options: WalkOptions): Promise<Graph> {
  const { samples } = context;
  if (samples === undefined) {
    fail('walk-layers/no-samples', `${options.label} needs samples, and none were given`, {
      help: 'give --calib PATH, or let the compiler generate inputs',
    });
  }
  const layers = quantizedLayersOf(graph, (node, reason) => {
    context.explain(`%${node.result.name} keeps its weights: ${reason}`);
  });
  const separated = separateBiases(graph, layers);
  const { graph: joined, twin, goals, floors } = joinFloatTwin(separated.graph);
  const types = typesOf(joined);
  const constants = new Map(joined.constants);
  const sampleCount = Math.min(options.samples, samples.count);
  const revised = new Set<string>();

  const visits = layers.flatMap((layer, index) => {
    const { name } = layer.node.result;
    const original = joined.constants.get(twinWeights(joined, twin.get(name)!))!.data as Float32Array;
    const bias = constants.get(separated.biases.get(name)!)!.data as Float32Array;
    const visit = options.visit(layer, { original, bias, index, sampleCount });
    return visit === undefined ? [] : [{ layer, visit, index }];
  });
  if (visits.length === 0) return graph;

  const { label, compensates, settings } = options;
  const kept = await keptRevisions(context, graph, { label, compensates, settings, samples: sampleCount });
  const resumed = await kept.take(visits.map(({ layer }) => layer));
  if (resumed.length > 0) {
    context.report({
      code: 'walk-layers/resumed',
      severity: 'note',
      message: `${label}: ${resumed.length} of ${visits.length} layers are taken from an earlier run that did not end`,
    });
  }
  const apply = ({ node, weights, scales }: QuantizedLayer, revision: Revision | undefined): void => {
    if (revision === undefined) return;
    const { name } = node.result;
    revised.add(name);
    const replace = (constant: string, data: Int8Array | Float32Array | undefined): void => {
      if (data !== undefined) constants.set(constant, tensor(constants.get(constant)!.type, data));
    };
    replace(weights.name, revision.integers);
    replace(scales.name, revision.scales);
    replace(separated.biases.get(name)!, revision.bias);
  };
  // Nothing is left to look at.
  if (resumed.length === visits.length) {
    for (const [i, { layer }] of visits.entries()) apply(layer, resumed[i]!.revision);
    return revised.size === 0 ? graph : separated.keeping(revised, constants);
  }

  const order = new Map(joined.nodes.map(({ result }, i) => [result.name, i]));
  const size = (name: string): number => elementCount(types.get(name)!.shape);
  let frontier: Map<string, Tensor>[] | undefined;
  let available = new Set(joined.inputs.map(({ name }) => name));
  for (const [step, { layer, visit }] of visits.entries()) {
    const { name } = layer.node.result;
    const target = twin.get(name)!;
    const goal = (options.compensates ? goals.get(name) : undefined) ?? target;
    const done = new Set(joined.nodes.slice(0, order.get(name)).map(({ result }) => result.name));
    // The target is kept rather than made again, unless it is much larger than what it is made from.
    const source = joined.nodes[order.get(target)!]!.operands[0]!;
    if (size(target) <= 2 * size(source)) done.add(target);
    const floor = options.compensates ? floors.get(name) : undefined;
    const cut = cutAfter(joined, done);
    const wanted = new Set([
      ...cut,
      layer.input.name,
      goal,
      ...(typeof floor === 'string' ? [floor] : []),
      ...(visit.readsOutput ? [name] : []),
    ]);
    const current: Graph = { ...joined, constants };
    const computed = [...wanted].filter((value) => !available.has(value));
    const slice = sliceOf(current, available, computed);
    const session = await context.executor.prepare(slice, computed);
    const held: Map<string, Tensor>[] = [];
    try {
      const take = async (known: Map<string, Tensor>, index: number): Promise<void> => {
        const results = await session.run(slice.inputs.map((input) => known.get(input.name)!));
        const at = (value: string): Tensor => known.get(value) ?? results.get(value)!;
        if (step >= resumed.length) {
          await visit.observe({
            input: at(layer.input.name),
            target: at(goal),
            ...(floor === undefined ? {} : { floor: floor === 0 ? 0 : at(floor) }),
            ...(visit.readsOutput ? { output: at(name) } : {}),
            index,
          });
        }
        held[index] = new Map([...cut].map((value) => [value, at(value)]));
        context.progress(options.label, step * sampleCount + index + 1, visits.length * sampleCount);
      };
      if (frontier === undefined) {
        let index = 0;
        for await (const inputs of samples.read()) {
          if (index >= sampleCount) break;
          await take(new Map(joined.inputs.map((input, i) => [input.name, inputs[i]!])), index++);
        }
        if (index === 0)
          fail('walk-layers/no-samples', `${options.label} read no sample from ${samples.description}`);
      } else {
        // Each sample's former cut is let go as soon as its next one is there.
        for (let index = 0; index < frontier.length; index++) {
          await take(frontier[index]!, index);
          frontier[index] = new Map();
        }
      }
    } finally {
      await session.close();
    }
    frontier = held;
    available = cut;
    const taken = resumed[step];
    const revision = taken === undefined ? await visit.revise() : taken.revision;
    apply(layer, revision);
    if (taken === undefined) await kept.save(layer, revision);
  }
  return revised.size === 0 ? graph : separated.keeping(revised, constants);
}

/** The constant that a float layer multiplies by. */
function twinWeights(joined: Graph, name: string): string {
  return joined.nodes.find(({ result }) => result.name === name)!.operands[1]!;
}

interface SeparatedBiases {
  /** The program in which every such layer adds a constant of its own. */
  readonly graph: Graph;
  /** Layer -> the name of that constant. */
  readonly biases: ReadonlyMap<string, string>;
  /** The program with only the `revised` layers' biases separated, and `constants` for its own. */
  readonly keeping: (revised: ReadonlySet<string>, constants: ReadonlyMap<string, Tensor>) => Graph;
}

/** What a layer added in float must stay readable beside what it adds once corrected: the next pass compares with it. */
function separateBiases(graph: Graph, layers: readonly QuantizedLayer[]): SeparatedBiases {
  const biases = new Map<string, string>();
  const names = new GraphBuilder(graph.name);
  for (const [name, value] of graph.constants) names.constant(name, value);
  for (const input of graph.inputs) names.addInput(input);
  for (const node of graph.nodes) names.addNode(node);
  const added = new Map<string, Tensor>();
  for (const { node } of layers) {
    const bias = node.operands[2];
    const old = bias === undefined ? undefined : graph.constants.get(bias);
    if (bias !== undefined && correctedName.test(bias)) {
      biases.set(node.result.name, bias);
      continue;
    }
    const type = f32([node.result.type.shape[1]!]);
    const value = tensor(type, old?.data ?? new Float32Array(type.shape[0]!));
    const name = names.constant(`${bias ?? node.result.name}${correctedSuffix}`, value);
    added.set(name, value);
    biases.set(node.result.name, name);
  }
  const rebuilt = (which: (layer: string) => boolean, constants: ReadonlyMap<string, Tensor>): Graph => ({
    ...graph,
    constants,
    nodes: graph.nodes.map((node) => {
      const bias = biases.get(node.result.name);
      if (bias === undefined || !which(node.result.name) || node.operands[2] === bias) return node;
      return { ...node, operands: [...node.operands.slice(0, 2), bias] };
    }),
  });
  return {
    graph: rebuilt(() => true, new Map([...graph.constants, ...added])),
    biases,
    keeping: (revised, constants) => {
      const kept = [...constants].filter(([name]) => {
        if (graph.constants.has(name)) return true;
        return [...revised].some((layer) => biases.get(layer) === name);
      });
      return rebuilt((layer) => revised.has(layer), new Map(kept));
    },
  };
}
