/**
 * Our own contestants. A model is compiled in two steps that are kept apart in the cache: to an integer program, which takes long and depends
 * on front end and passes alone, and from it to an artifact, which changes with every line of a backend.
 */
import { join } from 'node:path';
import { readFile, writeFile } from 'node:fs/promises';
import { elementCount } from '../ir/index.ts';
import { publicNames } from '../backends/c/index.ts';
import { type Artifact, readArtifact } from '../compiler/artifact/artifact-files.ts';
import { runCommandLine } from '../compiler/cli/program.ts';
import { writeNpy } from '../compiler/data/npy.ts';
import { createRandom } from '../compiler/data/random.ts';
import { buildC } from '../compiler/runners/node-c-build.ts';
import { builtRoles } from '../compiler/runners/node-c.ts';
import type { Contestant } from './contest.ts';
import type { Isa } from './isa.ts';
import type { BenchModel } from './models.ts';
import { layerBits, type Precision } from './precision.ts';
import { Unavailable } from './unavailable.ts';
import { benchFolder, digest, frontSources, kept, sourcesDigest, typescriptArguments } from './workplace.ts';

/** What the C compiler may use when we are held down: it vectorises loops of its own accord. */
export const compilerFlags: Readonly<Record<Isa, readonly string[]>> = {
  auto: ['-march=native'],
  scalar: ['-march=native'],
  avx2: ['-march=x86-64-v3'],
  avx512vnni: ['-march=x86-64-v4', '-mavx512vnni'],
};

/** The artifact of a model for a target, compiled unless it is in the cache. */
export async function compiled(
  { name, path, digest: content, network }: BenchModel,
  precision: Precision,
  target: 'c' | 'wgsl',
  isa: Isa = 'auto',
): Promise<Artifact> {
  const front = digest(sourcesDigest(frontSources), content);
  const program = await kept(`${name}-${precision}-${front}`, async (draft) =>
    compile(
      path,
      ...['--target', 'qir', '--level', 'integer', '--layer-bits', layerBits(precision), '-o', draft],
      ...['--calib', await drawnInputs(network.input.shape)],
    ),
  );
  const whole = digest(sourcesDigest(/./), content);
  const folder = await kept(`${name}-${precision}-${target}-${isa}-${whole}`, async (draft) =>
    compile(
      join(program, 'model.qir'),
      ...['--target', target, '-o', draft],
      ...(target === 'c' ? ['--isa', isa] : []),
    ),
  );
  return readArtifact(folder);
}

/** A file of inputs to calibrate on, two of them: times depend on no range. */
async function drawnInputs(shape: readonly number[]): Promise<string> {
  return kept(`inputs-${shape.join('x')}.npy`, async (draft) => {
    const random = createRandom(1);
    const data = Float32Array.from(
      { length: 2 * elementCount(shape.slice(1)) },
      () => 4 * random.uniform() - 2,
    );
    await writeFile(draft, writeNpy({ shape: [2, ...shape.slice(1)], dtype: 'f4', data }));
  });
}

/** Runs `qc compile`. What the compiler refuses (an instruction set that is not built, say) is a reason not to take part. */
async function compile(...args: readonly string[]): Promise<void> {
  const said: string[] = [];
  const status = await runCommandLine(['compile', ...args, '--quiet'], {
    out: () => undefined,
    err: (text) => said.push(text),
    outColours: false,
    errColours: false,
  });
  if (status !== 0) {
    const text = said.join('');
    throw new Unavailable(/^error\[.*$/m.exec(text)?.[0] ?? text.trim());
  }
}

/** The C artifact, built as a program that embeds it would be. */
export function oursInC(model: BenchModel, precision: Precision, threads: number, isa: Isa): Contestant {
  return {
    name: `ours-${precision}`,
    title: `qc ${precision.toUpperCase()}`,
    prepare: async () => {
      const { manifest, read } = await compiled(model, precision, 'c', isa);
      const names = publicNames(manifest.name);
      const roles = builtRoles(threads);
      const wanted = manifest.files.filter(({ role }) => roles.includes(role));
      const sources = await Promise.all(
        wanted.map(async (file) => ({ name: file.name, content: await read(file.name) })),
      );
      const session = {
        name: 'qc_bench_session.c',
        content: await readFile(join(benchFolder, 'ours-session.c')),
      };
      const { program } = await buildC([...sources, session], {
        flags: [
          ...['-std=c11', '-O3', ...compilerFlags[isa]],
          `-DQC_HEADER="${names.header}"`,
          `-DQC_RUN=${names.run}`,
          `-DQC_ARENA_SIZE=${names.arenaSize}`,
          `-DQC_INPUT=${elementCount(manifest.inputs[0]!.shape)}`,
          `-DQC_OUTPUT=${elementCount(manifest.outputs[0]!.shape)}`,
          ...(threads === 1
            ? []
            : [
                '-pthread',
                `-DQC_THREADS=${threads}`,
                `-DQC_POOL=${names.pool}`,
                `-DQC_POOL_SIZE=${names.poolSize}`,
                `-DQC_POOL_START=${names.poolStart}`,
                `-DQC_POOL_RUN=${names.poolRun}`,
              ]),
        ],
      });
      return { program, args: [] };
    },
  };
}

/** The WGSL artifact, run by the runtime that ships with it. */
export function oursInWgsl(
  model: BenchModel,
  precision: Precision,
  env: Readonly<Record<string, string>>,
): Contestant {
  return {
    name: `ours-${precision}`,
    title: `qc ${precision.toUpperCase()}`,
    prepare: async () => {
      const { folder } = await compiled(model, precision, 'wgsl');
      return {
        program: process.execPath,
        args: [...typescriptArguments, join(benchFolder, 'ours-wgsl-session.ts'), folder],
        env,
      };
    },
  };
}
