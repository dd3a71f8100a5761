/** The recipe that a project starts with, after what worked on the models it was tried on (docs/fine-tuning.md). */
import type { ModelSummary } from '../../runtime/train/checkpoint.ts';
import type { Recipe } from '../../runtime/train/recipe.ts';

export function defaultRecipe({ layers }: Pick<ModelSummary, 'layers'>): Recipe {
  const narrowest = Math.min(8, ...layers.map(({ weightBits }) => weightBits));
  const steps = 3000;
  return {
    steps,
    batch: 32,
    rate: narrowest >= 8 ? 0.0005 : 0.002,
    stepRate: 0.3,
    warmUp: 75,
    coolDown: steps / 5,
    momentum: 0.9,
    weightDecay: 1e-4,
    quantization: {
      weights: { kind: 'learned' },
      activations: { kind: 'learned' },
      rounding: 'half-even',
    },
    distillation: { share: 0.5, temperature: 2 },
    normMomentum: 0.05,
    freezeNorms: (steps * 4) / 5,
    augmentation: { flip: true, shift: 2 },
    seed: 0,
  };
}
