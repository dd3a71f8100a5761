/** Latency of layers on this machine: artifacts with all layers alike are compiled, built and timed, one for each choice. */
import { fail, type Graph } from '../../ir/index.ts';
import { floatPipeline } from '../../passes/index.ts';
import { formatPrecision, type Precision } from '../../passes/selector/index.ts';
import type { Manifest } from '../../runtime/manifest.ts';
import { compile } from '../compile.ts';
import type { Preprocess } from '../data/preprocess.ts';
import { openCRunner } from '../runners/node-c.ts';
import { openWgslRunner } from '../runners/node-wgsl.ts';
import type { BenchResult, Runner } from '../runners/runner.ts';
import { type ProfileRun } from '../search/profile.ts';
import { profileRun } from '../search/profile-run.ts';
import { drawnInputs } from './sample-data.ts';
import type { Terminal } from './terminal.ts';

export interface LatencyRequest {
  readonly target: 'c' | 'wgsl';
  readonly threads: number;
  readonly adapter?: string;
  readonly preprocess?: Preprocess;
  readonly seed: number;
}

const timedRuns = 20;
const warmupRuns = 3;

/** A profile run for each choice. Kernels do not depend on what the weights are, so these are rounded the cheapest way. */
export async function measureLatency(
  graph: Graph,
  choices: readonly Precision[],
  request: LatencyRequest,
  terminal: Terminal,
): Promise<ProfileRun[]> {
  const runs: ProfileRun[] = [];
  for (const [i, choice] of choices.entries()) {
    const label = `timing ${request.target} kernels`;
    terminal.progress(label, i, choices.length);
    const { manifest, files, program } = await compile(graph, {
      target: request.target,
      pipeline: latencyPipeline(choice),
      seed: request.seed,
      ...(request.preprocess === undefined ? {} : { preprocess: request.preprocess }),
    });
    const read = async (name: string): Promise<Uint8Array> => files.find((file) => file.name === name)!.bytes;
    const runner = await openRunner(request, { manifest, read });
    try {
      const source = { inputs: manifest.inputs, preprocess: request.preprocess };
      const { value: inputs } = await drawnInputs(source, 1, request.seed).next();
      const { threads } = request;
      const result = await runner.bench(inputs!, { repeat: timedRuns, warmup: warmupRuns });
      runs.push(timedLayers(program, manifest, result, threads));
    } finally {
      await runner.close();
    }
    terminal.progress(label, i + 1, choices.length);
  }
  return runs;
}

/** The times of a benchmark by layer. Fails with `profile/no-clock` where the target could not time its steps. */
export function timedLayers(
  program: Graph,
  { target, tensors }: Pick<Manifest, 'target' | 'tensors'>,
  result: BenchResult,
  threads: number,
): ProfileRun {
  if (result.layers.length === 0) {
    fail(
      'profile/no-clock',
      `${result.device} does not say how long each step of the ${target} artifact takes`,
      {
        help: 'use another --adapter, or a cost model that is counted',
      },
    );
  }
  return profileRun(program, {
    target,
    device: result.device,
    isa: result.isa ?? null,
    threads,
    steps: result.layers,
    stored: tensors.map(({ name }) => name),
  });
}

/** The shortest way to integers: ranges as seen on one drawn input, weights to the nearest. */
function latencyPipeline(choice: Precision): string {
  return [
    floatPipeline,
    `assign-bits{precision=${formatPrecision(choice)}}`,
    'calibrate{method=minmax}',
    'insert-quantizers{weight_range=max}',
    'eliminate-dead,lower-to-integer,bound-accumulators,eliminate-dead',
  ].join(',');
}

async function openRunner(
  { target, adapter, threads }: LatencyRequest,
  artifact: Parameters<typeof openCRunner>[0],
): Promise<Runner> {
  if (target === 'c') return openCRunner(artifact, { threads });
  return openWgslRunner(artifact, adapter === undefined ? {} : { adapter });
}
