/**
 * The driver: from a program to an artifact, in memory. It chooses the pipeline, gives passes what they need to run (samples, an executor),
 * hands the result to the target, and writes down in the manifest what was done. Nothing here touches files, so it runs in a browser;
 * the command line and `artifact-files.ts` do that.
 *
 * Law: equal programs, options and samples give equal bytes. No clock, no machine and no random number without a seed gets in.
 */
import type { EmittedFile, EmitOptions, WeightForm } from '../backends/backend.ts';
import { defaultProfile, type Profile, profileOf } from '../backends/onnx/index.ts';
import type { TfjsOptions, TrainingRuntime } from '../backends/tfjs/index.ts';
import type { DemoPage, RuntimeModule } from '../backends/wgsl/index.ts';
import { type Diagnostic, fail, formatType, type Graph, isF32, type Level, levels } from '../ir/index.ts';
import {
  createPassRegistry,
  type Executor,
  levelOf,
  type PassContext,
  type PassRegistry,
  parseLayerRules,
  parsePipeline,
  type Pipeline,
  printPipeline,
  runPipeline,
  type RunOptions,
  type Samples,
  withDigest,
  type WorkStore,
} from '../passes/index.ts';
import type { CalibrationSummary, HealthSummary, LayerSummary, Manifest, Port } from '../runtime/manifest.ts';
import {
  type ArtifactFile,
  assembleArtifact,
  manifestFormat,
  programFiles,
  referenceFolder,
} from './artifact/artifact.ts';
import { imageInput, imageLayouts } from './data/image-input.ts';
import { channelTables, type Preprocess, presetPreprocess, sourceChannels } from './data/preprocess.ts';
import {
  defaultCalibrationMethod,
  defaultPipeline,
  enginePipeline,
  readsSamples,
  type PipelineOptions,
} from './default-pipeline.ts';
import { quickExecutor } from './executor/quick.ts';
import { hasIntegerWeightsOnly, multiplyOutWeights } from './float-program.ts';
import { measureHealth } from './health.ts';
import { judgeHealth } from './health-verdict.ts';
import { type LayerBits, layerBitsOf } from './layer-bits.ts';
import { generatedSamples } from './samples.ts';
import { type Target, targetOf } from './targets.ts';
import { restorePasses, restorePipeline } from './training/restore.ts';
import type { TrainedModel } from './training/trained-model.ts';

export interface CompileOptions extends Omit<PipelineOptions, 'profile'> {
  /** c, wgsl, qir or onnx. */
  readonly target: string;
  /** Prefix of identifiers and file names in the output. Default: `model`. */
  readonly name?: string;
  /** What to calibrate on. Without it inputs are drawn, and the result says so. */
  readonly samples?: Samples;
  /** How images become inputs: recorded in the artifact, and what gives it an entry point for bytes. */
  readonly preprocess?: Preprocess;
  readonly classNames?: readonly string[];
  /** Level of the program that `qir` and `onnx` write. Default: the target's own. */
  readonly level?: Level;
  /** C: the instruction sets to emit code for. Default: `auto`, all there are. */
  readonly isa?: readonly string[];
  /** C: how weights are embedded. */
  readonly weights?: WeightForm;
  /** Globs of layers to keep in real numbers, where the program that is written can hold them. */
  readonly exclude?: readonly string[];
  /** Weights, bits and ranges of a training, instead of the model's own and of calibration. */
  readonly trained?: TrainedModel;
  /** For whom an ONNX model is written: exact (the default), ort-cpu, tensorrt or int4. */
  readonly profile?: string;
  /** Runs instead of the default pipeline. */
  readonly pipeline?: Pipeline | string;
  /** More passes that `pipeline` may name. */
  readonly passes?: PassRegistry;
  /** What runs the float program. Default: ONNX Runtime, the interpreter where that refuses. */
  readonly executor?: Executor;
  /** The module that a WGSL artifact is loaded with, as text: it ships inside. Without it the artifact has none of its own. */
  readonly runtimeModule?: RuntimeModule;
  /** WGSL: a page that shows the model at work. */
  readonly demoPage?: DemoPage;
  /**
   * Least agreement with the float program, in percent; a `CollapseError` where it is surely lower, unless inputs were drawn. 0 allows
   * anything. Default: half-way between guessing and perfect.
   */
  readonly minAgreement?: number;
  /** Where long work is kept, so that a compilation that was interrupted goes on. Default: nowhere. */
  readonly store?: WorkStore;
  /** The modules that a training project runs with, as text. */
  readonly trainingRuntime?: TrainingRuntime;
  /** Of whatever is drawn. */
  readonly seed?: number;
  readonly report?: PassContext['report'];
  readonly explain?: PassContext['explain'];
  readonly progress?: PassContext['progress'];
  /** Hooks of the pass runner. */
  readonly run?: RunOptions;
}

export interface Compilation {
  readonly manifest: Manifest;
  /** The manifest and every file it lists, as `writeArtifact` takes them. */
  readonly files: readonly ArtifactFile[];
  /** What was emitted. */
  readonly program: Graph;
  readonly layers: readonly LayerBits[];
  /** The quantized program next to the float one, where this compilation quantized. */
  readonly health?: HealthSummary;
  /** Warnings and notes, in the order they came. Each was also given to `report`. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Compiles a program of any level. Throws a QcError for whatever a user can change. */
export async function compile(given: Graph, options: CompileOptions): Promise<Compilation> {
  const target = targetOf(options.target);
  const name = checkName(options.name ?? 'model');
  const level = targetLevel(target, options.level);
  refuseFloatLayers(target, level, options);
  const profile = profileFor(target, level, options.profile);
  checkPorts(given);

  const diagnostics: Diagnostic[] = [];
  const report = (diagnostic: Diagnostic): void => {
    diagnostics.push(diagnostic);
    options.report?.(diagnostic);
  };
  const graph = hasIntegerWeightsOnly(given) ? multiplyOutWeights(given) : given;
  if (graph !== given) {
    report({
      code: 'compile/weights-only',
      severity: 'note',
      message: 'the weights of the model are integers, its activations are not: it is quantized anew',
    });
  }
  const from = levelOf(graph);
  if (from === undefined) throw new Error('the program does not verify at any level');
  const pipeline = pipelineOf(options, target, from, level, profile);

  const restored = options.trained === undefined ? [] : restorePasses(options.trained);
  const registry = options.passes ?? createPassRegistry(restored);
  const samples = readsSamples(pipeline, registry)
    ? (options.samples ?? drawSamples(graph, options, report))
    : undefined;
  if (from !== 'float' || options.trained !== undefined) warnUnused(options, samples, report);
  const context: PassContext = {
    executor: options.executor ?? quickExecutor(report),
    ...(samples === undefined
      ? {}
      : { samples: options.store === undefined ? samples : withDigest(samples) }),
    ...(options.store === undefined ? {} : { store: options.store }),
    report,
    explain: options.explain ?? ignore,
    progress: options.progress ?? ignore,
  };
  // The programs before and after quantization, where the pipeline has such moments.
  let float = graph;
  let quantized: Graph | undefined;
  const program = await runPipeline(graph, pipeline, registry, context, {
    ...options.run,
    afterPass: (pass) => {
      if (pass.pass === 'insert-quantizers') float = pass.before;
      if (pass.pass === 'lower-to-integer') quantized = pass.before;
      options.run?.afterPass?.(pass);
    },
  });
  const reached = levelOf(program);
  if (reached === undefined || !target.levels.includes(reached)) {
    fail(
      'compile/level',
      `the pipeline leaves the program at the ${reached ?? 'no'} level; ${target.name} takes ${target.levels.join(' or ')}`,
      {
        help: 'end the pipeline with lower-to-integer, or leave out --pass-pipeline',
      },
    );
  }

  quantized ??= reached === 'quantized' ? program : undefined;
  const layers = layerBitsOf(program);
  const summaries = layers.map(layerSummary);
  // What goes to training is judged when it comes back.
  const health =
    samples === undefined || quantized === undefined || levelOf(float) !== 'float' || target.trains === true
      ? undefined
      : await measureHealth(float, quantized, samples, context);
  if (health !== undefined) {
    const verdict = judgeHealth(health, {
      ...options,
      outputShape: outputPorts(program, graph)[0]!.shape,
      layers: summaries,
      generated: options.samples === undefined,
    });
    if (verdict !== undefined) report(verdict);
  }

  const emission = await target.emit(program, {
    name,
    ...imageEntry(graph, options.preprocess),
    ...(options.isa === undefined ? {} : { isa: options.isa }),
    ...(options.weights === undefined ? {} : { weights: options.weights }),
    ...(options.classNames === undefined ? {} : { classNames: options.classNames }),
    ...(options.runtimeModule === undefined ? {} : { runtime: options.runtimeModule }),
    ...(options.demoPage === undefined ? {} : { demo: options.demoPage }),
    ...(target.trains === true ? trainingOptions(graph, options) : {}),
    ...(profile === undefined ? {} : { profile }),
    outputs: graph.outputs,
    explain: context.explain,
    report,
  });
  const reference: readonly EmittedFile[] =
    target.name === 'qir' || target.trains === true ? [] : programFiles(program, referenceFolder);
  const { manifest, files } = await assembleArtifact([...emission.files, ...reference], (listed) => ({
    format: manifestFormat,
    target: target.name,
    name,
    pipeline: printPipeline(pipeline),
    inputs: graph.inputs.map(({ name: input, type }) => ({ name: input, shape: type.shape })),
    outputs: outputPorts(program, graph),
    preprocess: options.preprocess ?? null,
    ...(options.classNames === undefined ? {} : { class_names: options.classNames }),
    calibration: samples === undefined ? null : calibrationSummary(samples, options),
    health: health ?? null,
    layers: summaries,
    tensors: emission.tensors,
    weight_bytes: emission.weightBytes,
    arena_bytes: emission.arenaBytes,
    ...(emission.arenaLowerBoundBytes === undefined
      ? {}
      : { arena_lower_bound_bytes: emission.arenaLowerBoundBytes }),
    warnings: diagnostics.filter(({ severity }) => severity === 'warning').map(({ message }) => message),
    files: listed,
    ...(emission.program === undefined ? {} : { program: emission.program }),
  }));
  return { manifest, files, program, layers, diagnostics, ...(health === undefined ? {} : { health }) };
}

const ignore = (): void => undefined;

/** A prefix that is an identifier in C with anything appended: it ends up in names of functions, macros and files. */
function checkName(name: string): string {
  if (/^[A-Za-z][A-Za-z0-9_]{0,30}$/.test(name) && !name.includes('__')) return name;
  return fail('compile/name', `${JSON.stringify(name)} cannot begin the names of C functions`, {
    help: 'at most 31 letters, digits and single underscores, a letter first',
  });
}

function targetLevel(target: Target, wanted: Level | undefined): Level {
  if (wanted === undefined) return target.levels[0]!;
  if (target.levels.includes(wanted)) return wanted;
  const known = levels.includes(wanted)
    ? `${target.name} takes the ${target.levels.join(' or ')} level`
    : `the levels are ${levels.join(', ')}`;
  return fail(
    'compile/level',
    `target ${target.name} cannot write a program of the ${JSON.stringify(wanted)} level`,
    { help: known },
  );
}

/** A layer in float has no place in an integer program. */
function refuseFloatLayers(
  target: Target,
  level: Level,
  { exclude = [], layerBits = '' }: CompileOptions,
): void {
  const rules = parseLayerRules(layerBits, '--layer-bits');
  if (
    (level !== 'integer' && target.trains !== true) ||
    (exclude.length === 0 && rules.every(({ precision }) => precision !== 'float'))
  )
    return;
  fail(
    'compile/exclude',
    `--exclude and "=float" keep layers in float, and every layer of ${target.name === 'qir' ? 'an integer program' : `the ${target.name} target`} is computed in integers`,
    {
      help: "give such layers 8 bits instead, --layer-bits 'NAME=w8a8'; --target onnx and --target qir --level quantized can hold float layers",
    },
  );
}

/** The profile of a quantized ONNX model; other programs have none. */
function profileFor(target: Target, level: Level, name: string | undefined): Profile | undefined {
  const has = target.name === 'onnx' && level === 'quantized';
  if (name === undefined) return has ? defaultProfile : undefined;
  const profile = profileOf(name);
  if (has) return profile;
  return fail(
    'compile/profile',
    target.name === 'onnx'
      ? '--profile says how quantizers are written, and a model of the float level has none'
      : `--profile says for which runtime an ONNX model is written, and the target is ${target.name}`,
    { help: 'it goes with --target onnx' },
  );
}

/** Artifacts take and give real numbers. */
function checkPorts(graph: Graph): void {
  if (graph.inputs.length === 0) fail('compile/inputs', 'the model has no input: its outputs are constants');
  for (const { name, type } of graph.inputs) {
    if (!isF32(type)) {
      fail(
        'compile/inputs',
        `input ${JSON.stringify(name)} is ${formatType(type)}; inputs of real numbers (f32) are supported`,
        {
          help: 'export the model with a QuantizeLinear of its own after a float input',
        },
      );
    }
  }
}

function pipelineOf(
  options: CompileOptions,
  target: Target,
  from: Level,
  to: Level,
  profile: Profile | undefined,
): Pipeline {
  const { pipeline, profile: _, exclude = [], ...rest } = options;
  if (typeof pipeline === 'string') return parsePipeline(pipeline, '--pass-pipeline');
  if (pipeline !== undefined) return pipeline;
  if (options.trained !== undefined) {
    return [...trainedPipeline(target, from, to), ...(profile === undefined ? [] : enginePipeline(profile))];
  }
  const layerBits = [
    ...exclude.map(exclusionRule),
    ...(rest.layerBits === undefined ? [] : [rest.layerBits]),
  ];
  return defaultPipeline(from, to, {
    ...rest,
    training: target.trains === true,
    ...(layerBits.length === 0 ? {} : { layerBits: layerBits.join('; ') }),
    ...(profile === undefined ? {} : { profile }),
  });
}

/** A glob as the first of the rules on bits. Signs that the language of rules uses itself match as any character. */
function exclusionRule(glob: string): string {
  return `${glob.replace(/[\s,;=&:"()]/g, '?').replace(/^!/, '?')}=float`;
}

/** The pipeline that takes a training's result over. */
function trainedPipeline(target: Target, from: Level, to: Level): Pipeline {
  if (from !== 'float') {
    fail(
      'compile/trained',
      'the model is quantized already; the result of a training goes into the float model it began with',
    );
  }
  if (target.trains === true || to === 'float') {
    fail(
      'compile/trained',
      `the result of a training is a quantized program, which ${target.name} at the ${to} level does not take`,
      {
        help: 'c, wgsl, onnx and qir do',
      },
    );
  }
  return restorePipeline(to);
}

/** Says which options nothing asks, where the bits and ranges of a program are those it arrived with or those of a training. */
function warnUnused(options: CompileOptions, read: Samples | undefined, report: PassContext['report']): void {
  const { bits, precision, layerBits, trained } = options;
  const chosen = [bits, precision, layerBits, trained === undefined ? undefined : options.round];
  const calibrates = options.samples !== undefined && read === undefined;
  if (!calibrates && chosen.every((option) => option === undefined)) return;
  report({
    code: trained === undefined ? 'compile/already-quantized' : 'compile/already-trained',
    severity: 'warning',
    message:
      trained === undefined
        ? 'the model is quantized already: its own bits and ranges are kept, and options for bits and calibration change nothing'
        : `the bits, ranges and weights are those that ${trained.name} was trained with: options for bits, calibration and rounding change nothing`,
  });
}

/** Samples where the user gave none: said loudly, since nobody can promise an accuracy for them. */
function drawSamples(
  graph: Graph,
  { preprocess, seed = 0 }: CompileOptions,
  report: PassContext['report'],
): Samples {
  const assumed = preprocess ?? assumedPreprocess(graph);
  const samples = generatedSamples(graph, assumed, seed);
  report({
    code: 'compile/generated-calibration',
    severity: 'warning',
    message: `calibrated on ${samples.description}, not on real data: expect a lower accuracy, and measure it`,
    ...(preprocess === undefined
      ? { notes: [`inputs were drawn as --preprocess ${assumed.name} would make them`] }
      : {}),
    help: 'give --calib PATH with some dozens of real images, and --preprocess',
  });
  return { ...samples, description: `${samples.description}, preprocessed as ${assumed.name}` };
}

/** What most image models want, when nothing is known: normalised as ImageNet is. */
function assumedPreprocess(graph: Graph): Preprocess {
  const { shape } = graph.inputs[0]!.type;
  const [layout] = imageLayouts(shape);
  return presetPreprocess(
    'imagenet-norm',
    layout === undefined ? { height: 224, width: 224 } : imageInput(shape, layout),
  );
}

function calibrationSummary(samples: Samples, options: CompileOptions): CalibrationSummary {
  return {
    source: samples.description,
    samples: samples.count,
    method: options.calibrationMethod ?? defaultCalibrationMethod,
    generated: options.samples === undefined,
  };
}

/** The entry point for bytes, where the one input is an RGB image and its preprocessing is known. */
/** What a backend is told of the images that become the one input, where they do. */
export function imageEntry(graph: Graph, preprocess: Preprocess | undefined): Pick<EmitOptions, 'image'> {
  const [input] = graph.inputs;
  if (preprocess === undefined || graph.inputs.length !== 1 || preprocess.channelOrder !== 'RGB') return {};
  const layouts = imageLayouts(input!.type.shape);
  if (layouts.length === 0 || (preprocess.layout === 'auto' && layouts.length > 1)) return {};
  const { layout } = imageInput(input!.type.shape, preprocess.layout);
  return { image: { tables: channelTables(preprocess), layout } };
}

/** What a training project is told about its images. */
function trainingOptions(
  graph: Graph,
  { preprocess, trainingRuntime }: CompileOptions,
): Pick<TfjsOptions, 'trainingRuntime' | 'imageFacts'> {
  const [input] = graph.inputs;
  const known = preprocess ?? assumedPreprocess(graph);
  const layouts = imageLayouts(input!.type.shape);
  const facts =
    graph.inputs.length !== 1 || layouts.length === 0
      ? undefined
      : {
          channels: 3,
          ...imageInput(input!.type.shape, known.layout),
          scale: known.scale,
          mean: known.mean,
          std: known.std,
          preprocess: known.name,
          assumed: preprocess === undefined,
          ...(known.channelOrder === 'RGB' ? {} : { source: sourceChannels(known) }),
          ...(known.resize !== null && 'shortSide' in known.resize
            ? { shortSide: known.resize.shortSide }
            : {}),
        };
  return {
    ...(trainingRuntime === undefined ? {} : { trainingRuntime }),
    ...(facts === undefined ? {} : { imageFacts: facts }),
  };
}

/** Outputs keep the names of the model, whatever the passes called them. */
function outputPorts(program: Graph, graph: Graph): Port[] {
  const types = new Map(
    [...program.inputs, ...program.nodes.map(({ result }) => result)].map(({ name, type }) => [name, type]),
  );
  return program.outputs.map((output, i) => {
    const type = types.get(output) ?? program.constants.get(output)!.type;
    return { name: graph.outputs[i] ?? output, shape: type.shape };
  });
}

function layerSummary({ name, op, weightBits, activationBits }: LayerBits): LayerSummary {
  return { name, op, weight_bits: weightBits, activation_bits: activationBits };
}
