/** Options that several verbs share, declared once so that they read and mean the same everywhere. */
import { type Command, Option } from 'commander';
import { clipMethods } from '../../passes/clip.ts';
import type { BitsOptions } from '../default-pipeline.ts';
import { presetNames } from '../data/preprocess.ts';
import { cMachines } from '../runners/node-c-machine.ts';
import { dimensionArgument, integerArgument } from './arguments.ts';

export interface ModelOptions {
  readonly inputDim?: Readonly<Record<string, number>>;
}

export function modelOptions(command: Command): Command {
  return command.option(
    '--input-dim <name=n>',
    'extent of an open dimension of an input, by its name or as INPUT:AXIS; repeatable',
    dimensionArgument,
  );
}

/** As `loadModel` takes them. */
export function loadOptions({ inputDim }: ModelOptions): {
  readonly inputDims?: Readonly<Record<string, number>>;
} {
  return inputDim === undefined ? {} : { inputDims: inputDim };
}

export interface BitsFlags {
  readonly bits?: string;
  readonly precision?: string;
  readonly layerBits?: string;
  readonly plan?: string;
  readonly point?: string;
}

export function bitsOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--bits <n>',
        'mostly that: the first convolution and the last dense layer stay at 8',
      ).choices(['8', '4', '2']),
    )
    .option('--precision <wNaM>', 'every layer, the ends too: w8a8, w4a8, w4a4, w2a4')
    .option(
      '--layer-bits <rules>',
      "by selectors, the first match decides: 'first,last=w8a8; layer3.*=w4a4; *=w4a8'",
    )
    .option('--plan <front.json>', 'bits of a point of a front that qc search found; overrides the others')
    .option('--point <id>', 'which point of the front, or which baseline');
}

/** The bits as the driver takes them, a plan left aside (`plan.ts`). Nothing given is nothing: passes have the defaults. */
export function bitsOf({ bits, precision, layerBits }: BitsFlags): BitsOptions {
  return {
    ...(bits === undefined ? {} : { bits: Number(bits) }),
    ...(precision === undefined ? {} : { precision }),
    ...(layerBits === undefined ? {} : { layerBits }),
  };
}

export interface CalibrationFlags {
  readonly calib?: string;
  readonly samples: number;
  readonly calibMethod?: string;
}

export function calibrationOptions(command: Command): Command {
  return command
    .option(
      '--calib <path>',
      'what to calibrate on: a folder of images, an image, or an .npy; without it inputs are drawn',
    )
    .option('--samples <n>', 'how many of them, drawn evenly', integerArgument(1), 64)
    .addOption(
      new Option('--calib-method <method>', 'how ranges are chosen (default: mse)').choices(clipMethods),
    );
}

export interface PreprocessFlags {
  readonly preprocess?: string;
}

export function preprocessOption(command: Command): Command {
  return command.option(
    '--preprocess <how>',
    `how images become inputs: ${presetNames.join(', ')}, or a JSON file`,
  );
}

export interface DataFlags extends PreprocessFlags {
  readonly data?: string;
  readonly labels?: string;
  readonly limit?: number;
}

export function dataOptions(command: Command, what: string): Command {
  return preprocessOption(
    command
      .option('--data <path>', what)
      .option(
        '--labels <file>',
        'labels of an .npy (an .npy), or of a folder (a .csv) that has none of its own',
      )
      .option('--limit <n>', 'at most so many samples, the first ones', integerArgument(1)),
  );
}

export interface RunnerFlags {
  readonly threads: number;
  readonly adapter?: string;
  readonly packedDot?: boolean;
  readonly on?: string;
}

/** How artifacts run. */
export function runnerOptions(command: Command): Command {
  return command
    .option('--threads <n>', 'threads of a C artifact', integerArgument(1), 1)
    .option(
      '--adapter <name>',
      'WebGPU adapter of a WGSL artifact: lavapipe, swiftshader, or the path of a Vulkan driver manifest',
    )
    .option('--no-packed-dot', 'run a WGSL artifact as browsers do whose WGSL lacks dot4I8Packed')
    .option(
      '--on <machine>',
      `machine a C artifact is run on: ${cMachines.map(({ name, summary }) => `${name} (${summary})`).join(', ')}`,
    );
}

export interface PassFlags {
  readonly passPipeline?: string;
  readonly printIrAfter?: string;
  readonly verifyEach?: true;
  readonly explain?: true;
}

export function passOptions(command: Command): Command {
  return command
    .option(
      '--pass-pipeline <string>',
      "passes to run: 'canonicalize,fold-batchnorm,repeat(fold-constants,eliminate-dead)'",
    )
    .option(
      '--print-ir-after <passes>',
      'print the program to standard error after these passes: all, changed, or names',
    )
    .option('--verify-each', 'verify the program after every pass')
    .option('--explain', 'say on standard error why each rewrite applied or did not');
}
