/**
 * The WGSL backend: compute kernels for WebGPU, packed weights, and the module that runs them in a browser or in Node.
 */
import { gzipSync } from 'fflate';
import { fail, type Graph } from '../../ir/index.ts';
import type { ImageEntry, WgslProgram } from '../../runtime/model.ts';
import type { Backend, EmitOptions, Emission, EmittedFile } from '../backend.ts';
import { type GridKernel, printWgslUnit } from '../kernel/index.ts';
import { imageWorkgroup } from './image.ts';
import { planProgram, type WgslPlan } from './program.ts';
import { type SharedKernel, shareText } from './shared-text.ts';
import type { ChooseTiles } from './tile.ts';

export { planProgram, type PlannedDispatch, type WgslPlan } from './program.ts';
export { allTiles, type ChooseTiles, estimatedTiles, type TileChoice, withOtherSizes } from './tile.ts';

/** The runtime as it ships: the texts of its modules and of their types, by the names they have in an artifact. */
export interface RuntimeModule {
  readonly files: readonly { readonly name: string; readonly text: string }[];
}

/** A page that shows a model at work: files by their place in the artifact, `index.html` among them. */
export interface DemoPage {
  readonly files: readonly { readonly name: string; readonly text: string }[];
}

export interface WgslOptions extends EmitOptions {
  /** Written as `model.js` and `model.d.ts`. Without it the artifact holds no module and is run by the one in this package. */
  readonly runtime?: RuntimeModule;
  /** Written beside the module. */
  readonly demo?: DemoPage;
  /** The tiles that layers are compiled for. Default: the quickest by estimate. */
  readonly tiles?: ChooseTiles;
}

const files = {
  kernels: 'kernels.wgsl',
  subgroups: 'subgroups.wgsl',
  fallbacks: 'fallbacks.wgsl',
  weights: 'weights.bin',
} as const;

/** The text of a plan's kernels, and where in it each of them is. */
interface PrintedKernels {
  readonly kernels: string;
  readonly subgroups: string;
  readonly fallbacks: string;
  readonly of: ReadonlyMap<GridKernel, SharedKernel>;
}

/** Half the indentation: a fifteenth of the text that a page loads. */
const narrow = (code: string): string => code.replace(/^ +/gm, (spaces) => ' '.repeat(spaces.length / 2));

function printKernels({ kernels, subgroupKernels }: WgslPlan): PrintedKernels {
  const [own, shared] = [shareText(kernels), shareText(subgroupKernels)];
  return {
    kernels: narrow(printWgslUnit(own.kernels, own).code),
    subgroups: narrow(printWgslUnit(shared.kernels, shared).code),
    fallbacks: printWgslUnit([...kernels, ...subgroupKernels]).fallbacks,
    of: new Map([...own.of, ...shared.of]),
  };
}

/** The plan as the runtime reads it. */
export function describeProgram(plan: WgslPlan, printed: PrintedKernels = printKernels(plan)): WgslProgram {
  const kernels = [...plan.kernels, ...plan.subgroupKernels];
  const numbers = new Map(kernels.map((kernel, i) => [kernel, i]));
  const forms = kernels.filter((kernel) => printed.of.get(kernel)!.form === kernel);
  return {
    format: 'qc-wgsl/2',
    files,
    weight_bytes: plan.weights.length,
    limits: {
      storage_buffers: kernels.reduce((most, { parameters }) => Math.max(most, parameters.length), 1),
      binding_bytes: Math.max(
        ...plan.slots,
        ...plan.dispatches.flatMap(({ bindings }) => bindings.map(({ bytes }) => bytes)),
        16,
      ),
      buffer_bytes: Math.max(...plan.slots, plan.weights.length, 16),
      invocations: kernels.reduce((most, { workgroupSize: [x, y, z] }) => Math.max(most, x * y * z), 1),
    },
    forms: forms.map((kernel) => ({
      name: kernel.name,
      file: plan.kernels.includes(kernel) ? 'kernels' : 'subgroups',
      constants: printed.of.get(kernel)!.constants,
      access: kernel.parameters.map((parameter) => (parameter.kind === 'array' ? parameter.access : 'read')),
    })),
    kernels: kernels.map((kernel) => {
      const { form, values } = printed.of.get(kernel)!;
      return [forms.indexOf(form), ...values];
    }),
    buffers: plan.slots,
    dispatches: plan.dispatches.map((dispatch) => ({
      step: dispatch.step,
      choices: dispatch.choices.map(
        ({ kernel, workgroups }) => [numbers.get(kernel)!, ...workgroups] as const,
      ),
      bindings: dispatch.bindings.map(({ buffer, offset, bytes }) => [buffer, offset, bytes] as const),
      makes: dispatch.makes,
    })),
    tensors: plan.tensors.map(({ name, buffer, layout }) => ({ name, buffer, bytes: layout.bytes })),
    uploads: plan.uploads,
    outputs: plan.outputs,
    ...(plan.image === undefined ? {} : { image: describeImage(plan.image, kernels) }),
  };
}

function describeImage(
  { width, height, columns, rows, range }: NonNullable<WgslPlan['image']>,
  kernels: readonly GridKernel[],
): ImageEntry {
  return {
    width,
    height,
    columns: kernels.indexOf(columns),
    rows: kernels.indexOf(rows),
    workgroup: imageWorkgroup,
    tables: [range.offset, range.bytes],
  };
}

function emit(graph: Graph, options: WgslOptions): Emission {
  const plan = planProgram(graph, options.image, options.tiles);
  if (options.demo !== undefined) refuseDemo(plan, options);
  const printed = printKernels(plan);
  const modules: EmittedFile[] =
    options.runtime?.files.map(({ name, text }) => ({
      name,
      role: name.endsWith('.d.ts') ? 'types' : 'module',
      content: text,
    })) ?? [];
  return {
    files: [
      { name: files.kernels, role: 'source', content: printed.kernels },
      { name: files.subgroups, role: 'source', content: printed.subgroups },
      { name: files.fallbacks, role: 'source', content: printed.fallbacks },
      // Four bits of weights are seldom four bits of information; the same bytes on every machine, so no time in it.
      { name: files.weights, role: 'weights', content: gzipSync(plan.weights, { level: 9, mtime: 0 }) },
      ...modules,
      ...(options.demo?.files ?? []).map(({ name, text }) => ({ name, role: 'page', content: text })),
    ],
    weightBytes: plan.weights.length,
    arenaBytes: plan.slots.reduce((sum, bytes) => sum + bytes, 0),
    tensors: plan.tensors.map(({ name, storage, shape, layout }) => ({ name, storage, shape, layout })),
    program: describeProgram(plan, printed),
  };
}

/** A page can only give a model pictures, and only through the module. */
function refuseDemo({ image, outputs }: WgslPlan, { runtime }: WgslOptions): void {
  if (image === undefined) {
    fail('wgsl/demo', 'a demo page gives a model pictures, and this artifact takes none', {
      help: 'say with --preprocess how pictures become inputs; the model must have one input, of three channels',
    });
  }
  if (outputs[0]?.shape.length !== 2) {
    fail('wgsl/demo', 'a demo page shows classes, and the first output is not [N, classes]', {
      help: 'leave --demo out',
    });
  }
  if (runtime === undefined) {
    fail('wgsl/demo', 'a demo page needs the runtime of this package, which is not built', {
      help: 'npm run build, then compile again',
    });
  }
}

export const wgsl: Backend<WgslOptions> = {
  name: 'wgsl',
  summary: 'Compute shaders for WebGPU with packed weights and a small ES module: browsers and Node.',
  level: 'integer',
  emit,
};
