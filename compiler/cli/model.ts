/** What `MODEL` may be: an `.onnx` file, a `.qir` file, or a folder that `compile` wrote. */
import { lstatSync, readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { fail, type Graph, type Level } from '../../ir/index.ts';
import { isBlobName, parseGraph } from '../../ir/text/index.ts';
import { levelOf } from '../../passes/index.ts';
import { type Artifact, readArtifact } from '../artifact/artifact-files.ts';
import { findClassNames } from '../data/class-names.ts';
import type { ImportedModel } from '../onnx/import.ts';
import { loadOnnxFile } from '../onnx/node-files.ts';

interface Loaded {
  readonly path: string;
  readonly classNames?: readonly string[] | undefined;
}

export interface OnnxFile extends Loaded {
  readonly kind: 'onnx';
  readonly graph: Graph;
  readonly level: Level;
  readonly imported: ImportedModel;
}

export interface QirFile extends Loaded {
  readonly kind: 'qir';
  readonly graph: Graph;
  readonly level: Level;
  readonly text: string;
}

export interface ArtifactFolder extends Loaded {
  readonly kind: 'artifact';
  readonly artifact: Artifact;
}

export type Model = OnnxFile | QirFile | ArtifactFolder;

const mostTextBytes = 2 ** 27;
const mostBlobBytes = 2 ** 31 - 1;

export interface LoadOptions {
  readonly inputDims?: Readonly<Record<string, number>>;
}

/** Loads a model of any kind. */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Model> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return fail('cli/no-model', `there is no model at ${JSON.stringify(path)}`);
  if (found.isDirectory()) {
    const artifact = await readArtifact(path);
    return { kind: 'artifact', path, artifact, classNames: artifact.manifest.class_names };
  }
  const extension = extname(path).toLowerCase();
  if (!found.isFile() || (extension !== '.onnx' && extension !== '.qir')) {
    fail('cli/model-kind', `${JSON.stringify(path)} is no kind of model that is read`, {
      help: 'give an .onnx file, a .qir file, or a folder that qc compile wrote',
    });
  }
  if (extension === '.qir') return loadQir(path);
  const { inputDims } = options;
  const imported = await loadOnnxFile(path, inputDims === undefined ? {} : { inputDims });
  const { graph, level } = imported;
  return { kind: 'onnx', path, graph, level, imported, classNames: await findClassNames(dirname(path)) };
}

/** Loads a `.qir` file with the blobs beside it. */
export async function loadQir(path: string): Promise<QirFile> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) fail('cli/no-model', `there is no file at ${JSON.stringify(path)}`);
  if (found.size > mostTextBytes)
    fail('cli/model-size', `${JSON.stringify(path)} has ${found.size} bytes, more than any program`);
  const text = await readFile(path, 'utf8');
  const graph = parseGraph(text, { file: path, blobs: (name) => readBlob(dirname(path), name) });
  const level = levelOf(graph);
  if (level === undefined)
    fail('cli/level', `${JSON.stringify(path)} mixes levels: it is not a program of any one of them`);
  return { kind: 'qir', path, graph, level, text, classNames: await findClassNames(dirname(path)) };
}

/** A blob is a plain file beside the text: its name is checked, and links are not followed. */
function readBlob(folder: string, name: string): Uint8Array | undefined {
  if (!isBlobName(name)) return undefined;
  const path = join(folder, name);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true || found.size > mostBlobBytes) return undefined;
  return readFileSync(path);
}

/** The program of a model: of an artifact, the integer program that it implements. */
export async function programOf(model: Model): Promise<Graph> {
  return model.kind === 'artifact' ? model.artifact.program() : model.graph;
}
