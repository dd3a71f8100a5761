/**
 * What an artifact is before it is anywhere: a manifest and files. Beside the target's own files lies `reference/`, the integer
 * program that the artifact implements, as text and blob. It is what `qc verify` compares with, and is not meant to be shipped.
 */
import type { EmittedFile } from '../../backends/backend.ts';
import { type Graph } from '../../ir/index.ts';
import { BlobWriter, printGraph } from '../../ir/text/index.ts';
import type { Manifest } from '../../runtime/manifest.ts';
import { sha256 } from '../../passes/sha256.ts';

export const manifestName = 'manifest.json';
export const manifestFormat = 'qc-artifact/1';
export const referenceFolder = 'reference';

/** Roles of the files that hold the program itself. */
export const programRoles = { text: 'program', blob: 'program-weights' } as const;

/** A file by its path inside the artifact, `/` between folders. */
export interface ArtifactFile {
  readonly name: string;
  readonly role: string;
  readonly bytes: Uint8Array;
}

/** A program as two files: `model.qir`, and `model.weights` for the constants too large to read. */
export function programFiles(graph: Graph, folder = '', name = 'model'): EmittedFile[] {
  const blobs = new BlobWriter(`${name}.weights`);
  const text = printGraph(graph, { blobs });
  const inside = folder === '' ? '' : `${folder}/`;
  const bytes = blobs.bytes();
  return [
    { name: `${inside}${name}.qir`, role: programRoles.text, content: text },
    ...(bytes.length === 0
      ? []
      : [{ name: `${inside}${blobs.file}`, role: programRoles.blob, content: bytes }]),
  ];
}

/** JSON to be read, a list of numbers on one line. (A line break within brackets is none of a string's: JSON has none there.) */
const manifestText = (manifest: Manifest): string =>
  `${JSON.stringify(manifest, undefined, 2)}\n`.replace(/\[\n[-\d.e+,\s]*\]/g, (list) =>
    list.replace(/\s+/g, ' ').replace('[ ', '[').replace(' ]', ']'),
  );

/** Every file as bytes, the manifest first, which lists the others with their sizes and digests. */
export async function assembleArtifact(
  files: readonly EmittedFile[],
  describe: (files: Manifest['files']) => Manifest,
): Promise<{ files: ArtifactFile[]; manifest: Manifest }> {
  const encoder = new TextEncoder();
  const contents = files.map(({ name, role, content }) => ({
    name,
    role,
    bytes: typeof content === 'string' ? encoder.encode(content) : content,
  }));
  const listed = await Promise.all(
    contents.map(async ({ name, role, bytes }) => ({
      name,
      role,
      bytes: bytes.length,
      sha256: await sha256(bytes),
    })),
  );
  const manifest = describe(listed);
  const text = encoder.encode(manifestText(manifest));
  return { manifest, files: [{ name: manifestName, role: 'manifest', bytes: text }, ...contents] };
}
