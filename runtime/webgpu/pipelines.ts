/** From WGSL to pipelines. */
import { ModelError } from './model-error.ts';
import type { WgslProgram } from './program.ts';

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

const computeStage = 0x4;

export const packedFeature = 'packed_4x8_integer_dot_product';

/** Code for an implementation without `dot4I8Packed`: functions of the same names take the place of the feature. */
export const withFallbacks = (code: string, fallbacks: string): string =>
  `${code.replace(`requires ${packedFeature};`, '')}\n${fallbacks}`;

/**
 * Whether the kernels for subgroups are the quicker ones. They run wherever subgroups have eight invocations or more; what was measured is those of
 * exactly eight, the vectors of a processor. (The types of WebGPU do not know the sizes yet.)
 */
export function hasSubgroups({ features, adapterInfo }: GPUDevice): boolean {
  const sizes = adapterInfo as
    { readonly subgroupMinSize?: number; readonly subgroupMaxSize?: number } | undefined;
  return features.has('subgroups') && sizes?.subgroupMinSize === 8 && sizes.subgroupMaxSize === 8;
}

/** The dispatches of a program on a device that has subgroups or not. */
export const dispatchesFor = ({ dispatches }: WgslProgram, subgroups: boolean): WgslProgram['dispatches'] =>
  dispatches.map((dispatch) => (subgroups ? { ...dispatch, ...dispatch.subgroups } : dispatch));

/** The kernels that are dispatched, for the program and for images. */
export const usedKernels = (
  { image }: WgslProgram,
  dispatches: WgslProgram['dispatches'],
): ReadonlySet<number> =>
  new Set([
    ...dispatches.map(({ kernel }) => kernel),
    ...(image === undefined ? [] : [image.columns, image.rows]),
  ]);

/** Pipelines by the number of their kernel; `codeOf` gives a file's text. */
export async function makePipelines(
  device: GPUDevice,
  program: WgslProgram,
  used: ReadonlySet<number>,
  codeOf: (file: 'kernels' | 'subgroups') => Promise<string>,
): Promise<ReadonlyMap<number, Pipeline>> {
  const modules = new Map<string, Promise<GPUShaderModule>>();
  const made = [...used].map(async (kernel): Promise<[number, Pipeline]> => {
    const { name, file, constants, access } = program.kernels[kernel]!;
    if (!modules.has(file)) modules.set(file, makeModule(device, file, codeOf(file)));
    const module = await modules.get(file)!;
    const layout = device.createBindGroupLayout({
      label: name,
      entries: access.map((kind, binding) => ({
        binding,
        visibility: computeStage,
        buffer: { type: kind === 'read' ? 'read-only-storage' : 'storage' },
      })),
    });
    const pipeline = await device.createComputePipelineAsync({
      label: name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: name, constants },
    });
    return [kernel, { pipeline, layout }];
  });
  return new Map(await Promise.all(made));
}

async function makeModule(device: GPUDevice, label: string, text: Promise<string>): Promise<GPUShaderModule> {
  const code = await text;
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code, label });
  const scope = device.popErrorScope();
  const errors = (await module.getCompilationInfo()).messages.filter(({ type }) => type === 'error');
  await scope;
  const [first] = errors;
  if (first !== undefined) {
    throw new ModelError(`this device refuses the ${label}: line ${first.lineNum}: ${first.message}`);
  }
  return module;
}

/** One kernel on its buffers. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** Encodes a pass of these dispatches, in order. */
export function encodePass(
  encoder: GPUCommandEncoder,
  dispatches: readonly Dispatch[],
  descriptor: GPUComputePassDescriptor = {},
): void {
  const pass = encoder.beginComputePass(descriptor);
  for (const { pipeline, group, workgroups } of dispatches) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...workgroups);
  }
  pass.end();
}
