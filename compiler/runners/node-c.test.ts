import { describe, expect, it } from '@jest/globals';
import { c, isaNames } from '../../backends/c/index.ts';
import { f32, type Graph, GraphBuilder, interpret, perTensor, QcError, tensor } from '../../ir/index.ts';
import { buildC } from './node-c-build.ts';
import { cMachines } from './node-c-machine.ts';
import { buildCRunner, builtRoles, type CRunnerOptions } from './node-c.ts';
import type { Runner } from './runner.ts';

function program(): Graph {
  const b = new GraphBuilder('small');
  const x = b.input('x', f32([1, 4]));
  const q = b.add('quantize', [x], {}, { element: perTensor('i8', 0.1), name: 'q' });
  return b.finish([b.add('dequantize', [q], {}, { name: 'y' })]);
}

async function open(options: CRunnerOptions = {}): Promise<Runner> {
  const emission = await c.emit(program(), { name: 'small' });
  const sources = emission.files.filter(({ role }) => builtRoles(options.threads ?? 1).includes(role));
  const port = (name: string) => ({ name, shape: [1, 4] });
  return buildCRunner(
    sources,
    {
      name: 'small',
      inputs: [port('x')],
      outputs: [port('y')],
      tensors: emission.tensors,
      program: emission.program,
    },
    options,
  );
}

async function diagnosticOf(work: Promise<unknown>): Promise<QcError['diagnostics'][number]> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof QcError)) throw new Error('no QcError', { cause: error });
  return error.diagnostics[0]!;
}

describe('the runner of C artifacts', () => {
  it('serves run, trace and bench from one process, requests in turn', async () => {
    const runner = await open();
    const x = Float32Array.of(0.1, -5, 100, NaN);
    const [expected] = interpret(program(), [tensor(f32([1, 4]), x)]);
    const [first, second, traced] = await Promise.all([
      runner.run([x]),
      runner.run([new Float32Array(4)]),
      runner.trace([x]),
    ]);
    expect(first[0]).toEqual(expected!.data);
    expect(second[0]).toEqual(new Float32Array(4));
    expect([...traced.keys()]).toEqual(['q', 'y']);
    expect(traced.get('q')!.data).toEqual(Int8Array.of(1, -50, 127, 0));
    const bench = await runner.bench([x], { repeat: 4, warmup: 1 });
    const { milliseconds, layers, device, isa } = bench;
    expect(milliseconds).toHaveLength(4);
    expect(layers.map(({ name }) => name)).toEqual(['q', 'y']);
    expect(device).toContain('one thread');
    expect(isaNames).toContain(isa);
    await runner.close();
    // Closed is not the end: it starts again when it is asked again.
    expect((await runner.run([x]))[0]).toEqual(expected!.data);
    await runner.close();
  });

  it('shares runs between threads', async () => {
    const runner = await open({ threads: 3 });
    const x = Float32Array.of(0.1, -5, 100, NaN);
    const [expected] = interpret(program(), [tensor(f32([1, 4]), x)]);
    expect((await runner.run([x]))[0]).toEqual(expected!.data);
    expect((await runner.bench([x], { repeat: 2, warmup: 0 })).device).toContain('3 threads');
    await runner.close();
  });

  it('refuses inputs of the wrong size, and threads where there are none', async () => {
    const runner = await open();
    expect(await diagnosticOf(runner.run([new Float32Array(3)]))).toMatchObject({ code: 'run/input-size' });
    await runner.close();
    const machine = cMachines.find(({ name }) => name === 'wasm')!;
    expect(await diagnosticOf(open({ threads: 2, machine }))).toMatchObject({ code: 'c/threads' });
  });

  it('says what to install when there is no compiler', async () => {
    const found = await diagnosticOf(buildC([], { compiler: 'no-such-compiler' }));
    expect(found.code).toBe('c/no-compiler');
    expect(found.help).toContain('install gcc or clang');
  });

  it("quotes the compiler's words when it refuses", async () => {
    const source = { name: 'broken.c', content: 'int main(void) { return nothing; }\n' };
    const found = await diagnosticOf(buildC([source]));
    expect(found.code).toBe('c/compile');
    expect(found.notes?.join('\n')).toContain('nothing');
  });
});
