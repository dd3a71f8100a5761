/**
 * Ops that move elements: each says, for a position of its result, where the element comes from. One loop over the result then does them all;
 * they are rare in the networks this is for, and never where the time goes.
 */
import { borderValue, type Node, rowMajorStrides } from '../../ir/index.ts';
import { add, and, div, type Expression, ge, i32, load, lt, mul, rem, select, sub } from '../kernel/index.ts';
import type { AnchorEmitter } from './anchor.ts';
import { type Access, accessTo, elementAt, offsetOf, placeOf, rowSpace } from './rows.ts';
import { shareStep } from './share.ts';
import type { StepWriter } from './step-writer.ts';

/** The element at `position` (one index per axis of the result). */
type Gather = (writer: StepWriter, node: Node) => (position: readonly Expression[]) => Expression;

const ints = (node: Node, name: string): readonly number[] => node.attributes[name] as readonly number[];

/** Reads operand `index` by position. */
function operandReader(
  writer: StepWriter,
  node: Node,
  index: number,
): (position: readonly Expression[]) => Expression {
  const name = node.operands[index]!;
  const label = node.operands.length === 1 ? 'x' : `x_${index + 1}`;
  const access: Access = accessTo(writer, name, label, rowSpace(writer.typeOf(name).shape));
  return (position) => elementAt(access, offsetOf(access.strides, position));
}

const gathers = {
  reshape: (writer, node) => {
    const shape = writer.typeOf(node.operands[0]!).shape;
    const strides = rowMajorStrides(shape);
    const read = operandReader(writer, node, 0);
    return (position) => {
      const index = offsetOf(rowMajorStrides(node.result.type.shape), position);
      return read(
        shape.map((extent, axis) => {
          if (extent === 1) return i32(0);
          const above = div(index, strides[axis]!);
          return axis === 0 ? above : rem(above, extent);
        }),
      );
    };
  },
  transpose: (writer, node) => {
    const perm = ints(node, 'perm');
    const read = operandReader(writer, node, 0);
    return (position) => read(perm.map((_, axis) => position[perm.indexOf(axis)]!));
  },
  pad: (writer, node) => {
    const pads = ints(node, 'pads');
    const { shape } = writer.typeOf(node.operands[0]!);
    const border = borderValue(node.result.type, node.attributes['value'] as number);
    const read = operandReader(writer, node, 0);
    return (position) => {
      const from = shape.map((_, axis) => sub(position[axis]!, pads[axis]!));
      const inside = shape.flatMap((extent, axis) => [
        ...(pads[axis]! > 0 ? [ge(from[axis]!, 0)] : []),
        ...(pads[axis + shape.length]! > 0 ? [lt(from[axis]!, extent)] : []),
      ]);
      return select(and(...inside), read(from), border);
    };
  },
  slice: (writer, node) => {
    const [starts, steps] = [ints(node, 'starts'), ints(node, 'steps')];
    const read = operandReader(writer, node, 0);
    return (position) => read(position.map((p, axis) => add(mul(p, steps[axis]!), starts[axis]!)));
  },
  concat: (writer, node) => {
    const axis = node.attributes['axis'] as number;
    const extents = node.operands.map((operand) => writer.typeOf(operand).shape[axis]!);
    const readers = node.operands.map((_, index) => operandReader(writer, node, index));
    return (position) => {
      let start = extents.reduce((sum, extent) => sum + extent, 0);
      return readers.reduceRight<Expression | undefined>((rest, read, index) => {
        start -= extents[index]!;
        const from = position.with(axis, sub(position[axis]!, start));
        const value = read(from);
        return rest === undefined ? value : select(lt(from[axis]!, extents[index]!), value, rest);
      }, undefined)!;
    };
  },
} as const satisfies Record<string, Gather>;

const movement =
  (gather: Gather): AnchorEmitter =>
  (writer, node, space, emitRow) => {
    const { block } = writer;
    const value = gather(writer, node);
    const values = writer.scratch('own', 'moved', 'i32', space.extent);
    const { from, to } = shareStep(writer, { items: space.rows });
    block.for('row', from, to, (row) => {
      const { at } = placeOf(block, space, row);
      block.for('c', 0, space.extent, (c) => {
        block.store(values, c, value(space.shape.map((_, axis) => (axis === space.inner ? c : at[axis]!))));
      });
      emitRow(row, (c) => load(values, c));
    });
  };

export const reshape = movement(gathers.reshape);
export const transpose = movement(gathers.transpose);
export const pad = movement(gathers.pad);
export const slice = movement(gathers.slice);
export const concat = movement(gathers.concat);
