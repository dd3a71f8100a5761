/** The device a model runs on, and what it must have. */
import { ModelError } from './model-error.ts';
import type { WgslProgram } from './program.ts';

// (The types of WebGPU do not know subgroups yet.)
const wantedFeatures = ['timestamp-query', 'subgroups'] as GPUFeatureName[];

export const browserGpu = (): GPU | undefined =>
  (globalThis as { readonly navigator?: { readonly gpu?: GPU } }).navigator?.gpu;

/** Limits by WebGPU's name, with what the program needs. */
function neededLimits({ limits }: WgslProgram): readonly (readonly [keyof GPUSupportedLimits, number])[] {
  return [
    ['maxStorageBuffersPerShaderStage', limits.storage_buffers],
    ['maxStorageBufferBindingSize', limits.binding_bytes],
    ['maxBufferSize', limits.buffer_bytes],
    ['maxComputeInvocationsPerWorkgroup', limits.invocations],
  ];
}

/** A device of the browser's own choice that can run the program. */
export async function requestDevice(program: WgslProgram): Promise<GPUDevice> {
  const gpu = browserGpu();
  if (gpu === undefined) {
    throw new ModelError(
      (globalThis as { readonly isSecureContext?: boolean }).isSecureContext === false
        ? 'browsers have WebGPU only on https and on localhost, and this page is on neither'
        : 'there is no WebGPU here: use a browser that has it, or give load() a device',
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) throw new ModelError('WebGPU has no adapter: no usable GPU, or it is disabled');
  for (const [name, needed] of neededLimits(program)) checkLimit('adapter', name, adapter.limits, needed);
  return adapter.requestDevice({
    requiredFeatures: wantedFeatures.filter((name) => adapter.features.has(name)),
    requiredLimits: Object.fromEntries(neededLimits(program)),
  });
}

function checkLimit(
  owner: string,
  name: keyof GPUSupportedLimits,
  limits: GPUSupportedLimits,
  needed: number,
): void {
  const has = limits[name] as number;
  if (has < needed) {
    throw new ModelError(
      `the model needs ${name} of ${needed}, this ${owner} has ${has}` +
        (owner === 'device' ? ': ask for it in requiredLimits, if the adapter has it' : ''),
    );
  }
}

/** Rejects a device that lacks something, by a ModelError that names it. */
export function checkLimits(device: GPUDevice, program: WgslProgram): void {
  for (const [name, needed] of neededLimits(program)) checkLimit('device', name, device.limits, needed);
}
