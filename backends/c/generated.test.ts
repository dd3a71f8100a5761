/** Random nets at random bits, lowered as `qc compile` lowers them: C gives the interpreter's bits in every stored tensor. */
import { expect, it } from '@jest/globals';
import { buildCRunner } from '../../compiler/runners/node-c.ts';
import { inputsFor } from '../../fixtures/generate/graphs.ts';
import { integerNets } from '../../fixtures/generate/integer-nets.ts';
import { mergePrograms } from '../../fixtures/programs/merge-programs.ts';
import { interpret, type Tensor, typesOf } from '../../ir/index.ts';
import { c } from './index.ts';

it('C and the interpreter agree on generated nets', async () => {
  const programs = await integerNets(24, 20);
  expect(programs.length).toBeGreaterThan(20);
  const graph = mergePrograms('generated', programs);
  const emission = await c.emit(graph, { name: 'net' });
  const types = typesOf(graph);
  const port = (name: string) => ({ name, shape: types.get(name)!.shape });
  const runner = await buildCRunner(
    emission.files.filter(({ name }) => /^net.*\.[ch]$/.test(name)),
    {
      name: 'net',
      inputs: graph.inputs.map(({ name }) => port(name)),
      outputs: graph.outputs.map(port),
      tensors: emission.tensors,
      program: emission.program,
    },
    {
      flags: [
        '-std=c11',
        '-O1',
        '-Wall',
        '-Wextra',
        '-Wconversion',
        '-pedantic',
        '-Werror',
        '-fsanitize=address,undefined',
        '-fno-sanitize-recover=all',
      ],
    },
  );
  try {
    for (const seed of [1, 2]) {
      const inputs = inputsFor(graph, seed);
      const expected = new Map<string, Tensor>();
      interpret(graph, inputs, { observe: (name, value) => expected.set(name, value) });
      const traced = await runner.trace(inputs.map(({ data }) => data as Float32Array));
      expect(traced.size).toBe(emission.tensors.length);
      for (const [name, { data }] of traced) {
        expect({ name, data }).toEqual({ name, data: expected.get(name)!.data });
      }
    }
  } finally {
    await runner.close();
  }
});
