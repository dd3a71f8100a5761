/** `qc compile`: from a model to an artifact folder. */
import { basename, extname } from 'node:path';
import { type Command, Option } from 'commander';
import { fail, type Level, levels } from '../../../ir/index.ts';
import { parsePrintAfter, printIrAfter } from '../../../passes/index.ts';
import { type WeightForm, weightForms } from '../../../backends/backend.ts';
import { buildCommand, isaNames, machinesOf } from '../../../backends/c/index.ts';
import { checkDestination, writeArtifact } from '../../artifact/artifact-files.ts';
import { resumeFolder } from '../../artifact/resume-files.ts';
import { compile as compileProgram, type Compilation, type CompileOptions } from '../../compile.ts';
import { costOf } from '../../cost.ts';
import { readClassNames } from '../../data/class-names.ts';
import type { Preprocess } from '../../data/preprocess.ts';
import { type Rounding, roundings } from '../../default-pipeline.ts';
import { CollapseError } from '../../health-verdict.ts';
import { allTargets, targetNames, targetOf } from '../../targets.ts';
import { percentArgument, repeatedArgument } from '../arguments.ts';
import { calibrationPreprocess, calibrationSamples } from '../calibration.ts';
import type { TrainingRuntime } from '../../../backends/tfjs/index.ts';
import { defaultProfile, profileNames, profiles } from '../../../backends/onnx/index.ts';
import type { DemoPage, RuntimeModule } from '../../../backends/wgsl/index.ts';
import { openCheckpoint } from '../../training/checkpoint-files.ts';
import { demoPage, runtimeModule, trainingRuntime } from '../runtime-module.ts';
import { costText } from '../cost-text.ts';
import { healthFacts } from '../health-text.ts';
import { type CommonOptions, errorDocument, type Host, type Outcome } from '../host.ts';
import { layerTable } from '../layer-table.ts';
import { loadModel } from '../model.ts';
import {
  type BitsFlags,
  bitsOptions,
  type CalibrationFlags,
  calibrationOptions,
  loadOptions,
  modelOptions,
  type ModelOptions,
  type PassFlags,
  passOptions,
  type PreprocessFlags,
  preprocessOption,
} from '../options.ts';
import { type PlannedBits, plannedBits } from '../plan.ts';
import { bytesText } from '../../printable.ts';
import { facts } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { version } from '../version.ts';

type Options = CommonOptions &
  BitsFlags &
  CalibrationFlags &
  ModelOptions &
  PassFlags &
  PreprocessFlags & {
    readonly target: string;
    readonly out?: string;
    readonly name?: string;
    readonly classNames?: string;
    readonly exclude?: readonly string[];
    readonly isa: string;
    readonly weights?: WeightForm;
    readonly round?: Rounding;
    readonly minAgreement?: number;
    readonly fromTraining?: string;
    readonly level?: Level;
    readonly demo?: boolean;
    readonly profile?: string;
  };

export function declareCompile(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'compile <MODEL>',
    summary: 'Compile a model to an artifact: integer C, WGSL, an ONNX model, or the program itself.',
    examples: [
      ['compile resnet18.onnx --target wgsl --bits 4 -o build', 'mostly 4 bits, calibrated on drawn inputs'],
      [
        'compile resnet18.onnx --target c --bits 8 --calib photos --preprocess imagenet -o build',
        'calibrated on a folder of images',
      ],
      [
        "compile resnet18.onnx --target c --layer-bits 'first,last=w8a8; layer4.*=w4a8; *=w4a4' --calib x.npy -o build",
        'bits by layer, calibrated on f32 inputs in the layout of the model',
      ],
      [
        'compile resnet18.onnx --target c --plan front.json --point p05 --calib photos --preprocess imagenet -o build',
        'a point of a front that qc search found, rounded as it was measured',
      ],
      [
        'compile resnet18.onnx --target wgsl --bits 4 --calib photos --preprocess imagenet --demo -o build',
        'with a page that runs it on pictures and the camera',
      ],
      [
        'compile resnet18.onnx --target onnx --profile ort-cpu --bits 8 --calib photos --preprocess imagenet -o build',
        'an ONNX model that ONNX Runtime computes in integers throughout',
      ],
      [
        'compile model.onnx --target qir --level quantized -o look',
        'the program before it becomes integer, to read',
      ],
    ],
  });
  command
    .requiredOption('--target <target>', `${targetNames.join(', ')} (see below)`)
    .option(
      '-o, --out <dir>',
      'folder to write, whole or not at all; an artifact that is there is replaced (default: MODEL-TARGET here)',
    )
    .option('--name <prefix>', 'prefix of functions and files in the output (default: "model")')
    .option(
      '--class-names <file>',
      'names of the classes: a line each, or JSON (default: labels.txt beside the model)',
    );
  bitsOptions(command);
  command.option(
    '--from-training <checkpoint>',
    'weights, bits and ranges from a training: the folder that a project of --target tfjs wrote',
  );
  command.option(
    '--exclude <glob>',
    'layers to keep in float, where the target can; repeatable',
    repeatedArgument,
  );
  preprocessOption(calibrationOptions(command))
    .addOption(
      new Option(
        '--round <how>',
        'rounding of weights: to the nearest, or gptq, for what each layer makes (slower; stopped, the same command goes on); default: what the plan was measured with, else nearest',
      ).choices(roundings),
    )
    .option(
      '--min-agreement <percent>',
      'least agreement with float on calibration data (see below); 0 writes whatever comes out',
      percentArgument,
    )
    .option(
      '--isa <list>',
      `instruction sets of C code, among which it chooses when it runs: auto (all), or some of ${isaNames.join(',')}`,
      'auto',
    )
    .addOption(
      new Option(
        '--weights <form>',
        'C: weights as an array of words, which any compiler takes, or as a file that the assembler includes, which takes it no time (default: array)',
      ).choices(weightForms),
    )
    .addOption(new Option('--level <level>', 'level of the program that qir and onnx write').choices(levels));
  command.option(
    '--demo',
    'WGSL: a page beside it that runs the model on pictures; look at it with qc serve',
  );
  command.addOption(
    new Option('--profile <name>', 'the runtime that an ONNX model is written for (see below)').choices(
      profileNames,
    ),
  );
  modelOptions(passOptions(command))
    .addHelpText(
      'after',
      `\nHealth: the quantized model is compared with the float one on calibration inputs. If it agrees on surely fewer (97.5 %, by the Wilson interval)
than half-way between guessing and perfect (50 % of inputs for many classes, 55 % for 10, 75 % for 2), or than --min-agreement, that is an error: nothing is
written and the exit status is 1. On drawn inputs it is a warning. What was measured stays in the manifest: qc report DIR shows it.

Targets:\n${listed(allTargets)}

Profiles of --target onnx, ${defaultProfile.name} unless you say otherwise:\n${listed(Object.values(profiles))}`,
    )
    .action(host.action(compile));
}

/** Refuses options that say nothing to the target: whoever gave one expects an effect. */
function checkTargetOptions({ target, demo, weights }: Options): void {
  if (demo === true && target !== 'wgsl') {
    fail('cli/demo', `a demo page runs in a browser, and --target ${target} does not`, {
      help: 'compile with --target wgsl, or leave --demo out',
    });
  }
  if (weights !== undefined && target !== 'c') {
    fail(
      'cli/weights',
      `--weights ${weights} says how C holds its weights, and --target ${target} has a way of its own`,
      {
        help: 'compile with --target c, or leave --weights out',
      },
    );
  }
}

function listed(rows: readonly { readonly name: string; readonly summary: string }[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  return rows.map(({ name, summary }) => `  ${name.padEnd(width)} ${summary}`).join('\n');
}

async function compile(terminal: Terminal, options: Options, path: string): Promise<Outcome> {
  const isa = options.isa.split(',').map((name) => name.trim());
  machinesOf(isa);
  targetOf(options.target);
  checkTargetOptions(options);
  const out = options.out ?? `${basename(path, extname(path))}-${options.target}`;
  await checkDestination(out);
  const model = await loadModel(path, loadOptions(options));
  if (model.kind === 'artifact') {
    fail('cli/model-kind', `${JSON.stringify(path)} is compiled already`, {
      help: 'compile the .onnx file again, or a .qir file',
    });
  }
  if (model.kind === 'onnx') for (const warning of model.imported.warnings) terminal.report(warning);
  const preprocess = await calibrationPreprocess(model.graph, options);
  const samples = await calibrationSamples(model.graph, preprocess, options, terminal);
  const classNames =
    options.classNames === undefined ? model.classNames : await readClassNames(options.classNames);
  const planned = await plannedBits(options, model.graph, terminal);
  const started = performance.now();
  const kept = resumeFolder(`${out.replace(/[/\\]+$/, '')}.resume`, version(), terminal.report);
  const goesOn = `what was done is kept in ${JSON.stringify(kept.path)}: the same command goes on from there`;
  const interruptible = terminal.onInterrupt(() => (kept.used ? `interrupted; ${goesOn}` : undefined));
  try {
    const compilation = await compileProgram(model.graph, {
      ...compileOptions(options, planned, terminal),
      isa,
      ...(options.weights === undefined ? {} : { weights: options.weights }),
      store: kept,
      ...(preprocess === undefined ? {} : { preprocess }),
      ...(samples === undefined ? {} : { samples }),
      ...(options.target === 'wgsl' ? runtimeOption(await runtimeModule(), terminal) : {}),
      ...(options.demo === true ? demoOption(await demoPage()) : {}),
      ...(options.fromTraining === undefined ? {} : { trained: await openCheckpoint(options.fromTraining) }),
      ...(options.target === 'tfjs' ? trainingOption(await trainingRuntime()) : {}),
      ...(classNames === undefined ? {} : { classNames }),
    });
    await writeArtifact(out, compilation.files);
    await kept.remove();
    return outcome(compilation, out, performance.now() - started, terminal);
  } catch (error) {
    if (kept.used) terminal.say(goesOn);
    if (error instanceof CollapseError) return collapse(error, terminal);
    throw error;
  } finally {
    interruptible();
  }
}

/** A check that failed: what was measured is the result. */
function collapse({ diagnostics, health }: CollapseError, terminal: Terminal): Outcome {
  for (const diagnostic of diagnostics) terminal.report(diagnostic);
  return { json: { ...errorDocument(diagnostics), health }, text: '', passed: false };
}

function runtimeOption(
  found: RuntimeModule | undefined,
  terminal: Terminal,
): Pick<CompileOptions, 'runtimeModule'> {
  if (found !== undefined) return { runtimeModule: found };
  terminal.report({
    code: 'cli/no-runtime-module',
    severity: 'warning',
    message: 'the artifact has no module to be loaded with: the runtime of this package is not built',
    help: 'npm run build, then compile again; qc run, eval, verify and bench work without it',
  });
  return {};
}

function demoOption(found: DemoPage | undefined): Pick<CompileOptions, 'demoPage'> {
  if (found !== undefined) return { demoPage: found };
  return fail('cli/no-demo-page', 'there is no demo page to write: this package is not built', {
    help: 'npm run build, then compile again',
  });
}

function trainingOption(found: TrainingRuntime | undefined): Pick<CompileOptions, 'trainingRuntime'> {
  return found === undefined ? {} : { trainingRuntime: found };
}

function compileOptions(options: Options, planned: PlannedBits, terminal: Terminal): CompileOptions {
  const {
    target,
    name,
    calibMethod,
    level,
    profile,
    exclude,
    passPipeline,
    printIrAfter: printed,
    minAgreement,
    seed,
  } = options;
  const round = options.round ?? planned.round;
  return {
    target,
    seed,
    ...(round === undefined ? {} : { round }),
    ...(exclude === undefined ? {} : { exclude }),
    ...planned.bits,
    ...(name === undefined ? {} : { name }),
    ...(minAgreement === undefined ? {} : { minAgreement }),
    ...(calibMethod === undefined ? {} : { calibrationMethod: calibMethod }),
    ...(level === undefined ? {} : { level }),
    ...(profile === undefined ? {} : { profile }),
    ...(passPipeline === undefined ? {} : { pipeline: passPipeline }),
    report: terminal.report,
    progress: terminal.progress,
    ...(options.explain === true ? { explain: terminal.say } : {}),
    run: {
      verifyEach: options.verifyEach === true,
      ...(printed === undefined ? {} : { afterPass: printIrAfter(parsePrintAfter(printed), terminal.say) }),
    },
  };
}

function outcome(
  { manifest, layers, files, health }: Compilation,
  out: string,
  milliseconds: number,
  terminal: Terminal,
): Outcome {
  const written = files.map(({ name, bytes }) => ({ name, bytes: bytes.length }));
  const { target, calibration, preprocess } = manifest;
  const preprocessName = (preprocess as Preprocess | null)?.name;
  return {
    json: {
      target,
      files: written,
      layers: manifest.layers,
      weight_bytes: manifest.weight_bytes,
      arena_bytes: manifest.arena_bytes,
      ...(manifest.arena_lower_bound_bytes === undefined
        ? {}
        : { arena_lower_bound_bytes: manifest.arena_lower_bound_bytes }),
      warnings: manifest.warnings,
      out,
      name: manifest.name,
      pipeline: manifest.pipeline,
      calibration,
      health: health ?? null,
      cost: costOf(layers),
      milliseconds,
    },
    text: `${layerTable(layers, terminal.colours, health)}\n${facts([
      ['target', target],
      ['weights', bytesText(manifest.weight_bytes)],
      ['arena', arenaText(manifest)],
      ['calibration', calibration === null ? 'none needed' : `${calibration.source}, ${calibration.method}`],
      ['preprocessing', preprocessName ?? 'none recorded'],
      ['cost', costText(costOf(layers))],
      ...(health === undefined ? [] : healthFacts(health, manifest.pipeline)),
      ['time', `${(milliseconds / 1000).toFixed(1)} s`],
      ['written', `${written.length} files in ${out}`],
      ...(target === 'c' ? [['build it', buildCommand(manifest.files, manifest.name, out)] as const] : []),
      ...(files.some(({ name }) => name === 'index.html') ? [nextStep(target, out)] : []),
    ])}`,
  };
}

/** What to do with a folder that has a page. */
function nextStep(target: string, out: string): readonly [string, string] {
  return target === 'tfjs'
    ? [
        'train it',
        `cd ${JSON.stringify(out)} && npm install, then as its README says; npm run page trains in a browser`,
      ]
    : ['look at it', `qc serve ${JSON.stringify(out)}`];
}

/** The arena, and how far it is from the fewest bytes that any could have, where that is known. */
function arenaText({ arena_bytes, arena_lower_bound_bytes }: Compilation['manifest']): string {
  const size = bytesText(arena_bytes);
  if (arena_lower_bound_bytes === undefined) return size;
  return `${size}, ${(arena_bytes / arena_lower_bound_bytes).toFixed(2)} of its lower bound`;
}
