/** The recipe that a project starts with, after what worked on the models it was tried on (docs/fine-tuning.md). */
import type { ModelSummary } from '../../runtime/train/checkpoint.ts';
import type { Recipe } from '../../runtime/train/recipe.ts';

/** The fewer bits, the further weights have to go: steps of descent that hold at 8 bits move a weight of three values nowhere. */
const rateOf = (bits: number): number => (bits >= 8 ? 0.0005 : bits > 2 ? 0.002 : 0.008);

export function defaultRecipe({ layers }: Pick<ModelSummary, 'layers'>): Recipe {
  const narrowest = Math.min(8, ...layers.map(({ weightBits }) => weightBits));
  const steps = 3000;
  return {
    steps,
    batch: 32,
    rate: rateOf(narrowest),
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
