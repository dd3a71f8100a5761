/** Kernels on their buffers, and which of several a device can run. */
import type { KernelChoice, KernelFile, WgslProgram } from './program.ts';

/** One kernel on its buffers. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** How many workgroups a choice is of. */
export const workgroupsOf = ([, x, y, z]: KernelChoice): Dispatch['workgroups'] => [x, y, z];

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

/** The file that a kernel's text is in. */
export const fileOf = ({ forms, kernels }: WgslProgram, kernel: number): KernelFile =>
  forms[kernels[kernel]![0]!]!.file;
