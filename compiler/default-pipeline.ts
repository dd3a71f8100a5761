/**
 * The pipeline that `compile` runs when nobody writes another: from the level a program is at to the level a target takes.
 *
 *     float      ->  one form, batch norms folded, bits chosen, ranges observed, quantizers inserted  ->  quantized
 *     quantized  ->  scales folded, accumulators bounded                                              ->  integer
 *
 * A program that arrives quantized (an ONNX file with QuantizeLinear in it) keeps its own bits and ranges: nothing is calibrated.
 */
import type { Profile } from '../backends/onnx/index.ts';
import type { Level } from '../ir/index.ts';
import { levels } from '../ir/index.ts';
import {
  floatPipeline,
  parsePipeline,
  type PassRegistry,
  type Pipeline,
  type PipelineStep,
  trainingPipeline,
} from '../passes/index.ts';

/** How the bits of layers are chosen, from coarse to fine; the later overrides. */
export interface BitsOptions {
  /** 8, 4 or 2: mostly that, the first convolution and the last dense layer at 8. */
  readonly bits?: number;
  /** `w4a8`: every layer, the ends too. */
  readonly precision?: string;
  /** Selector rules: `first,last=w8a8; layer3.*=w4a4`. */
  readonly layerBits?: string;
}

export interface PipelineOptions extends BitsOptions {
  /** minmax, percentile, mse (the default) or entropy. */
  readonly calibrationMethod?: string;
  /** How weights are rounded. Default: nearest. */
  readonly round?: Rounding;
  /** For a training: batch norms stay, and so do the real weights. */
  readonly training?: boolean;
  /** For whom a quantized program is written, where it ends as one. */
  readonly profile?: Profile;
}

export const defaultCalibrationMethod = 'mse';

/** `nearest` to the weight, or `gptq`: for what the layer makes of its quantized inputs. */
export const roundings = ['nearest', 'gptq'] as const;
export type Rounding = (typeof roundings)[number];

/** The step that notes the bits of each layer. Options left out stay out of the canonical string. */
export function assignBitsStep({ bits, precision, layerBits }: BitsOptions): PipelineStep {
  return {
    kind: 'pass',
    name: 'assign-bits',
    options: {
      ...(bits === undefined ? {} : { bits }),
      ...(precision === undefined ? {} : { precision }),
      ...(layerBits === undefined ? {} : { layers: layerBits }),
    },
  };
}

/** The passes that take a program from one level to another. Empty where it is there already, or beyond. */
export function defaultPipeline(from: Level, to: Level, options: PipelineOptions): Pipeline {
  const method = options.calibrationMethod ?? defaultCalibrationMethod;
  const gptq = options.round === 'gptq';
  const { profile } = options;
  const placement = profile?.placement === 'operators' ? { placement: profile.placement } : {};
  const signed = profile?.signed === true ? { signed: true } : {};
  const calibrate: PipelineStep = {
    kind: 'pass',
    name: 'calibrate',
    options: { method, ...placement, ...signed },
  };
  const insert: PipelineStep = { kind: 'pass', name: 'insert-quantizers', options: placement };
  const toQuantized: Pipeline = [
    assignBitsStep(options),
    ...(gptq ? parsePipeline('equalize-channels') : []),
    calibrate,
    insert,
    // These compare with the float program, whose weights are there until what nothing reads is eliminated. Rounding for the outputs
    // leaves no statistics to correct (measured: docs/accuracy.md).
    ...parsePipeline(gptq ? 'round-gptq' : 'correct-statistics'),
    ...parsePipeline('eliminate-dead'),
  ];
  if (options.training === true && from === 'float') {
    const training = parsePipeline(trainingPipeline);
    return to === 'float' ? training : [...training, assignBitsStep(options), calibrate, insert];
  }
  // A model that arrives quantized spells its float parts in its own way.
  const toInteger = parsePipeline(
    `${from === 'quantized' ? 'canonicalize,' : ''}lower-to-integer,bound-accumulators,eliminate-dead`,
  );
  const reaches = (level: Level): boolean =>
    levels.indexOf(from) < levels.indexOf(level) && levels.indexOf(to) >= levels.indexOf(level);
  return [
    ...(from === 'float' ? parsePipeline(floatPipeline) : []),
    ...(reaches('quantized') ? toQuantized : []),
    ...(profile !== undefined && from !== 'integer' && to === 'quantized' ? enginePipeline(profile) : []),
    ...(reaches('integer') ? toInteger : []),
  ];
}

/** What a quantized program goes through before it is written for an engine. */
export function enginePipeline({ integerBiases }: Profile): Pipeline {
  return parsePipeline(`drop-clamps,${integerBiases ? 'quantize-biases,' : ''}eliminate-dead`);
}

/** Whether a pipeline needs samples to run on. What no pass is named is for the runner to refuse. */
export function readsSamples(pipeline: Pipeline, passes: PassRegistry): boolean {
  return pipeline.some((step) =>
    step.kind === 'repeat' ? readsSamples(step.body, passes) : passes.get(step.name)?.readsSamples === true,
  );
}
