/**
 * Evaluation in the arithmetic of the compiled program. Rounded to a grid, a value is real = count * step with whole counts, and the program
 * computes with the counts alone. A graph of reals rounds where the program does not, and does not round where it does: biases become
 * whole numbers of accumulator steps, shortcuts too, ratios of steps have 15 bits. One value in some hundred falls on the other side of a
 * rounding edge for it, and the layers behind amplify that: a twentieth of all answers came out otherwise. So evaluation carries
 * the counts beside the reals, and says what the program will say. Training does not: these differences have no direction.
 *
 *     layer        counts = integers(x) (*) integers(w)         step[k] = step(x) * step(w)[k]       the bias in such steps
 *     batch norm   is folded: gain[k] goes into the step, sign and bias
 *     add          both sides in the accumulator's step, made finer by a power of two where the shortcut needs it
 *     quantize     one requantization
 *
 * The rules are those of the passes `fold-batchnorm`, `insert-quantizers` and `lower-to-integer`; fixtures/training holds the two together. A value
 * that went through anything else has no counts, and is rounded as a real number.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { IntegerRange } from './fake-quantize.ts';
import { requantize, roundHalfEven, vector } from './fixed-point.ts';

/** Whole numbers and what one of them stands for. */
export interface Integers {
  readonly counts: tf.Tensor;
  /** One, or one for each index of the last axis. */
  readonly steps: readonly number[];
  /** At most 8 bits with one step, what layers read; or else an accumulator. */
  readonly stored: boolean;
  /** Of a layer's result: what it was made of, until something other than a batch norm reads it. */
  readonly sums?: Sums;
}

/** Products of a layer before its bias, and all that a batch norm behind it can still change. */
export interface Sums {
  readonly counts: tf.Tensor;
  readonly inputStep: number;
  /** For each output channel. */
  readonly weightSteps: ArrayLike<number>;
  /** For each output channel, the greatest magnitude among its weights. */
  readonly largest: ArrayLike<number>;
  readonly bias: ArrayLike<number>;
}

/** A batch norm's vectors, one number a channel each. */
export interface NormNumbers {
  readonly gamma: ArrayLike<number>;
  readonly beta: ArrayLike<number>;
  readonly mean: ArrayLike<number>;
  readonly variance: ArrayLike<number>;
  readonly epsilon: number;
}

const known = new WeakMap<tf.Tensor, Integers>();

/** The counts behind a value; undefined where it is just real. */
export function integersOf(x: tf.Tensor): Integers | undefined {
  return known.get(x);
}

/** The reals that counts stand for, remembered with them. */
export function realsOf(integers: Integers): tf.Tensor {
  const real = tf.tidy(() => tf.mul(integers.counts, vector(integers.steps)));
  known.set(real, integers);
  return real;
}

/** x stored on the grid of `asked`, from its counts where it has some. */
export function storedOn(x: tf.Tensor, asked: number, { min, max }: IntegerRange): tf.Tensor {
  const from = integersOf(x);
  // The compiler passes on how far the grid reaches, and finds its step again to the last bit but one.
  const step = Math.fround(Math.fround(asked * max) / max);
  const counts = tf.tidy(() => {
    const whole =
      from === undefined
        ? tf.round(tf.div(x, step))
        : requantize(
            from.counts,
            from.steps.map((each) => each / step),
          );
    return tf.clipByValue(whole, min, max);
  });
  return realsOf({ counts, steps: [step], stored: true });
}

/** A result that holds the same numbers as x, moved about, or zeros. */
export function moved(result: tf.Tensor, ...from: readonly tf.Tensor[]): tf.Tensor {
  const all = from.map(integersOf);
  const [first] = all;
  const step = first?.steps[0];
  if (step === undefined || all.some((each) => each?.stored !== true || each.steps[0] !== step))
    return result;
  known.set(result, { counts: tf.tidy(() => tf.round(tf.div(result, step))), steps: [step], stored: true });
  return result;
}

/** A result whose counts are the same function of x's counts: one that scaling does not touch. */
export function onCounts(x: tf.Tensor, op: (x: tf.Tensor) => tf.Tensor): tf.Tensor {
  const from = integersOf(x);
  return from === undefined
    ? op(x)
    : realsOf({ counts: op(from.counts), steps: from.steps, stored: from.stored });
}

/** The mean of `count` numbers, as an accumulator of their sum. */
export function meanOf(mean: tf.Tensor, x: tf.Tensor, count: number): tf.Tensor {
  const from = integersOf(x);
  const step = from?.steps[0];
  if (step === undefined || from?.stored !== true) return mean;
  const counts = tf.tidy(() => tf.round(tf.mul(tf.div(mean, step), count)));
  return realsOf({ counts, steps: [step / count], stored: false });
}

/** Headroom of a bias in int32, and the least step that leaves it (`insert-quantizers`). */
const biasHeadroom = 2 ** 28;
const leastWeightStep = 2 ** -60;

/** The result of a layer: products and bias counted in one step. */
export function layerResult(sums: Sums): tf.Tensor {
  return accumulated(sums, new Float32Array(sums.bias.length).fill(1), sums.bias);
}

/** The result of a batch norm behind a layer, folded into it: gain and shift in double, each rounded once. */
export function normalizedResult(
  sums: Sums,
  { gamma, beta, mean, variance, epsilon }: NormNumbers,
): tf.Tensor {
  const gain = Array.from(gamma, (value, k) => value / Math.sqrt(variance[k]! + epsilon));
  const shift = Float32Array.from(beta, (value, k) => value - mean[k]! * gain[k]!);
  const gains = Float32Array.from(gain);
  const biases = Float32Array.from(gains, (value, k) => value * sums.bias[k]! + shift[k]!);
  return accumulated(sums, gains, biases);
}

function accumulated(sums: Sums, gain: Float32Array, bias: ArrayLike<number>): tf.Tensor {
  const { inputStep, weightSteps, largest } = sums;
  const steps: number[] = [];
  const signs: number[] = [];
  const biases: number[] = [];
  for (const [k, factor] of gain.entries()) {
    const [before, after] = [largest[k]!, Math.fround(largest[k]! * Math.abs(factor))];
    const step = Math.fround(before === 0 ? weightSteps[k]! : (weightSteps[k]! * after) / before);
    const least = Math.max(Math.abs(bias[k]!) / (inputStep * biasHeadroom), leastWeightStep);
    // A channel that is almost dead has its step lifted, and no weight left.
    const alive = step >= least;
    steps.push(inputStep * (alive ? step : Math.fround(least * (1 + 2 ** -20))));
    signs.push(alive ? Math.sign(factor) : 0);
    biases.push(roundHalfEven(bias[k]! / steps.at(-1)!));
  }
  const counts = tf.tidy(() => tf.add(tf.mul(sums.counts, vector(signs)), vector(biases)));
  return realsOf({ counts, steps, stored: false, sums });
}

/** No accumulator counts a shortcut in steps finer than this of the shortcut's own, and none adds it more coarsely than that. */
const finestShortcut = 2 ** -13;
const coarseShortcut = 2 ** -5;

/** a + b, both counted in one step a channel; undefined where one of them is just real. */
export function sumOf(a: tf.Tensor, b: tf.Tensor): tf.Tensor | undefined {
  const sides = [integersOf(a), integersOf(b)];
  if (!sides.every((side) => side !== undefined)) return undefined;
  const shortcuts = sides.filter(({ stored }) => stored).map(({ steps }) => steps[0]!);
  const accumulators = sides.filter(({ stored }) => !stored);
  const at = ({ steps }: Integers, k: number): number => steps[steps.length === 1 ? 0 : k]!;
  const coarsest = Math.max(0, ...accumulators.flatMap(({ steps }) => steps));
  const doublings = Math.ceil(Math.log2(coarsest / (Math.min(...shortcuts) * coarseShortcut)));
  const finer = Number.isFinite(doublings) ? 2 ** -Math.max(0, doublings) : 1;
  const channels = Math.max(...sides.map(({ steps }) => steps.length));
  const steps = Array.from({ length: channels }, (_, k) =>
    Math.max(
      ...accumulators.map((side) => at(side, k) * finer),
      ...shortcuts.map((step) => step * finestShortcut),
    ),
  );
  const counts = tf.tidy(() => {
    const [left, right] = sides.map((side) =>
      requantize(
        side.counts,
        steps.map((step, k) => at(side, k) / step),
      ),
    );
    return tf.add(left!, right!);
  });
  return realsOf({ counts, steps, stored: false });
}
