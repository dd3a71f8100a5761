/** The command that an emitted project runs: options, files, progress, and the loop between them. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import type { ModelSummary } from './checkpoint.ts';
import { drawCurves } from './curves.ts';
import { BatchReader, type ImageSet, type PixelScale } from './image-set.ts';
import type { Forward } from './layers.ts';
import { folderStore } from './node-store.ts';
import { aqtQuantization, learnedQuantization, type Recipe, scaledRecipe } from './recipe.ts';
import { ModelState, type TensorEntry } from './state.ts';
import { type MetricsLine, Trainer } from './trainer.ts';

export interface TrainingProject {
  /** Where `weights.json` and `weights.bin` are. */
  readonly folder: URL;
  readonly forward: Forward;
  /** The same model without quantizers. */
  readonly floatForward: Forward;
  readonly recipe: Recipe;
  readonly pixels: PixelScale;
  readonly openImages: (path: string, labels: string | undefined) => Promise<ImageSet>;
}

/** What `weights.json` says. */
export interface WeightsDescription {
  readonly model: ModelSummary;
  readonly tensors: readonly TensorEntry[];
}

const usage = `npm run train -- --data PATH --labels FILE --checkpoint DIR [options]

  --data PATH          training images: an .npy, or a folder of pictures with labels.csv
  --labels FILE        their classes: an .npy, or a CSV of file,label
  --checkpoint DIR     where checkpoints, metrics and curves go; a training found there goes on
  --steps N            how many steps in all
  --eval-data PATH     images to measure on, with --eval-labels FILE
  --eval-limit N       at most so many of them while training (all at the end)
  --batch N, --rate X, --step-rate X, --weight-decay X, --warm-up N, --cool-down N, --seed N
  --distill X          share of the float model in the loss, 0 to 1; --temperature X
  --quantizers NAME    learned (LSQ) or aqt (the paper's rules); --observe N: steps before activations are quantized
  --freeze-norms N     step from which batch norms keep their statistics; --norm-momentum X
  --augment LIST       flip, crop, flip,crop or none
  --checkpoint-every N, --eval-every N, --log-every N
  --float              train the float model instead
  --quiet              no progress
`;

const numeric = {
  steps: 'steps',
  batch: 'batch',
  rate: 'rate',
  'step-rate': 'stepRate',
  'weight-decay': 'weightDecay',
  'warm-up': 'warmUp',
  'cool-down': 'coolDown',
  seed: 'seed',
  'freeze-norms': 'freezeNorms',
  'norm-momentum': 'normMomentum',
} as const;

type Options = Readonly<Record<string, string | boolean | undefined>>;

/** Runs a project with the arguments of a command line. Returns the exit status. */
export async function runTraining(project: TrainingProject, args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = parse(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
  if (options['help'] === true) {
    process.stdout.write(usage);
    return 0;
  }
  try {
    await train(project, options);
    return 0;
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n`);
    return 2;
  }
}

function parse(args: readonly string[]): Options {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const others = [
    'data', 'labels', 'checkpoint', 'eval-data', 'eval-labels', 'eval-limit', 'distill', 'temperature', 'quantizers', 'observe',
    'augment', 'checkpoint-every', 'eval-every', 'log-every', 'backend',
  ]; // prettier-ignore
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries([...Object.keys(numeric), ...others].map((name) => [name, text])),
      float: flag,
      quiet: flag,
      help: flag,
    },
  });
  if (values.help !== true) {
    for (const name of ['data', 'checkpoint'] as const) {
      if ((values as Options)[name] === undefined) throw new Error(`--${name} is missing`);
    }
  }
  return values;
}

function numberOf(options: Options, name: string): number | undefined {
  const text = options[name];
  if (typeof text !== 'string') return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new Error(`--${name} ${text} is not a number of 0 or more`);
  return value;
}

/** The recipe of the project with what the command line says otherwise. */
function recipeOf(recipe: Recipe, options: Options): Recipe {
  const changes: Record<string, number> = {};
  for (const [name, key] of Object.entries(numeric)) {
    const value = numberOf(options, name);
    if (value !== undefined) changes[key] = value;
  }
  const augment = options['augment'];
  const observe = numberOf(options, 'observe');
  const quantizers = options['quantizers'] ?? (observe === undefined ? undefined : 'aqt');
  if (quantizers !== undefined && quantizers !== 'learned' && quantizers !== 'aqt') {
    throw new Error(`--quantizers is learned or aqt, not ${String(quantizers)}`);
  }
  const aqt = {
    ...aqtQuantization,
    activations: { ...aqtQuantization.activations, ...(observe === undefined ? {} : { start: observe }) },
  };
  const whole: Recipe = {
    ...recipe,
    ...changes,
    distillation: {
      share: numberOf(options, 'distill') ?? recipe.distillation.share,
      temperature: numberOf(options, 'temperature') ?? recipe.distillation.temperature,
    },
    quantization:
      quantizers === undefined ? recipe.quantization : quantizers === 'aqt' ? aqt : learnedQuantization,
    augmentation:
      typeof augment === 'string'
        ? { flip: augment.includes('flip'), shift: augment.includes('crop') ? 4 : 0 }
        : recipe.augmentation,
  };
  // Lengths of phases follow the number of steps where they were not given themselves.
  return { ...scaledRecipe({ ...whole, steps: recipe.steps }, whole.steps), ...changes };
}

async function train(project: TrainingProject, options: Options): Promise<void> {
  const say = (text: string): void => {
    if (options['quiet'] !== true) process.stderr.write(`${text}\n`);
  };
  const backend = typeof options['backend'] === 'string' ? options['backend'] : 'wasm';
  if (backend === 'wasm') await import('@tensorflow/tfjs-backend-wasm');
  else await import('@tensorflow/tfjs-backend-cpu');
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no backend ${backend} here`);

  const weights = await readWeights(project.folder);
  const recipe = recipeOf(project.recipe, options);
  const open = async (path: string, labels: string | undefined): Promise<BatchReader> =>
    new BatchReader(await project.openImages(path, labels), project.pixels);
  const training = await open(options['data'] as string, options['labels'] as string | undefined);
  const measured =
    typeof options['eval-data'] === 'string'
      ? await open(options['eval-data'], options['eval-labels'] as string | undefined)
      : undefined;
  const folder = options['checkpoint'] as string;
  const store = await folderStore(folder);
  const float = options['float'] === true;
  const setup = {
    model: weights.model,
    forward: float ? project.floatForward : project.forward,
    state: weights.state,
    recipe: float ? { ...recipe, distillation: { share: 0, temperature: 1 } } : recipe,
    training,
    ...(float ? {} : { teacher: project.floatForward }),
  };
  const trainer = await Trainer.create(setup, store);
  if (trainer.done > 0) say(`going on from step ${trainer.done} of ${folder}`);

  const logEvery = numberOf(options, 'log-every') ?? 20;
  const evalEvery = numberOf(options, 'eval-every') ?? Math.max(1, Math.round(recipe.steps / 10));
  const saveEvery = numberOf(options, 'checkpoint-every') ?? 100;
  const limit = numberOf(options, 'eval-limit');
  const stopping = { asked: false };
  const stop = (): void => {
    stopping.asked = true;
    say('\nstopping after this step');
  };
  process.once('SIGINT', stop);
  const began = performance.now();
  const from = trainer.done;
  while (trainer.done < recipe.steps && !stopping.asked) {
    const result = await trainer.step();
    if (!Number.isFinite(result.loss)) {
      throw new Error(
        `the loss of step ${result.step} is ${result.loss}: go on from the last checkpoint with a smaller --rate`,
      );
    }
    const last = trainer.done === recipe.steps;
    const evaluates = measured !== undefined && (trainer.done % evalEvery === 0 || last);
    if (trainer.done % logEvery === 0 || evaluates || last) {
      const seen = evaluates
        ? await trainer.evaluate(measured, { ...(limit === undefined || last ? {} : { limit }) })
        : undefined;
      const line: MetricsLine = {
        step: trainer.done,
        rate: result.rate,
        ...trainer.summarize(),
        ...(seen === undefined ? {} : { eval_accuracy: seen.accuracy, eval_loss: seen.loss }),
      };
      await store.appendMetrics(`${JSON.stringify(line)}\n`);
      const perStep = (performance.now() - began) / (trainer.done - from);
      const left = ((recipe.steps - trainer.done) * perStep) / 60_000;
      say(
        `step ${line.step}/${recipe.steps}  loss ${line.loss.toFixed(4)}  train ${line.train_accuracy.toFixed(1)} %` +
          `${seen === undefined ? '' : `  eval ${seen.accuracy.toFixed(2)} %`}  ${perStep.toFixed(0)} ms a step, ${left.toFixed(1)} min left`,
      );
    }
    if (trainer.done % saveEvery === 0 && !last) await trainer.save(store);
  }
  process.removeListener('SIGINT', stop);
  await trainer.save(store);
  const lines = (await store.readMetrics()).split('\n').filter((line) => line !== '');
  await writeFile(
    join(folder, 'curves.svg'),
    drawCurves(
      weights.model.name,
      lines.map((line) => JSON.parse(line) as MetricsLine),
    ),
  );
  if (measured !== undefined && !stopping.asked) {
    const onTraining = await trainer.evaluate(training, { limit: measured.count });
    const onOthers = await trainer.evaluate(measured);
    say(
      `accuracy ${onOthers.accuracy.toFixed(2)} % on ${onOthers.count} evaluation images, ${onTraining.accuracy.toFixed(2)} % on ` +
        `${onTraining.count} training images: a generalisation gap of ${(onTraining.accuracy - onOthers.accuracy).toFixed(2)} points`,
    );
  }
  say(`checkpoint of step ${trainer.done} in ${folder}`);
}

/** The model as the compiler wrote it. */
export async function readWeights(folder: URL): Promise<{ model: ModelSummary; state: ModelState }> {
  const read = (name: string): Promise<Buffer> => readFile(fileURLToPath(new URL(name, folder)));
  const { model, tensors } = JSON.parse((await read('weights.json')).toString('utf8')) as WeightsDescription;
  const state = ModelState.from({ tensors, bytes: new Uint8Array(await read('weights.bin')) }, 'weights.bin');
  return { model, state };
}
