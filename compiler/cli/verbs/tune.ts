/** `qc tune`: the kernels of a WGSL artifact, chosen by time on an adapter. */
import type { Command } from 'commander';
import { fail } from '../../../ir/index.ts';
import { writeArtifact } from '../../artifact/artifact-files.ts';
import { explainGpuError, gpuName, openGpu } from '../../runners/node-wgsl.ts';
import { type StepTuning, tuneArtifact } from '../../tune-artifact.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import { loadModel } from '../model.ts';
import { recordedPreprocess } from '../subject.ts';
import { facts, table } from '../table.ts';
import type { Terminal } from '../terminal.ts';

type Options = CommonOptions & { readonly adapter?: string; readonly out?: string };

export function declareTune(program: Command, host: Host): void {
  host
    .verb(program, {
      usage: 'tune <DIR>',
      summary: 'Time the kernels of a WGSL artifact on an adapter, and keep the quickest of each layer.',
      examples: [
        ['tune build/', 'for the GPU of this machine'],
        ['tune build/ --adapter lavapipe -o tuned', 'for another adapter, into another folder'],
      ],
    })
    .option(
      '--adapter <name>',
      'WebGPU adapter: lavapipe, swiftshader, or the path of a Vulkan driver manifest',
    )
    .option('-o, --out <dir>', 'folder to write (default: the artifact itself, replaced as a whole)')
    .addHelpText(
      'after',
      `
The bits do not change, and the artifact still runs on every device. In a page, tuned() of measure.js does the same for the visitor's GPU, among the
kernels that the artifact holds.`,
    )
    .action(host.action(tune));
}

async function tune(terminal: Terminal, options: Options, path: string): Promise<Outcome> {
  const model = await loadModel(path);
  if (model.kind !== 'artifact') {
    return fail('cli/model-kind', `${JSON.stringify(path)} is not an artifact`, {
      help: 'compile it first, with --target wgsl',
    });
  }
  const { artifact } = model;
  const out = options.out ?? path;
  const preprocess = recordedPreprocess(artifact.manifest.preprocess, path);
  const gpu = await openGpu(options.adapter);
  const ended = terminal.onInterrupt(() => 'interrupted; the artifact is as it was');
  const started = performance.now();
  try {
    const { device, wgslLanguageFeatures } = gpu;
    const deviceName = gpuName(gpu);
    const { files, steps } = await tuneArtifact(artifact, {
      ...{ device, wgslLanguageFeatures, preprocess },
      onProgress: (timed, total) => {
        terminal.progress('timing kernels', timed, total);
      },
    }).catch(explainGpuError);
    await writeArtifact(out, files);
    const sum = (of: (step: StepTuning) => number): number => steps.reduce((all, step) => all + of(step), 0);
    const [before, after] = [sum((step) => step.before.milliseconds), sum((step) => step.after.milliseconds)];
    const milliseconds = performance.now() - started;
    return {
      json: { device: deviceName, steps, before_ms: before, after_ms: after, out, milliseconds },
      text: `${table(steps, columns, terminal.colours)}\n${facts([
        ['device', deviceName],
        ['layers before', `${before.toFixed(2)} ms`],
        ['layers now', `${after.toFixed(2)} ms`],
        ['time', `${(milliseconds / 1000).toFixed(1)} s`],
        ['written', out],
      ])}`,
    };
  } finally {
    ended();
    gpu.close();
  }
}

const columns = [
  { title: 'layer', cell: ({ step }: StepTuning) => step },
  { title: 'kernel, workgroup', cell: ({ before }: StepTuning) => before.kernel },
  { title: 'ms', cell: ({ before }: StepTuning) => before.milliseconds.toFixed(3), align: 'right' },
  {
    title: 'tuned',
    cell: ({ before, after }: StepTuning) => (after.kernel === before.kernel ? 'the same' : after.kernel),
  },
  { title: 'ms', cell: ({ after }: StepTuning) => after.milliseconds.toFixed(3), align: 'right' },
] as const;
