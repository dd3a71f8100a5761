import { describe, expect, it } from '@jest/globals';
import { emitArtifact } from '../fixtures/wgsl/artifact.ts';
import { ProgramWriter } from '../fixtures/programs/program-writer.ts';
import { elementCount, type Graph, interpret, tensor } from '../ir/index.ts';
import { load } from './model.ts';
import { GpuUnavailableError, type OpenedGpuDevice, openGpuDevice } from './node-gpu.ts';

function smallProgram(): Graph {
  const w = new ProgramWriter('small', 7);
  const x = w.input([2, 3, 5, 4], 'u8', 9);
  const y = w.requantize(w.convolution(x, 6, { kernel: [3, 3], pads: [1, 1, 1, 1] }), 'u8');
  return w.finish(y);
}

const tables = [0, 1, 2].map((c) => Float32Array.from({ length: 256 }, (_, byte) => byte / 70 - 0.3 * c));

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
  });

  it('names a file that is missing', async () => {
    await expect(load({})).rejects.toThrow('the artifact has no file manifest.json');
    const { files } = await emitArtifact(smallProgram());
    const without = Object.fromEntries([...files].filter(([name]) => name !== 'weights.bin'));
    await expect(load(without)).rejects.toThrow('the artifact has no file weights.bin');
  });

  it('refuses weights of another size than stated', async () => {
    const { files } = await emitArtifact(smallProgram());
    const cut = { ...Object.fromEntries(files), 'weights.bin': files.get('weights.bin')!.subarray(16) };
    await expect(load(cut)).rejects.toThrow(/weights\.bin has \d+ bytes, the manifest states \d+/);
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
  async function withDevice(action: (gpu: OpenedGpuDevice) => Promise<void>): Promise<void> {
    let gpu: OpenedGpuDevice;
    try {
      gpu = await openGpuDevice();
    } catch (error) {
      if (!(error instanceof GpuUnavailableError)) throw error;
      console.log(`nothing is run: ${error.message}`);
      return;
    }
    try {
      await action(gpu);
    } finally {
      gpu.close();
    }
  }

  it('takes bytes of images, RGB and RGBA, as the preprocessing says', async () => {
    const graph = smallProgram();
    const { files } = await emitArtifact(graph, { image: { tables, layout: 'NCHW' } });
    const [batch, channels, height, width] = graph.inputs[0]!.type.shape as [number, number, number, number];
    const rgba = Uint8Array.from({ length: batch * height * width * 4 }, (_, i) => (i * 37 + 11) % 256);
    const input = new Float32Array(batch * channels * height * width);
    for (let pixel = 0; pixel < batch * height * width; pixel++) {
      const [n, place] = [Math.floor(pixel / (height * width)), pixel % (height * width)];
      for (let c = 0; c < channels; c++) {
        input[(n * channels + c) * height * width + place] = tables[c]![rgba[4 * pixel + c]!]!;
      }
    }
    const expected = interpret(graph, [tensor(graph.inputs[0]!.type, input)])[0]!.data;
    await withDevice(async ({ device }) => {
      const model = await load(Object.fromEntries(files), { device });
      const fromRgba = await model.runImage(rgba);
      const fromRgb = await model.runImage(rgba.filter((_, i) => i % 4 !== 3));
      expect([...fromRgba.output]).toEqual([...expected]);
      expect([...fromRgb.output]).toEqual([...expected]);
      await expect(model.runImage(rgba.subarray(4))).rejects.toThrow('bytes for 2 images of 5 x 4 pixels');
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
    await withDevice(async ({ device }) => {
      const model = await load(Object.fromEntries(files), { device });
      expect([...(await model.run(input)).output]).toEqual([...expected!.data]);
      model.dispose();
    });
  });

  it('runs what is asked for together one after the other, and refuses wrong inputs and later runs', async () => {
    const graph = smallProgram();
    const { files } = await emitArtifact(graph);
    const { type } = graph.inputs[0]!;
    const inputs = [0, 1, 2].map((k) =>
      Float32Array.from({ length: elementCount(type.shape) }, (_, i) => Math.sin(i + k)),
    );
    const expected = inputs.map((input) => [...interpret(graph, [tensor(type, input)])[0]!.data]);
    await withDevice(async ({ device }) => {
      const model = await load(Object.fromEntries(files), { device });
      const found = await Promise.all(inputs.map((input) => model.run(input)));
      expect(found.map(({ output }) => [...output])).toEqual(expected);
      await expect(model.run(new Float32Array(3))).rejects.toThrow(
        'has 3 values, expected 120 for [2, 3, 5, 4]',
      );
      await expect(model.runImage(new Uint8Array(120))).rejects.toThrow('takes no images');
      model.dispose();
      await expect(model.run(inputs[0]!)).rejects.toThrow('the model was disposed');
    });
  });

  it('says that its device was lost', async () => {
    const graph = smallProgram();
    const { files } = await emitArtifact(graph);
    await withDevice(async ({ device }) => {
      const model = await load(Object.fromEntries(files), { device });
      device.destroy();
      expect(await model.lost).toMatch('the GPU device was lost (destroyed)');
      await expect(model.run(new Float32Array(120))).rejects.toThrow('the GPU device was lost');
    });
  });
});
