/**
 * calibrate: runs the float program on samples and notes, on every value that will be stored, the range seen and the range worth
 * representing in 2, 4 and 8 bits. Choosing bits later needs no second run.
 *
 * Samples stream: each value keeps one histogram, so memory is O(values), whatever the number of samples.
 */
import { definePass, type PassContext } from './pass.ts';
import { fail, type Graph, type Notes, producersOf, type Value, valuesOf } from '../ir/index.ts';
import { chooseRange, type ClipMethod, clipMethods } from './clip.ts';
import { Histogram } from './histogram.ts';
import { isNonNegative } from './non-negative.ts';
import { checkPlacement, placementOption, quantizationPoints } from './quantization-points.ts';

/** Returns the graph with notes added to the values named. */
export function annotate(graph: Graph, notes: ReadonlyMap<string, Notes>): Graph {
  const extend = <V extends Value>(value: V): V => {
    const more = notes.get(value.name);
    return more === undefined ? value : { ...value, notes: { ...value.notes, ...more } };
  };
  return {
    ...graph,
    inputs: graph.inputs.map(extend),
    nodes: graph.nodes.map((node) => {
      const result = extend(node.result);
      return result === node.result ? node : { ...node, result };
    }),
  };
}

async function observe(
  graph: Graph,
  values: readonly string[],
  context: PassContext,
): Promise<Map<string, Histogram>> {
  const { samples } = context;
  if (samples === undefined) {
    fail('calibrate/no-samples', 'calibration needs samples, and none were given', {
      help: 'give --calib PATH, or let the compiler generate inputs',
    });
  }
  const histograms = new Map(values.map((name) => [name, new Histogram()]));
  const session = await context.executor.prepare(graph, values);
  try {
    let done = 0;
    for await (const inputs of samples.read()) {
      const tensors = await session.run(inputs);
      for (const [name, histogram] of histograms) histogram.add(tensors.get(name)!.data);
      done += 1;
      context.progress('calibrating', done, samples.count);
    }
    if (done === 0) fail('calibrate/no-samples', `calibration read no sample from ${samples.description}`);
  } finally {
    await session.close();
  }
  return histograms;
}

export const calibrate = definePass({
  name: 'calibrate',
  summary: 'Observe every value to be stored and note the ranges worth representing.',
  options: {
    method: { kind: 'string', summary: `how to choose ranges: ${clipMethods.join(', ')}`, default: 'mse' },
    placement: placementOption,
    signed: {
      kind: 'bool',
      summary: 'symmetric ranges for values that are nowhere below zero too',
      default: false,
    },
  },
  requires: 'float',
  ensures: 'float',
  readsSamples: true,
  run: async (graph, { method, placement, signed }, context) => {
    if (!(clipMethods as readonly string[]).includes(method)) {
      fail('calibrate/method', `no calibration method ${JSON.stringify(method)}`, {
        help: `one of ${clipMethods.join(', ')}`,
      });
    }
    const { stored } = quantizationPoints(graph, checkPlacement(placement));
    const wanted = valuesOf(graph)
      .map(({ name }) => name)
      .filter((name) => stored.has(name));
    const histograms = await observe(graph, wanted, context);
    const makers = producersOf(graph);
    const view = {
      producer: (name: string) => makers.get(name),
      constant: (name: string) => graph.constants.get(name),
    };
    const known = new Map<string, boolean>();
    const inputs = new Set(graph.inputs.map(({ name }) => name));
    const notes = new Map<string, Notes>();
    for (const [name, histogram] of histograms) {
      if (histogram.notFinite > 0) {
        fail(
          'calibrate/not-finite',
          `%${name} takes ${histogram.notFinite} values that are NaN or infinite`,
          {
            help: 'look at the preprocessing and at the weights of the layers before it',
          },
        );
      }
      const bounds = inputs.has(name) && graph.inputs.length === 1 ? context.samples?.bounds : undefined;
      const [min, max] = [Math.min(histogram.min, histogram.max), histogram.max];
      const unsigned = !signed && (bounds === undefined ? isNonNegative(name, view, known) : bounds[0] >= 0);
      if (min === 0 && max === 0) {
        context.report({
          code: 'calibrate/dead-value',
          severity: 'warning',
          message: `%${name} was 0 on all ${context.samples?.description ?? 'samples'}`,
        });
      }
      const range = (bits: number): readonly number[] => {
        // What the preprocessing can produce at all is known exactly: raw bytes get the scale 1.
        if (bounds !== undefined && bits === 8) {
          const top = Math.fround(Math.max(Math.abs(bounds[0]), Math.abs(bounds[1])));
          return unsigned ? [0, top] : [-top, top];
        }
        return chooseRange(method as ClipMethod, { histogram, bits, unsigned });
      };
      notes.set(name, { observed: [min, max], clip2: range(2), clip4: range(4), clip8: range(8) });
    }
    return annotate(graph, notes);
  },
});
