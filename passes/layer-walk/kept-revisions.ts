/**
 * The revisions of one walk in the store of its context. The first layer's key is a digest of the program, of what the walk is and of the
 * samples; every other layer's is a digest of the key and the revision before it:
 *
 *     key(0) = H(walk, program, samples)         key(i + 1) = H(key(i), revision(i))
 *
 * Law: what is taken back is what the walk would make, because all that determines it is in the key.
 */
import type { Graph } from '../../ir/index.ts';
import { BlobWriter, printGraph } from '../../ir/text/index.ts';
import type { PassContext } from '../pass.ts';
import { sha256 } from '../sha256.ts';
import type { QuantizedLayer, Revision } from './quantized-layer.ts';

/** A layer may have been looked at and left as it was. */
export interface KeptRevision {
  readonly revision: Revision | undefined;
}

export interface KeptRevisions {
  /** Those of the first layers of the walk that were kept, in order. */
  readonly take: (layers: readonly QuantizedLayer[]) => Promise<KeptRevision[]>;
  /** Keeps the revision of the next layer. */
  readonly save: (layer: QuantizedLayer, revision: Revision | undefined) => Promise<void>;
}

/** `walk` is all that decides revisions besides the program and the samples. Nothing is kept without a store and a digest. */
export async function keptRevisions(
  { store, samples }: Pick<PassContext, 'store' | 'samples'>,
  graph: Graph,
  walk: object,
): Promise<KeptRevisions> {
  const digest = store === undefined ? undefined : await samples?.digest?.();
  if (store === undefined || digest === undefined) {
    return { take: () => Promise.resolve([]), save: () => Promise.resolve() };
  }
  let key = await sha256([JSON.stringify(walk), await programDigest(graph), digest].join('\n'));
  const advance = async (bytes: Uint8Array): Promise<void> => {
    key = await sha256(`${key}\n${await sha256(bytes)}`);
  };
  return {
    take: async (layers) => {
      const taken: KeptRevision[] = [];
      for (const layer of layers) {
        const bytes = await store.load(key);
        const kept = bytes === undefined ? undefined : decode(bytes, layer);
        if (bytes === undefined || kept === undefined) break;
        taken.push(kept);
        await advance(bytes);
      }
      return taken;
    },
    save: async (layer, revision) => {
      const bytes = encode(layer, revision);
      await store.save(key, bytes);
      await advance(bytes);
    },
  };
}

async function programDigest(graph: Graph): Promise<string> {
  const blobs = new BlobWriter('weights');
  const text = printGraph(graph, { blobs });
  return sha256(`${await sha256(text)}\n${await sha256(blobs.bytes())}`);
}

/**
 * A byte that says which parts follow (1 integers, 2 scales, 4 bias; 8 with nothing: the layer stays as it was), then their elements.
 * Floats little-endian.
 */
const parts = ['integers', 'scales', 'bias'] as const;
const unrevised = 8;

function partBytes(part: (typeof parts)[number], layer: QuantizedLayer): number {
  return part === 'integers' ? layer.weights.tensor.data.length : 4 * layer.scales.data.length;
}

function encode(layer: QuantizedLayer, revision: Revision | undefined): Uint8Array {
  if (revision === undefined) return Uint8Array.of(unrevised);
  const present = parts.filter((part) => revision[part] !== undefined);
  const bytes = new Uint8Array(1 + present.reduce((sum, part) => sum + partBytes(part, layer), 0));
  const view = new DataView(bytes.buffer);
  let at = 1;
  for (const part of present) {
    bytes[0]! |= 1 << parts.indexOf(part);
    const data = revision[part]!;
    if (part === 'integers') bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.length), at);
    else for (const [i, value] of data.entries()) view.setFloat32(at + 4 * i, value, true);
    at += partBytes(part, layer);
  }
  return bytes;
}

/** Undefined for bytes that are no revision of this layer. */
function decode(bytes: Uint8Array, layer: QuantizedLayer): KeptRevision | undefined {
  const flags = bytes[0];
  if (flags === unrevised && bytes.length === 1) return { revision: undefined };
  const present = parts.filter((_, i) => ((flags ?? 0) >> i) & 1);
  const length = present.reduce((sum, part) => sum + partBytes(part, layer), 1);
  if (flags === undefined || flags >= unrevised || bytes.length !== length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const revision: { -readonly [part in keyof Revision]: Revision[part] } = {};
  let at = 1;
  for (const part of present) {
    const size = partBytes(part, layer);
    if (part === 'integers') {
      revision.integers = Int8Array.from({ length: size }, (_, i) => view.getInt8(at + i));
    } else {
      revision[part] = Float32Array.from({ length: size / 4 }, (_, i) => view.getFloat32(at + 4 * i, true));
    }
    at += size;
  }
  return { revision };
}
