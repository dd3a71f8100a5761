import { execFileSync } from 'node:child_process';
import { afterAll, describe, expect, it } from '@jest/globals';
import { createRandom } from '../../compiler/data/random.ts';
import { type BuildOptions } from '../../compiler/runners/node-c-build.ts';
import { cMachines, missingFor } from '../../compiler/runners/node-c-machine.ts';
import type { Runner } from '../../compiler/runners/runner.ts';
import { runCProgram, sanitizedFlags, strictFlags } from '../../fixtures/programs/c-program.ts';
import { integerPrograms } from '../../fixtures/programs/integer-programs.ts';
import { mergePrograms } from '../../fixtures/programs/merge-programs.ts';
import { ProgramWriter } from '../../fixtures/programs/program-writer.ts';
import {
  elementCount,
  f32,
  type Graph,
  GraphBuilder,
  interpret,
  perAxis,
  perTensor,
  quantizeValue,
  type Tensor,
  tensor,
  verify,
} from '../../ir/index.ts';
import { hasCommand } from '../../compiler/runners/node-commands.ts';
import type { Emission, EmittedFile, EmitOptions } from '../backend.ts';
import { c } from './index.ts';

const runners: Runner[] = [];
afterAll(async () => {
  for (const runner of runners) await runner.close();
});

async function emitted(graph: Graph, options: Partial<EmitOptions> = {}): Promise<Emission> {
  expect(verify(graph, 'integer')).toEqual([]);
  return c.emit(graph, { name: 'net', ...options });
}

async function runnerOf(graph: Graph, options: BuildOptions): Promise<Runner> {
  expect(verify(graph, 'integer')).toEqual([]);
  const runner = await runCProgram(graph, options);
  runners.push(runner);
  return runner;
}

/** Normal numbers, and now and then what quantization must survive. */
function inputsFor(graph: Graph, seed: number): Tensor[] {
  const random = createRandom(seed);
  const special = [NaN, Infinity, -Infinity, -0, 1e30, 0.5];
  return graph.inputs.map(({ type }) =>
    tensor(
      type,
      Array.from({ length: elementCount(type.shape) }, () =>
        random.below(40) === 0 ? special[random.below(special.length)]! : Math.fround(random.normal()),
      ),
    ),
  );
}

/** Compares every stored tensor bit for bit; the outputs too, but for softmax, which is compared to seven digits. */
async function expectSameBits(graph: Graph, runner: Runner, seed: number): Promise<void> {
  const inputs = inputsFor(graph, seed);
  const expected = new Map<string, Tensor>();
  const outputs = interpret(graph, inputs, { observe: (name, value) => expected.set(name, value) });
  const data = inputs.map((input) => input.data as Float32Array);
  const traced = await runner.trace(data);
  const softmax = new Set(graph.nodes.filter(({ op }) => op === 'softmax').map(({ result }) => result.name));
  for (const [name, value] of traced) {
    expect({ name, data: value.data }).toEqual({ name, data: expected.get(name)!.data });
  }
  const found = await runner.run(data);
  for (const [i, name] of graph.outputs.entries()) {
    if (softmax.has(name)) {
      found[i]!.forEach((value, k) => {
        expect(value).toBeCloseTo(outputs[i]!.data[k]!, 6);
      });
    } else {
      expect({ name, data: found[i] }).toEqual({ name, data: outputs[i]!.data });
    }
  }
}

const text = ({ files }: Emission, name: string): string => {
  const { content } = files.find((file) => file.name === name)!;
  return typeof content === 'string' ? content : new TextDecoder().decode(content);
};

describe('emitted C', () => {
  const everything = mergePrograms(
    'everything',
    integerPrograms.map(({ graph }) => graph),
  );

  it('computes the bits of the interpreter under the sanitizers, without a warning', async () => {
    const runner = await runnerOf(everything, { compiler: 'gcc', flags: [...sanitizedFlags] });
    for (let seed = 1; seed <= 3; seed++) await expectSameBits(everything, runner, seed);
  }, 400_000);

  it('computes them optimised for this machine', async () => {
    const runner = await runnerOf(everything, {});
    for (let seed = 4; seed <= 8; seed++) await expectSameBits(everything, runner, seed);
    const { milliseconds, layers } = await runner.bench(
      inputsFor(everything, 1).map(({ data }) => data as Float32Array),
      { repeat: 3, warmup: 1 },
    );
    expect(milliseconds).toHaveLength(3);
    expect(layers.every(({ milliseconds: time }) => time >= 0)).toBe(true);
  }, 400_000);

  it('computes them when clang compiles it', async () => {
    if (!hasCommand('clang')) {
      process.stdout.write('not run: there is no clang\n');
      return;
    }
    const runner = await runnerOf(everything, { compiler: 'clang', flags: [...strictFlags, '-O2'] });
    await expectSameBits(everything, runner, 9);
  });

  it.each(
    [
      ['clang', '--target=aarch64-linux-gnu'],
      ['clang', '--target=wasm32-wasi', '-msimd128'],
      ['clang', '--target=wasm32-wasi'],
      ['aarch64-linux-gnu-gcc', '-march=armv8.2-a+dotprod'],
    ].map((command) => [command.join(' '), command] as const),
  )('is clean under %s', async (_, [compiler = '', ...target]) => {
    const machine = cMachines.find(
      ({ name }) => name === (target.includes('--target=wasm32-wasi') ? 'wasm' : 'aarch64'),
    )!;
    const missing = hasCommand(compiler) ? missingFor(machine) : `no ${compiler}`;
    if (missing !== undefined) {
      process.stdout.write(`not run: ${missing}\n`);
      return;
    }
    const emission = await emitted(everything);
    const source = text(emission, 'net.c').replace('#include "net.h"', () => text(emission, 'net.h'));
    execFileSync(compiler, [...target, ...strictFlags, '-fsyntax-only', '-x', 'c', '-'], {
      input: source,
      stdio: 'pipe',
    });
  });

  it('traces every tensor it stores, each once', async () => {
    const { graph } = integerPrograms.find(({ name }) => name === 'residual with a projection')!;
    const runner = await runnerOf(graph, { flags: ['-O0'] });
    const traced = await runner.trace(inputsFor(graph, 1).map(({ data }) => data as Float32Array));
    const emission = await emitted(graph);
    expect([...traced.keys()]).toEqual(emission.tensors.map(({ name }) => name));
    expect(traced.size).toBe(7);
  });

  it('is C++ too', async () => {
    const emission = await emitted(everything);
    const build = { compiler: 'g++', flags: ['-x', 'c++', '-std=c++17', ...strictFlags.slice(1), '-c'] };
    for (const { name, content } of emission.files.filter((file) => file.name.endsWith('.c'))) {
      // Through a pipe, so that nothing needs a place: the header is put where the include stands.
      const source = Buffer.from(content)
        .toString()
        .replace('#include "net.h"', () => text(emission, 'net.h'));
      const run = (): unknown =>
        execFileSync(build.compiler, [...build.flags, '-', '-o', '/dev/null'], {
          input: source,
          stdio: 'pipe',
        });
      if (hasCommand('g++')) run();
      else process.stdout.write(`not run: there is no g++ for ${name}\n`);
    }
  });

  it('holds sums of patches that would leave int32 as int16 instead', async () => {
    // 255 * 126.5 * 67000 and more is just above 2^31, so the plain bound of a sum of bytes does not hold.
    const w = new ProgramWriter('wide', 5);
    const y = w.dense(w.input([1, 67000], 'u8', 0), 2, 'i8', 1);
    const graph = w.finish(w.requantize(y, 'u8'));
    const weight = graph.constants.get('weight')!;
    const heavy: Graph = {
      ...graph,
      constants: new Map(graph.constants).set('weight', {
        ...weight,
        data: weight.data.map((value) => (Math.abs(value) % 2 === 0 ? 127 : 126)),
      }),
    };
    const source = text(await emitted(heavy), 'net.c');
    expect(source).toContain('int16_t *restrict patches');
    const runner = await runnerOf(heavy, { compiler: 'gcc', flags: [...sanitizedFlags] });
    await expectSameBits(heavy, runner, 3);
  });

  it('quantizes and dequantizes per axis', async () => {
    const b = new GraphBuilder('axes');
    const x = b.input('x', f32([2, 3, 2, 2]));
    const scale = b.constant('s', tensor(f32([3]), [0.1, 0.25, 0.5].map(Math.fround)));
    const q = b.add('quantize', [x], {}, { element: perAxis('i8', scale, 1) });
    const narrow = b.add('quantize', [x], {}, { element: perTensor('i2', 0.7, -1) });
    const graph = b.finish([b.add('dequantize', [q]), b.add('dequantize', [narrow])]);
    await expectSameBits(graph, await runnerOf(graph, { flags: [...sanitizedFlags] }), 2);
  });
});

describe('the artifact', () => {
  const convolution = integerPrograms.find(({ name }) => name === 'stem 7x7')!.graph;

  it('has a header, sources, a CMake file and an example of about twenty lines', async () => {
    const emission = await emitted(convolution);
    expect(emission.files.map(({ name, role }) => [name, role])).toEqual([
      ['net.h', 'header'],
      ['net.c', 'source'],
      ['net_weights.c', 'weights'],
      ['net_threads.c', 'threads'],
      ['main.c', 'example'],
      ['CMakeLists.txt', 'build'],
    ]);
    expect(text(emission, 'net.h')).toContain(`#define NET_ARENA_SIZE ${emission.arenaBytes}`);
    expect(emission.arenaLowerBoundBytes).toBeGreaterThanOrEqual(64);
    expect(emission.arenaBytes).toBeGreaterThanOrEqual(emission.arenaLowerBoundBytes!);
    expect(text(emission, 'main.c').split('\n').length).toBeLessThan(25);
    expect(emission.weightBytes).toBe(8 * 3 * 49);
  });

  it('lets no name out of a comment', async () => {
    const b = new GraphBuilder('hostile');
    const name = 'a*/ #error "x"\\\nint main; // ??/ \u2028';
    const x = b.input(name, f32([1, 2]));
    const q = b.add(
      'quantize',
      [x],
      {},
      {
        element: perTensor('u8', 0.1),
        name: `${name}q`,
        location: { kind: 'onnx', node: name },
      },
    );
    const graph = b.finish([b.add('dequantize', [q], {}, { name: '"; }' })]);
    await expectSameBits(graph, await runnerOf(graph, { flags: [...strictFlags] }), 1);
  });

  it.each(['', '9a', 'a-b', 'a b', 'x__y', 'x_', 'a'.repeat(60)])('refuses the prefix %j', async (name) => {
    await expect(async () => c.emit(convolution, { name })).rejects.toThrow('error[c/name]');
  });

  it('refuses a program that takes or returns integers', async () => {
    const b = new GraphBuilder('bare');
    const x = b.input('x', { element: perTensor('u8', 1), shape: [1, 2] });
    await expect(async () => c.emit(b.finish([x]), { name: 'net' })).rejects.toThrow('error[c/port-type]');
  });

  it('refuses constants where values are read or returned', async () => {
    const b = new GraphBuilder('constant');
    const x = b.input('x', f32([1, 2]));
    const k = b.constant('k', tensor(f32([1, 2]), [1, 2]));
    const quantized = b.add('quantize', [k], {}, { element: perTensor('u8', 1) });
    const real = b.add('dequantize', [quantized]);
    await expect(async () => c.emit(b.finish([real, x]), { name: 'net' })).rejects.toThrow(
      'error[c/constant]',
    );
    await expect(async () => c.emit(b.finish([k, x]), { name: 'net' })).rejects.toThrow('error[c/constant]');
  });

  it.each(['NCHW', 'NHWC'] as const)('reads an image of bytes for an input in %s', async (layout) => {
    const b = new GraphBuilder('image');
    const shape = layout === 'NCHW' ? [2, 3, 4, 5] : [2, 4, 5, 3];
    const x = b.input('x', f32(shape));
    const q = b.add('quantize', [x], {}, { element: perTensor('i8', 0.02, 5) });
    const graph = b.finish([b.add('dequantize', [q])]);
    const tables = [0.1, -0.2, 0.3].map((shift) =>
      Float32Array.from({ length: 256 }, (_, byte) => byte / 200 - 0.5 + shift),
    );
    const emission = await emitted(graph, { image: { tables, layout } });
    const source = text(emission, 'net.c');
    expect(text(emission, 'net.h')).toContain(
      'int net_run_u8(void *memory, const uint8_t *image, float *output);',
    );
    const main = [
      '#include <stdio.h>',
      '#include "net.h"',
      'static uint64_t memory[(NET_ARENA_SIZE + 7) / 8];',
      'int main(void) {',
      '  uint8_t image[120];',
      '  float output[120];',
      '  for (int i = 0; i < 120; i++) image[i] = (uint8_t)(i * 37);',
      '  if (net_run_u8(memory, image, output) != 0 || net_run_u8(NULL, image, output) != 1) return 1;',
      '  for (int i = 0; i < 120; i++) printf("%.9g\\n", (double)output[i]);',
      '  return 0;',
      '}',
    ].join('\n');
    const printed = await runSources([
      { name: 'net.h', role: '', content: text(emission, 'net.h') },
      { name: 'net.c', role: '', content: source },
      { name: 'main.c', role: '', content: main },
    ]);
    const scale = Math.fround(0.02);
    const at = (n: number, h: number, w: number, ch: number): number => ((n * 4 + h) * 5 + w) * 3 + ch;
    const expected: number[] = [];
    for (let i = 0; i < 120; i++) {
      const [ch, h, w] =
        layout === 'NCHW'
          ? [Math.floor(i / 20) % 3, Math.floor(i / 5) % 4, i % 5]
          : [i % 3, Math.floor(i / 15) % 4, Math.floor(i / 3) % 5];
      const byte = (at(Math.floor(i / 60), h, w, ch) * 37) & 255;
      const integer = quantizeValue(tables[ch]![byte]!, scale, 5, 'i8');
      expected.push(Math.fround((integer - 5) * scale));
    }
    expect(printed.trim().split('\n').map(Number).map(Math.fround)).toEqual(expected);
  });
});

/** Compiles and runs sources; what the program prints. */
async function runSources(files: readonly EmittedFile[]): Promise<string> {
  const { buildC } = await import('../../compiler/runners/node-c-build.ts');
  const { program } = await buildC(files, { flags: [...sanitizedFlags] });
  return execFileSync(program).toString();
}
