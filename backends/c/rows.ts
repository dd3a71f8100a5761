/**
 * Iterating over a tensor the way it lies: a *row* is one run of the innermost axis (the channels of one pixel), and rows follow one another
 * without a gap. Every step is a loop over rows with loops over one row inside, which compilers vectorise.
 */
import { elementCount, rowMajorStrides, type TensorType } from '../../ir/index.ts';
import {
  add,
  bitAnd,
  bitXor,
  type Block,
  div,
  type Expression,
  i32,
  type KernelArray,
  load,
  mul,
  type Operand,
  rem,
  shr,
  sub,
} from '../kernel/index.ts';
import { innermostAxis } from '../plan/index.ts';
import { elementOf, layoutOf, type StepWriter } from './step-writer.ts';

/** The rows of a shape. */
export interface RowSpace {
  readonly shape: readonly number[];
  /** The axis along a row; -1 for a tensor of rank 0. */
  readonly inner: number;
  readonly rows: number;
  /** Elements of a row. */
  readonly extent: number;
}

export function rowSpace(shape: readonly number[]): RowSpace {
  const inner = innermostAxis(shape.length);
  const extent = inner < 0 ? 1 : shape[inner]!;
  return { shape, inner, rows: elementCount(shape) / extent, extent };
}

/** One row: its number, and its position along the other axes where that has been asked for. */
export interface Place {
  readonly row: Expression;
  readonly at: readonly Expression[];
}

/** Names the position of a row along every axis; 0 along the innermost. */
export function placeOf(block: Block, space: RowSpace, row: Expression): Place {
  const names = space.shape.length === 4 ? ['image_at', 'channel', 'row_at', 'column_at'] : [];
  const at = new Array<Expression>(space.shape.length).fill(i32(0));
  let below = 1;
  for (let axis = space.shape.length - 1; axis >= 0; axis--) {
    if (axis === space.inner) continue;
    const extent = space.shape[axis]!;
    const above = div(row, below);
    const outermost = below * extent === space.rows;
    if (extent > 1) at[axis] = block.let(names[axis] ?? `at_${axis}`, outermost ? above : rem(above, extent));
    below *= extent;
  }
  return { row, at };
}

/** A row without its position, for steps that never ask. */
export const plainPlace = (row: Expression): Place => ({ row, at: [] });

/** The i32 value of packed field `index` (a known number) of a byte. */
function fieldOf(byte: Expression, index: number, bits: number, signed: boolean): Expression {
  const field = bitAnd(shr(byte, bits * index), 2 ** bits - 1);
  return signed ? signExtended(field, bits) : field;
}

/** Two's complement of `bits` bits as an i32. */
export const signExtended = (field: Expression, bits: number): Expression =>
  sub(bitXor(field, 2 ** (bits - 1)), 2 ** (bits - 1));

/**
 * Unpacks `count` fields that start at byte `from` and hands each to `take` with its number. `field` is what lies in memory: unsigned.
 */
export function unpackFields(
  block: Block,
  packed: KernelArray,
  from: Expression,
  bits: number,
  count: number,
  take: (index: Expression, field: Expression) => void,
): void {
  const perByte = 8 / bits;
  const whole = Math.floor(count / perByte);
  block.for('j', 0, whole, (j) => {
    const byte = block.let('byte', load(packed, add(from, j)));
    for (let f = 0; f < perByte; f++) take(add(mul(j, perByte), f), fieldOf(byte, f, bits, false));
  });
  if (whole * perByte === count) return;
  const byte = block.let('byte', load(packed, add(from, whole)));
  for (let f = 0; whole * perByte + f < count; f++)
    take(i32(whole * perByte + f), fieldOf(byte, f, bits, false));
}

/** Reads the elements of one row, by their number along it. */
export type RowReader = (c: Expression) => Expression;

/** A tensor that a step reads, seen from the step's space: strides along the space's axes, 0 where it broadcasts. */
export interface Access {
  readonly array: KernelArray;
  readonly type: TensorType;
  /** In elements, one per axis of the space. */
  readonly strides: readonly number[];
}

/**
 * Access to an operand of a step. Constants become tables, row-major; everything else is a parameter in its stored layout.
 */
export function accessTo(writer: StepWriter, name: string, label: string, space: RowSpace): Access {
  const type = writer.typeOf(name);
  const constant = writer.constant(name);
  const lead = space.shape.length - type.shape.length;
  const own = constant === undefined ? layoutOf(type).strides : rowMajorStrides(type.shape);
  const strides = space.shape.map((_, axis) =>
    axis < lead || type.shape[axis - lead] === 1 ? 0 : own[axis - lead]!,
  );
  const array =
    constant === undefined
      ? writer.input(name, label)
      : writer.table(label, elementOf(type.element.storage), constant.data);
  return { array, type, strides };
}

/** The element at an offset in elements. */
export const elementAt = ({ array }: Access, offset: Expression): Expression => load(array, offset);

/** Offset in elements of a position, given along every axis of the access. */
export const offsetOf = (strides: readonly number[], at: readonly Operand[]): Expression =>
  strides.reduce<Expression>(
    (sum, stride, axis) =>
      stride === 0 ? sum : add(sum, mul(typeof at[axis] === 'number' ? i32(at[axis]) : at[axis]!, stride)),
    i32(0),
  );

/** True when reading the operand needs to know more than the row's number. */
export function broadcasts(access: Access, space: RowSpace): boolean {
  const { strides } = layoutOf({ element: access.type.element, shape: space.shape });
  return strides.some((stride, axis) => stride !== access.strides[axis] && space.shape[axis] !== 1);
}

/** Prepares one row for reading. */
export function readRow(access: Access, space: RowSpace, place: Place): RowReader {
  const inner = space.inner < 0 ? 0 : access.strides[space.inner]!;
  const outer = access.strides.map((stride, axis) => (axis === space.inner ? 0 : stride));
  const start = broadcasts(access, space) ? offsetOf(outer, place.at) : mul(place.row, space.extent);
  return (c) => elementAt(access, add(start, mul(c, inner)));
}
