/**
 * What can be compiled to: one row a target. `qir` and `onnx` write a program of some level down; the others emit code for the integer level.
 * A target that is planned says so in its row, and asking for it is an error that repeats it.
 */
import type { Backend, Emission } from '../backends/backend.ts';
import { c } from '../backends/c/index.ts';
import { emitOnnx } from '../backends/onnx/index.ts';
import { emitTfjs, type TfjsOptions } from '../backends/tfjs/index.ts';
import { wgsl, type WgslOptions } from '../backends/wgsl/index.ts';
import { bitWidth, fail, type Graph, type Level } from '../ir/index.ts';
import { nearestName } from '../passes/index.ts';
import { programFiles } from './artifact/artifact.ts';
import { encodeModel } from './onnx/encode.ts';

export const targetNames = ['c', 'wgsl', 'qir', 'onnx', 'tfjs'] as const;
export type TargetName = (typeof targetNames)[number];

/** What targets are told: what all are, and what only one asks for. */
export type TargetOptions = WgslOptions & TfjsOptions;

export interface Target {
  readonly name: TargetName;
  /** One sentence, shown by `qc compile --help`. */
  readonly summary: string;
  /** Level of the program it takes; the first unless the user says otherwise. */
  readonly levels: readonly Level[];
  /** The program goes to training: it keeps its batch norms and the real weights behind the integers. */
  readonly trains?: true;
  readonly emit: (graph: Graph, options: TargetOptions) => Emission | Promise<Emission>;
}

function ofBackend(backend: Backend<TargetOptions>): Target {
  return {
    name: backend.name as TargetName,
    summary: backend.summary,
    levels: [backend.level],
    emit: backend.emit,
  };
}

const qir: Target = {
  name: 'qir',
  summary: 'The program itself, as text and a file of weights, at any level.',
  levels: ['integer', 'quantized', 'float'],
  emit: (graph, { name }) => ({
    files: programFiles(graph, '', name),
    weightBytes: constantBytes(graph),
    arenaBytes: 0,
    tensors: [],
  }),
};

const onnx: Target = {
  name: 'onnx',
  summary: 'An ONNX model with QuantizeLinear and DequantizeLinear around what is quantized.',
  levels: ['quantized', 'float'],
  emit: (graph, { name }) => ({
    files: [{ name: `${name}.onnx`, role: 'model', content: encodeModel(emitOnnx(graph)) }],
    weightBytes: constantBytes(graph),
    arenaBytes: 0,
    tensors: [],
  }),
};

const tfjs: Target = {
  name: 'tfjs',
  summary: 'A TypeScript project that fine-tunes the model with fake quantization, in Node.',
  levels: ['quantized', 'float'],
  trains: true,
  emit: emitTfjs,
};

const targets: Readonly<Record<TargetName, Target | string>> = {
  c: ofBackend(c),
  wgsl: ofBackend(wgsl),
  qir,
  onnx,
  tfjs,
};

/** The targets that exist. */
export const builtTargets: readonly Target[] = Object.values(targets).filter(
  (target) => typeof target !== 'string',
);

/** The target of a name. Fails with `compile/target` for one that is unknown or not built yet. */
export function targetOf(name: string): Target {
  const known = (targetNames as readonly string[]).includes(name) ? targets[name as TargetName] : undefined;
  const usable = `the targets are ${builtTargets.map((target) => target.name).join(', ')}`;
  if (typeof known === 'string') return fail('compile/target-not-built', known, { help: usable });
  if (known !== undefined) return known;
  const nearest = nearestName(name, targetNames);
  return fail('compile/target', `there is no target ${JSON.stringify(name)}`, {
    help: nearest === undefined ? usable : `did you mean ${nearest}? ${usable}`,
  });
}

/** Bytes that the constants of a program take, integers packed. */
function constantBytes(graph: Graph): number {
  let bits = 0;
  for (const { type, data } of graph.constants.values()) {
    bits += data.length * bitWidth(type.element.storage);
  }
  return Math.ceil(bits / 8);
}
