/**
 * One adapter for all contestants. Each opens its own device, so the adapter is named to all by the environment: Vulkan's loader is shown
 * one driver. Mesa asks for a private folder, which a machine without a login session lacks.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../ir/index.ts';
import { findSoftwareDriver, GpuUnavailableError, openGpuDevice } from '../runtime/node-gpu.ts';

export interface GpuEnvironment {
  readonly env: Readonly<Record<string, string>>;
  /** The adapter, in words. */
  readonly adapter: string;
}

/**
 * The environment in which everyone meets the adapter: `lavapipe`, `swiftshader`, a driver's manifest, or the best there is. It is set for
 * this process too. Fails with `bench/no-gpu` where there is none.
 */
export async function gpuEnvironment(
  asked: string | undefined,
  threads: number | undefined,
): Promise<GpuEnvironment> {
  process.env['XDG_RUNTIME_DIR'] ??= mkdtempSync(join(tmpdir(), 'qc-bench-'));
  const describe = async (icd: string | undefined): Promise<string> => {
    const gpu = await openGpuDevice(icd === undefined ? {} : { icd });
    const { description, vendor, architecture } = gpu.adapterInfo;
    gpu.close();
    return [description, architecture, vendor].find((text) => text !== '') ?? 'unnamed adapter';
  };
  try {
    const adapter = await describe(asked);
    const software = /llvmpipe/i.test(adapter)
      ? 'lavapipe'
      : /swiftshader/i.test(adapter)
        ? 'swiftshader'
        : undefined;
    const driver = software === undefined ? asked : (findSoftwareDriver(software) ?? asked);
    const env = {
      XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'],
      ...(driver === undefined ? {} : { VK_ICD_FILENAMES: driver, VK_DRIVER_FILES: driver }),
      ...(threads === undefined ? {} : { LP_NUM_THREADS: String(threads) }),
    };
    Object.assign(process.env, env);
    return { env, adapter };
  } catch (error) {
    if (!(error instanceof GpuUnavailableError)) throw error;
    return fail('bench/no-gpu', error.message, { help: 'name another adapter with --adapter' });
  }
}
