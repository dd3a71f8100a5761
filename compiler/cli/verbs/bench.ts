/** `qc bench`: how long an artifact takes, on drawn inputs. */
import type { Command } from 'commander';
import { fail } from '../../../ir/index.ts';
import { quantile } from '../../metrics.ts';
import { existingProfile, writeWhole } from '../../search/front-files.ts';
import { withRun } from '../../search/profile.ts';
import { integerArgument } from '../arguments.ts';
import { openArtifactRunner } from '../artifact-runner.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import { timedLayers } from '../latency.ts';
import { loadModel } from '../model.ts';
import { runnerOptions, type RunnerFlags } from '../options.ts';
import { drawnInputs } from '../sample-data.ts';
import { recordedPreprocess } from '../subject.ts';
import { facts, table } from '../table.ts';
import type { Terminal } from '../terminal.ts';

type Options = CommonOptions &
  RunnerFlags & { readonly repeat: number; readonly warmup: number; readonly profile?: string };

export function declareBench(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'bench <DIR>',
    summary: 'Latency of an artifact: least, median and 90th percentile.',
    examples: [
      ['bench build/', 'twenty timed runs'],
      ['bench build/ --threads 2 --repeat 100 --format json', 'more of them, for a script'],
      ['bench build/ --profile profile.json', 'and what each layer took, for qc search --profile'],
    ],
  });
  command
    .option('--repeat <n>', 'timed runs', integerArgument(1), 20)
    .option('--warmup <n>', 'runs before them that are not timed', integerArgument(0), 3)
    .option(
      '--profile <file>',
      'add what each layer took to this file, which qc search reads; made where there is none',
    );
  runnerOptions(command).action(host.action(bench));
}

async function bench(terminal: Terminal, options: Options, path: string): Promise<Outcome> {
  const model = await loadModel(path);
  if (model.kind !== 'artifact') {
    return fail('cli/model-kind', `${JSON.stringify(path)} is not an artifact`, { help: 'compile it first' });
  }
  const { manifest } = model.artifact;
  const runner = await openArtifactRunner(model.artifact, options);
  try {
    const { repeat, warmup, threads } = options;
    const source = { inputs: manifest.inputs, preprocess: recordedPreprocess(manifest.preprocess, path) };
    const { value: inputs } = await drawnInputs(source, 1, options.seed).next();
    if (inputs === undefined) throw new Error('no input was drawn');
    terminal.say(`timing ${repeat} runs`);
    const timed = await runner.bench(inputs, { repeat, warmup });
    const { milliseconds, layers, device, isa } = timed;
    if (options.profile !== undefined) {
      const run = timedLayers(await model.artifact.program(), manifest, timed, threads);
      const profile = withRun(await existingProfile(options.profile), run);
      await writeWhole(options.profile, `${JSON.stringify(profile, undefined, 2)}\n`);
    }
    const result = {
      min_ms: Math.min(...milliseconds),
      median_ms: quantile(milliseconds, 0.5),
      p90_ms: quantile(milliseconds, 0.9),
    };
    const time = (value: number): string => `${value.toFixed(3)} ms`;
    const steps =
      layers.length === 0
        ? ''
        : `${table(
            layers,
            [
              { title: 'step', cell: ({ name }) => name },
              { title: 'ms', cell: (layer) => layer.milliseconds.toFixed(3), align: 'right' },
            ],
            terminal.colours,
          )}\n`;
    return {
      json: {
        ...result,
        threads,
        device,
        isa: isa ?? null,
        layers,
        target: manifest.target,
        repeat: milliseconds.length,
      },
      text: `${steps}${facts([
        ['device', device],
        isa === undefined ? undefined : ['instruction set', isa],
        ['threads', threads],
        ['least', time(result.min_ms)],
        ['median', time(result.median_ms)],
        ['90th percentile', time(result.p90_ms)],
      ])}`,
    };
  } finally {
    await runner.close();
  }
}
