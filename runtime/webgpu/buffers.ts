/** Buffers by what they are for. */

// WebGPU's constants: Node has no globals for them.
export const usage = {
  mapRead: 0x1,
  copySource: 0x4,
  copyTarget: 0x8,
  storage: 0x80,
  queryResolve: 0x200,
} as const;

export const wholeVectors = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** Bytes of a buffer that holds so many: none is empty. */
export const sized = (bytes: number): number => Math.max(16, wholeVectors(bytes));

/** A buffer that kernels bind and that can be written and copied. */
export const storageBuffer = (device: GPUDevice, bytes: number, label: string): GPUBuffer =>
  device.createBuffer({
    size: sized(bytes),
    usage: usage.storage | usage.copySource | usage.copyTarget,
    label,
  });
