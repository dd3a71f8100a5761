/** Debian's oneDNN: the convolutions and dense layers of a network as int8 primitives, and nothing else of it. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Contestant } from '../contest.ts';
import { type FusedLayer, fusedLayersOf } from '../fused-layers.ts';
import type { BenchModel } from '../models.ts';
import type { Isa } from '../isa.ts';
import { Unavailable } from '../unavailable.ts';
import { benchFolder, digest, kept } from '../workplace.ts';

const run = promisify(execFile);

/** What ONEDNN_MAX_CPU_ISA calls our instruction sets. */
const isaNames: Readonly<Record<Isa, string | undefined>> = {
  auto: undefined,
  scalar: 'SSE41',
  avx2: 'AVX2',
  avx512vnni: 'AVX512_CORE_VNNI',
};

export function oneDnn({ network }: BenchModel, threads: number, isa: Isa): Contestant {
  return {
    name: 'onednn-int8',
    title: 'oneDNN int8, its layers alone',
    prepare: async () => {
      const program = await build();
      const text = layerLines(fusedLayersOf(network), network.input);
      const file = await kept(`onednn-${digest(text)}.txt`, async (draft) => writeFile(draft, text));
      const isaName = isaNames[isa];
      return {
        program,
        args: [file],
        env: {
          OMP_NUM_THREADS: String(threads),
          ...(isaName === undefined ? {} : { ONEDNN_MAX_CPU_ISA: isaName }),
        },
      };
    },
  };
}

async function build(): Promise<string> {
  const source = join(benchFolder, 'peers/onednn.cpp');
  const name = `onednn-${digest(await readFile(source))}`;
  return kept(name, async (draft) => {
    await run('c++', ['-std=c++17', '-O2', source, '-o', draft, '-ldnnl']).catch((error: unknown) => {
      const said = (error as { stderr?: string }).stderr ?? String(error);
      throw new Unavailable(
        /dnnl\.hpp|-ldnnl|ENOENT/.test(said)
          ? 'oneDNN or a C++ compiler is not installed: bash bench/setup'
          : said.trim().split('\n')[0]!,
      );
    });
  });
}

/** The network as `onednn.cpp` reads it. A shortcut and what it is added to are one buffer. */
export function layerLines(
  layers: readonly FusedLayer[],
  input: { readonly name: string; readonly shape: readonly number[] },
): string {
  const buffers: string[] = [];
  const numbers = new Map<string, number>();
  const buffer = (name: string, shape: readonly number[]): number => {
    let number = numbers.get(name);
    if (number === undefined) {
      number = buffers.push(`buffer ${[...shape, 1, 1].slice(0, 4).join(' ')}`) - 1;
      numbers.set(name, number);
    }
    return number;
  };
  buffer(input.name, input.shape);
  const lines = layers.map((layer) => {
    const source = buffer(layer.input, layer.inputShape);
    const { addend, output, outputShape, kernel, strides, pads, dilations } = layer;
    if (addend !== undefined) numbers.set(output, buffer(addend, outputShape));
    const destination = buffer(output, outputShape);
    if (layer.op === 'dense') return `dense ${source} ${destination} ${kernel[0]} ${kernel[1]}`;
    const flags = [Number(addend !== undefined), Number(layer.relu)];
    const geometry = [...kernel, ...strides, pads[0]!, pads[1]!, ...dilations, layer.groups];
    return `conv ${[source, destination, ...flags, ...geometry].join(' ')}`;
  });
  return `${[...buffers, ...lines].join('\n')}\n`;
}
