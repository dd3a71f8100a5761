/**
 * Arithmetic with constants comes down to `affine`, one gain and one shift per channel, wherever the constant has a value per
 * channel; what has another shape stays an `add` or `mul` with the constant on the right.
 */
import { elementCount, isF32, type Node, opOf, zeros } from '../../ir/index.ts';
import { allFinite, mapConstant, perChannel, vector } from '../channel-constants.ts';
import type { GraphView } from '../graph-editor.ts';
import { defineRewrite, type Rewrite } from '../rewrite.ts';

/** The constant of one side of an f32 binary node whose other side is not constant. */
function constantSide(root: Node, graph: GraphView, side: 0 | 1): ReturnType<GraphView['constant']> {
  if (!isF32(root.result.type) || graph.constant(root.operands[1 - side]!) !== undefined) return undefined;
  return graph.constant(root.operands[side]!);
}

/** Gains and shifts of an `affine` with constant f32 tables. */
export function affineTables(
  node: Node | undefined,
  graph: GraphView,
): { readonly gain: Float32Array; readonly shift: Float32Array } | undefined {
  if (node?.op !== 'affine' || !isF32(node.result.type)) return undefined;
  const [gain, shift] = [graph.constant(node.operands[1]!), graph.constant(node.operands[2]!)];
  return gain === undefined || shift === undefined
    ? undefined
    : { gain: gain.data as Float32Array, shift: shift.data as Float32Array };
}

/** affine(affine(x)) -> affine(x): gain = g2 * g1, shift = g2 * s1 + s2, each rounded once. */
export const mergeAffines = defineRewrite({
  name: 'merge-affines',
  summary: 'affine(affine(x)) -> one affine',
  roots: ['affine'],
  match: (root, graph) => {
    const inner = graph.producer(root.operands[0]!);
    const [first, second] = [affineTables(inner, graph), affineTables(root, graph)];
    return inner === undefined || first === undefined || second === undefined
      ? undefined
      : { inner, first, second };
  },
  unless: ({ inner }, graph) =>
    graph.isUsedOnce(inner.result.name) ? undefined : `%${inner.result.name} is read elsewhere too`,
  apply: ({ inner, first, second }, draft, root) => {
    const gain = vector(first.gain.map((value, c) => value * second.gain[c]!));
    const shift = vector(Array.from(first.shift, (value, c) => value * second.gain[c]! + second.shift[c]!));
    return draft.add(
      'affine',
      [inner.operands[0]!, draft.constant(root.operands[1]!, gain), draft.constant(root.operands[2]!, shift)],
      {},
      { from: [root, inner] },
    );
  },
});

export const arithmetic: readonly Rewrite[] = [
  defineRewrite({
    name: 'constant-to-right',
    summary: 'c + x, c * x -> x + c, x * c',
    match: (root, graph) =>
      opOf(root.op).traits.commutative === true && constantSide(root, graph, 0) !== undefined
        ? root.operands
        : undefined,
    apply: ([c, x], draft, root) => draft.add(root.op, [x!, c!], root.attributes),
  }),
  defineRewrite({
    name: 'sub-to-add',
    summary: 'x - c -> x + (-c)',
    roots: ['sub'],
    match: (root, graph) => constantSide(root, graph, 1),
    apply: (constant, draft, root) => {
      const negative = draft.constant(
        root.operands[1]!,
        mapConstant(constant, (value) => -value),
      );
      return draft.add('add', [root.operands[0]!, negative]);
    },
  }),
  defineRewrite({
    name: 'sub-from-constant',
    summary: 'c - x -> x * (-1) + c',
    roots: ['sub'],
    match: (root, graph) => (constantSide(root, graph, 0) === undefined ? undefined : root.operands),
    apply: ([c, x], draft, root) => {
      const minusOne = draft.constant(`${root.result.name}.minus_one`, {
        type: { ...root.result.type, shape: [] },
        data: Float32Array.of(-1),
      });
      return draft.add('add', [draft.add('mul', [x!, minusOne]), c!]);
    },
  }),
  defineRewrite({
    name: 'div-to-mul',
    summary: 'x / c -> x * (1 / c)',
    roots: ['div'],
    match: (root, graph) => {
      const constant = constantSide(root, graph, 1);
      return constant && mapConstant(constant, (value) => 1 / value);
    },
    unless: (inverse) =>
      allFinite(inverse.data) ? undefined : 'the constant has a value whose inverse is not a finite float32',
    apply: (inverse, draft, root) =>
      draft.add('mul', [root.operands[0]!, draft.constant(root.operands[1]!, inverse)]),
  }),
  defineRewrite({
    name: 'to-affine',
    summary: 'x + c, x * c with one value per channel -> affine(x, gain, shift)',
    roots: ['add', 'mul'],
    match: (root, graph) => {
      const values = perChannel(constantSide(root, graph, 1), root.result.type.shape);
      const { shape } = graph.typeOf(root.operands[0]!);
      return values !== undefined &&
        elementCount(shape) === elementCount(root.result.type.shape) &&
        shape.length >= 2
        ? values
        : undefined;
    },
    apply: (values, draft, root) => {
      const [x, c] = root.operands;
      const isGain = root.op === 'mul';
      const gain = draft.constant(
        isGain ? c! : `${root.result.name}.gain`,
        vector(isGain ? values : values.map(() => 1)),
      );
      const shift = draft.constant(
        isGain ? `${root.result.name}.shift` : c!,
        vector(isGain ? values.map(() => 0) : values),
      );
      return draft.add('affine', [x!, gain, shift]);
    },
  }),
  mergeAffines,
  defineRewrite({
    name: 'affine-of-nothing',
    summary: 'affine with gain 0 and shift 0 -> zeros',
    roots: ['affine'],
    match: (root, graph) => {
      const tables = affineTables(root, graph);
      return tables?.gain.every((value) => value === 0) === true && tables.shift.every((value) => value === 0)
        ? root.result.type
        : undefined;
    },
    unless: (type) =>
      elementCount(type.shape) > 2 ** 24 ? 'the zeros would take too much memory' : undefined,
    apply: (type, draft, root) => draft.constant(root.result.name, zeros(type)),
  }),
];
