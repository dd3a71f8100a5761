/**
 * One layout inside: channels first. Exporters of channels-last frameworks wrap what reads NCHW in a pair of transposes and leave
 * the rest in NHWC. Here every node in NHWC that touches such a transpose is computed in NCHW between two transposes instead:
 *
 *     f(to_last(x), y)  ->  to_last(f'(x, to_first(y)))          f(x) read by to_first  ->  to_last(f'(to_first(x)))
 *
 * `to_first` thereby climbs and `to_last` sinks until they meet and cancel, or one is left at the program's input or output. Each
 * node is turned at most once, so this ends.
 */
import {
  type Attributes,
  isF32,
  isQuantized,
  type Node,
  opOf,
  sameShape,
  type Tensor,
  type TensorType,
} from '../../ir/index.ts';
import type { GraphView } from '../graph-editor.ts';
import { permuteTensor } from '../permute-tensor.ts';
import { defineRewrite, list, number, type Rewrite } from '../rewrite.ts';
import { doesNothing } from './movement.ts';

const toLast: readonly number[] = [0, 2, 3, 1];
const toFirst: readonly number[] = [0, 3, 1, 2];

const isTranspose = (node: Node | undefined, perm: readonly number[]): boolean =>
  node?.op === 'transpose' &&
  list(node, 'perm').every((axis, i) => axis === perm[i]) &&
  perm.length === list(node, 'perm').length;

const perAxis = (values: readonly number[]): number[] => toFirst.map((axis) => values[axis]!);

/** How the attributes of an op that works along axes read in the other layout. */
const turned: Readonly<Record<string, (node: Node) => Attributes>> = {
  pad: (node) => {
    const pads = list(node, 'pads');
    return { ...node.attributes, pads: [...perAxis(pads.slice(0, 4)), ...perAxis(pads.slice(4))] };
  },
  slice: (node) => ({
    starts: perAxis(list(node, 'starts')),
    ends: perAxis(list(node, 'ends')),
    steps: perAxis(list(node, 'steps')),
  }),
  concat: (node) => ({ axis: toFirst.indexOf(number(node, 'axis')) }),
  softmax: (node) => ({ axis: toFirst.indexOf(number(node, 'axis')) }),
  quantize: (node) => node.attributes,
  dequantize: (node) => node.attributes,
  add: (node) => node.attributes,
  sub: (node) => node.attributes,
  mul: (node) => node.attributes,
  div: (node) => node.attributes,
};

function turn(node: Node): Attributes | undefined {
  return opOf(node.op).traits.unary === true ? node.attributes : turned[node.op]?.(node);
}

const hasAxis = (type: TensorType): boolean => isQuantized(type) && type.element.axis !== undefined;

/** A constant that broadcasts against NHWC, rearranged to broadcast against NCHW. */
function constantToFirst(constant: Tensor): Tensor {
  const { shape, element } = constant.type;
  if (shape.every((extent) => extent === 1)) return constant;
  const whole = [...new Array<number>(4 - shape.length).fill(1), ...shape];
  return permuteTensor({ type: { element, shape: whole }, data: constant.data }, toFirst);
}

export const channelsFirst: readonly Rewrite[] = [
  defineRewrite({
    name: 'channels-first',
    summary: 'f(to_last(x)) -> to_last(f(x)), and to_first(f(x)) -> f(to_first(x))',
    match: (root, graph) => {
      if (root.result.type.shape.length !== 4) return undefined;
      // A transpose that does nothing will go away by itself; to chase it would never end.
      const isReal = (node: Node | undefined, perm: readonly number[]): boolean =>
        node !== undefined && isTranspose(node, perm) && !doesNothing(node, graph);
      const touches =
        root.operands.some((name) => isReal(graph.producer(name), toLast)) ||
        graph.users(root.result.name).some((user) => isReal(user, toFirst));
      return touches ? turn(root) : undefined;
    },
    unless: (_, graph, root) => {
      if (hasAxis(root.result.type)) return 'its result is quantized per axis';
      for (const name of root.operands) {
        const type = graph.typeOf(name);
        const short = type.shape.length !== 4;
        if (hasAxis(type)) return `%${name} is quantized per axis`;
        if (short && (graph.constant(name) === undefined || !isF32(type)))
          return `%${name} has ${type.shape.length} axes, expected 4`;
      }
      return undefined;
    },
    apply: (attributes, draft, root) => {
      const first = new Map<string, string>();
      for (const name of root.operands) {
        if (first.has(name)) continue;
        const constant = draft.graph.constant(name);
        const maker = draft.graph.producer(name);
        first.set(
          name,
          constant !== undefined
            ? channelsFirstConstant(name, constant)
            : isTranspose(maker, toLast)
              ? maker!.operands[0]!
              : draft.add('transpose', [name], { perm: toFirst }, { name: `${name}.nchw` }),
        );
      }
      const { element } = root.result.type;
      const free = ['declared', 'accumulator'].includes(opOf(root.op).element);
      const inner = draft.add(
        root.op,
        root.operands.map((name) => first.get(name)!),
        attributes,
        {
          name: `${root.result.name}.nchw`,
          ...(free ? { element } : {}),
        },
      );
      return draft.add('transpose', [inner], { perm: toLast });

      function channelsFirstConstant(name: string, constant: Tensor): string {
        const moved = constantToFirst(constant);
        return moved === constant ? name : draft.constant(`${name}.nchw`, moved);
      }
    },
  }),
  defineRewrite({
    name: 'mean-of-last',
    summary: 'reduce_mean(x) over axes 1 and 2 of four -> reduce_mean(to_first(x)) over axes 2 and 3',
    roots: ['reduce_mean'],
    match: (root, graph) =>
      graph.typeOf(root.operands[0]!).shape.length === 4 && sameShape(list(root, 'axes'), [1, 2])
        ? root.operands[0]
        : undefined,
    apply: (x, draft, root) => {
      const first = draft.add('transpose', [x], { perm: toFirst }, { name: `${x}.nchw` });
      const mean = draft.add('reduce_mean', [first], { ...root.attributes, axes: [2, 3] });
      return root.attributes['keepdims'] === true ? draft.add('transpose', [mean], { perm: toLast }) : mean;
    },
  }),
  defineRewrite({
    name: 'mean-of-transpose',
    summary: 'reduce_mean(transpose(x)) -> reduce_mean(x) over the axes meant',
    roots: ['reduce_mean'],
    match: (root: Node, graph: GraphView) => {
      const inner = graph.producer(root.operands[0]!);
      // A program that takes means of its channels-last input reads them behind the one transpose it keeps.
      if (inner?.op !== 'transpose' || isTranspose(inner, toFirst)) return undefined;
      const perm = list(inner, 'perm');
      const kept = perm.filter((_, i) => !list(root, 'axes').includes(i));
      const axes = list(root, 'axes')
        .map((axis) => perm[axis]!)
        .sort((a, b) => a - b);
      const inOrder = kept.every((axis, i) => i === 0 || axis > kept[i - 1]!);
      return root.attributes['keepdims'] === true || inOrder ? { inner, axes } : undefined;
    },
    apply: ({ inner, axes }, draft, root) => {
      const mean = draft.add('reduce_mean', [inner.operands[0]!], { ...root.attributes, axes });
      return root.attributes['keepdims'] === true
        ? draft.add('transpose', [mean], { perm: list(inner, 'perm') })
        : mean;
    },
  }),
];
