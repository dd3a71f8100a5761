/** Means over the two spatial axes are average pools with one window: the form every backend lowers. */
import { sameShape } from '../../ir/index.ts';
import { defineRewrite, list, type Rewrite } from '../rewrite.ts';

export const means: readonly Rewrite[] = [
  defineRewrite({
    name: 'mean-of-one',
    summary: 'reduce_mean(x) over axes of extent 1 -> reshape(x)',
    roots: ['reduce_mean'],
    match: (root, graph) => {
      const { shape } = graph.typeOf(root.operands[0]!);
      return list(root, 'axes').every((axis) => shape[axis] === 1) ? root.operands[0] : undefined;
    },
    apply: (x, draft, root) => draft.add('reshape', [x], { shape: root.result.type.shape }),
  }),
  defineRewrite({
    name: 'mean-to-pool',
    summary:
      'reduce_mean(x) over height and width -> average_pool2d(x), and a reshape where axes are dropped',
    roots: ['reduce_mean'],
    match: (root, graph) => {
      const { shape } = graph.typeOf(root.operands[0]!);
      return shape.length === 4 && sameShape(list(root, 'axes'), [2, 3]) ? shape.slice(2) : undefined;
    },
    apply: (kernel, draft, root) => {
      const mean = draft.add('average_pool2d', [root.operands[0]!], { kernel });
      return root.attributes['keepdims'] === true
        ? mean
        : draft.add('reshape', [mean], { shape: root.result.type.shape });
    },
  }),
  defineRewrite({
    name: 'mean-of-flattened',
    summary:
      'reduce_mean(reshape(x, [N, C, H * W])) over the last axis -> reduce_mean(x) over height and width',
    roots: ['reduce_mean'],
    match: (root, graph) => {
      const flat = graph.producer(root.operands[0]!);
      if (flat?.op !== 'reshape') return undefined;
      const { shape } = graph.typeOf(flat.operands[0]!);
      const joined = flat.result.type.shape;
      const joinsSpace =
        shape.length === 4 && sameShape(joined, [shape[0]!, shape[1]!, shape[2]! * shape[3]!]);
      return joinsSpace && sameShape(list(root, 'axes'), [2]) ? flat : undefined;
    },
    apply: (flat, draft, root) => {
      const mean = draft.add(
        'reduce_mean',
        [flat.operands[0]!],
        { axes: [2, 3], keepdims: false },
        { from: [root, flat] },
      );
      return draft.add('reshape', [mean], { shape: root.result.type.shape });
    },
  }),
  defineRewrite({
    name: 'merge-means',
    summary: 'reduce_mean(reduce_mean(x)) -> reduce_mean(x) over the axes of both',
    roots: ['reduce_mean'],
    match: (root, graph) => {
      const inner = graph.producer(root.operands[0]!);
      if (inner?.op !== 'reduce_mean') return undefined;
      const keeps = inner.attributes['keepdims'] === true;
      const rank = graph.typeOf(inner.operands[0]!).shape.length;
      const left = Array.from({ length: rank }, (_, axis) => axis).filter(
        (axis) => keeps || !list(inner, 'axes').includes(axis),
      );
      const axes = [...list(inner, 'axes'), ...list(root, 'axes').map((axis) => left[axis]!)];
      return { inner, axes: [...new Set(axes)].sort((a, b) => a - b) };
    },
    apply: ({ inner, axes }, draft, root) => {
      const mean = draft.add(
        'reduce_mean',
        [inner.operands[0]!],
        { axes, keepdims: false },
        { from: [root, inner] },
      );
      return draft.add('reshape', [mean], { shape: root.result.type.shape });
    },
  }),
];
