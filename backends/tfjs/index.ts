/**
 * The tfjs backend: a TypeScript project that trains a model with fake quantization, and whose checkpoint the compiler takes back. It
 * takes the quantized level, batch norms unfolded and float weights still there (`trainingPipeline`), or the float level.
 */
import { fail, type Graph } from '../../ir/index.ts';
import type { Recipe } from '../../runtime/train/recipe.ts';
import type { Emission, EmitOptions } from '../backend.ts';
import { floatTwin } from './float-twin.ts';
import type { ImageFacts } from './facts.ts';
import { emitProject, type TrainingRuntime } from './project.ts';
import { lowerings } from './lower.ts';
import { Walk } from './walk.ts';
import { emitWeights } from './weights.ts';
import { defaultRecipe } from './default-recipe.ts';

export type { ImageFacts } from './facts.ts';
export { dependencies, type TrainingRuntime } from './project.ts';
export { programWeights } from './layout.ts';

export interface TfjsOptions extends EmitOptions {
  readonly trainingRuntime?: TrainingRuntime;
  readonly imageFacts?: ImageFacts;
  readonly recipe?: Partial<Recipe>;
}

export async function emitTfjs(graph: Graph, options: TfjsOptions): Promise<Emission> {
  const { trainingRuntime, imageFacts } = options;
  if (trainingRuntime === undefined) {
    return fail('tfjs/no-runtime', 'the training runtime of this package is not built', {
      help: 'npm run build, then compile again',
    });
  }
  if (imageFacts === undefined) {
    return fail('tfjs/no-image', 'the input of the model is no image of three channels', {
      help: 'the tfjs target trains models that read one image [N, 3, H, W] or [N, H, W, 3]',
    });
  }
  const model = new Walk(graph).run(lowerings);
  const float = new Walk(floatTwin(graph)).run(lowerings);
  const recipe: Recipe = { ...defaultRecipe(model.summary), ...options.recipe };
  const weights = emitWeights(graph.name, model);
  const files = await emitProject(
    { name: graph.name, model, float, image: imageFacts, recipe },
    trainingRuntime,
  );
  return { files: [...files, ...weights.files], weightBytes: weights.bytes, arenaBytes: 0, tensors: [] };
}
