/** The identity of samples: a digest of every value, taken while they are read for something else, or by reading them once. */
import type { Tensor } from '../ir/index.ts';
import type { Samples } from './pass.ts';
import { sha256 } from './sha256.ts';

/** The same samples with `digest`. */
export function withDigest(samples: Samples): Samples {
  let known: Promise<string> | undefined;
  const read = async function* (): AsyncGenerator<readonly Tensor[]> {
    const digests: string[] = [];
    for await (const inputs of samples.read()) {
      if (known === undefined) {
        for (const { data } of inputs) {
          digests.push(await sha256(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)));
        }
      }
      yield inputs;
    }
    known ??= sha256(digests.join('\n'));
  };
  return {
    ...samples,
    read,
    digest: async () => {
      const reader = read();
      while (known === undefined) await reader.next();
      return known;
    },
  };
}
