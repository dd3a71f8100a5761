/** The interpreter as an executor: slow, exact by definition, available everywhere. Keeps only the wanted tensors of a run. */
import { interpret, type Tensor } from '../../ir/index.ts';
import type { Executor } from '../../passes/pass.ts';

export const interpreter: Executor = {
  prepare: async (graph, wanted) => {
    const names = new Set(wanted);
    return {
      run: async (inputs) => {
        const kept = new Map<string, Tensor>();
        for (const name of names) {
          const constant = graph.constants.get(name);
          if (constant !== undefined) kept.set(name, constant);
        }
        interpret(graph, inputs, {
          observe: (name, tensor) => {
            if (names.has(name)) kept.set(name, tensor);
          },
        });
        return kept;
      },
      close: async () => {
        // Nothing is held between runs.
      },
    };
  },
};
