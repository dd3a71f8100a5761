/** Pools and means. A pool over the whole image is a pool whose window is the image. */
import type { Imported } from '../imported.ts';
import type { NodeScope, OpImporter } from '../node-scope.ts';
import { refuseOutputs } from './normalization.ts';
import { ceilPads, explicitWindow, pair, requireTwoAxes } from './window.ts';

/** Pads hold no element, so `ceil_mode` is a matter of pads alone. */
export const maxPool: OpImporter = (node) => {
  node.ignore('storage_order');
  refuseOutputs(node, 'the indices of the largest elements');
  const shape = node.shape(0);
  requireTwoAxes(node, shape);
  const kernel = pair(node, 'kernel_shape', 1);
  const window = explicitWindow(node, shape, kernel);
  const pads = node.int('ceil_mode', 0) === 0 ? window.pads : ceilPads(window, shape.slice(2), kernel);
  return node.rearrange('max_pool2d', [node.operand(0)], { ...window, pads, kernel });
};

export const averagePool: OpImporter = (node) => averageWindows(node, node.real(0));

/**
 * A pool that counts its zeros is a `pad` and a pool without padding. What ceil_mode adds is never counted, so it stays in the pads
 * of the pool.
 */
export function averageWindows(node: NodeScope, x: string, part?: string): Imported {
  const shape = node.context.typeOf(x).shape;
  requireTwoAxes(node, shape);
  const kernel = pair(node, 'kernel_shape', 1);
  const window = explicitWindow(node, shape, kernel);
  const finish = (operand: string, pads: readonly number[]): Imported => {
    const attributes = { ...window, pads, kernel };
    return part === undefined
      ? node.emit('average_pool2d', [operand], attributes)
      : { kind: 'value', name: node.step(part, 'average_pool2d', [operand], attributes) };
  };
  const ceiled = node.int('ceil_mode', 0) === 0 ? window.pads : ceilPads(window, shape.slice(2), kernel);
  const counts = node.int('count_include_pad', 0) !== 0 && window.pads.some((extent) => extent > 0);
  if (!counts) return finish(x, ceiled);
  const [top, left, bottom, right] = window.pads as [number, number, number, number];
  const padded = node.step('pad', 'pad', [x], { pads: [0, 0, top, left, 0, 0, bottom, right], value: 0 });
  return finish(padded, [0, 0, Math.max(0, ceiled[2]! - bottom), Math.max(0, ceiled[3]! - right)]);
}

export const globalAveragePool: OpImporter = (node) => {
  const x = node.real(0);
  const [, , ...spatial] = node.context.typeOf(x).shape;
  if (spatial.length === 2) return node.emit('average_pool2d', [x], { kernel: spatial });
  return node.emit('reduce_mean', [x], { axes: spatial.map((_, i) => i + 2), keepdims: true });
};

export const globalMaxPool: OpImporter = (node) => {
  const [, , ...spatial] = node.shape(0);
  requireTwoAxes(node, node.shape(0));
  return node.rearrange('max_pool2d', [node.operand(0)], { kernel: spatial });
};

/** Axes were an attribute before opset 18 and are an operand since. Without axes: all, or none where the node says so. */
export const reduceMean: OpImporter = (node) => {
  const x = node.real(0);
  const rank = node.context.typeOf(x).shape.length;
  const given = node.has(1) ? node.fixedInts(1, 'axes') : node.ints('axes');
  const noop = node.int('noop_with_empty_axes', 0) !== 0;
  const keepdims = node.int('keepdims', 1) !== 0;
  if (given === undefined || given.length === 0) {
    if (noop) return { kind: 'value', name: x };
    return node.emit('reduce_mean', [x], { axes: Array.from({ length: rank }, (_, i) => i), keepdims });
  }
  const axes = given.map((axis) => node.axis(axis, rank)).sort((a, b) => a - b);
  return node.emit('reduce_mean', [x], { axes, keepdims });
};
