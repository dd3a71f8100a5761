/** The executor every pass can count on: the interpreter, which is slow and is the definition. */
import { type Graph, interpret, type Tensor } from '../ir/index.ts';
import type { Executor } from './pass.ts';

export const interpreterExecutor: Executor = {
  prepare: (graph: Graph, wanted: readonly string[]) => {
    const names = new Set(wanted);
    return Promise.resolve({
      run: (inputs: readonly Tensor[]) => {
        const tensors = new Map<string, Tensor>([...graph.constants].filter(([name]) => names.has(name)));
        interpret(graph, inputs, {
          observe: (name, value) => {
            if (names.has(name)) tensors.set(name, value);
          },
        });
        return Promise.resolve(tensors);
      },
      close: () => Promise.resolve(),
    });
  },
};
