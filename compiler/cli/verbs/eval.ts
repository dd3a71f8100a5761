/** `qc eval`: how right a model is on labelled images, and how near to another model. Samples stream: memory is O(batch). */
import type { Command } from 'commander';
import { fail } from '../../../ir/index.ts';
import type { Preprocess } from '../../data/preprocess.ts';
import { Accuracy, Comparison } from '../../metrics.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import {
  type DataFlags,
  dataOptions,
  loadOptions,
  modelOptions,
  type ModelOptions,
  type RunnerFlags,
  runnerOptions,
} from '../options.ts';
import { evaluate, openData } from '../sample-data.ts';
import { choosePreprocess, logitsPerSample, openSubject, type Subject } from '../subject.ts';
import { facts } from '../table.ts';
import type { Terminal } from '../terminal.ts';

type Options = CommonOptions & DataFlags & ModelOptions & RunnerFlags & { readonly against?: string };

export function declareEval(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'eval <MODEL>',
    summary:
      'Accuracy on labelled data; with --against, agreement with another model, KL divergence and SQNR of the logits.',
    examples: [
      ['eval build/ --data val', 'top-1 and top-5 on a folder with labels.csv'],
      ['eval build/ --data test.npy --labels labels.npy --limit 1000', 'on the first thousand of an array'],
      ['eval build/ --data val --against resnet18.onnx', 'how far the artifact is from the float model'],
      ['eval resnet18.onnx --data val --preprocess imagenet', 'the float model itself'],
    ],
  });
  dataOptions(command, 'what to measure on: a folder of images or an .npy').option(
    '--against <other>',
    'a model to be compared with, on the same samples',
  );
  modelOptions(runnerOptions(command)).action(host.action(evaluateModel));
}

async function evaluateModel(terminal: Terminal, options: Options, path: string): Promise<Outcome> {
  const { data, against } = options;
  if (data === undefined)
    fail('cli/no-data', 'eval measures on data, and none is given', { help: 'say --data PATH' });
  const settings = { ...options, ...loadOptions(options) };
  const subject = await openSubject(path, terminal, settings);
  const opened = [subject];
  try {
    const other = against === undefined ? undefined : await openSubject(against, terminal, settings);
    if (other !== undefined) opened.push(other);
    const request = { path: data, labels: options.labels, limit: options.limit };
    const streams = await Promise.all(
      opened.map(async (model) => {
        const preprocess = await choosePreprocess(model, options.preprocess, recordedByEither(opened));
        return openData(model, { ...request, preprocess }, terminal);
      }),
    );
    const [dataset, otherDataset] = streams;
    if (!dataset!.labelled && other === undefined) {
      fail('cli/no-labels', `${dataset!.description}: there are no labels`, {
        help: 'give --labels FILE, put a labels.csv into the folder, or compare with --against OTHER',
      });
    }
    const accuracy = new Accuracy();
    const otherAccuracy = new Accuracy();
    const comparison = new Comparison();
    if (other !== undefined) checkComparable(subject, other);
    const others = other === undefined ? undefined : evaluate(other, otherDataset!);
    let done = 0;
    const started = performance.now();
    try {
      for await (const { logits, label } of evaluate(subject, dataset!)) {
        const reference = await others?.next();
        if (label !== undefined) accuracy.add(logits, label);
        if (reference?.value !== undefined) {
          comparison.add(reference.value.logits, logits);
          if (label !== undefined) otherAccuracy.add(reference.value.logits, label);
        }
        done += 1;
        terminal.progress('evaluating', done, dataset!.length);
      }
    } finally {
      // The other stream was asked for as many samples as this one and does not know that it has ended.
      await others?.return(undefined);
    }
    return outcome({
      n: done,
      accuracy: dataset!.labelled ? accuracy : undefined,
      otherAccuracy: dataset!.labelled && other !== undefined ? otherAccuracy : undefined,
      comparison: other === undefined ? undefined : comparison,
      description: dataset!.description,
      engines: opened.map(({ engine }) => engine),
      milliseconds: performance.now() - started,
    });
  } finally {
    for (const model of opened) await model.close();
  }
}

/** An artifact's preprocessing serves a float model that has none recorded. */
function recordedByEither(models: readonly Subject[]): Preprocess | undefined {
  return models.find(({ preprocess }) => preprocess !== undefined)?.preprocess;
}

function checkComparable(subject: Subject, other: Subject): void {
  const [ours, theirs] = [logitsPerSample(subject), logitsPerSample(other)];
  if (ours !== theirs) {
    fail(
      'cli/against',
      `${JSON.stringify(other.model.path)} gives ${theirs} values a sample, ${JSON.stringify(subject.model.path)} gives ${ours}`,
    );
  }
}

interface Evaluation {
  readonly n: number;
  readonly accuracy: Accuracy | undefined;
  readonly otherAccuracy: Accuracy | undefined;
  readonly comparison: Comparison | undefined;
  readonly description: string;
  readonly engines: readonly string[];
  readonly milliseconds: number;
}

function outcome(found: Evaluation): Outcome {
  const { n, accuracy, otherAccuracy, comparison, description, engines, milliseconds } = found;
  const percent = (value: number): string => `${value.toFixed(2)} %`;
  const sqnr = comparison?.sqnr;
  return {
    json: {
      n,
      top1: accuracy?.top1 ?? null,
      top5: accuracy?.top5 ?? null,
      agreement: comparison?.agreement ?? null,
      kl: comparison?.kl ?? null,
      // Equal logits have no finite ratio, and JSON no infinity.
      sqnr_db: sqnr === undefined || !Number.isFinite(sqnr) ? null : sqnr,
      against_top1: otherAccuracy?.top1 ?? null,
      against_top5: otherAccuracy?.top5 ?? null,
      milliseconds,
    },
    text: facts([
      ['data', description],
      ['ran on', engines.join(', against ')],
      accuracy && ['top-1', percent(accuracy.top1)],
      accuracy && ['top-5', percent(accuracy.top5)],
      otherAccuracy && ['top-1 of the other', percent(otherAccuracy.top1)],
      otherAccuracy && ['top-5 of the other', percent(otherAccuracy.top5)],
      comparison && ['agreement', percent(comparison.agreement)],
      comparison && ['KL divergence', `${comparison.kl.toFixed(5)} nats`],
      sqnr === undefined
        ? undefined
        : ['SQNR of logits', Number.isFinite(sqnr) ? `${sqnr.toFixed(2)} dB` : 'equal'],
      [
        'time',
        `${(milliseconds / 1000).toFixed(1)} s, ${(milliseconds / Math.max(n, 1)).toFixed(1)} ms a sample`,
      ],
    ]),
  };
}
