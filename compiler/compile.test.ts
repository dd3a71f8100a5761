import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { resnet } from '../fixtures/models/resnet.ts';
import { type Diagnostic, type Graph, interpret, zeros } from '../ir/index.ts';
import { createPassRegistry, definePass, floatPipeline, levelOf } from '../passes/index.ts';
import { compile, type CompileOptions } from './compile.ts';
import { presetPreprocess } from './data/preprocess.ts';
import { importModel, importOnnx } from './onnx/import.ts';
import { generatedSamples } from './samples.ts';

let graph: Graph;
beforeAll(async () => {
  const net = { block: 'basic', blocks: [1, 1] } as const;
  const model = resnet({ net, width: 0.125, image: 16, classes: 3, stem: 'cifar', batch: 2 });
  graph = (await importModel(model)).graph;
});

const compiled = async (options: CompileOptions, from = graph): ReturnType<typeof compile> =>
  compile(from, options);

describe('compile', () => {
  it('gives equal bytes for equal arguments', async () => {
    const [first, second] = [
      await compiled({ target: 'c', bits: 4 }),
      await compiled({ target: 'c', bits: 4 }),
    ];
    expect(first.files).toEqual(second.files);
  });

  it('draws other inputs from another seed', async () => {
    const [first, second] = [await compiled({ target: 'qir' }), await compiled({ target: 'qir', seed: 1 })];
    expect(first.manifest.files).not.toEqual(second.manifest.files);
  });

  it('reports each diagnostic once, and lists its warnings in the manifest', async () => {
    const reported: Diagnostic[] = [];
    const { diagnostics, manifest } = await compiled({
      target: 'qir',
      report: (diagnostic) => reported.push(diagnostic),
    });
    expect(reported).toEqual(diagnostics);
    expect(diagnostics.map(({ code }) => code)).toContain('compile/generated-calibration');
    expect(manifest.warnings).toHaveLength(1);
  });

  it('records the preprocessing, and draws images in it', async () => {
    const preprocess = presetPreprocess('raw', { height: 16, width: 16 });
    const { manifest, program } = await compiled({ target: 'qir', bits: 8, preprocess });
    expect(manifest.preprocess).toEqual(preprocess);
    // Raw bytes are their own integers.
    expect(program.nodes[0]).toMatchObject({
      op: 'quantize',
      result: { type: { element: { storage: 'u8', scale: 1 } } },
    });
  });

  it.each([
    ['qir', 'integer'],
    ['qir', 'quantized'],
    ['qir', 'float'],
    ['onnx', 'quantized'],
    ['onnx', 'float'],
  ] as const)('writes %s at the %s level', async (target, level) => {
    const { program, manifest } = await compiled({ target, level, bits: 4 });
    expect(levelOf(program)).toBe(level);
    expect(manifest.calibration === null).toBe(level === 'float');
    expect(manifest.inputs).toEqual([{ name: 'input', shape: [2, 3, 16, 16] }]);
    expect(manifest.outputs).toEqual([{ name: 'output', shape: [2, 3] }]);
  });

  it('leaves alone what is quantized already', async () => {
    const onnx = await compiled({ target: 'onnx', precision: 'w8a8' });
    const file = onnx.files.find(({ role }) => role === 'model')!;
    const { graph: quantized, level } = await importOnnx(file.bytes);
    expect(level).toBe('quantized');
    const again = await compiled({ target: 'qir', bits: 4 }, quantized);
    expect(again.diagnostics.map(({ code }) => code)).toEqual(['compile/already-quantized']);
    expect(again.manifest.calibration).toBeNull();
    expect(again.manifest.layers.every(({ weight_bits: bits }) => bits === 8)).toBe(true);
    // What went out as ONNX and came back computes the same.
    const direct = await compiled({ target: 'qir', precision: 'w8a8' });
    const inputs = [];
    for await (const [input] of generatedSamples(
      graph,
      presetPreprocess('imagenet-norm', { height: 16, width: 16 }),
      5,
      2,
    ).read()) {
      inputs.push(input!);
    }
    for (const input of inputs)
      expect(interpret(again.program, [input])[0]!.data).toEqual(interpret(direct.program, [input])[0]!.data);
  });

  it('quantizes anew a model whose weights alone are integers', async () => {
    const file = new URL('../fixtures/export/onnx-int4-weights.onnx', import.meta.url);
    const { graph: stored, level } = await importOnnx(await readFile(file));
    expect(level).toBe('quantized');
    const { manifest, diagnostics } = await compiled({ target: 'c', bits: 4 }, stored);
    expect(diagnostics.map(({ code }) => code)).toContain('compile/weights-only');
    expect(manifest.layers[1]).toMatchObject({ weight_bits: 4, activation_bits: 4 });
  });

  it('says how near to float the result is', async () => {
    const { health } = await compiled({ target: 'qir', bits: 8 });
    expect(health?.samples).toBe(32);
    expect(health?.sqnr_db).toBeGreaterThan(20);
    expect((await compiled({ target: 'qir', level: 'float' })).health).toBeUndefined();
  });

  it('gives samples to whatever pass reads them, also where another compilation calibrated', async () => {
    const toFloat = `${floatPipeline},assign-bits{bits=4},calibrate`;
    const rest = 'insert-quantizers,round-gptq,eliminate-dead,lower-to-integer,bound-accumulators';
    const preprocess = presetPreprocess('imagenet-norm', { height: 16, width: 16 });
    const samples = generatedSamples(graph, preprocess, 3, 4);
    const whole = await compiled({ target: 'qir', samples, pipeline: `${toFloat},${rest}` });
    const calibrated = await compiled({ target: 'qir', level: 'float', samples, pipeline: toFloat });
    const rounded = await compiled({ target: 'qir', samples, pipeline: rest }, calibrated.program);
    expect(rounded.program).toEqual(whole.program);
    expect(rounded.manifest.calibration).toEqual(whole.manifest.calibration);
    expect(rounded.health).toEqual(whole.health);
  });

  it('runs a pass of the user in a pipeline of the user', async () => {
    let seen = 0;
    const count = definePass({
      name: 'count-nodes',
      summary: 'Counts.',
      options: {},
      run: (program) => {
        seen = program.nodes.length;
        return program;
      },
    });
    const { manifest } = await compiled({
      target: 'qir',
      level: 'float',
      pipeline: 'canonicalize,count-nodes',
      passes: createPassRegistry([count]),
    });
    expect(seen).toBeGreaterThan(10);
    expect(manifest.pipeline).toBe('canonicalize,count-nodes');
  });

  it('follows selectors, and warns of those that decide nothing', async () => {
    const { layers, diagnostics } = await compiled({
      target: 'qir',
      bits: 8,
      layerBits: 'kernel:1x1=w2a4; nobody*=w4a4',
    });
    expect(
      layers.filter(({ weightBits }) => weightBits === 2).map(({ kernel, op }) => [op, ...kernel]),
    ).toContainEqual(['conv2d', 1, 1]);
    expect(diagnostics.map(({ code }) => code)).toContain('assign-bits/unused-rule');
  });

  it('refuses programs without an input, or with inputs of integers', async () => {
    await expect(
      compiled(
        { target: 'c' },
        {
          ...graph,
          inputs: [],
          nodes: [],
          constants: new Map([['k', zeros({ element: { kind: 'plain', storage: 'f32' }, shape: [1] })]]),
          outputs: ['k'],
        },
      ),
    ).rejects.toThrow(/no input/);
  });
});
