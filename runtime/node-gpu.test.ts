import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { findSoftwareDriver, GpuUnavailableError, openGpuDevice } from './node-gpu.ts';
import type { OpenedGpuDevice } from './node-gpu.ts';

const drivers = ['lavapipe', 'swiftshader'] as const;

let opened: OpenedGpuDevice[] = [];
afterEach(() => {
  for (const gpu of opened) gpu.close();
  opened = [];
});

async function open(options?: Parameters<typeof openGpuDevice>[0]): Promise<OpenedGpuDevice> {
  const gpu = await openGpuDevice(options);
  opened.push(gpu);
  return gpu;
}

/** One dispatch of `dot4I8Packed` over four invocations: the sum of byte products, signed, plus the invocation's index. */
async function dotProducts({ device }: OpenedGpuDevice): Promise<number[]> {
  const module = device.createShaderModule({
    code: `
requires packed_4x8_integer_dot_product;
@group(0) @binding(0) var<storage, read_write> out: array<i32>;
@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  out[id.x] = dot4I8Packed(0x01ff0380u, 0x7f01fd02u) + i32(id.x);
}`,
  });
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
  const out = device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const read = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: out } }],
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(out, 0, read, 0, 16);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  return [...new Int32Array(read.getMappedRange().slice(0))];
}

// -128 * 2 + 3 * -3 + -1 * 1 + 1 * 127
const expected = [-139, -138, -137, -136];

describe('openGpuDevice', () => {
  it('opens some device and computes on it', async () => {
    const gpu = await open();
    expect(gpu.wgslLanguageFeatures.has('packed_4x8_integer_dot_product')).toBe(true);
    expect(await dotProducts(gpu)).toEqual(expected);
  });

  it.each(drivers)('opens %s when asked for it, and not another', async (icd) => {
    if (findSoftwareDriver(icd) === undefined)
      throw new Error(`${icd} is not installed; see .ci/setup-debian`);
    const gpu = await open({ icd });
    expect(gpu.adapterInfo.description).toMatch(icd === 'lavapipe' ? /llvmpipe/ : /SwiftShader/);
    expect(await dotProducts(gpu)).toEqual(expected);
  });

  it('requests the compute limits of the adapter', async () => {
    const { device } = await open({ icd: 'lavapipe' });
    expect(device.limits.maxComputeWorkgroupStorageSize).toBe(32768);
    expect(device.limits.maxComputeInvocationsPerWorkgroup).toBe(1024);
  });

  it('gives a fresh device after the last one was closed', async () => {
    const first = await open({ icd: 'lavapipe' });
    first.close();
    first.close();
    expect((await first.device.lost).reason).toBe('destroyed');
    expect(await dotProducts(await open({ icd: 'lavapipe' }))).toEqual(expected);
  });

  it('refuses a manifest that is not there', async () => {
    await expect(openGpuDevice({ icd: '/nowhere/icd.json' })).rejects.toThrow(
      new GpuUnavailableError(
        'no Vulkan driver manifest at /nowhere/icd.json: expected a file such as lvp_icd.json',
      ),
    );
  });
});

describe('in a process of its own', () => {
  /** Runs a program against the module as Node itself loads it: real garbage collection, real environment, real exit. */
  async function run(program: string, env: Record<string, string> = {}): Promise<string> {
    const source = new URL('./node-gpu.ts', import.meta.url).href;
    const { transformFile } = await import('@swc/core');
    const { code } = await transformFile(new URL(source).pathname, {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'es6' },
    });
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--expose-gc', '--input-type=module', '--eval', `${code}\n${program}`],
      {
        cwd: new URL('.', import.meta.url).pathname,
        env: { ...environmentWithoutDrivers(), ...env },
        timeout: 60_000,
      },
    );
    return stdout;
  }

  function environmentWithoutDrivers(): Record<string, string | undefined> {
    const { VK_ICD_FILENAMES: _1, VK_DRIVER_FILES: _2, VK_ADD_DRIVER_FILES: _3, ...rest } = process.env;
    return rest;
  }

  it('a device outlives the collection of everything the caller did not keep, and the process exits by itself', async () => {
    const stdout = await run(`
      const { device, close } = await openGpuDevice();
      for (let i = 0; i < 5; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
      const buffer = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      await buffer.mapAsync(GPUMapMode.READ);
      console.log('mapped', buffer.getMappedRange().byteLength);
      close();
      gc();
      console.log('closed');`);
    expect(stdout).toBe('mapped 16\nclosed\n');
  });

  it.each(drivers)(
    'opens %s without help from the environment, and leaves the environment as it was',
    async (icd) => {
      const stdout = await run(`
      const { adapterInfo } = await openGpuDevice({ icd: '${icd}' });
      console.log(adapterInfo.description.split(/[ :]/)[0], process.env.VK_ICD_FILENAMES);`);
      expect(stdout).toBe(icd === 'lavapipe' ? 'llvmpipe undefined\n' : 'SwiftShader undefined\n');
    },
  );

  it('obeys the driver that the environment names', async () => {
    const manifest = findSoftwareDriver('swiftshader') ?? '';
    const stdout = await run(`console.log((await openGpuDevice()).adapterInfo.architecture);`, {
      VK_ICD_FILENAMES: manifest,
    });
    expect(stdout).toBe('swiftshader\n');
  });

  it('says what to do when the named driver does not load', async () => {
    const stdout = await run(
      `await openGpuDevice().catch((error) => console.log(error.name + ': ' + error.message));`,
      { VK_ICD_FILENAMES: '/nowhere/icd.json' },
    );
    expect(stdout).toBe(
      'GpuUnavailableError: the Vulkan driver /nowhere/icd.json gives no adapter that Dawn accepts: ' +
        'expected Vulkan 1.1 or newer (lavapipe: Mesa 24 or newer)\n',
    );
  });
});
