/** The C backend: an integer-level program to the files of a C11 artifact. */
import { bitWidth, fail, formatType, type Graph } from '../../ir/index.ts';
import type { StoredTensor } from '../../runtime/manifest.ts';
import type { Backend, Emission, EmittedFile, EmitOptions, WeightForm } from '../backend.ts';
import type { VectorMachine } from './isa/machine.ts';
import { isaNames, machines } from './isa/table.ts';
import { buildCommand, cmakeFile, headerFile } from './build-files.ts';
import { classesFile, exampleFile, namesClasses } from './example.ts';
import { arenaAlignment, planProgram } from './program.ts';
import { type PublicNames, publicNames } from './public-names.ts';
import { sourceFile } from './source-file.ts';
import { layoutOf } from './step-writer.ts';
import { threadsFile } from './thread-pool.ts';
import { weightAssembly, weightBytes as weightData } from './weight-binary.ts';
import { WeightPool, weightSource } from './weight-words.ts';

/** What the manifest of a C artifact says that others' do not. */
export interface CManifest {
  /** Steps in the order they run, with the numbers (places in `tensors`) of what each stores. */
  readonly steps: readonly {
    readonly name: string;
    readonly op: string;
    readonly tensors: readonly number[];
  }[];
  readonly byte_image: boolean;
  /** Types of `tensors`, as IR text. */
  readonly types: readonly string[];
}

/**
 * The machines a list of instruction sets stands for, best first; undefined is the code every machine runs. `auto` is all of them.
 * Fails with `c/isa`.
 */
export function machinesOf(names: readonly string[]): readonly (VectorMachine | undefined)[] {
  const unknown = names.find((name) => name !== 'auto' && !isaNames.includes(name));
  if (unknown !== undefined || names.length === 0) {
    fail('c/isa', `${JSON.stringify(unknown ?? '')} is no instruction set that C is emitted for`, {
      help: `auto, or some of ${isaNames.join(', ')}`,
    });
  }
  const wanted = names.includes('auto') ? isaNames : names;
  const chosen = machines.filter(({ isa }) => wanted.includes(isa.name));
  return wanted.includes('scalar') ? [...chosen, undefined] : chosen;
}

function emit(graph: Graph, options: EmitOptions): Emission {
  const names = publicNames(options.name);
  const program = planProgram(graph, {
    taken: names.all,
    machines: machinesOf(options.isa ?? ['auto']),
    image: options.image,
  });
  const pool = new WeightPool();
  const head = [`// ${names.prefix}: written by qc. Do not edit; compile the model again.`];
  const source = sourceFile(program, names, head, pool);
  const weights = pool.bytes === 0 ? [] : weightFiles(names, head, pool, options.weights ?? 'array');
  const example = { layout: options.image?.layout, classNames: options.classNames };
  const code: EmittedFile[] = [
    { name: names.source, role: 'source', content: source },
    ...weights,
    { name: names.threadsSource, role: 'threads', content: threadsFile(program, names, head) },
    { name: 'main.c', role: 'example', content: exampleFile(program, names, example) },
    ...(namesClasses(program, example)
      ? [
          {
            name: names.classesHeader,
            role: 'example',
            content: classesFile(names, head, options.classNames!),
          },
        ]
      : []),
  ];
  const sources = code.flatMap(({ name, role }) =>
    ['source', 'weights'].includes(role) && /\.[cS]$/.test(name) ? [name] : [],
  );
  const { types } = program.facts;
  const tensors = program.traced.map((name): StoredTensor => {
    const type = types.get(name)!;
    return { name, storage: type.element.storage, shape: type.shape, layout: layoutOf(type) };
  });
  const numbers = new Map(program.traced.map((name, i) => [name, i]));
  const manifest: CManifest = {
    steps: program.plan.steps.map((step) => ({
      name: step.name,
      op: step.anchor?.op ?? step.body[0]!.op,
      tensors: step.outputs.flatMap((name) => numbers.get(name) ?? []),
    })),
    byte_image: program.hasImageEntry,
    types: program.traced.map((name) => formatType(types.get(name)!)),
  };
  const header = headerFile(program, names, head, buildCommand(code, names.prefix, '.'));
  return {
    files: [
      { name: names.header, role: 'header', content: header },
      ...code,
      { name: 'CMakeLists.txt', role: 'build', content: cmakeFile(names, sources) },
    ],
    weightBytes: weightBytes(graph),
    arenaBytes: Math.max(program.memory.bytes, arenaAlignment),
    arenaLowerBoundBytes: Math.max(program.memory.lowerBound, arenaAlignment),
    tensors,
    program: manifest,
  };
}

/** The weights as the user wants them. */
function weightFiles(
  names: PublicNames,
  head: readonly string[],
  pool: WeightPool,
  form: WeightForm,
): EmittedFile[] {
  if (form === 'array') {
    const content = weightSource(names.weights, head, pool);
    return [{ name: names.weightsSource, role: 'weights', content }];
  }
  return [
    { name: names.weightsAssembly, role: 'weights', content: weightAssembly(names, head, pool.bytes) },
    { name: names.weightsBinary, role: 'weights', content: weightData(pool) },
  ];
}

/** Bytes of weights as stored, packed; biases and tables not counted. */
function weightBytes(graph: Graph): number {
  const weights = new Set(
    graph.nodes.flatMap(({ op, operands }) => (op === 'conv2d' || op === 'dense' ? [operands[1]!] : [])),
  );
  let bits = 0;
  for (const name of weights) {
    const { data, type } = graph.constants.get(name)!;
    bits += data.length * bitWidth(type.element.storage);
  }
  return Math.ceil(bits / 8);
}

export const c: Backend = {
  name: 'c',
  summary: 'One C11 source file and its weights: no allocation, no dependency, one static arena.',
  level: 'integer',
  emit,
};
