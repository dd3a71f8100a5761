/**
 * round-gptq: rounds the weights of each layer for the layer's output instead of for the weights themselves (GPTQ, OBQ), on the grid
 * that insert-quantizers chose. Layers are taken in program order, each on the activations that its already rounded
 * predecessors make, so that errors are compensated and do not accumulate:
 *
 *     minimise  sum over samples |conv(x, w) - conv(x', q) - b'|^2        x float, x' as the quantized program has it
 *
 * The bias takes up the mean of what remains. Only layers below `below` bits are rounded anew: at 8 bits there is nothing to gain.
 * What few samples say of many inputs is partly chance, so the pull towards the float weights grows with the number of inputs per column
 * seen: by half of it, as a share of the mean square. Without it a layer of 4,608 inputs learns its calibration images by heart.
 * Large layers are looked at on some positions of each sample only; see `columnBudget` and `chosenPositions`.
 */
import { fail } from '../ir/index.ts';
import { roundByLeastSquares } from './layer-walk/least-squares-rounding.ts';
import { MomentsOfLayer } from './layer-walk/moments.ts';
import { type LayerFacts, type LayerVisit, walkLayers } from './layer-walk/walk-layers.ts';
import type { QuantizedLayer } from './layer-walk/quantized-layer.ts';
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
    samples: { kind: 'int', summary: 'how many samples to look at', default: 256 },
  },
  requires: 'quantized',
  ensures: 'quantized',
  run: async (graph, { below, damping, samples }, context) => {
    if (!(damping > 0)) {
      fail('round-gptq/damping', `damping is ${damping}, expected a positive share`, { help: 'try 0.01' });
    }
    const products = productsOn(context.executor);
    try {
      return await walkLayers(graph, context, {
        label: 'rounding',
        samples,
        compensates: true,
        settings: { below, damping },
        visit: (layer, facts) =>
          layer.weights.bits < below ? visitOf(layer, facts, damping, products, context) : undefined,
      });
    } finally {
      await products.close();
    }
  },
});

function visitOf(
  layer: QuantizedLayer,
  { original, sampleCount }: LayerFacts,
  damping: number,
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
      const { count, groups, inputMeans, targetMeans } = await moments!.finish();
      moments = undefined;
      const { data: scales } = layer.scales;
      const integers = (layer.weights.tensor.data as Int8Array).slice();
      const bias = new Float32Array(scales.length);
      const step = layer.input.type.element.scale as number;
      const [outputs, taps] = [scales.length / groups.length, integers.length / scales.length];
      let [before, after] = [0, 0];
      for (const [g, group] of groups.entries()) {
        const [from, end] = [g * outputs, (g + 1) * outputs];
        const solution = await roundByLeastSquares(
          {
            moments: group,
            original: original.subarray(from * taps, end * taps),
            integers: integers.slice(from * taps, end * taps),
            scales: scales.subarray(from, end),
            bits: layer.weights.bits,
            damping: damping + taps / (2 * count),
          },
          products,
        );
        if (solution === undefined) continue;
        integers.set(solution.integers, from * taps);
        before += solution.before.reduce((sum, error) => sum + error, 0);
        after += solution.after.reduce((sum, error) => sum + error, 0);
      }
      for (let o = 0; o < bias.length; o++) {
        const means = Math.floor(o / outputs) * taps;
        let made = 0;
        for (let i = 0; i < taps; i++) made += integers[o * taps + i]! * inputMeans[means + i]!;
        bias[o] = (targetMeans[o]! - made * scales[o]!) * step;
      }
      context.explain(
        `%${layer.node.result.name}: rounding left ${(100 * (after / before)).toFixed(1)} % of the error that nearest rounding made`,
      );
      return { integers, bias };
    },
  };
}
