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

export async function makePipelines(
  device: GPUDevice,
  program: WgslProgram,
  code: string,
): Promise<readonly Pipeline[]> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code, label: 'kernels' });
  const errors = (await module.getCompilationInfo()).messages.filter(({ type }) => type === 'error');
  await device.popErrorScope();
  const [first] = errors;
  if (first !== undefined) {
    throw new ModelError(`this device refuses the kernels: line ${first.lineNum}: ${first.message}`);
  }
  return Promise.all(
    program.kernels.map(async ({ name, access }) => {
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
        compute: { module, entryPoint: name },
      });
      return { pipeline, layout };
    }),
  );
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
