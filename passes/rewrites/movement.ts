/** Rearrangements in a row become one, and those that only rename axes become reshapes. */
import { isF32, type Node, sameShape } from '../../ir/index.ts';
import type { GraphView } from '../graph-editor.ts';
import { permuteTensor } from '../permute-tensor.ts';
import { defineRewrite, list, number, type Rewrite } from '../rewrite.ts';

/** A transpose that leaves the order of all axes longer than 1 as it was: in memory, nothing moves. */
function movesNothing(transpose: Node, graph: GraphView): boolean {
  const { shape } = graph.typeOf(transpose.operands[0]!);
  const long = list(transpose, 'perm').filter((axis) => shape[axis]! > 1);
  return long.every((axis, i) => i === 0 || axis > long[i - 1]!);
}

/** A transpose whose result is its operand: nothing moves and no extent changes its place. */
export function doesNothing(transpose: Node, graph: GraphView): boolean {
  return (
    movesNothing(transpose, graph) &&
    sameShape(graph.typeOf(transpose.operands[0]!).shape, transpose.result.type.shape)
  );
}

const producerOf = (root: Node, graph: GraphView, op: string): Node | undefined => {
  const inner = graph.producer(root.operands[0]!);
  return inner?.op === op ? inner : undefined;
};

export const movement: readonly Rewrite[] = [
  defineRewrite({
    name: 'merge-transposes',
    summary: 'transpose(transpose(x)) -> transpose(x), or x where they undo one another',
    roots: ['transpose'],
    match: (root, graph) => producerOf(root, graph, 'transpose'),
    apply: (inner, draft, root) => {
      const perm = list(root, 'perm').map((axis) => list(inner, 'perm')[axis]!);
      return perm.every((axis, i) => axis === i)
        ? inner.operands[0]!
        : draft.add('transpose', [inner.operands[0]!], { perm }, { from: [root, inner] });
    },
  }),
  defineRewrite({
    name: 'share-transpose',
    summary: 'a transpose that was made before -> that one',
    roots: ['transpose'],
    match: (root, graph) =>
      graph
        .users(root.operands[0]!)
        .find(
          (other) =>
            other.op === 'transpose' &&
            sameShape(list(other, 'perm'), list(root, 'perm')) &&
            graph.precedes(other, root),
        ),
    apply: (other) => other.result.name,
  }),
  defineRewrite({
    name: 'merge-reshapes',
    summary: 'reshape(reshape(x)) -> reshape(x)',
    roots: ['reshape'],
    match: (root, graph) => producerOf(root, graph, 'reshape'),
    apply: (inner, draft, root) =>
      draft.add('reshape', [inner.operands[0]!], root.attributes, { from: [root, inner] }),
  }),
  defineRewrite({
    name: 'reshape-of-transpose',
    summary: 'reshape(transpose(x)) where no element moves -> reshape(x)',
    roots: ['reshape'],
    match: (root, graph) => {
      const inner = producerOf(root, graph, 'transpose');
      return inner !== undefined && movesNothing(inner, graph) ? inner : undefined;
    },
    apply: (inner, draft, root) =>
      draft.add('reshape', [inner.operands[0]!], root.attributes, { from: [root, inner] }),
  }),
  defineRewrite({
    name: 'transpose-of-reshape',
    summary: 'transpose(reshape(x)) where no element moves -> reshape(x)',
    roots: ['transpose'],
    match: (root, graph) => {
      const inner = producerOf(root, graph, 'reshape');
      return inner !== undefined && movesNothing(root, graph) ? inner : undefined;
    },
    apply: (inner, draft, root) =>
      draft.add('reshape', [inner.operands[0]!], { shape: root.result.type.shape }, { from: [root, inner] }),
  }),
  defineRewrite({
    name: 'transpose-into-dense',
    summary: 'dense(reshape(transpose(x)), W) -> dense(reshape(x), W with its columns permuted)',
    roots: ['dense'],
    match: (root, graph) => {
      const flat = producerOf(root, graph, 'reshape');
      const transpose = flat && producerOf(flat, graph, 'transpose');
      const weight = graph.constant(root.operands[1]!);
      if (transpose === undefined || flat === undefined || weight === undefined || !isF32(weight.type))
        return undefined;
      const { shape } = graph.typeOf(transpose.operands[0]!);
      // Only where the flattening keeps batch and joins everything else.
      return list(transpose, 'perm')[0] === 0 && flat.result.type.shape[0] === shape[0]
        ? { flat, transpose, weight, shape: shape.slice(1) }
        : undefined;
    },
    unless: ({ flat, transpose }, graph) => {
      const shared = [flat, transpose].find((node) => !graph.isUsedOnce(node.result.name));
      return shared === undefined ? undefined : `%${shared.result.name} is read elsewhere too`;
    },
    apply: ({ flat, transpose, weight, shape }, draft, root) => {
      // Columns as the axes they were flattened from, then back in the order the axes had before.
      const perm = list(transpose, 'perm');
      const back = perm.map((_, axis) => perm.indexOf(axis));
      const columns = perm.slice(1).map((axis) => shape[axis - 1]!);
      const [outputs] = weight.type.shape as [number, number];
      const { element } = weight.type;
      const unfolded = { type: { element, shape: [outputs, ...columns] }, data: weight.data };
      const { data } = permuteTensor(unfolded, back);
      const x = draft.add('reshape', [transpose.operands[0]!], flat.attributes, { from: [flat, transpose] });
      const w = draft.constant(root.operands[1]!, { type: weight.type, data });
      return draft.add('dense', [x, w, ...root.operands.slice(2)], root.attributes);
    },
  }),
  defineRewrite({
    name: 'merge-pads',
    summary: 'pad(pad(x)) with one border value -> pad(x)',
    roots: ['pad'],
    match: (root, graph) => {
      const inner = producerOf(root, graph, 'pad');
      return inner !== undefined && number(inner, 'value') === number(root, 'value') ? inner : undefined;
    },
    unless: (inner, graph) =>
      graph.isUsedOnce(inner.result.name) ? undefined : `%${inner.result.name} is read elsewhere too`,
    apply: (inner, draft, root) =>
      draft.add(
        'pad',
        [inner.operands[0]!],
        { ...root.attributes, pads: list(root, 'pads').map((extent, i) => extent + list(inner, 'pads')[i]!) },
        { from: [root, inner] },
      ),
  }),
  defineRewrite({
    name: 'concat-of-zeros',
    summary: 'concat(0, x, 0) -> pad(x): how a shortcut widens its channels',
    roots: ['concat'],
    match: (root, graph) => {
      const isZero = root.operands.map((name) => {
        const constant = graph.constant(name);
        return constant?.type.element.storage === 'f32' && constant.data.every((value) => value === 0);
      });
      return isZero.filter((zero) => !zero).length === 1 ? isZero.indexOf(false) : undefined;
    },
    apply: (kept, draft, root) => {
      const axis = number(root, 'axis');
      const rank = root.result.type.shape.length;
      const extent = (names: readonly string[]): number =>
        names.reduce((sum, name) => sum + draft.typeOf(name).shape[axis]!, 0);
      const pads = new Array<number>(2 * rank).fill(0);
      pads[axis] = extent(root.operands.slice(0, kept));
      pads[axis + rank] = extent(root.operands.slice(kept + 1));
      return draft.add('pad', [root.operands[kept]!], { pads, value: 0 });
    },
  }),
];
