/** `qc search`: which bits for which layer, for every budget: the Pareto front of cost and loss. */
import { basename, extname } from 'node:path';
import { type Command, Option } from 'commander';
import { fail, type Graph } from '../../../ir/index.ts';
import { clipMethods } from '../../../passes/clip.ts';
import type { Layer } from '../../../passes/layers.ts';
import { parsePrecision, type Precision } from '../../../passes/selector/index.ts';
import { resumeFolder } from '../../artifact/resume-files.ts';
import type { Preprocess } from '../../data/preprocess.ts';
import { type Rounding, roundings } from '../../default-pipeline.ts';
import { quickExecutor } from '../../executor/quick.ts';
import {
  type CostModel,
  costModelOf,
  costModels,
  type CostTable,
  costTable,
  latencyTarget,
} from '../../search/costs.ts';
import { type Front, frontCsv, type FrontPoint } from '../../search/front.ts';
import {
  existingProfile,
  type FrontPaths,
  frontPaths,
  readProfile,
  writeWhole,
} from '../../search/front-files.ts';
import { openJournal } from '../../search/journal-files.ts';
import { frontPage } from '../../search/page.ts';
import { type LatencyProfile, withRun } from '../../search/profile.ts';
import { search as searchFront } from '../../search/search.ts';
import { integerArgument, numberArgument, repeatedArgument } from '../arguments.ts';
import { calibrationPreprocess, calibrationSamples } from '../calibration.ts';
import { frontTable } from '../front-table.ts';
import { type CommonOptions, exitStatus, type Host, type Outcome } from '../host.ts';
import { measureLatency } from '../latency.ts';
import { loadModel } from '../model.ts';
import {
  loadOptions,
  modelOptions,
  type ModelOptions,
  type PreprocessFlags,
  preprocessOption,
  runnerOptions,
  type RunnerFlags,
} from '../options.ts';
import { facts } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { version } from '../version.ts';

type Options = CommonOptions &
  ModelOptions &
  PreprocessFlags &
  RunnerFlags & {
    readonly calib?: string;
    readonly samples: number;
    readonly measure: number;
    readonly calibMethod?: string;
    readonly out: string;
    readonly choices: string;
    readonly costModel?: string;
    readonly target?: 'c' | 'wgsl';
    readonly profile?: readonly string[];
    readonly round: Rounding;
    readonly points: number;
    readonly maxLoss?: number;
    readonly maxCost?: number;
  };

export function declareSearch(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'search <MODEL>',
    summary: 'Find bits for every layer: the Pareto front of accuracy lost against cost.',
    examples: [
      [
        'search resnet18.onnx --calib photos --preprocess imagenet -o front.json',
        'the front for bit operations; front.html shows it',
      ],
      [
        'compile resnet18.onnx --target c --plan front.json --point p05 --calib photos --preprocess imagenet -o build',
        'one of its points, compiled',
      ],
      [
        'search resnet18.onnx --calib photos --preprocess imagenet --cost-model memory_cost --max-loss 0.05 -o front.json',
        'the smallest weights that lose at most 0.05 nats; what was measured before is used again',
      ],
      [
        'search resnet18.onnx --calib photos --preprocess imagenet --target c -o front.json',
        "against milliseconds of this machine's C kernels, which are timed first",
      ],
      [
        'search resnet18.onnx --calib photos --preprocess imagenet --cost-model latency:wgsl --profile phone.json -o front.json',
        'against milliseconds measured elsewhere, by qc bench DIR --profile phone.json',
      ],
    ],
  });
  command
    .option('--calib <path>', 'what to calibrate and measure on: a folder of images, or an .npy')
    .option(
      '--samples <n>',
      'how many of it to calibrate and round on, drawn evenly',
      integerArgument(1),
      128,
    )
    .option('--measure <n>', 'how many more to measure losses on', integerArgument(1), 64)
    .addOption(
      new Option('--calib-method <method>', 'how ranges are chosen (default: mse)').choices(clipMethods),
    )
    .option('-o, --out <file>', 'the front, as JSON; .csv and .html go beside it', 'front.json')
    .option('--choices <list>', 'what a layer may be', 'w8a8,w4a8,w4a4,w2a4')
    .option(
      '--cost-model <name>',
      `what a point costs: ${costModels.join(', ')} (default: compute_cost, bit operations)`,
    )
    .addOption(
      new Option('--target <target>', 'the same as --cost-model latency:TARGET').choices(['c', 'wgsl']),
    )
    .option(
      '--profile <file>',
      'latency of layers, as qc bench --profile wrote it; repeatable (default: timed on this machine)',
      repeatedArgument,
    )
    .addOption(
      new Option('--round <how>', 'rounding of weights that losses are measured with')
        .choices(roundings)
        .default('gptq'),
    )
    .option('--points <n>', 'how many points the front should have', integerArgument(2), 16)
    .option('--max-loss <nats>', 'choose the cheapest point that loses at most this', numberArgument(0))
    .option(
      '--max-cost <n>',
      'choose the best point that costs at most this, in the unit of the model',
      numberArgument(0),
    );
  modelOptions(runnerOptions(preprocessOption(command)))
    .addHelpText(
      'after',
      `
Loss is the mean KL divergence of the outputs from those of the float model, in nats, on samples that nothing was rounded on.
Ctrl-C writes what is known by then and ends with exit status 130; the same command goes on from there.
`,
    )
    .action(host.action(search));
}

async function search(terminal: Terminal, options: Options, path: string): Promise<Outcome> {
  const model = costModel(options);
  const choices = choicesOf(options.choices);
  const name = basename(path, extname(path));
  const paths = frontPaths(options.out, name);
  const loaded = await loadModel(path, loadOptions(options));
  if (loaded.kind === 'artifact') {
    fail('cli/model-kind', `${JSON.stringify(path)} is compiled already: its bits are chosen`, {
      help: 'search on the .onnx file it came from',
    });
  }
  if (loaded.kind === 'onnx') for (const warning of loaded.imported.warnings) terminal.report(warning);
  const { graph } = loaded;
  const preprocess = await calibrationPreprocess(graph, options);
  const wanted = { ...options, samples: options.samples + options.measure };
  const samples = await calibrationSamples(graph, preprocess, wanted, terminal);
  if (samples === undefined) {
    return fail('cli/no-calib', 'search measures losses on data, and none is given', {
      help: 'say --calib PATH, with --preprocess for images',
    });
  }
  const costs = costsOf(model, graph, options, preprocess, paths, terminal);
  const interruption = interruptible(terminal);
  // Rounding takes minutes and is one step of the journal: what it did so far is kept apart, until it is in there.
  const rounding = resumeFolder(paths.rounding, version(), terminal.report);
  try {
    const share = options.measure / wanted.samples;
    const { front, complete } = await searchFront(graph, {
      name,
      samples,
      measured: Math.max(1, Math.round(share * samples.count)),
      ...(preprocess === undefined ? {} : { preprocess: preprocess.name }),
      choices,
      costs,
      round: options.round,
      ...(options.calibMethod === undefined ? {} : { calibrationMethod: options.calibMethod }),
      points: options.points,
      executor: quickExecutor(terminal.report),
      journal: async (key) => {
        const folder = paths.journal(key);
        const journal = await openJournal(folder, key);
        if (journal.restored > 0) terminal.say(`${journal.restored} measurements are taken from ${folder}`);
        return journal;
      },
      // What is only a note about rounding would come once for every width.
      report: (diagnostic) => {
        if (diagnostic.severity !== 'note') terminal.report(diagnostic);
      },
      progress: terminal.progress,
      store: rounding,
      update: async (found) => writeFront(found, paths),
      signal: interruption.signal,
    });
    if (front === undefined) {
      return {
        json: { interrupted: true, points: [], cost_model: model },
        text: 'stopped before anything was measured; the same command starts again\n',
        status: exitStatus.interrupted,
      };
    }
    await rounding.remove();
    await writeFront(front, paths);
    return outcome(front, options, paths, terminal, complete);
  } finally {
    interruption.dispose();
  }
}

function costModel({ costModel: named, target }: Options): CostModel {
  const found = named === undefined ? undefined : costModelOf(named);
  if (target === undefined) return found ?? 'compute_cost';
  const latency = costModelOf(`latency:${target}`);
  if (found !== undefined && found !== latency) {
    fail('cli/usage', `--target ${target} means --cost-model ${latency}, and --cost-model says ${found}`, {
      help: 'give one of them',
    });
  }
  return latency;
}

function choicesOf(list: string): Precision[] {
  const names = list.split(',').map((name) => name.trim());
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) fail('search/choices', `--choices names ${repeated} twice`);
  const choices = names.map(parsePrecision);
  if (choices.length < 2) {
    fail('search/choices', `--choices leaves nothing to choose: ${JSON.stringify(list)}`, {
      help: 'give some of w8a8, w4a8, w4a4, w2a4, w8a4, w2a8',
    });
  }
  return choices;
}

/** The costs of a model; latencies from the profiles given, else timed now and kept beside the front. */
function costsOf(
  model: CostModel,
  graph: Graph,
  options: Options,
  preprocess: Preprocess | undefined,
  paths: FrontPaths,
  terminal: Terminal,
): (layers: readonly Layer[], choices: readonly Precision[]) => Promise<CostTable> {
  const target = latencyTarget(model);
  return async (layers, choices) => {
    if (target === undefined) return costTable(model, layers, choices);
    if (options.profile !== undefined) {
      return costTable(model, layers, choices, await Promise.all(options.profile.map(readProfile)));
    }
    const { threads, adapter, seed } = options;
    let profile: LatencyProfile | undefined = await existingProfile(paths.profile);
    try {
      if (profile !== undefined) return costTable(model, layers, choices, [profile]);
    } catch {
      terminal.say(`${paths.profile} does not cover this search: kernels are timed again`);
    }
    const request = {
      target,
      threads,
      seed,
      ...(adapter === undefined ? {} : { adapter }),
      ...(preprocess === undefined ? {} : { preprocess }),
    };
    profile = undefined;
    for (const run of await measureLatency(graph, choices, request, terminal))
      profile = withRun(profile, run);
    await writeWhole(paths.profile, `${JSON.stringify(profile, undefined, 2)}\n`);
    return costTable(model, layers, choices, [profile!]);
  };
}

/** Ctrl-C asks once; a second one ends the process as usual. */
function interruptible(terminal: Terminal): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const stop = (): void => {
    terminal.say('stopping after this measurement; Ctrl-C again ends at once');
    controller.abort();
  };
  process.once('SIGINT', stop);
  return { signal: controller.signal, dispose: () => process.off('SIGINT', stop) };
}

async function writeFront(front: Front, paths: FrontPaths): Promise<void> {
  await writeWhole(paths.json, `${JSON.stringify(front, undefined, 2)}\n`);
  await writeWhole(paths.csv, frontCsv(front));
  await writeWhole(paths.html, frontPage(front));
}

function outcome(
  front: Front,
  options: Options,
  paths: FrontPaths,
  terminal: Terminal,
  complete: boolean,
): Outcome {
  const chosen = chosenPoint(front, options);
  const limits = options.maxLoss !== undefined || options.maxCost !== undefined;
  const show = chosen ?? front.points[Math.floor(front.points.length / 2)]!;
  return {
    json: { ...front, chosen: chosen?.id ?? null, files: [paths.json, paths.csv, paths.html] },
    text: `${frontTable(front, chosen, terminal.colours)}\n${facts([
      [
        'loss',
        `KL divergence from the float model, nats, on ${front.calibration.measured_on} samples held out`,
      ],
      ['cost', `${front.cost_model}, ${front.cost_unit}, ${front.cost_source}`],
      limits ? ['chosen', chosen === undefined ? 'no point is within the limits' : chosen.id] : undefined,
      complete ? undefined : ['stopped', 'the same command goes on from here'],
      ['written', `${paths.json}, ${paths.csv}, ${paths.html}`],
      ['compile', `qc compile MODEL --plan ${paths.json} --point ${show.id} ...`],
    ])}`,
    ...(complete ? {} : { status: exitStatus.interrupted }),
    ...(limits && complete ? { passed: chosen !== undefined } : {}),
  };
}

/** The cheapest point within the loss allowed, or the best within the cost allowed; within both, the cheapest. */
function chosenPoint({ points }: Front, { maxLoss, maxCost }: Options): FrontPoint | undefined {
  const within = points.filter(
    ({ loss, cost }) => loss <= (maxLoss ?? Infinity) && cost <= (maxCost ?? Infinity),
  );
  if (maxLoss === undefined && maxCost === undefined) return undefined;
  return maxLoss === undefined ? within.at(-1) : within[0];
}
