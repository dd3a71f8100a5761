/**
 * What C and WGSL share about *when*: a program cut into steps. A step is one dispatch, or one C function: an anchor that reads
 * windows or moves data, followed by elementwise work on each of its results while it is still in a register.
 *
 * Only values that another step (or the caller) reads are stored. An int32 accumulator therefore never is, unless it is an output.
 */
import type { IntegerOp, Node, TensorType } from '../../ir/index.ts';

/** Ops that compute each element from the elements at the same place of their operands (operands may broadcast). */
export const elementwiseOps = [
  'requantize',
  'lookup',
  'add',
  'sub',
  'mul',
  'affine',
] as const satisfies readonly IntegerOp[];

/** Ops at the edge, where f32 comes in or goes out. C emits them; the WGSL runtime does them on the host, where IEEE rules. */
export const boundaryOps = ['quantize', 'dequantize', 'softmax'] as const satisfies readonly IntegerOp[];

export interface Step {
  /** Name of the last value it computes: unique, and the layer's name as users know it. */
  readonly name: string;
  /** conv2d, dense, max_pool2d, average_pool2d, a movement op or a boundary op; absent for purely elementwise steps. */
  readonly anchor?: Node;
  /** Elementwise nodes in program order; all results have the shape of the anchor's result. */
  readonly body: readonly Node[];
  /** Stored values it reads, without constants, each once. */
  readonly inputs: readonly string[];
  /** Values it stores, in program order. */
  readonly outputs: readonly string[];
  /** Logical type of the anchor's result, or of the first body node's: the iteration space. */
  readonly space: TensorType;
}

export interface Schedule {
  readonly steps: readonly Step[];
  /** Stored value -> the stored value whose bytes it shares (a reshape that moves nothing). */
  readonly aliases: ReadonlyMap<string, string>;
}
