import { describe, expect, it } from '@jest/globals';
import { emitArtifact } from '../fixtures/wgsl/artifact.ts';
import { withTestDevice } from '../fixtures/wgsl/test-device.ts';
import { ProgramWriter } from '../fixtures/programs/program-writer.ts';
import { elementCount, type Graph, interpret, tensor } from '../ir/index.ts';
import {
  channelTables,
  createPreprocessor,
  type Preprocess,
  presetPreprocess,
} from '../compiler/data/preprocess.ts';
import { createRandom } from '../compiler/data/random.ts';
import { resizeWindow, type RgbImage } from '../compiler/data/resize.ts';
import { coverImage } from './image/placement.ts';
import { load, type RunResult } from './model.ts';

function smallProgram(seed = 7): Graph {
  const w = new ProgramWriter('small', seed);
  const x = w.input([2, 3, 5, 4], 'u8', 9);
  const y = w.requantize(w.convolution(x, 6, { kernel: [3, 3], pads: [1, 1, 1, 1] }), 'u8');
  return w.finish(y);
}

const withAlpha = ({ width, height, data }: RgbImage): RgbImage => ({
  width,
  height,
  data: Uint8Array.from({ length: 4 * width * height }, (_, i) =>
    i % 4 === 3 ? i % 256 : data[3 * (i >> 2) + (i % 4)]!,
  ),
});

const wave = (graph: Graph, k: number): Float32Array =>
  Float32Array.from({ length: elementCount(graph.inputs[0]!.type.shape) }, (_, i) => Math.sin(i + k));

const outputOf = (graph: Graph, input: Float32Array): number[] => [
  ...interpret(graph, [tensor(graph.inputs[0]!.type, input)])[0]!.data,
];

/** The buffers of a device that were made from now on and not destroyed. */
function watchBuffers(device: GPUDevice): ReadonlySet<GPUBuffer> {
  const living = new Set<GPUBuffer>();
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      living.delete(buffer);
      destroy();
    };
    living.add(buffer);
    return buffer;
  };
  return living;
}

const limits = {
  maxStorageBuffersPerShaderStage: 8,
  maxStorageBufferBindingSize: 2 ** 27,
  maxBufferSize: 2 ** 28,
  maxComputeInvocationsPerWorkgroup: 256,
};

/** A device that has these limits and nothing else. */
const deviceWith = (changed: Partial<typeof limits>): GPUDevice =>
  ({ limits: { ...limits, ...changed } }) as unknown as GPUDevice;

describe('load', () => {
  it('refuses what is no artifact of this format', async () => {
    const manifest = new TextEncoder().encode(JSON.stringify({ name: 'm', target: 'c', files: [] }));
    await expect(load({ 'manifest.json': manifest })).rejects.toThrow('m is an artifact of target c');
    const older = { name: 'm', target: 'wgsl', files: [], program: { format: 'qc-wgsl/1' } };
    await expect(load({ 'manifest.json': new TextEncoder().encode(JSON.stringify(older)) })).rejects.toThrow(
      'm is an artifact of target wgsl, qc-wgsl/1, not qc-wgsl/2: compile it again',
    );
  });

  it('names a file that is missing', async () => {
    await expect(load({})).rejects.toThrow('the artifact has no file manifest.json');
    const { files } = await emitArtifact(smallProgram());
    const without = Object.fromEntries([...files].filter(([name]) => name !== 'weights.bin'));
    await withTestDevice(async ({ device }) => {
      await expect(load(without, { device })).rejects.toThrow('the artifact has no file weights.bin');
    });
  });

  it('refuses weights that are not those compiled', async () => {
    const { files } = await emitArtifact(smallProgram());
    const weights = files.get('weights.bin')!.slice();
    weights[5]! ^= 1;
    await withTestDevice(async ({ device }) => {
      await expect(
        load({ ...Object.fromEntries(files), 'weights.bin': weights }, { device }),
      ).rejects.toThrow(
        /^weights\.bin is not what was compiled: its SHA-256 is [0-9a-f]{64}, the manifest states [0-9a-f]{64}$/,
      );
    });
  });

  it('tells how far it is, up to all of what it needs, and can be ended', async () => {
    const { files } = await emitArtifact(smallProgram());
    await withTestDevice(async ({ device }) => {
      const heard: (readonly [number, number])[] = [];
      const model = await load(Object.fromEntries(files), {
        device,
        packedDot: true,
        subgroups: false,
        onProgress: (loaded, total) => heard.push([loaded, total]),
      });
      const total = files.get('weights.bin')!.length + files.get('kernels.wgsl')!.length;
      expect(heard.at(-1)).toEqual([total, total]);
      model.dispose();
      await expect(
        load(Object.fromEntries(files), { device, signal: AbortSignal.abort(new Error('not now')) }),
      ).rejects.toThrow('not now');
    });
  });

  it('refuses weights of another size than stated', async () => {
    const { files } = await emitArtifact(smallProgram());
    const cut = { ...Object.fromEntries(files), 'weights.bin': files.get('weights.bin')!.subarray(16) };
    await withTestDevice(async ({ device }) => {
      await expect(load(cut, { device })).rejects.toThrow(
        /weights\.bin has \d+ bytes, the manifest states \d+/,
      );
    });
  });

  it('names the limit that a device lacks', async () => {
    const { files } = await emitArtifact(smallProgram());
    const source = Object.fromEntries(files);
    await expect(
      load(source, { device: deviceWith({ maxStorageBuffersPerShaderStage: 2 }) }),
    ).rejects.toThrow(
      /needs maxStorageBuffersPerShaderStage of \d, this device has 2: ask for it in requiredLimits/,
    );
    await expect(load(source, { device: deviceWith({ maxStorageBufferBindingSize: 16 }) })).rejects.toThrow(
      'maxStorageBufferBindingSize',
    );
  });

  it('says what to do where there is no WebGPU', async () => {
    const { files } = await emitArtifact(smallProgram());
    await expect(load(Object.fromEntries(files))).rejects.toThrow('there is no WebGPU here');
  });
});

describe('a loaded model', () => {
  it('resizes, crops and quantizes images of any size as the compiler does', async () => {
    const graph = smallProgram();
    const size = { width: 4, height: 5 };
    const [batch] = graph.inputs[0]!.type.shape as [number];
    const random = createRandom(3);
    const photograph = (width: number, height: number): RgbImage => ({
      width,
      height,
      data: Uint8Array.from({ length: 3 * width * height }, () => random.below(256)),
    });
    const rules: readonly [resize: Preprocess['resize'], sides: readonly [number, number]][] = [
      [null, [4, 5]],
      [{ exact: true, filter: 'bicubic' }, [61, 17]],
      [{ exact: true, filter: 'bilinear' }, [3, 2]],
      [{ shortSide: 7, keepFrom: 5, filter: 'bilinear' }, [40, 23]],
      [{ shortSide: 7, keepFrom: 5, filter: 'bilinear' }, [6, 9]],
    ];
    await withTestDevice(async ({ device }) => {
      for (const [resize, [width, height]] of rules) {
        const preprocess: Preprocess = {
          ...presetPreprocess('imagenet-norm', size),
          resize,
          crop: resize !== null && 'shortSide' in resize ? 'center' : 'none',
        };
        const { files } = await emitArtifact(graph, {
          image: { tables: channelTables(preprocess), layout: 'NCHW' },
          preprocess,
        });
        const images = Array.from({ length: batch }, () => photograph(width, height));
        const input = new Float32Array(batch * 3 * size.width * size.height);
        const convert = createPreprocessor(preprocess, { layout: 'NCHW', ...size });
        images.forEach((image, i) => {
          convert(image, 'image', input, (i * input.length) / batch);
        });
        const expected = interpret(graph, [tensor(graph.inputs[0]!.type, input)])[0]!.data;
        const model = await load(Object.fromEntries(files), { device });
        expect([...(await model.run(images)).output]).toEqual([...expected]);
        expect([...(await model.run(images.map(withAlpha))).output]).toEqual([...expected]);
        model.dispose();
      }
    });
  });

  it('covers the model with an image that no rule speaks of, and refuses what is none', async () => {
    const graph = smallProgram();
    const preprocess = presetPreprocess('unit', { width: 4, height: 5 });
    const { files } = await emitArtifact(graph, {
      image: { tables: channelTables(preprocess), layout: 'NCHW' },
      preprocess,
    });
    await withTestDevice(async ({ device }) => {
      const model = await load(Object.fromEntries(files), { device });
      const random = createRandom(5);
      for (const [width, height] of [
        [24, 20],
        [31, 9],
        [5, 40],
        [2, 3],
      ] as const) {
        const data = Uint8Array.from({ length: 3 * width * height }, () => random.below(256));
        const covered = coverImage({ width: 4, height: 5 }, { width, height });
        const shown = resizeWindow(
          { width, height, data },
          covered.width,
          covered.height,
          'bilinear',
          covered.window,
        );
        const [whole, cut] = [{ width, height, data }, shown];
        expect((await model.run([whole, whole])).output).toEqual((await model.run([cut, cut])).output);
      }
      const small = new Uint8Array(60);
      await expect(model.run({ width: 4, height: 5, data: small })).rejects.toThrow(
        '1 images for a model that reads 2 at once',
      );
      const short = { width: 4, height: 5, data: small.subarray(1) };
      await expect(model.run([short, short])).rejects.toThrow('59 bytes for 4 x 5 pixels, expected 60 or 80');
      const none = { width: 0, height: 5, data: small };
      await expect(model.run([none, none])).rejects.toThrow('an image of 0 x 5 pixels');
      const huge = { width: 40000, height: 40000, data: small };
      await expect(model.run([huge, huge])).rejects.toThrow('more than this device takes at once');
      model.dispose();
    });
  });

  it('quantizes ties, infinities and NaN as the interpreter does', async () => {
    const graph = smallProgram();
    const { files } = await emitArtifact(graph);
    const { type } = graph.inputs[0]!;
    const scale = Math.fround(4 / 255);
    const corners = [0.5, 1.5, 2.5, -0.5, -1.5, 1e30, -1e30, Infinity, -Infinity, NaN, 246.5, -9.5, -10];
    const input = Float32Array.from(
      { length: elementCount(type.shape) },
      (_, i) => corners[i % corners.length]! * scale,
    );
    const [expected] = interpret(graph, [tensor(type, input)]);
    await withTestDevice(async ({ device }) => {
      const model = await load(Object.fromEntries(files), { device });
      expect([...(await model.run(input)).output]).toEqual([...expected!.data]);
      model.dispose();
    });
  });

  it('has several runs under way, each with its own result, and refuses wrong inputs and later runs', async () => {
    const graph = smallProgram();
    const { files } = await emitArtifact(graph);
    const inputs = [0, 1, 2, 3, 4, 5, 6].map((k) => wave(graph, k));
    const expected = inputs.map((input) => outputOf(graph, input));
    await withTestDevice(async ({ device }) => {
      const model = await load(Object.fromEntries(files), { device });
      const found = await Promise.all(inputs.map((input) => model.run(input)));
      expect(found.map(({ output }) => [...output])).toEqual(expected);
      await expect(model.run(new Float32Array(3))).rejects.toThrow(
        'has 3 values, expected 120 for [2, 3, 5, 4]',
      );
      await expect(model.run({ width: 1, height: 1, data: new Uint8Array(3) })).rejects.toThrow(
        'takes no images',
      );
      model.dispose();
      await expect(model.run(inputs[0]!)).rejects.toThrow('the model was disposed');
    });
  });

  it('takes its input when it is called', async () => {
    const graph = smallProgram();
    const { files } = await emitArtifact(graph);
    const input = wave(graph, 1);
    const expected = outputOf(graph, input);
    await withTestDevice(async ({ device }) => {
      using model = await load(Object.fromEntries(files), { device });
      const run = model.run(input);
      input.fill(0);
      expect([...(await run).output]).toEqual(expected);
    });
  });

  it('forgets a run that is aborted, and no other', async () => {
    const graph = smallProgram();
    const { files } = await emitArtifact(graph);
    const inputs = [0, 1, 2, 3, 4, 5].map((k) => wave(graph, k));
    await withTestDevice(async ({ device }) => {
      const model = await load(Object.fromEntries(files), { device });
      const stops = inputs.map(() => new AbortController());
      const runs = inputs.map((input, i) => model.run(input, { signal: stops[i]!.signal }));
      // One that is under way, one that waits for its turn.
      for (const i of [1, 4]) stops[i]!.abort(new Error(`no more of ${i}`));
      const found = await Promise.allSettled(runs);
      for (const [i, run] of found.entries()) {
        if (i === 1 || i === 4) expect(run).toMatchObject({ reason: { message: `no more of ${i}` } });
        else
          expect([...(run as PromiseFulfilledResult<RunResult>).value.output]).toEqual(
            outputOf(graph, inputs[i]!),
          );
      }
      await expect(model.run(inputs[0]!, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
      expect([...(await model.run(inputs[2]!)).output]).toEqual(outputOf(graph, inputs[2]!));
      model.dispose();
    });
  });

  it('shares its device with another model', async () => {
    const [first, second] = [smallProgram(), smallProgram(11)];
    const artifacts = await Promise.all([first, second].map(async (graph) => emitArtifact(graph)));
    await withTestDevice(async ({ device }) => {
      const [one, other] = await Promise.all(
        artifacts.map(async ({ files }) => load(Object.fromEntries(files), { device })),
      );
      const runs = [0, 1, 2, 3].flatMap((k) => [one!.run(wave(first, k)), other!.run(wave(second, k))]);
      const found = (await Promise.all(runs)).map(({ output }) => [...output]);
      const expected = [0, 1, 2, 3].flatMap((k) => [
        outputOf(first, wave(first, k)),
        outputOf(second, wave(second, k)),
      ]);
      expect(found).toEqual(expected);
      one!.dispose();
      // The device is the caller's: the other goes on.
      expect([...(await other!.run(wave(second, 9))).output]).toEqual(outputOf(second, wave(second, 9)));
      other!.dispose();
    });
  });

  it('makes nothing new in a thousand runs, and frees all of it', async () => {
    const graph = smallProgram();
    const preprocess = presetPreprocess('unit', { width: 4, height: 5 });
    const { files } = await emitArtifact(graph, {
      image: { tables: channelTables(preprocess), layout: 'NCHW' },
      preprocess,
    });
    const image = { width: 9, height: 7, data: new Uint8Array(3 * 63) };
    await withTestDevice(async ({ device }) => {
      const living = watchBuffers(device);
      const model = await load(Object.fromEntries(files), { device });
      const input = wave(graph, 0);
      await model.run(input);
      await model.run([image, image]);
      const count = living.size;
      for (let i = 0; i < 1000; i += 4) {
        await Promise.all([model.run(input), model.run([image, image]), model.run(input), model.run(input)]);
      }
      expect(living.size).toBe(count);
      model.dispose();
      expect(living.size).toBe(0);
    });
  });

  it('says that its device was lost', async () => {
    const graph = smallProgram();
    const { files } = await emitArtifact(graph);
    await withTestDevice(async ({ device }) => {
      const model = await load(Object.fromEntries(files), { device });
      const underWay = model.run(new Float32Array(120));
      const told = expect(underWay).rejects.toThrow('the GPU device was lost (destroyed)');
      device.destroy();
      await told;
      expect(await model.lost).toMatch('the GPU device was lost (destroyed)');
      await expect(model.run(new Float32Array(120))).rejects.toThrow('the GPU device was lost');
    });
  });
});
