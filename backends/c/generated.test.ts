/** Random nets at random bits, lowered as `qc compile` lowers them: C gives the interpreter's bits in every stored tensor. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compile, type CompileOptions } from '../../compiler/compile.ts';
import { buildCRunner } from '../../compiler/runners/node-c.ts';
import { inputsFor, netOf, netRecipes } from '../../fixtures/generate/graphs.ts';
import { mergePrograms } from '../../fixtures/programs/merge-programs.ts';
import { type Graph, interpret, QcError, type Tensor, typesOf } from '../../ir/index.ts';
import { interpreterExecutor } from '../../passes/index.ts';
import { c } from './index.ts';

const precisions: readonly Partial<CompileOptions>[] = [
  { bits: 8 },
  { bits: 4 },
  { bits: 2 },
  { precision: 'w4a8' },
  { precision: 'w4a4' },
  { precision: 'w2a4' },
];

/** The integer program of a net, or nothing where the compiler says, with a diagnostic, that it cannot be had. */
async function lowered(graph: Graph, options: Partial<CompileOptions>): Promise<Graph | undefined> {
  try {
    const compiled = await compile(graph, { target: 'qir', executor: interpreterExecutor, ...options });
    return compiled.program;
  } catch (error) {
    if (error instanceof QcError) return undefined;
    throw error;
  }
}

it('C and the interpreter agree on generated nets', async () => {
  const recipes = fc.sample(netRecipes(), { numRuns: 24, seed: 20 });
  const programs: Graph[] = [];
  for (const [i, recipe] of recipes.entries()) {
    const program = await lowered(netOf(recipe), precisions[i % precisions.length]!);
    if (program !== undefined) programs.push(program);
  }
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
