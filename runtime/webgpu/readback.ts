/** What a device has written, as bytes. */
import { sized, usage } from './buffers.ts';

const mapForReading = 0x1;

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
