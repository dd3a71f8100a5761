/**
 * Windows as ONNX writes them, made explicit: auto_pad becomes pads, ceil_mode becomes the pads that its extra windows need. Only
 * two spatial axes are supported.
 */
import type { NodeScope } from '../node-scope.ts';

export interface ExplicitWindow {
  readonly strides: readonly number[];
  /** [top, left, bottom, right]. */
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

/** Reads strides, pads, dilations and auto_pad for a kernel sliding over `shape` (NCHW). */
export function explicitWindow(
  node: NodeScope,
  shape: readonly number[],
  kernel: readonly number[],
): ExplicitWindow {
  requireTwoAxes(node, shape);
  const strides = pair(node, 'strides', 1);
  const dilations = pair(node, 'dilations', 1);
  const given = node.ints('pads');
  if (given !== undefined && (given.length !== 4 || given.some((extent) => extent < 0))) {
    node.unsupported(`pads [${given.join(', ')}]`, 'four pads of at least 0');
  }
  const mode = node.string('auto_pad', 'NOTSET');
  switch (mode) {
    case '':
    case 'NOTSET':
      return { strides, dilations, pads: given ?? [0, 0, 0, 0] };
    case 'VALID':
      return { strides, dilations, pads: [0, 0, 0, 0] };
    case 'SAME_UPPER':
    case 'SAME_LOWER': {
      const total = [0, 1].map((axis) => {
        const extent = shape[axis + 2]!;
        const outputs = Math.ceil(extent / strides[axis]!);
        const reach = dilations[axis]! * (kernel[axis]! - 1) + 1;
        return Math.max(0, (outputs - 1) * strides[axis]! + reach - extent);
      });
      const less = total.map((extent) => Math.floor(extent / 2));
      const more = total.map((extent) => Math.ceil(extent / 2));
      return {
        strides,
        dilations,
        pads: mode === 'SAME_UPPER' ? [...less, ...more] : [...more, ...less],
      };
    }
    default:
      return node.fail('onnx/bad-attribute', `auto_pad ${JSON.stringify(mode)} is not known`);
  }
}

export function requireTwoAxes(node: NodeScope, shape: readonly number[]): void {
  if (shape.length !== 4) {
    node.unsupported(
      `an input of ${shape.length} axes`,
      'two spatial axes: [batch, channels, height, width]',
    );
  }
}

/** A list attribute of two positive integers. */
export function pair(node: NodeScope, name: string, missing: number): readonly number[] {
  const list = node.ints(name) ?? [missing, missing];
  if (list.length !== 2 || list.some((extent) => extent < 1)) {
    node.unsupported(`${name} [${list.join(', ')}]`, `two positive ${name}`);
  }
  return list;
}

/**
 * The bottom and right pads that make floor arithmetic yield the windows of ceil_mode. A window that would begin beyond the input and its
 * leading pad is left out, as ONNX and PyTorch do; the overhang of the last window never holds an element.
 */
export function ceilPads(
  window: ExplicitWindow,
  extents: readonly number[],
  kernel: readonly number[],
): readonly number[] {
  const pads = [...window.pads];
  for (const axis of [0, 1]) {
    const stride = window.strides[axis]!;
    const reach = window.dilations[axis]! * (kernel[axis]! - 1) + 1;
    const lead = extents[axis]! + pads[axis]!;
    let last = Math.ceil((lead + pads[axis + 2]! - reach) / stride);
    if (last * stride >= lead) last -= 1;
    pads[axis + 2] = Math.max(0, last * stride + reach - lead);
  }
  return pads;
}
