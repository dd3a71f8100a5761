/** WGSL artifacts in Node, through npm's `webgpu`. */
import { fail } from '../../ir/index.ts';
import type { Manifest } from '../../runtime/manifest.ts';
import { ModelError } from '../../runtime/model.ts';
import { GpuUnavailableError, type OpenedGpuDevice, openGpuDevice } from '../../runtime/node-gpu.ts';
import type { Runner } from './runner.ts';
import { loadWgslRunner } from './wgsl.ts';

export interface NodeWgslOptions {
  /** `lavapipe`, `swiftshader`, or the path of a Vulkan driver manifest. Default: what the environment names, else the best there is. */
  readonly adapter?: string;
  /** Whether kernels use `dot4I8Packed`. Default: where the implementation has it. */
  readonly packedDot?: boolean;
}

/** What of an artifact is needed to run it. */
export interface WgslArtifact {
  readonly manifest: Manifest;
  readonly read: (name: string) => Promise<Uint8Array>;
}

/** A device of the adapter that is asked for. Fails with `run/no-gpu` where it cannot be opened. */
export async function openGpu(adapter: string | undefined): Promise<OpenedGpuDevice> {
  return openGpuDevice(adapter === undefined ? {} : { icd: adapter }).catch((error: unknown) => {
    if (!(error instanceof GpuUnavailableError)) throw error;
    return fail('run/no-gpu', error.message, {
      help: 'name another adapter with --adapter, or open the artifact in a browser',
    });
  });
}

/** What people call an adapter. */
export const gpuName = ({ adapterInfo: { description, architecture, vendor } }: OpenedGpuDevice): string =>
  [description, architecture, vendor].find((text) => text !== '') ?? 'unnamed adapter';

/** Says what a runtime says as a failure of ours: `run/gpu`. */
export function explainGpuError(error: unknown): never {
  if (error instanceof ModelError) return fail('run/gpu', error.message);
  throw error;
}

/**
 * Loads an artifact that `qc compile` wrote. Fails with `run/no-gpu` where no adapter can be opened, with `run/gpu` where the one there is
 * cannot run it.
 */
export async function openWgslRunner(artifact: WgslArtifact, options: NodeWgslOptions = {}): Promise<Runner> {
  const gpu = await openGpu(options.adapter);
  const { manifest, read } = artifact;
  const manifestBytes = new TextEncoder().encode(JSON.stringify(manifest));
  try {
    return await loadWgslRunner(
      async (file) => (file === 'manifest.json' ? manifestBytes : read(file)),
      manifest,
      {
        device: gpu.device,
        wgslLanguageFeatures: gpu.wgslLanguageFeatures,
        ...(options.packedDot === undefined ? {} : { packedDot: options.packedDot }),
        deviceName: gpuName(gpu),
        release: () => {
          gpu.close();
        },
      },
    );
  } catch (error) {
    gpu.close();
    return explainGpuError(error);
  }
}
