/** What the files of a project are written from. */
import type { Recipe } from '../../runtime/train/recipe.ts';
import type { ModelText } from './walk.ts';

/** What the project says about its images. */
export interface ImageFacts {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly layout: 'NCHW' | 'NHWC';
  readonly shortSide?: number;
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly source?: readonly number[];
  /** True where nobody said how images become inputs. */
  readonly assumed: boolean;
  /** What the preprocessing is called. */
  readonly preprocess: string;
}

export interface ProjectFacts {
  readonly name: string;
  readonly model: ModelText;
  readonly float: ModelText;
  readonly image: ImageFacts;
  readonly recipe: Recipe;
}
