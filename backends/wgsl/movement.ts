/**
 * reshape, transpose, pad, slice and concat: each element of the result is fetched from where it lies in an operand, by index arithmetic
 * on constants. Where whole rows of channels move together (a stride or a border in space), they move as words.
 */
import { borderValue, type Node, rowMajorStrides } from '../../ir/index.ts';
import {
  add,
  and,
  bool,
  clamp,
  compose,
  div,
  type Expression,
  ge,
  i32,
  lt,
  mul,
  rem,
  select,
  sub,
} from '../kernel/index.ts';
import { innermostAxis } from '../plan/index.ts';
import type { StepScope } from './body.ts';
import {
  axisIndices,
  channelOf,
  extentsOf,
  type Granule,
  layoutOf,
  loadElement,
  rowQuads,
} from './stored.ts';

/** One operand's part of the result: where its element lies, and when it is this operand's turn. */
interface Source {
  readonly operand: string;
  readonly indices: readonly Expression[];
  /** True for the elements that come from here; indices are inside the operand whether or not. */
  readonly when: Expression;
}

type Movement = (node: Node, shapes: readonly (readonly number[])[], at: readonly Expression[]) => Source[];

const ints = (node: Node, name: string): readonly number[] => node.attributes[name] as readonly number[];

const always = bool(true);

const movements: Readonly<Record<string, Movement>> = {
  reshape: (node, [shape], at) => {
    const strides = rowMajorStrides(node.result.type.shape);
    const index = at.reduce<Expression>(
      (sum, position, axis) => add(sum, mul(position, strides[axis]!)),
      i32(0),
    );
    const from = rowMajorStrides(shape!);
    const indices = shape!.map((extent, axis) => {
      const outer = div(index, from[axis]!);
      return axis === 0 ? outer : rem(outer, extent);
    });
    return [{ operand: node.operands[0]!, indices, when: always }];
  },
  transpose: (node, [shape], at) => {
    const perm = ints(node, 'perm');
    const indices = shape!.map((_, axis) => at[perm.indexOf(axis)]!);
    return [{ operand: node.operands[0]!, indices, when: always }];
  },
  slice: (node, _shapes, at) => {
    const [starts, steps] = [ints(node, 'starts'), ints(node, 'steps')];
    const indices = at.map((position, axis) => add(mul(position, steps[axis]!), starts[axis]!));
    return [{ operand: node.operands[0]!, indices, when: always }];
  },
  pad: (node, [shape], at) => {
    const pads = ints(node, 'pads');
    const conditions: Expression[] = [];
    const indices = at.map((position, axis) => {
      const extent = shape![axis]!;
      const [before, after] = [pads[axis]!, pads[axis + shape!.length]!];
      if (before === 0 && after === 0) return position;
      const index = sub(position, before);
      if (before > 0) conditions.push(ge(index, 0));
      if (after > 0) conditions.push(lt(index, extent));
      return clamp(index, 0, extent - 1);
    });
    return [{ operand: node.operands[0]!, indices, when: and(...conditions) }];
  },
  concat: (node, shapes, at) => {
    const axis = node.attributes['axis'] as number;
    let start = 0;
    return node.operands.map((operand, part) => {
      const extent = shapes[part]![axis]!;
      const index = sub(at[axis]!, start);
      const indices = at.map((position, i) => (i === axis ? clamp(index, 0, extent - 1) : position));
      start += extent;
      // Parts are asked last to first, so that each need only know where it ends.
      return { operand, indices, when: part === shapes.length - 1 ? always : lt(at[axis]!, start) };
    });
  },
};

/** True when every channel of a result pixel is the same channel of one operand pixel. */
function movesRows(node: Node, shapes: readonly (readonly number[])[]): boolean {
  const { shape } = node.result.type;
  const inner = innermostAxis(shape.length);
  if (inner < 0 || shape.length < 2) return false;
  if (shapes.some((from) => from.length !== shape.length || from[inner] !== shape[inner])) return false;
  switch (node.op) {
    case 'slice':
      return ints(node, 'steps')[inner] === 1;
    case 'pad':
      return true;
    case 'concat':
      return node.attributes['axis'] !== inner;
    case 'transpose':
      return ints(node, 'perm')[inner] === inner;
    default:
      return false;
  }
}

/** The quads of a granule of the result. */
export function movementQuads(scope: StepScope, node: Node, granule: Granule): Expression[] {
  const { block: b, operand, types } = scope;
  const result = node.result.type;
  const shapes = node.operands.map((name) => types.get(name)!.shape);
  const movement = movements[node.op]!;
  const fill = node.op === 'pad' ? borderValue(result, node.attributes['value'] as number) : 0;
  const { channels } = extentsOf(result.shape);
  if (movesRows(node, shapes)) {
    const at = axisIndices(result.shape, granule.pixel, i32(0));
    const sources = movement(node, shapes, at).map(({ operand: name, indices, when }) => {
      const stored = operand(name);
      const { strides, bits } = layoutOf(stored.type);
      const inner = innermostAxis(result.shape.length);
      const row = indices.reduce<Expression>(
        (sum, index, axis) => (axis === inner ? sum : add(sum, mul(index, (strides[axis]! * bits) / 32))),
        i32(0),
      );
      return { quads: rowQuads(stored, b.let('row', row), granule), when };
    });
    return Array.from({ length: granule.quads }, (_, j) =>
      b.let(
        'quad',
        sources.reduceRight<Expression>(
          (otherwise, { quads, when }) => select(when, quads[j]!, otherwise),
          compose('vec4i', i32(fill)),
        ),
      ),
    );
  }
  return Array.from({ length: granule.quads }, (_, j) => {
    const lanes = [0, 1, 2, 3].map((lane) => {
      const channel = b.let('channel', channelOf(granule, j, lane, channels));
      const at = axisIndices(result.shape, granule.pixel, channel).map((index) => b.let('i', index));
      const value = movement(node, shapes, at).reduceRight<Expression>(
        (otherwise, { operand: name, indices, when }) =>
          select(when, loadElement(operand(name), indices), otherwise),
        i32(fill),
      );
      return b.let('lane', value);
    });
    return b.let('quad', compose('vec4i', ...lanes));
  });
}
