/**
 * A WebGPU device for Node. Decides which implementation a program without a browser runs on: the hardware if there is any, else
 * lavapipe (Mesa's CPU driver), else SwiftShader (the CPU driver that Chromium ships), each through Dawn, which npm's `webgpu` packs.
 *
 * Laws
 * - A driver the user names (`options.icd`, or `VK_ICD_FILENAMES` / `VK_DRIVER_FILES` in the environment) is the one used, or an error.
 * - A device is only valid while the object `create()` returned is reachable: Dawn frees the whole instance when that object is
 *   collected, and the next call on the device crashes the process. Instances are therefore kept in `instances` for the life of the
 *   process, one a driver; they do not keep the process alive.
 * - Software drivers are chosen by adapter *name*, not by order: Vulkan lists SwiftShader before lavapipe, and a driver that fails to
 *   load is dropped from the list without a word.
 *
 * Reading limits and features from the *device* is enough for callers: every compute limit is requested at what the adapter has.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type * as Dawn from 'webgpu';

/** A software driver by name, or the path of a Vulkan driver manifest (`*_icd.json`). */
export type GpuDriver = 'lavapipe' | 'swiftshader' | (string & {});

export interface OpenGpuDeviceOptions {
  /** Which Vulkan driver to load. Absent: what the environment names, else hardware, else lavapipe, else SwiftShader. */
  readonly icd?: GpuDriver;
  /** Features to enable where the adapter has them; one it lacks is left out. Default: `timestamp-query` and `subgroups`. */
  readonly features?: readonly GPUFeatureName[];
}

export interface OpenedGpuDevice {
  readonly device: GPUDevice;
  readonly adapterInfo: GPUAdapterInfo;
  /** What `navigator.gpu.wgslLanguageFeatures` is in a browser; says whether `dot4I8Packed` exists. */
  readonly wgslLanguageFeatures: ReadonlySet<string>;
  /** Destroys the device and its buffers: pending maps reject, pending pipelines never settle. May be called twice. */
  close(): void;
}

/** No device could be opened; the message says what to install or set. */
export class GpuUnavailableError extends Error {
  override readonly name = 'GpuUnavailableError';
}

interface SoftwareDriver {
  /** A part of the name Vulkan gives the adapter. */
  readonly adapterName: string;
  readonly install: string;
  /** Every folder that may hold the manifest, the distribution's first. */
  readonly folders: readonly string[];
  readonly manifest: RegExp;
}

const SOFTWARE_DRIVERS = {
  lavapipe: {
    adapterName: 'llvmpipe',
    install: 'mesa-vulkan-drivers, from Mesa 24 or newer (on Debian 12: from bookworm-backports)',
    folders: ['/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d', '/etc/vulkan/icd.d'],
    manifest: /^lvp_icd.*\.json$/,
  },
  swiftshader: {
    adapterName: 'SwiftShader',
    install: 'chromium (it ships vk_swiftshader_icd.json)',
    folders: [
      '/usr/lib/chromium',
      '/usr/lib/chromium-browser',
      '/usr/lib64/chromium-browser',
      '/opt/google/chrome',
    ],
    manifest: /^vk_swiftshader_icd\.json$/,
  },
} as const satisfies Record<string, SoftwareDriver>;

type SoftwareDriverName = keyof typeof SOFTWARE_DRIVERS;

/** The limits a compute kernel can meet; each is requested at the adapter's own maximum. */
const REQUESTED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const;

/** The variables by which Vulkan's loader is told its drivers: the first two replace its own search, the newer one winning. */
const DRIVER_VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const;

/** Dawn instances by driver; see the laws above for why they are never let go. */
const instances = new Map<string, GPU>();

/**
 * The manifest of a software driver on this machine, or `undefined` when it is not installed.
 */
export function findSoftwareDriver(name: SoftwareDriverName): string | undefined {
  const { folders, manifest } = SOFTWARE_DRIVERS[name];
  for (const folder of folders) {
    const file = existsSync(folder) ? readdirSync(folder).find((entry) => manifest.test(entry)) : undefined;
    if (file !== undefined) return join(folder, file);
  }
  return undefined;
}

/**
 * Opens a device with the adapter's full compute limits, and puts WebGPU's constants (`GPUBufferUsage`, `GPUMapMode`, ...) on
 * `globalThis` where a browser has them.
 *
 * `process.env` must be the process's own for `icd` to reach the driver loader. Where it is a copy (worker threads, Jest), start the
 * process with `VK_ADD_DRIVER_FILES` naming the extra manifests; a driver by name is then found through it.
 *
 * @throws GpuUnavailableError when `webgpu` is not installed, or no driver answers; the message says what to install.
 */
export async function openGpuDevice(options: OpenGpuDeviceOptions = {}): Promise<OpenedGpuDevice> {
  const { gpu, adapter } = await findAdapter(options.icd);
  const features = options.features ?? (['timestamp-query', 'subgroups'] as GPUFeatureName[]);
  const device = await adapter.requestDevice({
    requiredFeatures: features.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(REQUESTED_LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
  return {
    device,
    adapterInfo: adapter.info,
    wgslLanguageFeatures: gpu.wgslLanguageFeatures,
    close: () => {
      device.destroy();
    },
  };
}

interface FoundAdapter {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
}

async function findAdapter(icd: GpuDriver | undefined): Promise<FoundAdapter> {
  if (isSoftwareDriver(icd)) {
    const found = await findSoftwareAdapter(icd);
    if (found !== undefined) return found;
    throw new GpuUnavailableError(
      `the ${icd} driver is not usable here: install ${SOFTWARE_DRIVERS[icd].install}`,
    );
  }
  if (icd !== undefined && !existsSync(icd)) {
    throw new GpuUnavailableError(
      `no Vulkan driver manifest at ${icd}: expected a file such as lvp_icd.json`,
    );
  }

  const preferred = await requestAdapter([], icd);
  const named = icd ?? namedByEnvironment();
  if (named !== undefined) {
    if (preferred !== undefined) return preferred;
    throw new GpuUnavailableError(
      `the Vulkan driver ${named} gives no adapter that Dawn accepts: expected Vulkan 1.1 or newer (lavapipe: Mesa 24 or newer)`,
    );
  }

  // An adapter that calls itself a fallback is a CPU driver; of those the order is ours, not the loader's.
  if (preferred !== undefined && !preferred.adapter.info.isFallbackAdapter) return preferred;
  const software =
    process.platform === 'linux'
      ? ((await findSoftwareAdapter('lavapipe')) ?? (await findSoftwareAdapter('swiftshader')))
      : undefined;
  const found = software ?? preferred;
  if (found !== undefined) return found;
  throw new GpuUnavailableError(
    'no GPU and no software driver was found; install one of: ' +
      Object.values(SOFTWARE_DRIVERS)
        .map((driver) => driver.install)
        .join('; ') +
      '; or name a driver manifest in VK_ICD_FILENAMES',
  );
}

async function findSoftwareAdapter(name: SoftwareDriverName): Promise<FoundAdapter | undefined> {
  return requestAdapter([`adapter=${SOFTWARE_DRIVERS[name].adapterName}`], findSoftwareDriver(name));
}

/**
 * Asks Dawn for an adapter, loading the driver of `manifest` alone where one is given.
 * Returns `undefined` when there is none: Dawn says so by `null` when it chose, by an exception when `adapter=` names one it lacks.
 */
async function requestAdapter(
  flags: readonly string[],
  manifest: string | undefined,
): Promise<FoundAdapter | undefined> {
  const { create, globals } = await loadDawn();
  Object.assign(globalThis, globals);
  const key = JSON.stringify([flags, manifest, namedByEnvironment()]);
  return withDriver(manifest, async () => {
    try {
      const gpu =
        instances.get(key) ?? create([...(process.platform === 'linux' ? ['backend=vulkan'] : []), ...flags]);
      const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
      if (adapter === null) return undefined;
      instances.set(key, gpu);
      return { gpu, adapter };
    } catch {
      return undefined;
    }
  });
}

/** Runs `body` while Vulkan's loader sees only `manifest`; the environment is restored after it, whatever happens. */
async function withDriver<T>(manifest: string | undefined, body: () => Promise<T>): Promise<T> {
  if (manifest === undefined) return body();
  const saved = DRIVER_VARIABLES.map((variable) => [variable, process.env[variable]] as const);
  for (const variable of DRIVER_VARIABLES) process.env[variable] = manifest;
  try {
    return await body();
  } finally {
    for (const [variable, value] of saved) {
      if (value === undefined) Reflect.deleteProperty(process.env, variable);
      else process.env[variable] = value;
    }
  }
}

async function loadDawn(): Promise<typeof Dawn> {
  try {
    return await import('webgpu');
  } catch (cause) {
    throw new GpuUnavailableError(
      `the optional package "webgpu" cannot be loaded: install it with "npm install webgpu" (it has no build for every platform)`,
      { cause },
    );
  }
}

function namedByEnvironment(): string | undefined {
  return DRIVER_VARIABLES.map((variable) => process.env[variable]).find(
    (value) => value !== undefined && value !== '',
  );
}

function isSoftwareDriver(icd: GpuDriver | undefined): icd is SoftwareDriverName {
  return icd !== undefined && Object.hasOwn(SOFTWARE_DRIVERS, icd);
}
