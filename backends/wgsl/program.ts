/**
 * From a program of the integer level to everything a device needs: kernels, dispatches in order, buffers, packed weights. Nothing is text
 * yet; tests run this very plan in the evaluator.
 */
import { type Graph, isF32, type TensorType, typesOf } from '../../ir/index.ts';
import type { HostOutput, HostUpload } from '../../runtime/model.ts';
import type { StoredTensor } from '../../runtime/manifest.ts';
import type { EmitOptions } from '../backend.ts';
import type { GridKernel } from '../kernel/index.ts';
import { isBoundaryStep, lifetimes, packTensor, schedule } from '../plan/index.ts';
import { planBoundary } from './boundary.ts';
import { type ImagePlan, planImage } from './image.ts';
import { KernelSet } from './kernel-set.ts';
import { planSlots } from './slots.ts';
import { type KernelChoice, stepKernels } from './step-kernel.ts';
import { layoutOf } from './stored.ts';
import type { ChooseTiles } from './tile.ts';
import { type WeightRange, WeightsFile } from './weights-file.ts';

/** A part of a buffer. Buffer 0 holds the weights; the slots follow. */
export interface BoundRange extends WeightRange {
  readonly buffer: number;
}

export interface PlannedDispatch {
  /** The layer, as users know it. */
  readonly step: string;
  /** Kernels that make the same, on the same bindings. The first runs on every device, others perhaps where there are subgroups alone. */
  readonly choices: readonly KernelChoice[];
  readonly bindings: readonly BoundRange[];
  /** Stored values that are finished after it, by all their names. */
  readonly makes: readonly string[];
}

export interface WgslPlan {
  readonly kernels: readonly GridKernel[];
  /** Those for devices with subgroups. */
  readonly subgroupKernels: readonly GridKernel[];
  readonly dispatches: readonly PlannedDispatch[];
  /** Bytes of every buffer but the weights'. */
  readonly slots: readonly number[];
  readonly weights: Uint8Array;
  readonly uploads: readonly HostUpload[];
  readonly outputs: readonly HostOutput[];
  /** How images become the input, and where in the weights their tables lie. */
  readonly image?: ImagePlan & { readonly range: WeightRange };
  /** Buffer of every stored tensor, and the tensor as the manifest describes it. */
  readonly tensors: readonly (StoredTensor & { readonly buffer: number })[];
}

/** Whether a kernel takes subgroups of eight invocations or more. */
export const needsSubgroups = ({ tile }: KernelChoice): boolean => tile?.tile.weights === 'subgroup';

const storedTensor = (name: string, type: TensorType): StoredTensor => ({
  name,
  storage: type.element.storage,
  shape: type.shape,
  layout: layoutOf(type),
});

/** Plans a verified program of the integer level. Throws a QcError for what this target cannot run. */
export function planProgram(graph: Graph, image?: EmitOptions['image'], choose?: ChooseTiles): WgslPlan {
  const types = typesOf(graph);
  const cut = schedule(graph, layoutOf);
  const boundary = planBoundary(graph, types, cut);
  const root = (name: string): string => cut.aliases.get(name) ?? name;

  const regions = lifetimes({
    schedule: cut,
    inputs: boundary.uploads.map(({ tensor }) => tensor),
    outputs: boundary.outputs.filter(({ input }) => input === undefined).map(({ tensor }) => tensor),
    bytesOf: (name) => {
      const type = types.get(name)!;
      return isF32(type) ? 0 : layoutOf(type).bytes;
    },
  });
  const { slotOf, sizes } = planSlots(regions);
  const bufferOf = (name: string): number => 1 + slotOf.get(root(name))!;

  const weights = new WeightsFile();
  const constants = new Map<string, WeightRange>();
  const rangeOf = (name: string): BoundRange => {
    const constant = graph.constants.get(name);
    if (constant === undefined) {
      const { bytes } = layoutOf(types.get(name)!);
      return { buffer: bufferOf(name), offset: 0, bytes: Math.ceil(bytes / 16) * 16 };
    }
    let range = constants.get(name);
    if (range === undefined) {
      range = weights.add(packTensor(constant, layoutOf(constant.type)));
      constants.set(name, range);
    }
    return { buffer: 0, ...range };
  };

  const aliasesOf = (names: readonly string[]): string[] =>
    [...cut.aliases.keys()].filter((name) => names.includes(root(name)));

  const names = new Set<string>();
  const kernels = new KernelSet(names);
  const subgroupKernels = new KernelSet(names);
  const dispatches: PlannedDispatch[] = [];
  for (const step of cut.steps) {
    if (isBoundaryStep(step)) continue;
    const made = stepKernels(graph, types, step, choose);
    const packed = made.weights === undefined ? undefined : weights.add(made.weights);
    const tables = made.bindings.some(({ kind }) => kind === 'tables') ? weights.add(made.tables) : undefined;
    dispatches.push({
      step: step.name,
      choices: made.choices.map((choice) => ({
        ...choice,
        kernel: (needsSubgroups(choice) ? subgroupKernels : kernels).add(choice.kernel),
      })),
      bindings: made.bindings.map((source) =>
        source.kind === 'value'
          ? rangeOf(source.name)
          : { buffer: 0, ...(source.kind === 'weights' ? packed! : tables!) },
      ),
      makes: [...step.outputs, ...aliasesOf(step.outputs)],
    });
  }

  const uploaded = boundary.uploads.map(({ tensor }) => tensor);
  const stored = [...uploaded, ...aliasesOf(uploaded), ...dispatches.flatMap(({ makes }) => makes)];
  const entry = planImage(graph, types, boundary.uploads, image);
  const imagePlan =
    entry === undefined
      ? undefined
      : {
          ...entry,
          columns: kernels.add(entry.columns),
          rows: kernels.add(entry.rows),
          range: weights.add(entry.tables),
        };
  return {
    kernels: kernels.kernels,
    subgroupKernels: subgroupKernels.kernels,
    dispatches,
    slots: sizes,
    weights: weights.bytes,
    uploads: boundary.uploads.map((upload) => ({ ...upload, buffer: bufferOf(upload.tensor) })),
    outputs: boundary.outputs.map((output) => ({
      ...output,
      buffer: output.input === undefined ? bufferOf(output.tensor) : -1,
    })),
    ...(imagePlan === undefined ? {} : { image: imagePlan }),
    tensors: stored.map((name) => ({
      ...storedTensor(name, types.get(name)!),
      buffer: bufferOf(name),
    })),
  };
}
