/** `qc run`: one input through a model: float for an `.onnx`, the interpreter for a `.qir`, its own backend for a folder. */
import type { Command } from 'commander';
import { elementCount, fail, type Tensor } from '../../../ir/index.ts';
import { readNpyFile, writeNpyFile, writeNpzFile } from '../../data/files.ts';
import { type NpyArray, type NpyDtype, toFloat32 } from '../../data/npy.ts';
import { largest } from '../../metrics.ts';
import { repeatedArgument } from '../arguments.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import {
  loadOptions,
  modelOptions,
  type ModelOptions,
  type PreprocessFlags,
  preprocessOption,
  runnerOptions,
  type RunnerFlags,
} from '../options.ts';
import { printable } from '../../printable.ts';
import { batchInputs, drawnInputs, openData } from '../sample-data.ts';
import { choosePreprocess, openSubject, type Subject } from '../subject.ts';
import { facts, table } from '../table.ts';
import type { Terminal } from '../terminal.ts';

type Options = CommonOptions &
  ModelOptions &
  PreprocessFlags &
  RunnerFlags & { readonly input?: readonly string[]; readonly out?: string; readonly tensors?: string };

export function declareRun(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'run <MODEL>',
    summary: 'Run a model on one input: an image, or an .npy.',
    examples: [
      ['run build/ --input cat.jpg', 'the five likeliest classes of an image'],
      ['run resnet18.onnx --input x.npy -o y.npy', 'in float, f32 in the layout of the model'],
      ['run build/ --input x.npy --tensors t.npz', 'keeping every tensor that the artifact stores'],
      ['run model.qir --input cat.jpg --preprocess imagenet', 'in the interpreter'],
    ],
  });
  command
    .option(
      '--input <file>',
      'an image, a folder of images or an .npy; once for each input; without it inputs are drawn',
      repeatedArgument,
    )
    .option('-o, --out <file>', 'where the output goes: .npy for the first output, .npz for all')
    .option('--tensors <t.npz>', 'keep every tensor there is');
  modelOptions(runnerOptions(preprocessOption(command))).action(host.action(run));
}

interface Result {
  /** Outputs of all samples, joined along the first axis. */
  readonly outputs: readonly NpyArray[];
  readonly names: readonly string[];
  readonly milliseconds: number;
}

async function run(terminal: Terminal, options: Options, path: string): Promise<Outcome> {
  if (options.out !== undefined && !/\.np[yz]$/i.test(options.out)) {
    fail('cli/output-kind', `${JSON.stringify(options.out)} is neither .npy nor .npz`, {
      help: 'outputs are written as NumPy arrays',
    });
  }
  const subject = await openSubject(path, terminal, { ...options, ...loadOptions(options) });
  try {
    const runs = await inputsOf(subject, options, terminal);
    if (options.tensors !== undefined) await keepTensors(subject, runs[0]!.inputs, options.tensors);
    const result = await runAll(subject, runs, terminal);
    if (options.out !== undefined) await writeOutputs(subject, result, options.out);
    return outcome(subject, result, terminal);
  } finally {
    await subject.close();
  }
}

interface Run {
  readonly inputs: readonly Float32Array[];
  readonly count: number;
  readonly names: readonly string[];
}

async function inputsOf(subject: Subject, options: Options, terminal: Terminal): Promise<Run[]> {
  const given = options.input ?? [];
  const [path] = given;
  const { inputs } = subject;
  if (path === undefined) {
    terminal.report({
      code: 'cli/drawn-input',
      severity: 'warning',
      message: 'no --input: the model runs on a drawn one',
    });
    const runs: Run[] = [];
    for await (const drawn of drawnInputs(subject, 1, options.seed))
      runs.push({ inputs: drawn, count: inputs[0]!.shape[0]!, names: [] });
    return runs;
  }
  if (given.length !== inputs.length) {
    const expected = inputs
      .map(({ name, shape }) => `${JSON.stringify(name)} [${shape.join(', ')}]`)
      .join(', ');
    fail('cli/inputs', `${given.length} inputs are given, the model takes ${inputs.length}: ${expected}`);
  }
  if (inputs.length > 1) return [await wholeInputs(subject, given)];
  const preprocess = await choosePreprocess(subject, options.preprocess);
  const dataset = await openData(subject, { path, preprocess, labels: false }, terminal);
  const runs: Run[] = [];
  for await (const batch of batchInputs(subject, dataset)) runs.push(batch);
  return runs;
}

/** One `.npy` for each of several inputs, of exactly the shape that the model takes. */
async function wholeInputs({ inputs }: Subject, paths: readonly string[]): Promise<Run> {
  const arrays: Float32Array[] = [];
  for (const [i, { name, shape }] of inputs.entries()) {
    const array = await readNpyFile(paths[i]!);
    if (!array.dtype.startsWith('f') || array.shape.join() !== shape.join()) {
      fail(
        'cli/input-shape',
        `${JSON.stringify(paths[i])} is ${array.dtype} [${array.shape.join(', ')}]; input ${JSON.stringify(name)} takes f32 [${shape.join(', ')}]`,
      );
    }
    arrays.push(toFloat32(array));
  }
  return { inputs: arrays, count: inputs[0]!.shape[0]!, names: [] };
}

async function runAll(subject: Subject, runs: readonly Run[], terminal: Terminal): Promise<Result> {
  const parts: Float32Array[][] = subject.outputs.map(() => []);
  let milliseconds = 0;
  let samples = 0;
  for (const [i, { inputs, count }] of runs.entries()) {
    const start = performance.now();
    const outputs = await subject.run(inputs);
    milliseconds += performance.now() - start;
    samples += count;
    for (const [k, { shape }] of subject.outputs.entries()) {
      const size = elementCount(shape.slice(1));
      // A batch that was filled up gives back only what belongs to real samples.
      parts[k]!.push(
        runs.length === 1 && count === shape[0] ? outputs[k]! : outputs[k]!.slice(0, count * size),
      );
    }
    terminal.progress('running', i + 1, runs.length);
  }
  const outputs = subject.outputs.map(({ shape }, k): NpyArray => {
    const data = new Float32Array(parts[k]!.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of parts[k]!) {
      data.set(part, offset);
      offset += part.length;
    }
    const whole = elementCount(shape) === data.length;
    return { dtype: 'f4', shape: whole ? shape : [samples, ...shape.slice(1)], data };
  });
  return { outputs, names: runs.flatMap(({ names }) => names), milliseconds };
}

async function keepTensors(subject: Subject, inputs: readonly Float32Array[], path: string): Promise<void> {
  const arrays = new Map<string, NpyArray>();
  for (const [name, tensor] of await subject.trace(inputs)) arrays.set(name, arrayOf(tensor));
  await writeNpzFile(path, arrays);
}

/** A tensor as NumPy holds it; integers of less than a byte take one. */
function arrayOf({ type, data }: Tensor): NpyArray {
  const dtypes: readonly (readonly [unknown, NpyDtype])[] = [
    [Float32Array, 'f4'],
    [Int8Array, 'i1'],
    [Uint8Array, 'u1'],
    [Int16Array, 'i2'],
    [Int32Array, 'i4'],
  ];
  const [, dtype] = dtypes.find(([kind]) => data.constructor === kind)!;
  return { dtype, shape: type.shape, data };
}

async function writeOutputs({ outputs }: Subject, result: Result, path: string): Promise<void> {
  if (/\.npy$/i.test(path)) await writeNpyFile(path, result.outputs[0]!);
  else await writeNpzFile(path, new Map(outputs.map(({ name }, i) => [name, result.outputs[i]!])));
}

interface Prediction {
  readonly sample: string;
  readonly top: readonly { readonly class: number; readonly name?: string; readonly value: number }[];
}

/** How many samples a person is told about. */
const mostShown = 20;

function predictions({ outputs, classNames }: Subject, { outputs: [first], names }: Result): Prediction[] {
  const [, ...rest] = outputs[0]!.shape;
  const classes = elementCount(rest);
  if (first === undefined || classes < 2 || rest.filter((extent) => extent > 1).length !== 1) return [];
  const samples = first.data.length / classes;
  return Array.from({ length: samples }, (_, i) => {
    const logits = (first.data as Float32Array).subarray(i * classes, (i + 1) * classes);
    return {
      sample: names[i] ?? `sample ${i}`,
      top: largest(logits, 5).map((index) => {
        const name = classNames?.[index];
        return { class: index, ...(name === undefined ? {} : { name }), value: logits[index]! };
      }),
    };
  });
}

function outcome(subject: Subject, result: Result, terminal: Terminal): Outcome {
  const found = predictions(subject, result);
  const outputs = subject.outputs.map(({ name }, i) => ({ name, shape: result.outputs[i]!.shape }));
  const shown = found.slice(0, mostShown).map(
    ({ sample, top }) =>
      `${printable(sample)}\n${table(
        top,
        [
          { title: 'class', cell: (row) => row.class },
          { title: 'name', cell: (row) => row.name ?? '' },
          { title: 'value', cell: (row) => row.value.toFixed(4), align: 'right' },
        ],
        terminal.colours,
      )}\n`,
  );
  const more = found.length > mostShown ? `... and ${found.length - mostShown} more samples\n\n` : '';
  return {
    json: { outputs, milliseconds: result.milliseconds, predictions: found },
    text: `${shown.join('')}${more}${facts([
      ...outputs.map(({ name, shape }) => ['output', `${name} [${shape.join(', ')}]`] as const),
      ['ran on', subject.engine],
      ['time', `${result.milliseconds.toFixed(1)} ms`],
    ])}`,
  };
}
