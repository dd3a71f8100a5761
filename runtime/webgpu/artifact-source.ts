/**
 * The files of an artifact, from wherever they are: read with progress, and compared with the sizes and digests that the manifest states
 * before anything is made of them.
 */
import { ModelError } from './model-error.ts';
import type { ArtifactManifest } from './program.ts';

/** Where an artifact comes from: the URL of its folder, its files by name, or a function that reads one. */
export type ModelSource =
  string | URL | Readonly<Record<string, Uint8Array>> | ((file: string) => Uint8Array | Promise<Uint8Array>);

/** Hears of bytes as they come. */
type OnBytes = (more: number) => void;
type Read = (file: string, onBytes: OnBytes) => Promise<Uint8Array>;

/** The files a manifest lists, checked as they are read. */
export class ArtifactSource {
  readonly manifest: ArtifactManifest;
  readonly #read: Read;

  private constructor(manifest: ArtifactManifest, read: Read) {
    this.manifest = manifest;
    this.#read = read;
  }

  static async open(source: ModelSource, signal?: AbortSignal): Promise<ArtifactSource> {
    const read = readerOf(source, signal);
    const text = new TextDecoder().decode(await read('manifest.json', () => undefined));
    return new ArtifactSource(JSON.parse(text) as ArtifactManifest, read);
  }

  /** Files by name, all at once; `onProgress` hears of the bytes of all of them together. What was not named is undefined. */
  reader(
    names: readonly string[],
    onProgress?: (loaded: number, total: number) => void,
  ): (name: string) => Promise<Uint8Array> | undefined {
    const total = names.reduce((sum, name) => sum + (this.#listed(name)?.bytes ?? 0), 0);
    let loaded = 0;
    const onBytes = (more: number): void => {
      loaded += more;
      onProgress?.(Math.min(loaded, total), total);
    };
    const reads = new Map(names.map((name) => [name, this.#checked(name, onBytes)]));
    // Whoever awaits a file hears of its error; the others' are no news then.
    for (const read of reads.values()) read.catch(() => undefined);
    return (name) => reads.get(name);
  }

  async #checked(name: string, onBytes: OnBytes): Promise<Uint8Array> {
    const bytes = await this.#read(name, onBytes);
    const listed = this.#listed(name);
    if (listed?.bytes !== bytes.length) {
      throw new ModelError(
        `${name} has ${bytes.length} bytes, the manifest states ${listed?.bytes ?? 'none'}`,
      );
    }
    const found = await digestOf(bytes);
    if (found !== undefined && found !== listed.sha256) {
      throw new ModelError(
        `${name} is not what was compiled: its SHA-256 is ${found}, the manifest states ${listed.sha256}`,
      );
    }
    return bytes;
  }

  #listed(name: string): ArtifactManifest['files'][number] | undefined {
    return this.manifest.files.find((file) => file.name === name);
  }
}

/** SHA-256 in hexadecimal, or undefined where there is none to compute it with: a page that is not https has no `crypto.subtle`. */
async function digestOf(bytes: Uint8Array): Promise<string | undefined> {
  const { subtle } = (globalThis as { readonly crypto?: { readonly subtle?: SubtleCrypto } }).crypto ?? {};
  if (subtle === undefined) return undefined;
  const digest = await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function readerOf(source: ModelSource, signal: AbortSignal | undefined): Read {
  if (typeof source === 'string' || source instanceof URL) {
    const page = (globalThis as { readonly location?: { readonly href: string } }).location?.href;
    const folder = new URL(String(source).replace(/\/?$/, '/'), page);
    return async (file, onBytes) => {
      const url = new URL(file, folder);
      const response = await fetch(url, signal === undefined ? {} : { signal });
      if (!response.ok) throw new ModelError(`${url.href}: ${response.status} ${response.statusText}`);
      return readBody(response, onBytes);
    };
  }
  return async (file, onBytes) => {
    signal?.throwIfAborted();
    const bytes = typeof source === 'function' ? await source(file) : source[file];
    if (bytes === undefined) throw new ModelError(`the artifact has no file ${file}`);
    onBytes(bytes.length);
    return bytes;
  };
}

async function readBody(response: Response, onBytes: OnBytes): Promise<Uint8Array> {
  const counted = response.body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (part, controller) => {
        onBytes(part.length);
        controller.enqueue(part);
      },
    }),
  );
  return new Uint8Array(await new Response(counted as BodyInit | undefined).arrayBuffer());
}
