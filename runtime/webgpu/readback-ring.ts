/** Results on their way back, of several runs at once. */
import { readableBuffer } from './readback.ts';

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
