/**
 * correct-statistics: gives the output of each quantized layer, channel by channel, the mean and the standard deviation that the float layer
 * had. Rounded weights and clipped activations shift and shrink a channel; the layers after it were trained for what it was.
 *
 *     gain  = sd(y) / sd(y')          scale' = gain scale
 *     shift = mean(y) - gain mean(y') ,   b' = gain b + shift
 *
 * y float, y' as the quantized program has it, on the same samples. Both corrections fold into constants and cost nothing at run time.
 * The mean alone would be worse than nothing: it undoes the shift that the shrinking came with. Layers are taken in program order, each
 * behind its corrected predecessors. A channel that hardly varies is only shifted, and a gain is bounded: beyond the bound the
 * channel is broken in a way that a gain does not mend.
 *
 * A program in which every layer multiplies `below` bits or more is left as it is: there is nothing to gain.
 */
import { bitWidth, fail } from '../ir/index.ts';
import { type LayerFacts, type LayerVisit, walkLayers } from './layer-walk/walk-layers.ts';
import { type QuantizedLayer, quantizedLayersOf } from './layer-walk/quantized-layer.ts';
import { definePass } from './pass.ts';

/** A channel whose standard deviation is this small beside the layer's largest is noise. */
const leastDeviation = 2 ** -14;

export const correctStatistics = definePass({
  name: 'correct-statistics',
  summary: 'Match the mean and standard deviation of every channel of every layer to the float program.',
  options: {
    samples: { kind: 'int', summary: 'how many samples to look at', default: 128 },
    below: {
      kind: 'int',
      summary: 'correct programs in which some layer multiplies fewer bits than this',
      default: 8,
    },
    largest_gain: { kind: 'float', summary: 'gains stay between 1 / this and this', default: 2 },
  },
  requires: 'quantized',
  ensures: 'quantized',
  readsSamples: true,
  run: (graph, { samples, below, largest_gain: largestGain }, context) => {
    if (!(largestGain >= 1)) {
      fail('correct-statistics/gain', `largest_gain is ${largestGain}, expected at least 1`, {
        help: 'try 2',
      });
    }
    const narrow = ({ input, weights }: QuantizedLayer): boolean =>
      Math.min(weights.bits, bitWidth(input.type.element.storage)) < below;
    if (!quantizedLayersOf(graph, () => undefined).some(narrow)) return graph;
    return walkLayers(graph, context, {
      label: 'correcting',
      samples,
      compensates: false,
      settings: { below, largestGain },
      visit: (layer, facts) => visitOf(layer, facts, largestGain),
    });
  },
});

function visitOf(layer: QuantizedLayer, { bias: old }: LayerFacts, largestGain: number): LayerVisit {
  const channels = layer.scales.data.length;
  const target = new ChannelStatistics(channels);
  const output = new ChannelStatistics(channels);
  return {
    readsOutput: true,
    observe: (sample) => {
      target.add(sample.target.data as Float32Array, sample.target.type.shape);
      output.add(sample.output!.data as Float32Array, sample.target.type.shape);
      return Promise.resolve();
    },
    revise: () => {
      const scales = layer.scales.data.slice();
      const bias = old.slice();
      const [wanted, made] = [target.deviations(), output.deviations()];
      const floor = leastDeviation * Math.max(...wanted);
      for (let c = 0; c < channels; c++) {
        const steady = !(wanted[c]! > floor && made[c]! > floor);
        const ratio = steady ? 1 : wanted[c]! / made[c]!;
        const scale = Math.fround(scales[c]! * Math.min(Math.max(ratio, 1 / largestGain), largestGain));
        const gain = scale / scales[c]!;
        scales[c] = scale;
        bias[c] = old[c]! * gain + (target.mean(c) - gain * output.mean(c));
      }
      return Promise.resolve({ scales, bias });
    },
  };
}

/** Mean and standard deviation of each channel (axis 1), streamed about each channel's first value so that nothing cancels. */
class ChannelStatistics {
  readonly #origin: Float64Array;
  readonly #sums: Float64Array;
  readonly #squares: Float64Array;
  #count = 0;

  constructor(channels: number) {
    this.#origin = new Float64Array(channels);
    this.#sums = new Float64Array(channels);
    this.#squares = new Float64Array(channels);
  }

  add(data: Float32Array, shape: readonly number[]): void {
    const channels = this.#sums.length;
    const plane = data.length / shape[0]! / channels;
    if (this.#count === 0) for (let c = 0; c < channels; c++) this.#origin[c] = data[c * plane]!;
    for (let n = 0; n < shape[0]!; n++) {
      for (let c = 0; c < channels; c++) {
        const origin = this.#origin[c]!;
        let [sum, squares] = [0, 0];
        const from = (n * channels + c) * plane;
        for (let i = from; i < from + plane; i++) {
          const distance = data[i]! - origin;
          sum += distance;
          squares += distance * distance;
        }
        this.#sums[c]! += sum;
        this.#squares[c]! += squares;
      }
    }
    this.#count += shape[0]! * plane;
  }

  mean(channel: number): number {
    return this.#origin[channel]! + this.#sums[channel]! / this.#count;
  }

  deviations(): Float64Array {
    return this.#squares.map((square, c) =>
      Math.sqrt(Math.max(0, square / this.#count - (this.#sums[c]! / this.#count) ** 2)),
    );
  }
}
