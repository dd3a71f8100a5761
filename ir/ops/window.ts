/**
 * Sliding windows over the two spatial axes of an NCHW tensor, shared by convolution and pooling. Pads are
 * `[top, left, bottom, right]` as in ONNX; padding never contributes an element: a window holds the taps that lie inside.
 */
import type { AttributeSpec } from '../attributes.ts';
import { constraint, type Constraint } from '../op.ts';

export const windowAttributes = {
  strides: { kind: 'ints', summary: 'step of the window, [vertical, horizontal]', default: [1, 1] },
  pads: { kind: 'ints', summary: 'border, [top, left, bottom, right]', default: [0, 0, 0, 0] },
  dilations: { kind: 'ints', summary: 'distance between taps, [vertical, horizontal]', default: [1, 1] },
} as const satisfies Record<string, AttributeSpec>;

/** Strides, pads, dilations and kernels stop here: beyond any network, and positions stay exact in every backend's integers. */
export const largestWindow = 2 ** 16 - 1;

export interface Window {
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

/** Extent of one spatial axis (0 vertical, 1 horizontal) after the window has slid over it. */
export function windowedExtent(window: Window, axis: 0 | 1, extent: number, kernel: number): number {
  const reach = window.dilations[axis]! * (kernel - 1) + 1;
  const padded = extent + window.pads[axis]! + window.pads[axis + 2]!;
  return Math.floor((padded - reach) / window.strides[axis]!) + 1;
}

/** The output positions `[first, end)` at which tap `tap` reads inside the input, and the input index at `first`. */
export function tapSpan(
  window: Window,
  axis: 0 | 1,
  tap: number,
  extent: number,
  outputExtent: number,
): { first: number; end: number; start: number } {
  const stride = window.strides[axis]!;
  const offset = tap * window.dilations[axis]! - window.pads[axis]!;
  const first = Math.max(0, Math.ceil(-offset / stride));
  const end = Math.min(outputExtent, Math.floor((extent - 1 - offset) / stride) + 1);
  return { first, end: Math.max(first, end), start: first * stride + offset };
}

function windowProblem(window: Window): string | undefined {
  const outside = (values: readonly number[], least: number): boolean =>
    values.some((value) => value < least || value > largestWindow);
  if (window.strides.length !== 2 || outside(window.strides, 1)) {
    return `strides [${window.strides.join(', ')}] are not two positive integers below 2^16`;
  }
  if (window.dilations.length !== 2 || outside(window.dilations, 1)) {
    return `dilations [${window.dilations.join(', ')}] are not two positive integers below 2^16`;
  }
  if (window.pads.length !== 4 || outside(window.pads, 0)) {
    return `pads [${window.pads.join(', ')}] are not four integers in [0, 2^16)`;
  }
  return undefined;
}

/** Constraint: strides, pads and dilations have the right length and sign. */
export const wellFormedWindow: Constraint<Window> = constraint(
  'window-attributes',
  'strides and dilations are two positive integers, pads four that are not negative, all below 2^16',
  ({ attributes }) => windowProblem(attributes),
);

/** Constraint: the window fits the padded input at least once along both axes. */
export function fittingWindow<A extends Window>(
  kernelOf: (attributes: A, operands: readonly { readonly shape: readonly number[] }[]) => readonly number[],
): Constraint<A> {
  return constraint(
    'window-fits',
    'the dilated kernel is not larger than the padded input',
    ({ attributes, operands }) => {
      const kernel = kernelOf(attributes, operands);
      for (const axis of [0, 1] as const) {
        const extent = operands[0]!.shape[axis + 2]!;
        if (windowedExtent(attributes, axis, extent, kernel[axis]!) < 1) {
          return `a kernel of ${kernel.join('x')} does not fit an input of ${operands[0]!.shape.slice(2).join('x')}`;
        }
      }
      return undefined;
    },
  );
}

/** Constraint: operand 0 is an NCHW tensor. */
export const spatialInput: Constraint<unknown> = constraint(
  'spatial-input',
  'operand 0 has four axes: batch, channels, height, width',
  ({ operands }) =>
    operands[0]!.shape.length === 4
      ? undefined
      : `operand 0 has ${operands[0]!.shape.length} axes, expected 4 (NCHW)`,
);
