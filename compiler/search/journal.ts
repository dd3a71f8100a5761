/**
 * What a search has found out, kept while it goes on: a second run takes up where the first was stopped, and another cost model starts from all
 * that is known of the same model. Measurements are keyed by what was measured, so their order does not matter.
 */
import type { Graph } from '../../ir/index.ts';
import type { Divergence } from './divergence.ts';

export interface Journal {
  /** The rounded program with every variant, if it was kept. */
  readonly program: () => Promise<Graph | undefined>;
  readonly keepProgram: (graph: Graph) => Promise<void>;
  readonly measured: (key: string) => Divergence | undefined;
  readonly keep: (key: string, divergence: Divergence) => Promise<void>;
}

/** A journal that is gone with the process. */
export function memoryJournal(): Journal {
  const known = new Map<string, Divergence>();
  let kept: Graph | undefined;
  return {
    program: async () => kept,
    keepProgram: async (graph) => {
      kept = graph;
    },
    measured: (key) => known.get(key),
    keep: async (key, divergence) => {
      known.set(key, divergence);
    },
  };
}
