/** What WebGPU says of the adapter behind a device. Older browsers say nothing, and all of them less than Node. */

// (The types of WebGPU do not know the sizes of subgroups yet.)
type Info = Partial<GPUAdapterInfo> & {
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
};

const infoOf = (device: { readonly adapterInfo?: Info }): Info => device.adapterInfo ?? {};

const words = (...parts: readonly (string | undefined)[]): string => parts.filter(Boolean).join(' ');

/** The maker and the kind, which browsers tell too; empty where nothing is told. */
export const adapterFamily = (device: GPUDevice): string => {
  const { vendor, architecture } = infoOf(device);
  return words(vendor, architecture);
};

/** An adapter in all the words there are, the same on every visit; empty where nothing is told. */
export const adapterName = (gpu: GPUDevice): string => {
  const { vendor, architecture, device, description } = infoOf(gpu);
  return words(vendor, architecture, device, description);
};

/** Whether kernels for subgroups of eight invocations or more run at all. */
export const runsSubgroups = (device: GPUDevice): boolean =>
  device.features.has('subgroups') && (infoOf(device).subgroupMinSize ?? 0) >= 8;

/**
 * Whether they are the quicker ones, as far as anybody knows: where subgroups have exactly eight, the vectors of a processor, as measured; and on
 * adapters of the family that the artifact was tuned on, which holds them only where they won.
 */
export function prefersSubgroups(device: GPUDevice, tunedOn: string | undefined): boolean {
  if (!runsSubgroups(device)) return false;
  const family = adapterFamily(device);
  const { subgroupMinSize, subgroupMaxSize } = infoOf(device);
  return (subgroupMinSize === 8 && subgroupMaxSize === 8) || (family !== '' && tunedOn === family);
}
