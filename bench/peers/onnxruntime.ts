/** ONNX Runtime for Node, on the processor or on WebGPU, in float and in the integers of its own quantizer. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { decodeModel } from '../../compiler/onnx/decode.ts';
import type { Contestant } from '../contest.ts';
import type { BenchModel } from '../models.ts';
import { Unavailable } from '../unavailable.ts';
import { benchFolder, kept } from '../workplace.ts';
import { requirePackage } from './require-package.ts';

const run = promisify(execFile);

const session = 'peers/onnxruntime-session.js';

export type Form = 'float' | 'int8';

export interface EngineOptions {
  readonly provider: 'cpu' | 'webgpu';
  readonly threads: number;
  readonly env?: Readonly<Record<string, string>>;
}

const titles = { float: 'fp32', int8: 'int8' } as const;

export function onnxRuntime(model: BenchModel, form: Form, options: EngineOptions): Contestant {
  const { provider, threads, env = {} } = options;
  const shape = model.network.input.shape.join('x');
  return {
    name: `ort-${form === 'float' ? 'fp32' : form}`,
    title: `ONNX Runtime${provider === 'cpu' ? '' : ' WebGPU'} ${titles[form]}`,
    prepare: async () => {
      requirePackage('onnxruntime-node');
      const file = await modelFile(model, form);
      return {
        program: process.execPath,
        args: [join(benchFolder, session), file, provider, String(threads), shape],
        env,
        facts: { operators: await operators(file, shape, options) },
      };
    },
  };
}

/**
 * How many nodes of each kind the engine itself computes, once it has optimised the model: whether an int8 model runs in integers is seen
 * here, in `QLinearConv` against `Conv`. Written by the engine in a session of its own, since writing it may change what is timed.
 */
async function operators(
  file: string,
  shape: string,
  options: EngineOptions,
): Promise<Record<string, number>> {
  const { provider, threads, env } = options;
  const folder = await mkdtemp(join(tmpdir(), 'qc-bench-'));
  try {
    const optimized = join(folder, 'optimized.onnx');
    const asked = run(
      process.execPath,
      [join(benchFolder, session), file, provider, String(threads), shape, optimized],
      { env: { ...process.env, ...env } },
    );
    asked.child.stdin?.end();
    await asked;
    const counts: Record<string, number> = {};
    for (const { opType } of decodeModel(await readFile(optimized)).graph.nodes) {
      counts[opType] = (counts[opType] ?? 0) + 1;
    }
    return counts;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The model as ONNX Runtime is given it: at batch 1, and for integers after its own quantizer. */
export async function modelFile({ name, path, digest }: BenchModel, form: Form): Promise<string> {
  const folder = await kept(`${name}-${digest}-onnx`, async (draft) => {
    const python = join(benchFolder, '.venv/bin/python');
    if (!existsSync(python)) {
      throw new Unavailable('the quantizer of ONNX Runtime is not installed: bash bench/setup');
    }
    await mkdir(draft);
    const files = (['float', 'int8'] as const).map((kind) => join(draft, `${kind}.onnx`));
    await run(python, [join(benchFolder, 'peers/prepare-onnx.py'), path, ...files], { maxBuffer: 2 ** 26 });
  });
  return join(folder, `${form}.onnx`);
}
