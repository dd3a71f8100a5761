/** Weights as they travel, compressed by gzip, to weights as a device holds them. */
import { ModelError } from './model-error.ts';

/** The bytes behind a gzip stream, which must be `size`: no more is ever held, whatever the stream says. */
export async function inflated(packed: Uint8Array, size: number, name: string): Promise<Uint8Array> {
  const whole = new Uint8Array(size);
  let length = 0;
  const stream = new Blob([packed as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream('gzip'));
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw new ModelError(`${name} is no gzip stream`, { cause });
    });
    if (done) break;
    const at = length;
    length += value.length;
    if (length > size) break;
    whole.set(value, at);
  }
  void reader.cancel();
  if (length === size) return whole;
  throw new ModelError(`${name} holds ${length > size ? 'more than' : `${length} of`} ${size} bytes`);
}
