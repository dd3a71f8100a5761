/** What a training is told: every choice of it, as data. A checkpoint keeps its recipe, so that a training resumes as it began. */
import type { BoundRule } from './bound-rule.ts';
import type { Rounding } from './fake-quantize.ts';
import type { Augmentation } from './image-set.ts';
import type { Distillation } from './loss.ts';

/** How the step of weights is found: learned (LSQ), or from a bound that is measured anew in every step (AQT: `max`). */
export type WeightRule = { readonly kind: 'learned' } | { readonly kind: 'bound'; readonly rule: BoundRule };

/**
 * How the step of activations is found: learned from where calibration put it, kept there, or observed as AQT does: a running mean of the
 * bounds of batches, no quantization before step `start`, and from then on the step that was reached.
 */
export type ActivationRule =
  | { readonly kind: 'learned' }
  | { readonly kind: 'calibrated' }
  | {
      readonly kind: 'observed';
      readonly rule: BoundRule;
      /** Weight of a new bound in the running mean. */
      readonly coefficient: number;
      readonly start: number;
    };

export interface Quantization {
  readonly weights: WeightRule;
  readonly activations: ActivationRule;
  /** Of unsigned activations. */
  readonly rounding: Rounding;
}

/** The paper's own rules. */
export const aqtQuantization: Quantization = {
  weights: { kind: 'bound', rule: { kind: 'max' } },
  activations: { kind: 'observed', rule: { kind: 'max' }, coefficient: 0.1, start: 7500 },
  rounding: 'half-even',
};

/** Learned steps, from where the compiler calibrated them. */
export const learnedQuantization: Quantization = {
  weights: { kind: 'learned' },
  activations: { kind: 'learned' },
  rounding: 'half-even',
};

export interface Recipe {
  readonly steps: number;
  readonly batch: number;
  /** Learning rate at its peak. */
  readonly rate: number;
  /** Of steps of quantizers, as a multiple of the rate of everything else. */
  readonly stepRate: number;
  /** Steps of rising and of last falling rate. */
  readonly warmUp: number;
  readonly coolDown: number;
  readonly momentum: number;
  /** L2 factor of tensors of rank above 1. */
  readonly weightDecay: number;
  readonly quantization: Quantization;
  /** Of the float model; a share of 0 leaves it out. */
  readonly distillation: Distillation;
  /** Weight of a batch in the running moments of batch norms. */
  readonly normMomentum: number;
  /** Step from which batch norms use, and keep, their running moments. */
  readonly freezeNorms: number;
  readonly augmentation: Augmentation;
  readonly seed: number;
}

/** The recipe for so many steps: its phases keep their shares. */
export const scaledRecipe = (recipe: Recipe, steps: number): Recipe => {
  const scaled = (length: number): number => Math.round((length * steps) / recipe.steps);
  return {
    ...recipe,
    steps,
    warmUp: scaled(recipe.warmUp),
    coolDown: scaled(recipe.coolDown),
    freezeNorms: scaled(recipe.freezeNorms),
  };
};
