/** `weights.bin`: runs of bytes that kernels bind, one after the other, each at an offset that WebGPU lets a binding begin at. */
import { fail } from '../../ir/index.ts';
import { limits } from './limits.ts';

/** A part of the file. */
export interface WeightRange {
  readonly offset: number;
  readonly bytes: number;
}

export class WeightsFile {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  /** Appends bytes, padded to whole vectors; returns where they lie. */
  add(bytes: Uint8Array): WeightRange {
    const size = Math.max(16, Math.ceil(bytes.length / 16) * 16);
    if (size > limits.bindingBytes) {
      fail(
        'wgsl/too-large',
        `a layer's weights take ${size} bytes, at most ${limits.bindingBytes} can be bound`,
        {
          help: 'use fewer bits for the weights',
        },
      );
    }
    const offset = Math.ceil(this.#length / limits.offsetAlignment) * limits.offsetAlignment;
    this.#parts.push(new Uint8Array(offset - this.#length), bytes, new Uint8Array(size - bytes.length));
    this.#length = offset + size;
    if (this.#length > limits.bufferBytes) {
      fail(
        'wgsl/too-large',
        `the weights take more than ${limits.bufferBytes} bytes, the largest buffer there is`,
        {
          help: 'use fewer bits for the weights',
        },
      );
    }
    return { offset, bytes: size };
  }

  get bytes(): Uint8Array {
    const file = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      file.set(part, at);
      at += part.length;
    }
    return file;
  }
}
