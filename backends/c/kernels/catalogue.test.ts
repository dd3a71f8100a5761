/**
 * Every row of the catalogue against the interpreter, on shapes around its tile: in the kernel evaluator, whatever processor this is, and as
 * compiled C on processors that are emulated here.
 */
import { describe, expect, it } from '@jest/globals';
import { randomInputs } from '../../../fixtures/programs/random-inputs.ts';
import { type EvaluateOptions, evaluateVariant } from '../../../fixtures/programs/evaluate-c.ts';
import { ProgramWriter } from '../../../fixtures/programs/program-writer.ts';
import { type Graph, interpret, type Tensor, verify } from '../../../ir/index.ts';
import { cMachines, missingFor } from '../../../compiler/runners/node-c-machine.ts';
import { processorLacks } from '../../../fixtures/kernel/processor.ts';
import { compileKernels, sanitizers } from '../../../fixtures/kernel/run-c-kernel.ts';
import type { LoopKernel } from '../../kernel/index.ts';
import { machines } from '../isa/table.ts';
import { type CProgram, planProgram } from '../program.ts';
import { catalogue, type KernelRow } from './catalogue.ts';

/** Small programs whose every convolution a row is meant to take, by what each is about. */
function subjects(row: KernelRow): readonly { about: string; graph: Graph }[] {
  if (row.inPairs) return row.algorithm === 'direct' ? pairedSubjects(row) : pairedWinogradSubjects(row);
  return row.algorithm === 'direct' ? directSubjects(row) : winogradSubjects(row);
}

const program = (about: string, write: (w: ProgramWriter) => Graph) => ({
  about,
  graph: write(new ProgramWriter(about, about.length)),
});

/** A residual sum with two results after `sums`. */
function residual(
  w: ProgramWriter,
  x: string,
  sums: string,
  outputs: number,
  weights: 'i4' | 'i8' = 'i4',
): Graph {
  const shortcut = w.requantize(w.convolution(x, outputs, { weights }), 'i8');
  const sum = w.binary('add', sums, w.requantize(shortcut, 'i32'));
  return w.finish(w.requantize(sum, 'u8'), w.requantize(sum, 'u4'));
}

function winogradSubjects({
  machine,
  tile,
  inputBits,
  weightBits,
}: KernelRow): readonly { about: string; graph: Graph }[] {
  const { pixels, outputs } = tile;
  const weights = weightBits === 8 ? 'i8' : 'i4';
  const [unsigned, signed] = inputBits === 8 ? (['u8', 'i8'] as const) : (['u4', 'i4'] as const);
  const square = { kernel: [3, 3], weights } as const;
  return [
    program('patches and outputs left over, odd rows and columns', (w) => {
      const x = w.input([1, 16, 5, 2 * pixels + 1], unsigned);
      return w.finish(w.requantize(w.convolution(x, outputs + 5, { ...square, pads: [1, 1, 1, 1] }), 'u4'));
    }),
    program('two images, a residual sum, two results', (w) => {
      const x = w.input([2, 32, 4, 2 * pixels], unsigned);
      return residual(w, x, w.convolution(x, outputs, { ...square, pads: [1, 1, 1, 1] }), outputs, weights);
    }),
    ...(machine.products.short === undefined || weightBits === 8
      ? []
      : [
          program('so many channels that short sums are folded on the way', (w) => {
            const x = w.input([1, 320, 2, 2 * pixels], unsigned);
            return w.finish(w.requantize(w.convolution(x, outputs, { ...square, pads: [1, 1, 1, 1] }), 'i8'));
          }),
        ]),
    program('signed input with a zero point, uneven pads', (w) => {
      const x = w.input([1, 48, 6, pixels + 2], signed, 3);
      return w.finish(w.requantize(w.convolution(x, outputs, { ...square, pads: [2, 0, 1, 1] }), 'i8'));
    }),
  ];
}

type Subject = ReturnType<typeof program>;
type Shape = Pick<KernelRow['tile'], 'pixels' | 'outputs'>;
type Stored = Parameters<ProgramWriter['input']>[1];
type Weights = 'i4' | 'i8';

function leftovers({ pixels, outputs }: Shape, channels: number, stored: Stored, weights: Weights): Subject {
  return program('pixels and outputs left over', (w) => {
    const x = w.input([1, channels, 1, pixels + 3], stored);
    return w.finish(w.requantize(w.convolution(x, outputs + 5, { weights }), 'u8', { perChannel: true }));
  });
}

function strided({ pixels, outputs }: Shape, channels: number, stored: Stored, weights: Weights): Subject {
  return program(`strides, uneven pads, signed input, ${channels} channels`, (w) => {
    const x = w.input([2, channels, 4, 2 * pixels + 1], stored);
    const options = { weights, kernel: [2, 3], strides: [2, 2], pads: [0, 1, 1, 2] } as const;
    return w.finish(w.requantize(w.convolution(x, outputs, options), 'i8'));
  });
}

function directSubjects({
  machine,
  tile,
  weightBits,
}: KernelRow): readonly { about: string; graph: Graph }[] {
  const { pixels, outputs } = tile;
  const weights = weightBits === 8 ? 'i8' : 'i4';
  const stored = weightBits === 8 ? 'u8' : 'u4';
  return [
    leftovers(tile, 8, stored, weights),
    program('padding all round, a residual sum, two results', (w) => {
      const x = w.input([1, 4, 3, pixels + 1], stored);
      const options = { weights, kernel: [3, 3], pads: [1, 1, 1, 1] } as const;
      return residual(w, x, w.convolution(x, outputs, options), outputs, weights);
    }),
    strided(tile, 5, weightBits === 8 ? 'i8' : 'i4', weights),
    ...(machine.products.short === undefined || weightBits === 8
      ? []
      : [
          program('so many channels that short sums are folded on the way', (w) => {
            const x = w.input([1, 332, 1, pixels], 'u8');
            return w.finish(w.requantize(w.convolution(x, outputs, { weights }), 'i8'));
          }),
        ]),
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

/** Products in pairs take 4-bit operands and whole registers of channels. */
function pairedSubjects({ tile }: KernelRow): readonly { about: string; graph: Graph }[] {
  const { pixels, outputs } = tile;
  const weights = 'i4';
  return [
    leftovers(tile, 64, 'u4', weights),
    program('two images, padding all round, a residual sum, two results', (w) => {
      const x = w.input([2, 64, 3, pixels + 1], 'u4');
      const options = { weights, kernel: [3, 3], pads: [1, 1, 1, 1] } as const;
      return residual(w, x, w.convolution(x, outputs, options), outputs);
    }),
    strided(tile, 128, 'i4', weights),
    program('dilation, a zero point, a lookup after it', (w) => {
      const x = w.input([1, 64, 5, pixels + 4], 'u4', 3);
      const options = { weights, kernel: [2, 3], dilations: [2, 2], pads: [1, 2, 1, 2] } as const;
      return w.finish(w.lookup(w.requantize(w.convolution(x, outputs, options), 'u8'), 'u8'));
    }),
  ];
}

function pairedWinogradSubjects({ tile }: KernelRow): readonly { about: string; graph: Graph }[] {
  const { pixels, outputs } = tile;
  const square = { kernel: [3, 3], weights: 'i4' } as const;
  return [
    program('patches and outputs left over, odd rows and columns', (w) => {
      const x = w.input([1, 64, 5, 2 * pixels + 1], 'u4');
      return w.finish(w.requantize(w.convolution(x, outputs + 5, { ...square, pads: [1, 1, 1, 1] }), 'u4'));
    }),
    program('two images, a residual sum, two results', (w) => {
      const x = w.input([2, 128, 4, 2 * pixels], 'u4');
      return residual(w, x, w.convolution(x, outputs, { ...square, pads: [1, 1, 1, 1] }), outputs);
    }),
    program('signed input with a zero point, uneven pads', (w) => {
      const x = w.input([1, 64, 6, pixels + 2], 'i4', 3);
      return w.finish(w.requantize(w.convolution(x, outputs, { ...square, pads: [2, 0, 1, 1] }), 'i8'));
    }),
  ];
}

/** Plans a program whose convolutions are the row's. */
function planned(graph: Graph, row: KernelRow, taken: readonly string[] = []): CProgram {
  expect(verify(graph, 'integer')).toEqual([]);
  const answers: string[] = [];
  const program = planProgram(graph, {
    taken,
    machines: [row.machine],
    select: (layer, _machine, ending) => {
      // The convolution that makes a shortcut is another's business.
      if (row.algorithm === 'winograd2x2' && layer.taps === 1) return undefined;
      const refusal = row.refuses(layer, ending);
      answers.push(refusal ?? row.name);
      return refusal === undefined ? row : undefined;
    },
  });
  expect(answers).toContain(row.name);
  const names = program.variants[0]!.steps.flatMap(({ kernel }) => kernel.doc);
  expect(names.some((line) => line.startsWith(`${row.name}:`))).toBe(true);
  return program;
}

const kernelsOf = ({ variants }: CProgram): LoopKernel[] =>
  [...variants[0]!.entrySteps, ...variants[0]!.steps].map(({ kernel }) => kernel);

/** Every tensor of a program, run in some way, against the interpreter. */
function expectBits(program: CProgram, options?: EvaluateOptions): void {
  const { graph } = program.facts;
  const inputs = randomInputs(graph, 1);
  const expected = new Map<string, Tensor>();
  interpret(graph, inputs, { observe: (name, value) => expected.set(name, value) });
  for (const [name, { data }] of evaluateVariant(program, program.variants[0]!, inputs, options)) {
    expect({ name, data }).toEqual({ name, data: expected.get(name)!.data });
  }
}

describe.each(catalogue.map((row) => [row.name, row] as const))('%s', (_, row) => {
  it.each(subjects(row))('$about', ({ graph }) => {
    const program = planned(graph, row);
    expectBits(program);
    // The evaluator reports a byte that two threads write, or one writes and another reads, between two barriers.
    const [first] = machines;
    if (row.machine === first || row.machine === first!.refines) expectBits(program, { threads: 3 });
  });
});

/** Where instruction sets are run as compiled C: here if the processor has them, or emulated. */
const compiled: readonly (readonly [isa: string, machine: string])[] = [
  ['avx512amd', 'native'],
  ['avx512vnni', 'native'],
  ['avxvnni', 'native'],
  ['avx2', 'native'],
  ['neon', 'aarch64'],
  ['wasm', 'wasm'],
];

const sameKind = (a: KernelRow, b: KernelRow): boolean =>
  a.algorithm === b.algorithm && a.weightBits === b.weightBits && a.inputBits === b.inputBits;

describe.each(compiled)('compiled for %s', (isa, name) => {
  const machine = cMachines.find((each) => each.name === name)!;
  const missing = name === 'native' ? processorLacks(isa) : missingFor(machine);
  const flags = name === 'native' ? [...sanitizers, '-O1'] : ['-O1'];
  if (missing !== undefined) {
    it('needs what is not here', () => {
      process.stdout.write(`not run: ${missing}\n`);
    });
    return;
  }
  const all = catalogue.filter((row) => row.machine.isa.name === isa);
  // Sanitizers take seconds a row: of each kind the largest tile, the evaluator has all.
  const rows = all.filter(
    (row, i) => name !== 'native' || all.findIndex((other) => sameKind(row, other)) === i,
  );
  it.each(rows.map((row) => [row.name, row] as const))(
    '%s',
    (_, row) => {
      const programs: CProgram[] = [];
      for (const { graph } of subjects(row)) {
        const taken = programs.flatMap((program) => kernelsOf(program).map((kernel) => kernel.name));
        programs.push(planned(graph, row, taken));
      }
      const kernels = compileKernels(programs.flatMap(kernelsOf), flags, machine);
      try {
        for (const program of programs) expectBits(program, { runKernel: kernels.run });
      } finally {
        kernels.close();
      }
    },
    400_000,
  );
});
