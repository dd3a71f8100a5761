/**
 * Weights to integers: symmetric, one scale per output channel, narrow range [-(2^(b-1)-1), 2^(b-1)-1], round to nearest.
 *
 *   max   scale[o] = max |w[o]| / limit
 *   mse   the fraction of that, down to a third, which minimises the squared error of the channel
 *
 * A channel whose weights are (almost) zero would get a scale so small that its bias leaves int32 when it is counted in steps of
 * scale(x) * scale[o]. `floor` is the smallest scale that the caller can count with; a channel lifted to it is reported as dead.
 */
import { narrowLimit, roundHalfEven, saturate } from '../ir/index.ts';

export const weightRanges = ['max', 'mse'] as const;
export type WeightRange = (typeof weightRanges)[number];

export interface QuantizedWeights {
  readonly data: Int8Array;
  /** One float32 step per output channel. */
  readonly scales: Float32Array;
  /** Output channels whose scale was lifted to the floor. */
  readonly floored: readonly number[];
}

function channelError(weights: Float32Array, from: number, to: number, scale: number, limit: number): number {
  let error = 0;
  for (let i = from; i < to; i++) {
    const w = weights[i]!;
    const distance = w - saturate(Math.round(w / scale), -limit, limit) * scale;
    error += distance * distance;
  }
  return error;
}

/** `weights` are row-major with output channels first; `range` may also be the steps themselves.
 * `floor[o]` is the least scale allowed for channel `o`. */
export function quantizeWeights(
  weights: Float32Array,
  outputs: number,
  bits: number,
  range: WeightRange | readonly number[],
  floor: (channel: number) => number,
): QuantizedWeights {
  const limit = narrowLimit(bits);
  const taps = weights.length / outputs;
  const data = new Int8Array(weights.length);
  const scales = new Float32Array(outputs);
  const floored: number[] = [];
  for (let o = 0; o < outputs; o++) {
    const [from, to] = [o * taps, (o + 1) * taps];
    let top = 0;
    for (let i = from; i < to; i++) top = Math.max(top, Math.abs(weights[i]!));
    let scale = typeof range === 'string' ? top / limit : range[o]!;
    if (range === 'mse' && top > 0) {
      let least = Infinity;
      for (let tried = 40; tried >= 13; tried--) {
        const candidate = (top * tried) / (40 * limit);
        const error = channelError(weights, from, to, candidate, limit);
        if (error < least) {
          least = error;
          scale = candidate;
        }
      }
    }
    scale = Math.fround(scale);
    const least = floor(o);
    if (!(scale >= least)) {
      scale = Math.fround(least * (1 + 2 ** -20));
      floored.push(o);
    }
    scales[o] = scale;
    for (let i = from; i < to; i++) data[i] = saturate(roundHalfEven(weights[i]! / scale), -limit, limit);
  }
  return { data, scales, floored };
}
