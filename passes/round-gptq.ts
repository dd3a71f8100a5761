/**
 * round-gptq: rounds the weights of each layer for the layer's output instead of for the weights themselves (GPTQ, OBQ), starting from
 * the grid that insert-quantizers chose. Layers are taken in program order, each on the activations that its already rounded
 * predecessors make, so that errors are compensated and do not accumulate:
 *
 *     minimise  sum over samples |conv(x, w) - s conv(x', q) - b'|^2        x float, x' as the quantized program has it
 *
 * over the integers q, the step s of each channel and its bias b', which takes up the mean of what remains. Where a ReLU follows, what it
 * cuts off is left out of account (`layer-walk/rectified-targets.ts`). Only layers below `below` bits are rounded anew: at 8 bits there is nothing to gain.
 * What few samples say of many inputs is partly chance, so the pull towards the float weights grows with the number of inputs per column
 * seen: by half of it, as a share of the mean square. Without it a layer of 4,608 inputs learns its calibration images by heart.
 * Large layers are looked at on some positions of each sample only; see `columnBudget` and `chosenPositions`.
 */
import { fail } from '../ir/index.ts';
import { type GroupRounding, leastSquaresRounding } from './layer-walk/least-squares-rounding.ts';
import { type Moments, MomentsOfLayer, type Targets } from './layer-walk/moments.ts';
import type { QuantizedLayer } from './layer-walk/quantized-layer.ts';
import { type LayerFacts, type LayerVisit, walkLayers } from './layer-walk/walk-layers.ts';
import { matrix, type Matrix } from './linear-algebra/matrix.ts';
import { type Products, productsOn } from './linear-algebra/products.ts';
import { definePass, type PassContext } from './pass.ts';

export const roundGptq = definePass({
  name: 'round-gptq',
  summary: 'Round weights so that each layer makes what it made in float, from the inputs it now has.',
  options: {
    below: { kind: 'int', summary: 'round layers whose weights have fewer bits than this', default: 8 },
    damping: {
      kind: 'float',
      summary: 'pull towards the float weights, as a share of the mean square of an input',
      default: 2 ** -7,
    },
    rectified: {
      kind: 'int',
      summary: 'how often to round again for what passes the ReLU behind a layer',
      default: 1,
    },
    samples: { kind: 'int', summary: 'how many samples to look at', default: 1024 },
  },
  requires: 'quantized',
  ensures: 'quantized',
  readsSamples: true,
  run: async (graph, { below, damping, rectified, samples }, context) => {
    if (!(damping > 0)) {
      fail('round-gptq/damping', `damping is ${damping}, expected a positive share`, { help: 'try 0.01' });
    }
    const products = productsOn(context.executor);
    try {
      return await walkLayers(graph, context, {
        label: 'rounding',
        samples,
        compensates: true,
        settings: { below, damping, rectified },
        visit: (layer, facts) =>
          layer.weights.bits < below
            ? visitOf(layer, facts, { damping, rectified }, products, context)
            : undefined,
      });
    } finally {
      await products.close();
    }
  },
});

interface Settings {
  readonly damping: number;
  readonly rectified: number;
}

function visitOf(
  layer: QuantizedLayer,
  { original, sampleCount }: LayerFacts,
  settings: Settings,
  products: Products,
  context: PassContext,
): LayerVisit {
  // Made at the first sample: only one layer's matrices are alive at a time.
  let moments: MomentsOfLayer | undefined;
  return {
    readsOutput: false,
    observe: async (sample) => {
      moments ??= new MomentsOfLayer(layer, sampleCount, products);
      await moments.add(sample);
    },
    revise: async () => {
      const seen = await moments!.finish();
      moments = undefined;
      const rounded = new RoundedLayer(layer, seen);
      const groups = await groupRoundings(layer, original, seen, settings.damping, products);
      const { before, after } = await rounded.round(groups, seen.targets);
      for (let i = 0; i < settings.rectified && seen.rectified !== undefined; i++) {
        await rounded.round(groups, await seen.rectified(rounded.weights(), rounded.bias()));
      }
      context.explain(
        `%${layer.node.result.name}: rounding left ${(100 * (after / before)).toFixed(1)} % of the error that nearest rounding made`,
      );
      const step = layer.input.type.element.scale as number;
      const bias = Float32Array.from(rounded.bias(), (value) => value * step);
      return { integers: rounded.integers, scales: rounded.scales, bias };
    },
  };
}

function groupRoundings(
  layer: QuantizedLayer,
  original: Float32Array,
  { inputs, count }: Moments,
  damping: number,
  products: Products,
): Promise<(GroupRounding | undefined)[]> {
  const outputs = layer.scales.data.length / layer.groups;
  return Promise.all(
    inputs.map((moments, g) => {
      const taps = moments.rows;
      const [from, end] = [g * outputs, (g + 1) * outputs];
      return leastSquaresRounding(
        {
          inputs: moments,
          original: original.subarray(from * taps, end * taps),
          scales: layer.scales.data.subarray(from, end),
          bits: layer.weights.bits,
          damping: damping + taps / (2 * count),
        },
        products,
      );
    }),
  );
}

/** What a layer has come to so far. Its bias, in steps of the input, takes up the mean that the weights leave. */
class RoundedLayer {
  readonly integers: Int8Array;
  readonly scales: Float32Array;
  readonly #inputMeans: Float64Array;
  readonly #outputs: number;
  readonly #taps: number;
  #targetMeans: Float64Array;

  constructor({ weights, scales, groups }: QuantizedLayer, { inputMeans, targets }: Moments) {
    this.integers = (weights.tensor.data as Int8Array).slice();
    this.scales = scales.data.slice();
    this.#inputMeans = inputMeans;
    this.#targetMeans = targets.means;
    this.#outputs = this.scales.length / groups;
    this.#taps = this.integers.length / this.scales.length;
  }

  /** Rounds every group for its targets. The error before and after, over all channels. */
  async round(
    groups: readonly (GroupRounding | undefined)[],
    targets: Targets,
  ): Promise<{ before: number; after: number }> {
    let [before, after] = [0, 0];
    for (const [g, round] of groups.entries()) {
      if (round === undefined) continue;
      const [from, end] = [g * this.#outputs, (g + 1) * this.#outputs];
      const solution = await round(targets.groups[g]!, {
        integers: this.integers.subarray(from * this.#taps, end * this.#taps),
        scales: this.scales.subarray(from, end),
      });
      this.integers.set(solution.integers, from * this.#taps);
      this.scales.set(solution.scales, from);
      for (const error of solution.before) before += error;
      for (const error of solution.after) after += error;
    }
    this.#targetMeans = targets.means;
    return { before, after };
  }

  weights(): Matrix {
    const taps = this.#taps;
    const reals = Float32Array.from(this.integers, (q, i) => q * this.scales[Math.floor(i / taps)]!);
    return matrix(this.scales.length, taps, reals);
  }

  bias(): Float64Array {
    return this.#targetMeans.map((mean, o) => {
      const means = Math.floor(o / this.#outputs) * this.#taps;
      let made = 0;
      for (let i = 0; i < this.#taps; i++) {
        made += this.integers[o * this.#taps + i]! * this.#inputMeans[means + i]!;
      }
      return mean - made * this.scales[o]!;
    });
  }
}
