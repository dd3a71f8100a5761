/** A pipeline: which passes run in which order. Nothing here knows which passes exist or what options they take. */
import type { AttributeValue } from '../../ir/index.ts';

export type Pipeline = readonly PipelineStep[];

export type PipelineStep =
  | {
      readonly kind: 'pass';
      readonly name: string;
      /** As written: a bare word is a string. The pass's own schema checks kinds and fills defaults. */
      readonly options: Readonly<Record<string, AttributeValue>>;
    }
  /** Runs its body again and again until the graph no longer changes. */
  | { readonly kind: 'repeat'; readonly body: Pipeline };

/** `repeat` nests no deeper, so that reading and running take bounded stack. */
export const deepestRepeat = 16;
