/** From an artifact to what runs it: one row a target. */
import { fail } from '../../ir/index.ts';
import type { Artifact } from '../artifact/artifact-files.ts';
import { cMachine } from '../runners/node-c-machine.ts';
import { openCRunner } from '../runners/node-c.ts';
import { openWgslRunner } from '../runners/node-wgsl.ts';
import { onnxRunner } from '../runners/onnx.ts';
import { referenceRunner } from '../runners/reference.ts';
import type { Runner } from '../runners/runner.ts';

export interface RunnerOptions {
  readonly threads: number;
  /** WebGPU adapter, by a part of its name. */
  readonly adapter?: string;
  /** Whether WGSL artifacts may use `dot4I8Packed`: true, unless it says otherwise, where there is such a thing. */
  readonly packedDot?: boolean;
  /** Machine of a C artifact: native unless it says another. */
  readonly on?: string;
}

type Open = (artifact: Artifact, options: Partial<RunnerOptions>) => Promise<Runner>;

const runners: Readonly<Record<string, Open>> = {
  c: async (artifact, { on, threads = 1 }) =>
    openCRunner(artifact, { threads, ...(on === undefined ? {} : { machine: cMachine(on) }) }),
  wgsl: async (artifact, { adapter, packedDot = true }) =>
    openWgslRunner(artifact, {
      ...(adapter === undefined ? {} : { adapter }),
      ...(packedDot ? {} : { packedDot: false }),
    }),
  qir: async (artifact) => referenceRunner(await artifact.program()),
  onnx: async (artifact) => onnxRunner(await modelOf(artifact), artifact.manifest.inputs),
};

/** The bytes of the one file that is a model. */
async function modelOf({ manifest, read }: Artifact): Promise<Uint8Array> {
  const model = manifest.files.find(({ role }) => role === 'model');
  return model === undefined
    ? fail('cli/no-model', 'the manifest of the artifact lists no model')
    : read(model.name);
}

/** Opens what runs the artifact. The caller closes it. */
export async function openArtifactRunner(
  artifact: Artifact,
  options: Partial<RunnerOptions> = {},
): Promise<Runner> {
  const { target } = artifact.manifest;
  const open = Object.hasOwn(runners, target) ? runners[target] : undefined;
  if (open === undefined) {
    return fail('cli/no-runner', `nothing here runs artifacts of target ${JSON.stringify(target)}`, {
      help: `those of ${Object.keys(runners).join(', ')} can be run`,
    });
  }
  return open(artifact, options);
}
