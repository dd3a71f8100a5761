/**
 * From a training back into the pipeline, in two passes around the folding of batch norms:
 *
 *   restore-weights   puts the trained numbers in the place of the model's own, in the program that training was emitted from
 *   restore-ranges    notes on the folded program what training decided: bits, the steps of activations, the steps of weights
 *
 * Folding multiplies the weights of channel o by gain[o]; the step of the channel goes along, so the integers are those that training saw:
 *
 *     step'[o] = step[o] * max |w'[o]| / max |w[o]|
 */
import { programWeights, trainingWeights } from '../../backends/tfjs/layout.ts';
import {
  fail,
  type Graph,
  type Node,
  type Notes,
  opOf,
  type Tensor,
  tensor,
  usersOf,
} from '../../ir/index.ts';
import { annotate } from '../../passes/calibrate.ts';
import {
  definePass,
  floatPipeline,
  type Pass,
  parsePipeline,
  type Pipeline,
  trainingPipeline,
} from '../../passes/index.ts';
import { quantizationPoints } from '../../passes/quantization-points.ts';
import type { TrainedLayer, TrainedModel } from './trained-model.ts';

/** Passes that carry a training's result, for one compilation. */
export function restorePasses(trained: TrainedModel): Pass[] {
  /** For each trained layer the values that may be its result once batch norms are folded. */
  const results = new Map<TrainedLayer, readonly string[]>();
  const restoreWeights = definePass({
    name: 'restore-weights',
    summary: 'Puts trained weights in the place of those of the model.',
    options: {},
    requires: 'float',
    ensures: 'float',
    run: (graph) => {
      for (const layer of trained.layers) results.set(layer, resultsOf(graph, layer));
      return withTrained(graph, trained);
    },
  });
  const restoreRanges = definePass({
    name: 'restore-ranges',
    summary: 'Notes the bits and steps that training decided.',
    options: {},
    requires: 'float',
    ensures: 'float',
    run: (graph) => annotate(graph, rangesOf(graph, trained, results)),
  });
  return [restoreWeights, restoreRanges];
}

/** The passes from a float program to the one that training made, at the quantized or the integer level. */
export function restorePipeline(to: 'quantized' | 'integer'): Pipeline {
  const afterwards = floatPipeline.slice(floatPipeline.indexOf('fold-batchnorm'));
  const lower = to === 'integer' ? ',lower-to-integer,bound-accumulators,eliminate-dead' : '';
  return parsePipeline(
    `${trainingPipeline},restore-weights,${afterwards},restore-ranges,insert-quantizers,eliminate-dead${lower}`,
  );
}

/** The result of the layer with these weights, and of each batch norm or affine behind it. */
function resultsOf(graph: Graph, { weights }: TrainedLayer): string[] {
  const node = graph.nodes.find(
    ({ op, operands }) => opOf(op).traits.layer === true && operands[1] === weights,
  );
  if (node === undefined) {
    return fail(
      'training/other-model',
      `the model has no layer with the weights ${JSON.stringify(weights)}`,
      {
        help: 'compile the model that the training project was made from',
      },
    );
  }
  const users = usersOf(graph);
  const values = [node.result.name];
  let next: Node | undefined = node;
  while (next !== undefined) {
    const readers: readonly Node[] = users.get(next.result.name) ?? [];
    next = readers.length === 1 && ['batch_norm', 'affine'].includes(readers[0]!.op) ? readers[0] : undefined;
    if (next !== undefined) values.push(next.result.name);
  }
  return values;
}

function withTrained(graph: Graph, { tensors, name }: TrainedModel): Graph {
  const filters = new Set(
    graph.nodes.filter(({ op }) => opOf(op).traits.layer === true).map(({ operands }) => operands[1]!),
  );
  const constants = new Map(graph.constants);
  for (const [constant, value] of graph.constants) {
    const found = tensors.get(constant);
    if (found === undefined) continue;
    const expected = filters.has(constant) ? trainingWeights(value).shape : value.type.shape;
    // Constants that training only reads may be laid out its own way; they did not change.
    if (found.shape.join() !== expected.join()) {
      if (!filters.has(constant) && value.type.shape.length > 1) continue;
      fail(
        'training/other-model',
        `${JSON.stringify(constant)} has the shape [${found.shape.join(', ')}] in the training of ${name}, [${expected.join(', ')}] in the model`,
        {
          help: 'compile the model that the training project was made from',
        },
      );
    }
    if (filters.has(constant)) {
      const given: Tensor = { type: { ...value.type, shape: found.shape }, data: found.data };
      const { shape, data } = programWeights(given);
      constants.set(constant, tensor({ ...value.type, shape }, data));
    } else constants.set(constant, { type: value.type, data: found.data });
  }
  return { ...graph, constants };
}

function rangesOf(
  graph: Graph,
  { layers, quantizers, tensors }: TrainedModel,
  results: ReadonlyMap<TrainedLayer, readonly string[]>,
): Map<string, Notes> {
  const notes = new Map<string, Notes>();
  const add = (value: string, more: Notes): void => {
    notes.set(value, { ...notes.get(value), ...more });
  };
  for (const layer of layers) {
    const candidates = results.get(layer) ?? [];
    const node = graph.nodes.find(
      ({ op, result }) => opOf(op).traits.layer === true && candidates.includes(result.name),
    );
    if (node === undefined) throw new Error(`the layer of ${layer.weights} is gone after folding`);
    add(node.result.name, {
      weight_bits: layer.weightBits,
      activation_bits: layer.activationBits,
      weight_steps: stepsOf(graph, node, layer, tensors),
    });
  }
  for (const { value, bits, signed, step } of quantizers) {
    const reach = Math.fround(step * (signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1));
    add(value, { [`clip${bits}`]: [signed ? -reach : 0, reach] });
  }
  const known = new Set(quantizers.map(({ value, bits }) => `${value}/${bits}`));
  const annotated = annotate(graph, notes);
  for (const [value, widths] of quantizationPoints(annotated).stored) {
    const maker = graph.nodes.find(({ result }) => result.name === value);
    if (maker !== undefined && opOf(maker.op).traits.transparent === true) continue;
    const missing = widths.find((bits) => !known.has(`${value}/${bits}`));
    if (missing !== undefined) {
      fail('training/quantizers', `training had no quantizer of ${missing} bits for %${value}`, {
        help: 'compile the model that the training project was made from, with the same compiler',
      });
    }
  }
  return notes;
}

/** Steps of the folded weights, one for each output channel. */
function stepsOf(
  graph: Graph,
  node: Node,
  { weights }: TrainedLayer,
  tensors: TrainedModel['tensors'],
): number[] {
  const folded = graph.constants.get(node.operands[1]!)!;
  const trained = tensors.get(weights)!;
  const steps = tensors.get(`${weights}.step`);
  const outputs = folded.type.shape[0]!;
  if (steps?.data.length !== outputs)
    throw new Error(`${weights} has no step for each of its ${outputs} channels`);
  const taps = folded.data.length / outputs;
  return Array.from(steps.data, (step, o) => {
    let [after, before] = [0, 0];
    for (let i = 0; i < taps; i++) {
      after = Math.max(after, Math.abs(folded.data[o * taps + i]!));
      before = Math.max(before, Math.abs(trained.data[i * outputs + o]!));
    }
    return Math.fround(before === 0 ? step : (step * after) / before);
  });
}
