/** Buffers by what they are for. */

// WebGPU's constants: Node has no globals for them.
export const usage = {
  mapRead: 0x1,
  copySource: 0x4,
  copyTarget: 0x8,
  storage: 0x80,
  queryResolve: 0x200,
} as const;
const mapForReading = 0x1;

export const wholeVectors = (bytes: number): number => Math.ceil(bytes / 16) * 16;

const sized = (bytes: number): number => Math.max(16, wholeVectors(bytes));

/** A buffer that kernels bind and that can be written and copied. */
export const storageBuffer = (device: GPUDevice, bytes: number, label: string): GPUBuffer =>
  device.createBuffer({
    size: sized(bytes),
    usage: usage.storage | usage.copySource | usage.copyTarget,
    label,
  });

/** A buffer for reading results back. */
export const readableBuffer = (device: GPUDevice, bytes: number): GPUBuffer =>
  device.createBuffer({ size: sized(bytes), usage: usage.mapRead | usage.copyTarget, label: 'readback' });

/** The bytes of a buffer that is mapped for reading and unmapped again. */
export async function mapped(buffer: GPUBuffer): Promise<Uint8Array> {
  await buffer.mapAsync(mapForReading);
  const bytes = new Uint8Array(buffer.getMappedRange()).slice();
  buffer.unmap();
  return bytes;
}
