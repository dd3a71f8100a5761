/** `bench wgsl`: the compiled WGSL artifact in Node against the engines that compute on WebGPU, all on one adapter. */
import { cpus } from 'node:os';
import type { Command } from 'commander';
import { integerArgument } from '../../compiler/cli/arguments.ts';
import type { Host, Outcome } from '../../compiler/cli/host.ts';
import type { Terminal } from '../../compiler/cli/terminal.ts';
import type { Contestant } from '../contest.ts';
import { fusedLayersOf } from '../fused-layers.ts';
import { gpuEnvironment } from '../gpu-environment.ts';
import { type GpuRate, measureGpuRates } from '../gpu-rate.ts';
import { type ContestFlags, contestOptions, runContests } from '../model-contests.ts';
import type { BenchModel } from '../models.ts';
import { oursInWgsl } from '../ours.ts';
import { onnxRuntime } from '../peers/onnxruntime.ts';
import { tfjs } from '../peers/tfjs.ts';

type Options = ContestFlags & { readonly threads: number; readonly adapter?: string };

const peerNames = ['ort', 'tfjs'] as const;

export function declareWgsl(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'wgsl',
    summary: "The WGSL artifact against ONNX Runtime's and TensorFlow.js's WebGPU engines on one adapter.",
    examples: [
      ['wgsl', 'ResNet-8 and 18 at every precision, on the best adapter there is'],
      ['wgsl --adapter lavapipe --model resnet18 --rounds 3', 'a software adapter'],
    ],
  });
  contestOptions(command, peerNames, { rounds: 5, models: ['resnet8', 'resnet18'] })
    .option('--adapter <name>', 'lavapipe, swiftshader, or the path of a Vulkan driver manifest')
    .option(
      '--threads <n>',
      'CPUs that all are bound to, and threads of lavapipe',
      integerArgument(1),
      cpus().length,
    )
    .action(host.action(benchWgsl));
}

async function benchWgsl(terminal: Terminal, options: Options): Promise<Outcome> {
  const { adapter: asked, threads, peers, precision } = options;
  const { env, adapter } = await gpuEnvironment(asked, threads);
  terminal.say(`measuring the multipliers of ${adapter}`);
  const rates = options.prepare === true ? [] : await measureGpuRates();
  const contestantsFor = (model: BenchModel): Contestant[] => {
    const engine = { provider: 'webgpu', threads, env } as const;
    const rows: readonly (readonly [peer: (typeof peerNames)[number], Contestant])[] = [
      ['ort', onnxRuntime(model, 'float', engine)],
      ['ort', onnxRuntime(model, 'int8', engine)],
      ['tfjs', tfjs(model, env)],
    ];
    return [
      ...precision.map((one) => oursInWgsl(model, one, env)),
      ...rows.filter(([peer]) => peers.includes(peer)).map(([, contestant]) => contestant),
    ];
  };
  return runContests(terminal, options, {
    contestants: contestantsFor,
    references: ['ours-w8a8', 'ort-fp32', 'ort-int8'],
    cpus: threads === 1 ? '0' : `0-${threads - 1}`,
    block: ({ name }) => `wgsl ${name}`,
    conditions: adapter,
    command: `npm run bench -- wgsl${asked === undefined ? '' : ` --adapter ${asked}`}`,
    remarks: (model, rows) => [
      rates.map(({ name, gmacs }) => `${name} ${gmacs.toFixed(1)} GMAC/s`).join(', '),
      ...impliedTime(model, rates, rows.find(({ name }) => name === 'ours-w8a8')?.min_ms),
    ],
    json: { threads, adapter, rates },
  });
}

/** What the adapter's own rate of `dot4I8Packed` would make of the model's multiplications, and how far from it we are. */
function impliedTime(model: BenchModel, rates: readonly GpuRate[], ours: number | undefined): string[] {
  const rate = rates.find(({ name }) => name === 'dot4I8Packed');
  if (rate === undefined) return [];
  const macs = fusedLayersOf(model.network).reduce((sum, layer) => sum + layer.macs, 0);
  const least = macs / (rate.gmacs * 1e6);
  const multiple = ours === undefined ? '' : `; qc W8A8 takes ${(ours / least).toFixed(1)} times that`;
  return [
    `${(macs / 1e6).toFixed(0)} million multiplications at that rate of dot4I8Packed take ${least.toFixed(1)} ms${multiple}`,
  ];
}
