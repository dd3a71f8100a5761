/**
 * The WGSL backend: compute kernels for WebGPU, packed weights, and the module that runs them in a browser or in Node.
 */
import type { Graph } from '../../ir/index.ts';
import type { ImageEntry, WgslProgram } from '../../runtime/model.ts';
import type { Backend, EmitOptions, Emission, EmittedFile } from '../backend.ts';
import { printWgslUnit } from '../kernel/index.ts';
import { imageWorkgroup } from './image.ts';
import { planProgram, type WgslPlan } from './program.ts';

export { planProgram, type PlannedDispatch, type WgslPlan } from './program.ts';

/** The runtime module as it ships: the text of `runtime/model.js` and of its types. */
export interface RuntimeModule {
  readonly module: string;
  readonly types: string;
}

export interface WgslOptions extends EmitOptions {
  /** Written as `model.js` and `model.d.ts`. Without it the artifact holds no module and is run by the one in this package. */
  readonly runtime?: RuntimeModule;
}

const files = { kernels: 'kernels.wgsl', fallbacks: 'fallbacks.wgsl', weights: 'weights.bin' } as const;

/** The plan as the runtime reads it. */
export function describeProgram(plan: WgslPlan): WgslProgram {
  const kernels = plan.kernels.map(({ name }) => name);
  return {
    format: 'qc-wgsl/1',
    files,
    weight_bytes: plan.weights.length,
    limits: {
      storage_buffers: plan.kernels.reduce((most, { parameters }) => Math.max(most, parameters.length), 1),
      binding_bytes: Math.max(
        ...plan.slots,
        ...plan.dispatches.flatMap(({ bindings }) => bindings.map(({ bytes }) => bytes)),
        16,
      ),
      buffer_bytes: Math.max(...plan.slots, plan.weights.length, 16),
      invocations: plan.kernels.reduce((most, { workgroupSize: [x, y, z] }) => Math.max(most, x * y * z), 1),
    },
    kernels: plan.kernels.map(({ name, parameters }) => ({
      name,
      access: parameters.map((parameter) => (parameter.kind === 'array' ? parameter.access : 'read')),
    })),
    buffers: plan.slots,
    dispatches: plan.dispatches.map(({ step, kernel, workgroups, bindings, makes }) => ({
      step,
      kernel: kernels.indexOf(kernel.name),
      workgroups,
      bindings: bindings.map(({ buffer, offset, bytes }) => [buffer, offset, bytes] as const),
      makes,
    })),
    tensors: plan.tensors.map(({ name, buffer, layout }) => ({ name, buffer, bytes: layout.bytes })),
    uploads: plan.uploads,
    outputs: plan.outputs,
    ...(plan.image === undefined ? {} : { image: describeImage(plan.image, kernels) }),
  };
}

function describeImage(
  { width, height, columns, rows, range }: NonNullable<WgslPlan['image']>,
  kernels: readonly string[],
): ImageEntry {
  return {
    width,
    height,
    columns: kernels.indexOf(columns.name),
    rows: kernels.indexOf(rows.name),
    workgroup: imageWorkgroup,
    tables: [range.offset, range.bytes],
  };
}

function emit(graph: Graph, options: WgslOptions): Emission {
  const plan = planProgram(graph, options.image);
  const { code, fallbacks } = printWgslUnit(plan.kernels);
  const modules: EmittedFile[] =
    options.runtime === undefined
      ? []
      : [
          { name: 'model.js', role: 'module', content: options.runtime.module },
          { name: 'model.d.ts', role: 'types', content: options.runtime.types },
        ];
  return {
    files: [
      { name: files.kernels, role: 'source', content: code },
      { name: files.fallbacks, role: 'source', content: fallbacks },
      { name: files.weights, role: 'weights', content: plan.weights },
      ...modules,
    ],
    weightBytes: plan.weights.length,
    arenaBytes: plan.slots.reduce((sum, bytes) => sum + bytes, 0),
    tensors: plan.tensors.map(({ name, storage, shape, layout }) => ({ name, storage, shape, layout })),
    program: describeProgram(plan),
  };
}

export const wgsl: Backend<WgslOptions> = {
  name: 'wgsl',
  summary: 'Compute shaders for WebGPU with packed weights and a small ES module: browsers and Node.',
  level: 'integer',
  emit,
};
