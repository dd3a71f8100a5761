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

/**
 * The buffers that results are read back through. A run needs one from its submission until its result is read; whoever finds none free waits,
 * first come first served.
 */
export class ReadbackRing {
  readonly #all: readonly GPUBuffer[];
  readonly #free: GPUBuffer[];
  readonly #waiting: ((buffer: GPUBuffer) => void)[] = [];

  constructor(device: GPUDevice, bytes: number, count: number) {
    this.#all = Array.from({ length: count }, () => readableBuffer(device, bytes));
    this.#free = [...this.#all];
  }

  /** A free buffer, at once, or a promise of the next. */
  take(): GPUBuffer | Promise<GPUBuffer> {
    return this.#free.pop() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: GPUBuffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }

  destroy(): void {
    for (const buffer of this.#all) buffer.destroy();
  }
}
