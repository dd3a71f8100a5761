/**
 * Every row of the catalogue against the interpreter, on shapes around its tile: in the kernel evaluator, whatever processor this is, and as
 * compiled C where the processor has the instructions.
 */
import { describe, expect, it } from '@jest/globals';
import { randomInputs } from '../../../fixtures/programs/random-inputs.ts';
import { evaluateVariant } from '../../../fixtures/programs/evaluate-c.ts';
import { ProgramWriter } from '../../../fixtures/programs/program-writer.ts';
import { type Graph, interpret, type Tensor, verify } from '../../../ir/index.ts';
import { planProgram } from '../program.ts';
import { catalogue, type KernelRow } from './catalogue.ts';

/** Small programs whose every convolution a row is meant to take, by what each is about. */
function subjects({ tile, weightBits }: KernelRow): readonly { about: string; graph: Graph }[] {
  const { pixels, outputs } = tile;
  const weights = weightBits === 8 ? 'i8' : 'i4';
  const stored = weightBits === 8 ? 'u8' : 'u4';
  const program = (about: string, write: (w: ProgramWriter) => Graph) => ({
    about,
    graph: write(new ProgramWriter(about, about.length)),
  });
  return [
    program('pixels and outputs left over', (w) => {
      const x = w.input([1, 8, 1, pixels + 3], stored);
      return w.finish(w.requantize(w.convolution(x, outputs + 5, { weights }), 'u8', { perChannel: true }));
    }),
    program('padding all round, a residual sum, two results', (w) => {
      const x = w.input([1, 4, 3, pixels + 1], stored);
      const options = { weights, kernel: [3, 3], pads: [1, 1, 1, 1] } as const;
      const main = w.convolution(x, outputs, options);
      const shortcut = w.requantize(w.convolution(x, outputs, { weights }), 'i8', { perChannel: true });
      const sum = w.binary('add', main, w.requantize(shortcut, 'i32', { perChannel: true }));
      return w.finish(
        w.requantize(sum, 'u8', { perChannel: true }),
        w.requantize(sum, 'u4', { perChannel: true }),
      );
    }),
    program('strides, uneven pads, signed input, odd channels', (w) => {
      const x = w.input([2, 5, 4, 2 * pixels + 1], weightBits === 8 ? 'i8' : 'i4');
      const sums = w.convolution(x, outputs, {
        weights,
        kernel: [2, 3],
        strides: [2, 2],
        pads: [0, 1, 1, 2],
      });
      return w.finish(w.requantize(sums, 'i8'));
    }),
    program('dilation, groups, a zero point, a lookup after it', (w) => {
      const x = w.input([1, 6, 5, pixels + 4], stored, 3);
      const sums = w.convolution(x, 2 * outputs, {
        weights,
        kernel: [2, 3],
        groups: 2,
        dilations: [2, 2],
        pads: [1, 2, 1, 2],
      });
      return w.finish(w.lookup(w.requantize(sums, 'u8'), 'u8'));
    }),
  ];
}

describe.each(catalogue.map((row) => [row.name, row] as const))('%s', (_, row) => {
  it.each(subjects(row))('$about', ({ graph }) => {
    expect(verify(graph, 'integer')).toEqual([]);
    const taken: string[] = [];
    const program = planProgram(graph, {
      taken: [],
      machines: [row.machine],
      select: (layer) => {
        const refusal = row.refuses(layer);
        taken.push(refusal ?? row.name);
        return refusal === undefined ? row : undefined;
      },
    });
    expect(new Set(taken)).toEqual(new Set([row.name]));
    const inputs = randomInputs(graph, 1);
    const expected = new Map<string, Tensor>();
    interpret(graph, inputs, { observe: (name, value) => expected.set(name, value) });
    for (const [name, { data }] of evaluateVariant(program, program.variants[0]!, inputs)) {
      expect({ name, data }).toEqual({ name, data: expected.get(name)!.data });
    }
  });
});
