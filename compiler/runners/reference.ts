/** The interpreter as a runner: what `.qir` programs and `qir` artifacts run on, and what every other runner is compared with. */
import { elementCount, fail, type Graph, interpret, type Tensor, tensor } from '../../ir/index.ts';
import type { Runner } from './runner.ts';

/** Runs a program of any level whose inputs are f32. Outputs are f32 too, or the integers that the program returns, as numbers. */
export function referenceRunner(graph: Graph): Runner {
  const evaluate = (
    inputs: readonly Float32Array[],
    observe?: (name: string, value: Tensor) => void,
  ): Tensor[] => interpret(graph, inputTensors(graph, inputs), observe === undefined ? {} : { observe });
  return {
    run: async (inputs) => evaluate(inputs).map(({ data }) => Float32Array.from(data)),
    trace: async (inputs) => {
      const tensors = new Map<string, Tensor>();
      evaluate(inputs, (name, value) => tensors.set(name, value));
      return tensors;
    },
    bench: async (inputs, { repeat, warmup }) => {
      const milliseconds: number[] = [];
      for (let i = -warmup; i < repeat; i++) {
        const start = performance.now();
        evaluate(inputs);
        if (i >= 0) milliseconds.push(performance.now() - start);
      }
      return { milliseconds, layers: [], device: 'interpreter' };
    },
    close: async () => undefined,
  };
}

/** Flat inputs as the tensors a program takes. Fails with `run/input-size` when one has not the length of its shape. */
export function inputTensors(graph: Graph, inputs: readonly Float32Array[]): Tensor[] {
  return graph.inputs.map(({ name, type }, i) => {
    const data = inputs[i] ?? new Float32Array(0);
    const count = elementCount(type.shape);
    if (data.length !== count) {
      fail(
        'run/input-size',
        `input ${JSON.stringify(name)} has ${data.length} values, expected ${count} for [${type.shape.join(', ')}]`,
      );
    }
    return tensor(type, data);
  });
}
