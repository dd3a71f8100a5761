/**
 * The whole artifact before it is text: steps in order, where every stored value lies, which pointers the caller passes.
 *
 * Steps that quantize an input come first, so that the two entry points, floats and bytes, differ in their first calls alone. Values of the caller
 * (f32 inputs and outputs) are read and written where he has them; everything else, scratch memory of steps included, is in the
 * arena. Scratch is one more region alive in one step, so it costs only where the arena is widest.
 */
import { fail, type Graph, isF32, type TensorType, typesOf } from '../../ir/index.ts';
import { Names, toIdentifier } from '../kernel/index.ts';
import {
  lifetimes,
  type MemoryPlan,
  planMemory,
  type Region,
  type Schedule,
  schedule,
  type Step,
} from '../plan/index.ts';
import type { ImagePort } from './boundary.ts';
import type { VectorMachine } from './isa/machine.ts';
import { type SelectKernel, selectKernel } from './kernels/catalogue.ts';
import { kernelOf, stepCode } from './step-code.ts';
import { layoutOf, type ProgramFacts, type StepCode } from './step-writer.ts';

/** A tensor of the caller's: an input or output of the program. */
export interface CallerPort {
  /** In the program. */
  readonly name: string;
  /** In C. */
  readonly parameter: string;
  readonly type: TensorType;
}

/** The steps of a program as one kind of machine runs them. */
export interface Variant {
  /** None is what every machine runs. */
  readonly machine: VectorMachine | undefined;
  /** Steps that read nothing but inputs, then the others. */
  readonly entrySteps: readonly StepCode[];
  readonly steps: readonly StepCode[];
  /** The entry steps again, reading a byte image; absent where the program does not take one. */
  readonly imageSteps: readonly StepCode[] | undefined;
}

export interface CProgram {
  readonly facts: ProgramFacts;
  readonly plan: Schedule;
  /** Best machine first. */
  readonly variants: readonly Variant[];
  readonly inputs: readonly CallerPort[];
  readonly outputs: readonly CallerPort[];
  /** Outputs that only repeat an earlier output or an input: copied at the end. */
  readonly copies: readonly { readonly from: CallerPort; readonly to: CallerPort }[];
  /** Steps that read nothing but inputs: the first of the plan. */
  readonly entrySteps: number;
  readonly hasImageEntry: boolean;
  /** The arena: what the caller's memory holds, of the first thread's own scratch too. */
  readonly memory: MemoryPlan;
  /** Bytes of scratch that every further thread of a team needs. */
  readonly threadBytes: number;
  /** Stored values that are the same on every machine, in the order they are made: what is traced. */
  readonly traced: readonly string[];
}

export const arenaAlignment = 64;

/** A step's scratch in the memory plan. Values are planned under `value:`, so the two cannot meet whatever a model calls its values. */
export const scratchRegion = (index: number): string => `scratch:${index}`;
export const valueRegion = (name: string): string => `value:${name}`;

export interface ProgramOptions {
  /** C names the steps must avoid. */
  readonly taken: readonly string[];
  /** What to emit steps for, best first; undefined is what every machine runs. */
  readonly machines: readonly (VectorMachine | undefined)[];
  readonly image?: ImagePort | undefined;
  /** Default: the catalogue's. */
  readonly select?: SelectKernel;
}

/** Plans a verified integer-level program. */
export function planProgram(
  graph: Graph,
  { taken, machines, image, select = selectKernel }: ProgramOptions,
): CProgram {
  const types = typesOf(graph);
  const facts: ProgramFacts = {
    graph,
    types,
    readsPanels: (layer) =>
      machines.some(
        (machine) =>
          machine !== undefined &&
          (['vector', 'rows'] as const).some((ending) => select(layer, machine, ending) !== undefined),
      ),
  };
  const names = new Names();
  for (const name of taken) names.claim(name);
  const nameOf = (wish: string): string => names.fresh(wish);

  const inputNames = new Set(graph.inputs.map(({ name }) => name));
  const { steps, aliases } = schedule(graph, layoutOf);
  const isEntry = (inputs: readonly string[]): boolean => inputs.every((name) => inputNames.has(name));
  const ordered = [
    ...steps.filter((step) => isEntry(step.inputs)),
    ...steps.filter((step) => !isEntry(step.inputs)),
  ];
  const plan: Schedule = { steps: ordered, aliases };
  const entrySteps = ordered.filter((step) => isEntry(step.inputs));
  const port = imageEntry(graph, entrySteps, image);
  const written = new Map<VectorMachine | undefined, Variant>();
  const variantOf = (machine: VectorMachine | undefined): Variant => {
    const known = written.get(machine);
    if (known !== undefined) return known;
    const codes = ordered.map((step) => stepCode(step, facts, { nameOf, machine, select }));
    const variant: Variant = {
      machine,
      entrySteps: codes.slice(0, entrySteps.length),
      steps: codes.slice(entrySteps.length),
      imageSteps:
        port === undefined
          ? undefined
          : entrySteps.map((step) => stepCode(step, facts, { nameOf, machine, image: port })),
    };
    written.set(machine, variant);
    return variant;
  };
  /** The other machine's steps, but for those that this one does better; undefined where there is none of these. */
  const refinedVariant = (machine: VectorMachine, refined: VectorMachine): Variant | undefined => {
    const better = ordered.map((step) => kernelOf(step, facts, machine, select)?.machine === machine);
    if (!better.includes(true)) return undefined;
    const other = variantOf(refined);
    const codes = [...other.entrySteps, ...other.steps].map((code, i) =>
      better[i] === true ? stepCode(ordered[i]!, facts, { nameOf, machine, select }) : code,
    );
    return {
      ...other,
      machine,
      entrySteps: codes.slice(0, entrySteps.length),
      steps: codes.slice(entrySteps.length),
    };
  };
  const variants = machines.flatMap((machine) => {
    if (machine?.refines === undefined) return variantOf(machine);
    const variant = refinedVariant(machine, machine.refines);
    if (variant !== undefined) return variant;
    return machines.includes(machine.refines) ? [] : variantOf(machine.refines);
  });

  const inputs = ports(
    graph.inputs.map(({ name }) => name),
    'input',
    types,
  );
  const constant = graph.outputs.find((name) => graph.constants.has(name));
  if (constant !== undefined) {
    fail('c/constant', `output ${JSON.stringify(constant)} of the program is a constant`, {
      help: 'a model that computes nothing needs no artifact: return a value that depends on an input',
    });
  }
  const outputs = ports(graph.outputs, 'output', types);
  const copies = outputs.flatMap((to, i) => {
    const from = [...inputs, ...outputs.slice(0, i)].find(({ name }) => name === to.name);
    return from === undefined ? [] : [{ from, to }];
  });
  const caller = new Set([...inputs, ...outputs].map(({ name }) => name));

  const regions: Region[] = lifetimes({
    schedule: plan,
    inputs: [],
    outputs: [],
    bytesOf: (name) => (caller.has(name) ? 0 : layoutOf(types.get(name)!).bytes),
  }).map((region) => ({ ...region, name: valueRegion(region.name) }));
  ordered.forEach((_, i) => {
    const codes = variants.flatMap((variant) => [
      [...variant.entrySteps, ...variant.steps][i]!,
      ...(variant.imageSteps?.[i] === undefined ? [] : [variant.imageSteps[i]]),
    ]);
    const bytes = Math.max(...codes.map(({ scratchBytes: { shared, own } }) => shared + own));
    if (bytes > 0) regions.push({ name: scratchRegion(i), bytes, first: i, last: i });
  });
  const inexact = new Set(graph.nodes.filter(({ op }) => op === 'softmax').map(({ result }) => result.name));
  return {
    facts,
    plan,
    inputs,
    outputs,
    copies,
    variants,
    entrySteps: entrySteps.length,
    hasImageEntry: port !== undefined,
    memory: planMemory(regions, arenaAlignment),
    threadBytes: Math.max(
      0,
      ...variants.flatMap(({ entrySteps: first, steps: rest, imageSteps: image = [] }) =>
        [...first, ...rest, ...image].map(({ kernel, scratchBytes }) =>
          kernel.team === undefined ? 0 : scratchBytes.own,
        ),
      ),
    ),
    traced: ordered.flatMap((step) => step.outputs.filter((name) => !inexact.has(name))),
  };
}

/** C parameters for the program's ports; a single one is just `input` or `output`. */
function ports(
  names: readonly string[],
  word: 'input' | 'output',
  types: ReadonlyMap<string, TensorType>,
): CallerPort[] {
  const taken = new Names();
  return names.map((name) => {
    const type = types.get(name)!;
    if (!isF32(type)) {
      fail('c/port-type', `${word} ${JSON.stringify(name)} of the program is not f32`, {
        help: 'quantize inputs and dequantize outputs inside the program',
      });
    }
    return {
      name,
      type,
      parameter: taken.fresh(names.length === 1 ? word : toIdentifier(`${word} ${name}`)),
    };
  });
}

/** The byte image, where the program is one f32 image that is only quantized. */
function imageEntry(
  graph: Graph,
  entries: readonly Step[],
  image: ImagePort | undefined,
): ImagePort | undefined {
  const [input] = graph.inputs;
  if (image === undefined || graph.inputs.length !== 1 || input?.type.shape.length !== 4) return undefined;
  const channels = input.type.shape[image.layout === 'NHWC' ? 3 : 1];
  const plain =
    image.tables.length === channels &&
    !graph.outputs.includes(input.name) &&
    entries.every(
      ({ anchor }) =>
        anchor?.op === 'quantize' &&
        anchor.result.type.element.kind === 'quantized' &&
        anchor.result.type.element.axis === undefined,
    );
  return plain ? image : undefined;
}
