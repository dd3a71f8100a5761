/**
 * What can be compiled to: one row a target. `qir` and `onnx` write a program of some level down; `tfjs` a project that
 * trains; the others emit code for the integer level.
 */
import type { Backend, Emission } from '../backends/backend.ts';
import { c } from '../backends/c/index.ts';
import {
  brokenFusion,
  defaultProfile,
  exportOnnx,
  fusionOf,
  fusionText,
  type OnnxModel,
  type Profile,
} from '../backends/onnx/index.ts';
import { emitTfjs, type TfjsOptions } from '../backends/tfjs/index.ts';
import { wgsl, type WgslOptions } from '../backends/wgsl/index.ts';
import { bitWidth, type Diagnostic, fail, type Graph, type Level } from '../ir/index.ts';
import { levelOf, nearestName } from '../passes/index.ts';
import { programFiles } from './artifact/artifact.ts';
import { encodeModel } from './onnx/encode.ts';

export const targetNames = ['c', 'wgsl', 'qir', 'onnx', 'tfjs'] as const;
export type TargetName = (typeof targetNames)[number];

/** What targets are told: what all are, and what only one asks for. */
export interface TargetOptions extends WgslOptions, TfjsOptions {
  /** Names of the outputs of the model given, in order. */
  readonly outputs?: readonly string[];
  /** For whom an ONNX model is written. */
  readonly profile?: Profile;
  /** Hears, operator by operator, what a runtime will make of the model. */
  readonly explain?: (sentence: string) => void;
  readonly report?: (diagnostic: Diagnostic) => void;
}

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
  summary:
    'An ONNX model with QuantizeLinear and DequantizeLinear, written for the runtime that --profile names.',
  levels: ['quantized', 'float'],
  emit: (graph, options) => {
    const { name, outputs = graph.outputs, profile = defaultProfile } = options;
    const model = exportOnnx(graph, profile, outputs);
    if (levelOf(graph) === 'quantized') sayWhatFuses(model, profile, options);
    return {
      files: [{ name: `${name}.onnx`, role: 'model', content: encodeModel(model) }],
      weightBytes: constantBytes(graph),
      arenaBytes: 0,
      tensors: [],
      program: { profile: profile.name },
    };
  },
};

const tfjs: Target = {
  name: 'tfjs',
  summary: 'A TypeScript project that fine-tunes the model with fake quantization, in Node.',
  levels: ['quantized', 'float'],
  trains: true,
  emit: emitTfjs,
};

/** To the one who explains operator by operator, to the user what matters for speed or keeps a runtime from loading the model. */
function sayWhatFuses(
  model: OnnxModel,
  profile: Profile,
  { explain, report }: Pick<TargetOptions, 'explain' | 'report'>,
): void {
  if (profile.signed) {
    explain?.('TensorRT decides what it fuses; ONNX Runtime on x86 computes most of such a model in float');
    return;
  }
  const operators = fusionOf(model);
  for (const sentence of fusionText(operators)) explain?.(sentence);
  const broken = brokenFusion(model);
  if (broken !== undefined) {
    report?.({
      code: 'onnx/runtime-refuses',
      severity: 'warning',
      message: `ONNX Runtime 1.32 does not load this model as it is: it gives ${broken} to a kernel for 8 bits`,
      help: 'load it with the session option session.disable_quant_qdq=1, or write it with --profile exact or ort-cpu',
    });
  }
  const inFloat = operators.filter(({ opType, kind }) => opType === 'Conv' && kind === 'float').length;
  if (inFloat > 0 && profile === defaultProfile) {
    report?.({
      code: 'onnx/computed-in-float',
      severity: 'note',
      message: `ONNX Runtime computes ${inFloat} of the convolutions in float, between quantizers; --explain says why`,
      help: 'for speed there: --profile ort-cpu, which stores more values in 8 bits',
    });
  }
}

const targets: Readonly<Record<TargetName, Target>> = {
  c: ofBackend(c),
  wgsl: ofBackend(wgsl),
  qir,
  onnx,
  tfjs,
};

/** Every target, in the order that help lists them. */
export const allTargets: readonly Target[] = Object.values(targets);

/** The target of a name. Fails with `compile/target` for an unknown one. */
export function targetOf(name: string): Target {
  if ((targetNames as readonly string[]).includes(name)) return targets[name as TargetName];
  const usable = `the targets are ${targetNames.join(', ')}`;
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
