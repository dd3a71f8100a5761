/** Nodes that compute their own operand. */
import { opOf, sameShape } from '../../ir/index.ts';
import type { Node, OpName } from '../../ir/index.ts';
import type { GraphView } from '../graph-editor.ts';
import { defineRewrite, list, type Rewrite } from '../rewrite.ts';
import { doesNothing } from './movement.ts';

function noOp(
  name: string,
  summary: string,
  roots: readonly OpName[],
  holds: (root: Node, graph: GraphView) => boolean,
): Rewrite {
  return defineRewrite({
    name,
    summary,
    roots,
    match: (root, graph) => (holds(root, graph) ? root.operands[0]! : undefined),
    apply: (operand) => operand,
  });
}

/** True when the operand is a constant that repeats one value and does not widen the other operand. */
function isNeutral(root: Node, graph: GraphView, value: number): boolean {
  const constant = graph.constant(root.operands[1]!);
  return (
    constant?.type.element.storage === 'f32' &&
    constant.data.every((item) => item === value) &&
    sameShape(graph.typeOf(root.operands[0]!).shape, root.result.type.shape)
  );
}

const isUnitWindow = (root: Node): boolean =>
  list(root, 'kernel').every((extent) => extent === 1) && list(root, 'pads').every((extent) => extent === 0);

export const noOps: readonly Rewrite[] = [
  noOp('no-op-reshape', 'reshape(x) to the shape it has -> x', ['reshape'], (root, graph) =>
    sameShape(graph.typeOf(root.operands[0]!).shape, root.result.type.shape),
  ),
  noOp(
    'no-op-transpose',
    'transpose(x) that leaves shape and order as they are -> x',
    ['transpose'],
    doesNothing,
  ),
  noOp('no-op-slice', 'slice(x) of everything -> x', ['slice'], (root, graph) =>
    graph
      .typeOf(root.operands[0]!)
      .shape.every(
        (extent, axis) =>
          list(root, 'starts')[axis] === 0 &&
          list(root, 'ends')[axis] === extent &&
          list(root, 'steps')[axis] === 1,
      ),
  ),
  noOp('no-op-pad', 'pad(x) by nothing -> x', ['pad'], (root) =>
    list(root, 'pads').every((extent) => extent === 0),
  ),
  noOp(
    'no-op-concat',
    'concat of one tensor -> the tensor',
    ['concat'],
    (root) => root.operands.length === 1,
  ),
  noOp('no-op-add', 'x + 0, x - 0 -> x', ['add', 'sub'], (root, graph) => isNeutral(root, graph, 0)),
  noOp('no-op-mul', 'x * 1, x / 1 -> x', ['mul', 'div'], (root, graph) => isNeutral(root, graph, 1)),
  noOp('no-op-affine', 'affine with gain 1 and shift 0 -> x', ['affine'], (root, graph) => {
    const [gain, shift] = [graph.constant(root.operands[1]!), graph.constant(root.operands[2]!)];
    return (
      gain?.type.element.storage === 'f32' &&
      gain.data.every((value) => value === 1) &&
      shift?.data.every((value) => value === 0) === true
    );
  }),
  noOp('no-op-clamp', 'clamp to the whole real line -> x', ['clip'], (root) => {
    const [low, high] = opOf(root.op).traits.clamp!(root.attributes);
    return low === -Infinity && high === Infinity;
  }),
  noOp(
    'no-op-pool',
    'pool(x) over single elements -> x',
    ['max_pool2d', 'average_pool2d'],
    (root) =>
      root.operands.length === 1 &&
      root.attributes['min'] === undefined &&
      root.attributes['max'] === undefined &&
      isUnitWindow(root) &&
      list(root, 'strides').every((stride) => stride === 1),
  ),
  defineRewrite({
    name: 'subsample',
    summary: 'average_pool2d of single elements -> max_pool2d, which computes nothing on integers',
    roots: ['average_pool2d'],
    match: (root) => (root.operands.length === 1 && isUnitWindow(root) ? root.operands[0]! : undefined),
    apply: (operand, draft, root) => {
      const { kernel, strides, pads, dilations } = root.attributes;
      return draft.add('max_pool2d', [operand], {
        kernel: kernel!,
        strides: strides!,
        pads: pads!,
        dilations: dilations!,
      });
    },
  }),
];
