/** Ops that only move elements: shapes, permutations, borders, parts and joins. */
import type { OpImporter, NodeScope } from '../node-scope.ts';
import { countOf } from '../static-tensor.ts';
import type { Imported } from '../imported.ts';

function reshapeTo(node: NodeScope, shape: readonly number[]): Imported {
  const operand = node.operand(0);
  if (operand.kind === 'static') return node.answer(operand.tensor.type, shape, operand.tensor.data);
  return node.rearrange('reshape', [operand], { shape });
}

export const flatten: OpImporter = (node) => {
  const shape = node.shape(0);
  const given = node.int('axis', 1);
  // The axis may point behind the last.
  const axis = given === shape.length ? given : node.axis(given, shape.length);
  return reshapeTo(node, [countOf(shape.slice(0, axis)), countOf(shape.slice(axis))]);
};

/** 0 copies an extent (unless `allowzero`), one -1 is what remains. */
export const reshape: OpImporter = (node) => {
  const from = node.shape(0);
  const wanted = node.has(1) ? node.fixedInts(1, 'shape') : (node.ints('shape') ?? []);
  const copies = node.int('allowzero', 0) === 0;
  const shape = wanted.map((extent, axis) => {
    if (extent !== 0 || !copies) return extent;
    return (
      from[axis] ??
      node.fail('onnx/bad-shape', `shape [${wanted.join(', ')}] copies axis ${axis} of [${from.join(', ')}]`)
    );
  });
  const open = shape.indexOf(-1);
  if (open >= 0) {
    const rest = countOf(shape.filter((_, axis) => axis !== open));
    const extent = countOf(from) / rest;
    if (rest <= 0 || !Number.isInteger(extent)) {
      node.fail('onnx/bad-shape', `[${from.join(', ')}] cannot become [${wanted.join(', ')}]`);
    }
    shape[open] = extent;
  }
  if (countOf(shape) !== countOf(from) || shape.some((extent) => extent < 0)) {
    node.fail('onnx/bad-shape', `[${from.join(', ')}] cannot become [${wanted.join(', ')}]`);
  }
  return reshapeTo(node, shape);
};

/** The axes of Squeeze and Unsqueeze: an attribute before opset 13, an operand since. */
function axesOf(node: NodeScope): readonly number[] | undefined {
  return node.has(1) ? node.fixedInts(1, 'axes') : node.ints('axes');
}

export const squeeze: OpImporter = (node) => {
  const from = node.shape(0);
  const axes = axesOf(node)?.map((axis) => node.axis(axis, from.length));
  const wrong = axes?.find((axis) => from[axis] !== 1);
  if (wrong !== undefined) {
    node.fail('onnx/bad-shape', `axis ${wrong} of [${from.join(', ')}] is not 1 and cannot be squeezed`);
  }
  const drops = (axis: number): boolean => (axes === undefined ? from[axis] === 1 : axes.includes(axis));
  return reshapeTo(
    node,
    from.filter((_, axis) => !drops(axis)),
  );
};

export const unsqueeze: OpImporter = (node) => {
  const from = node.shape(0);
  const given = axesOf(node) ?? node.fail('onnx/missing-operand', 'Unsqueeze lacks its axes');
  const rank = from.length + given.length;
  const axes = given.map((axis) => node.axis(axis, rank));
  if (new Set(axes).size < axes.length) {
    node.fail('onnx/bad-attribute', `axes [${given.join(', ')}] name an axis twice`);
  }
  const rest = [...from];
  return reshapeTo(
    node,
    Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : rest.shift()!)),
  );
};

export const transpose: OpImporter = (node) => {
  const shape = node.shape(0);
  const perm = node.ints('perm') ?? shape.map((_, axis) => shape.length - 1 - axis);
  return node.rearrange('transpose', [node.operand(0)], { perm }, (axis) => perm.indexOf(axis));
};

export const concat: OpImporter = (node) => {
  const operands = Array.from({ length: node.operandCount }, (_, i) => node.operand(i));
  // An empty list joins nothing, and the IR has no empty tensors.
  const parts = operands.filter((operand) => !node.context.shapeOf(operand).includes(0));
  if (parts.length === 0) return operands[0]!;
  const axis = node.axis(node.int('axis', 1), node.context.shapeOf(parts[0]!).length);
  return node.rearrange('concat', parts, { axis });
};

/** Attributes before opset 11, operands since; a chosen list of axes since 18. Negative pads take away, as a slice does. */
export const pad: OpImporter = (node) => {
  const mode = node.string('mode', 'constant');
  if (mode !== 'constant') node.unsupported(`mode ${JSON.stringify(mode)}`, 'mode "constant"');
  const shape = node.shape(0);
  const rank = shape.length;
  const given = node.has(1) ? node.fixedInts(1, 'pads') : (node.ints('pads') ?? []);
  const value = node.has(2) ? node.fixedScalar(2, 'constant_value') : node.float('value', 0);
  const axes = node.has(3)
    ? node.fixedInts(3, 'axes').map((axis) => node.axis(axis, rank))
    : shape.map((_, axis) => axis);
  if (given.length !== 2 * axes.length) {
    node.fail(
      'onnx/bad-attribute',
      `pads [${given.join(', ')}] do not give two extents for each of ${axes.length} axes`,
    );
  }
  const pads = new Array<number>(2 * rank).fill(0);
  for (const [i, axis] of axes.entries()) {
    pads[axis] = given[i]!;
    pads[axis + rank] = given[i + axes.length]!;
  }
  const operand = node.operand(0);
  const grown = pads.map((extent) => Math.max(0, extent));
  if (pads.every((extent) => extent >= 0)) {
    return node.rearrange('pad', [operand], { pads, value: Math.fround(value) });
  }
  const cut = {
    starts: shape.map((_, axis) => Math.max(0, -pads[axis]!)),
    ends: shape.map((extent, axis) => extent - Math.max(0, -pads[axis + rank]!)),
    steps: shape.map(() => 1),
  };
  if (grown.every((extent) => extent === 0)) return node.rearrange('slice', [operand], cut);
  const part = node.step('cut', 'slice', [node.real(0)], cut);
  return node.emit('pad', [part], { pads: grown, value: Math.fround(value) });
};

/** Attributes before opset 10, operands since. Bounds beyond the tensor are bounds of the tensor. */
export const slice: OpImporter = (node) => {
  const shape = node.shape(0);
  const operands = node.has(1);
  const starts = operands ? node.fixedInts(1, 'starts') : (node.ints('starts') ?? []);
  const ends = operands ? node.fixedInts(2, 'ends') : (node.ints('ends') ?? []);
  const axes = ((node.has(3) ? node.fixedInts(3, 'axes') : node.ints('axes')) ?? starts.map((_, i) => i)).map(
    (axis) => node.axis(axis, shape.length),
  );
  const steps = node.has(4) ? node.fixedInts(4, 'steps') : starts.map(() => 1);
  if ([ends, axes, steps].some((list) => list.length !== starts.length)) {
    node.fail('onnx/bad-attribute', 'starts, ends, axes and steps differ in length');
  }
  const all = { starts: shape.map(() => 0), ends: [...shape], steps: shape.map(() => 1) };
  for (const [i, axis] of axes.entries()) {
    const step = steps[i]!;
    if (step === 0) node.fail('onnx/bad-attribute', `step 0 along axis ${axis}`);
    const extent = shape[axis]!;
    const within = (bound: number, low: number, high: number): number =>
      Math.min(Math.max(bound < 0 ? bound + extent : bound, low), high);
    all.steps[axis] = step;
    all.starts[axis] = step > 0 ? within(starts[i]!, 0, extent) : within(starts[i]!, 0, extent - 1);
    all.ends[axis] = step > 0 ? within(ends[i]!, 0, extent) : within(ends[i]!, -1, extent - 1);
  }
  const operand = node.operand(0);
  const dims = all.starts.map((start, axis) =>
    Math.max(0, Math.ceil((all.ends[axis]! - start) / all.steps[axis]!)),
  );
  if (!dims.includes(0)) return node.rearrange('slice', [operand], all);
  if (operand.kind === 'static') return node.answer(operand.tensor.type, dims, []);
  return node.fail('onnx/bad-shape', `the slice of [${shape.join(', ')}] is [${dims.join(', ')}]: empty`);
};
