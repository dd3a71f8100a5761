/** Random nets at random bits, lowered as `qc compile` lowers them: C gives the interpreter's bits in every stored tensor. */
import { expect, it } from '@jest/globals';
import { inputsFor } from '../../fixtures/generate/graphs.ts';
import { integerNets } from '../../fixtures/generate/integer-nets.ts';
import { runCProgram, sanitizedFlags } from '../../fixtures/programs/c-program.ts';
import { mergePrograms } from '../../fixtures/programs/merge-programs.ts';
import { interpret, type Tensor } from '../../ir/index.ts';
import { c } from './index.ts';

it('C and the interpreter agree on generated nets', async () => {
  const programs = await integerNets(24, 20);
  expect(programs.length).toBeGreaterThan(20);
  const graph = mergePrograms('generated', programs);
  const stored = (await c.emit(graph, { name: 'net' })).tensors;
  const runner = await runCProgram(graph, { flags: [...sanitizedFlags] });
  try {
    for (const seed of [1, 2]) {
      const inputs = inputsFor(graph, seed);
      const expected = new Map<string, Tensor>();
      interpret(graph, inputs, { observe: (name, value) => expected.set(name, value) });
      const traced = await runner.trace(inputs.map(({ data }) => data as Float32Array));
      expect(traced.size).toBe(stored.length);
      for (const [name, { data }] of traced) {
        expect({ name, data }).toEqual({ name, data: expected.get(name)!.data });
      }
    }
  } finally {
    await runner.close();
  }
}, 400_000);
