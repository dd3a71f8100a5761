/** The numbers of a convolution. */
import type { Node, TensorType } from '../../ir/index.ts';

/** A convolution's geometry; a dense layer is one of 1x1 pixels. */
export interface Convolution {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly outputs: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
  readonly groups: number;
}

export function convolutionOf(node: Node, x: TensorType, weight: TensorType): Convolution {
  const { shape } = node.result.type;
  if (node.op === 'dense') {
    return {
      batch: shape[0]!,
      channels: x.shape[1]!,
      height: 1,
      width: 1,
      outputs: shape[1]!,
      outputHeight: 1,
      outputWidth: 1,
      kernel: [1, 1],
      strides: [1, 1],
      pads: [0, 0, 0, 0],
      dilations: [1, 1],
      groups: 1,
    };
  }
  const { strides, pads, dilations, groups } = node.attributes as {
    strides: readonly number[];
    pads: readonly number[];
    dilations: readonly number[];
    groups: number;
  };
  return {
    batch: shape[0]!,
    channels: x.shape[1]!,
    height: x.shape[2]!,
    width: x.shape[3]!,
    outputs: shape[1]!,
    outputHeight: shape[2]!,
    outputWidth: shape[3]!,
    kernel: [weight.shape[2]!, weight.shape[3]!],
    strides,
    pads,
    dilations,
    groups,
  };
}
