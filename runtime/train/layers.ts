/**
 * What a model is written in: the layers that have tensors of their own. `model.ts` of an emitted project is one call a layer; the rest are
 * functions in `operations.ts`.
 *
 * Values are laid out as TensorFlow.js likes them: images [N, H, W, C], filters [U, V, C / groups, K], dense weights [inputs, outputs].
 */
import * as tf from '@tensorflow/tfjs-core';
import { channelMoments, normalizeByBatch, normalizeByStatistics } from './batch-norm.ts';
import { boundOf } from './bound-rule.ts';
import { convolution, type Geometry } from './convolution.ts';
import {
  activationRange,
  fakeQuantize,
  type IntegerRange,
  stepGradientScale,
  weightRange,
} from './fake-quantize.ts';
import { integersOf, layerResult, normalizedResult, storedOn } from './integers.ts';
import type { Quantization } from './recipe.ts';
import type { ModelState } from './state.ts';

export type Tensor = tf.Tensor;

/** Where in a training the model is called. */
export interface Phase {
  /** Batch norms see the batch, and statistics are gathered. */
  readonly training: boolean;
  /** Batch norms use their running moments even in training. */
  readonly normsFrozen: boolean;
  /** Number of the training step. */
  readonly step: number;
  /** Weight of a batch in the running moments. */
  readonly normMomentum: number;
}

export const evaluation: Phase = { training: false, normsFrozen: true, step: Infinity, normMomentum: 0 };

/** A forward pass: from images [N, H, W, C] to logits [N, K]. */
export type Forward = (net: Layers, image: Tensor) => Tensor;

export interface QuantizerOptions {
  readonly bits: number;
  /** Whether values below 0 are represented. */
  readonly signed?: boolean;
  /** The step is exact, as that of image bytes is: no rule changes it. */
  readonly fixed?: boolean;
}

export interface LayerOptions {
  /** Names of tensors. */
  readonly weights: string;
  readonly bias?: string;
  /** Of the weights, with `.step` behind their name. Absent: real numbers. */
  readonly bits?: number;
}

export interface ConvolutionOptions extends LayerOptions, Partial<Geometry> {
  readonly groups?: number;
}

export interface NormOptions {
  /** Names of tensors, one number a channel each. */
  readonly gamma: string;
  readonly beta: string;
  readonly mean: string;
  readonly variance: string;
  readonly epsilon: number;
}

const leastStep = 1e-12;

export class Layers {
  readonly state: ModelState;
  readonly quantization: Quantization;
  phase: Phase = evaluation;
  /** Quantized weights seen so far, with their bits. */
  readonly #quantizedWeights = new Map<string, number>();
  /** Elements of all tensors as of when evaluation began: it computes as the compiled program will. Absent: in reals. */
  #numbers: ReadonlyMap<string, Float32Array> | undefined;

  constructor(state: ModelState, quantization: Quantization) {
    this.state = state;
    this.quantization = quantization;
  }

  /** From here on the model is called as it is, to see what the compiled program would say. */
  async evaluate(): Promise<void> {
    this.settle();
    this.#numbers = await this.state.read();
    this.phase = evaluation;
  }

  /** Rounds activations to the grid of the quantizer of this name, whose step is the tensor `name.step`. */
  quantize(x: Tensor, name: string, { bits, signed = false, fixed = false }: QuantizerOptions): Tensor {
    const { activations, rounding } = this.quantization;
    const range = activationRange(bits, signed);
    const step = this.state.get(`${name}.step`);
    if (activations.kind === 'observed' && !fixed && this.phase.step < activations.start) {
      if (this.phase.training) this.#observe(x, name, range);
      return x;
    }
    const numbers = rounding === 'floor' ? undefined : this.#settled();
    if (numbers !== undefined) return storedOn(x, numbers.get(`${name}.step`)![0]!, range);
    const perSample = x.size / x.shape[0];
    return fakeQuantize(x, step, {
      range,
      rounding: signed ? 'half-even' : rounding,
      ...(activations.kind === 'learned' && !fixed
        ? { gradientScale: stepGradientScale(perSample, range) }
        : {}),
    });
  }

  conv2d(x: Tensor, options: ConvolutionOptions): Tensor {
    const { groups = 1, strides, pads, dilations } = options;
    const geometry = {
      ...(strides === undefined ? {} : { strides }),
      ...(pads === undefined ? {} : { pads }),
      ...(dilations === undefined ? {} : { dilations }),
    };
    return this.#layer(x, options, (image, filter) =>
      convolution(image as tf.Tensor4D, filter as tf.Tensor4D, geometry, groups),
    );
  }

  dense(x: Tensor, options: LayerOptions): Tensor {
    return this.#layer(x, options, (rows, weights) => tf.matMul(rows, weights));
  }

  batchNorm(x: Tensor, { gamma, beta, mean, variance, epsilon }: NormOptions): Tensor {
    const numbers = this.#settled();
    const sums = integersOf(x)?.sums;
    if (numbers !== undefined && sums !== undefined) {
      const [gammas, betas, means, variances] = [gamma, beta, mean, variance].map((name) =>
        numbers.get(name)!,
      );
      return normalizedResult(sums, {
        gamma: gammas!,
        beta: betas!,
        mean: means!,
        variance: variances!,
        epsilon,
      });
    }
    const gain = this.state.get(gamma) as unknown as tf.Tensor1D;
    const shift = this.state.get(beta) as unknown as tf.Tensor1D;
    const running = { mean: this.state.get(mean), variance: this.state.get(variance) };
    const { training, normsFrozen, normMomentum } = this.phase;
    if (!training || normsFrozen) {
      const fixed = running as unknown as Parameters<typeof normalizeByStatistics>[3];
      return normalizeByStatistics(x, gain, shift, fixed, epsilon);
    }
    const moments = channelMoments(x);
    const rows = x.size / x.shape.at(-1)!;
    follow(running.mean, moments.mean, normMomentum);
    // Running variances are unbiased, as frameworks keep them.
    follow(running.variance, tf.mul(moments.variance, rows / Math.max(rows - 1, 1)), normMomentum);
    return normalizeByBatch(x, gain, shift, moments, epsilon);
  }

  /** A tensor that is part of the program and not trained. */
  constant(name: string): Tensor {
    return this.state.get(name);
  }

  /** Brings the stored steps of weights up to date with the weights, where a rule measures them. */
  settle(): void {
    const { weights } = this.quantization;
    if (weights.kind !== 'bound') return;
    for (const [name, bits] of this.#quantizedWeights) {
      tf.tidy(() => this.state.get(`${name}.step`).assign(this.#measuredStep(name, bits) as tf.Tensor1D));
    }
  }

  #settled(): ReadonlyMap<string, Float32Array> | undefined {
    return this.phase.training ? undefined : this.#numbers;
  }

  /** A product with weights, and a bias. */
  #layer(
    x: Tensor,
    { weights, bias, bits }: LayerOptions,
    product: (x: Tensor, weights: Tensor) => Tensor,
  ): Tensor {
    const numbers = this.#settled();
    const read = integersOf(x);
    if (numbers !== undefined && bits !== undefined && read?.stored === true) {
      const weightSteps = numbers.get(`${weights}.step`)!;
      const { min, max } = weightRange(bits);
      const integers = tf.clipByValue(
        tf.round(tf.div(this.state.get(weights), this.state.get(`${weights}.step`))),
        min,
        max,
      );
      return layerResult({
        counts: product(read.counts, integers),
        inputStep: read.steps[0]!,
        weightSteps,
        largest: largestOfChannels(numbers.get(weights)!, weightSteps.length),
        bias: bias === undefined ? new Float32Array(weightSteps.length) : numbers.get(bias)!,
      });
    }
    const y = product(x, this.#weights(weights, bits));
    return bias === undefined ? y : tf.add(y, this.state.get(bias));
  }

  #weights(name: string, bits: number | undefined): Tensor {
    const weights = this.state.get(name);
    if (bits === undefined) return weights;
    this.#quantizedWeights.set(name, bits);
    const range = weightRange(bits);
    const { weights: rule } = this.quantization;
    if (rule.kind === 'learned') {
      const gradientScale = stepGradientScale(weights.size / weights.shape.at(-1)!, range);
      return fakeQuantize(weights, this.state.get(`${name}.step`), { range, gradientScale });
    }
    const covering = rule.rule.kind === 'max';
    return fakeQuantize(weights, this.#measuredStep(name, bits), { range, covering });
  }

  /** One step for each output channel. No gradient flows through it. */
  #measuredStep(name: string, bits: number): Tensor {
    const { weights: rule } = this.quantization;
    if (rule.kind !== 'bound') throw new Error('the steps of the weights are learned, not measured');
    const weights = this.state.get(name);
    return tf.maximum(
      tf.div(boundOf(weights, rule.rule, { perChannel: true }), weightRange(bits).max),
      leastStep,
    );
  }

  #observe(x: Tensor, name: string, range: IntegerRange): void {
    const { activations, rounding } = this.quantization;
    if (activations.kind !== 'observed') return;
    const step = this.state.get(`${name}.step`);
    const steps = range.max + (rounding === 'floor' && range.min === 0 ? 1 : 0);
    const first = !this.state.entries.has(`${name}.seen`);
    if (first) this.state.add({ name: `${name}.seen`, role: 'statistic', shape: [] }, new Float32Array(1));
    const seen = this.state.get(`${name}.seen`);
    tf.tidy(() => {
      const bound = tf.div(boundOf(x, activations.rule, { withoutZeros: true }), steps);
      // A batch of zeros tells nothing; the first that tells something is believed at once.
      const tells = tf.step(bound);
      const weight = tf.mul(tells, tf.sub(1, tf.mul(seen, 1 - activations.coefficient)));
      step.assign(tf.maximum(tf.add(step, tf.mul(weight, tf.sub(bound, step))), leastStep));
      seen.assign(tf.maximum(seen, tells));
    });
  }
}

function follow(running: tf.Variable, batch: tf.Tensor, momentum: number): void {
  tf.tidy(() => {
    running.assign(tf.add(running, tf.mul(tf.sub(batch, running), momentum)));
  });
}

/** The greatest magnitude for each index of the last axis. */
function largestOfChannels(weights: Float32Array, channels: number): Float32Array {
  const largest = new Float32Array(channels);
  for (const [i, weight] of weights.entries()) {
    const k = i % channels;
    largest[k] = Math.max(largest[k]!, Math.abs(weight));
  }
  return largest;
}
