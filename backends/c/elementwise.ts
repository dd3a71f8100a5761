/**
 * The elementwise half of a step: what happens to each element of the anchor's result while it is in a register. One table says how each op
 * reads; the compiler names an op that is missing from it.
 */
import { clampOf, isQuantized, type Node, storageRange, type TensorType } from '../../ir/index.ts';
import { add, type Expression, i32, invoke, type KernelArray, load, mul, sub } from '../kernel/index.ts';
import { type elementwiseOps, type Step } from '../plan/index.ts';
import { requantize } from './fixed-point.ts';
import {
  type Access,
  accessTo,
  broadcasts,
  type Place,
  readRow,
  type RowReader,
  type RowSpace,
} from './rows.ts';
import type { StepWriter } from './step-writer.ts';

type ElementwiseOp = (typeof elementwiseOps)[number];

/** A number per channel: a table, or the number itself when all are equal. */
type PerChannel = (c: Expression) => Expression;

interface Lowering {
  /** What the value is called in the C source. */
  readonly called: string;
  /** Prepares tables, outside all loops; the function it returns makes the value of one element from its operands. */
  readonly prepare: (
    writer: StepWriter,
    node: Node,
    number: number,
  ) => (c: Expression, operands: readonly Expression[]) => Expression;
}

const zeroPointOf = (type: TensorType): number => (isQuantized(type) ? type.element.zeroPoint : 0);

function perChannel(writer: StepWriter, label: string, values: ArrayLike<number>): PerChannel {
  const first = values[0]!;
  if (Array.from(values).every((value) => value === first)) return () => i32(first);
  const table: KernelArray = writer.table(label, 'i32', values);
  return (c) => load(table, c);
}

/**
 * Multipliers and shifts that give the same results with one shift for all channels, which vector units prefer: with S the largest shift,
 *
 *     floor((a * m + 2^(s-1)) / 2^s) = floor((a * m * 2^(S-s) + 2^(S-1)) / 2^S)     for s >= 1
 *
 * The tables come back as they are where a shift is 0 (it rounds nothing) or a multiplier would leave 31 bits.
 */
function alignedShifts(
  multipliers: ArrayLike<number>,
  shifts: ArrayLike<number>,
): { multipliers: readonly number[]; shifts: readonly number[] } {
  const given = { multipliers: Array.from(multipliers), shifts: Array.from(shifts) };
  const largest = Math.max(...given.shifts);
  const raised = given.multipliers.map((multiplier, c) => multiplier * 2 ** (largest - given.shifts[c]!));
  const fits =
    given.shifts.every((shift) => shift >= 1) && raised.every((value) => Math.abs(value) < 2 ** 31);
  return fits ? { multipliers: raised, shifts: [largest] } : given;
}

/** Labels of a step's tables are numbered only where the step has several of a kind. */
const numbered = (label: string, number: number): string => (number === 0 ? label : `${label}_${number + 1}`);

function binary(called: string, combine: (a: Expression, b: Expression) => Expression): Lowering {
  return {
    called,
    prepare: (writer, node) => {
      const [a, b] = node.operands.map((operand) => zeroPointOf(writer.typeOf(operand)));
      return (_, [left, right]) => combine(sub(left!, a!), sub(right!, b!));
    },
  };
}

const lowerings = {
  requantize: {
    called: 'scaled',
    prepare: (writer, node, number) => {
      const tables = alignedShifts(
        writer.operandConstant(node, 1)!.data,
        writer.operandConstant(node, 2)!.data,
      );
      const multiplier = perChannel(writer, numbered('multiplier', number), tables.multipliers);
      const shift = perChannel(writer, numbered('shift', number), tables.shifts);
      const from = zeroPointOf(writer.typeOf(node.operands[0]!));
      const to = zeroPointOf(node.result.type);
      const [lowest, highest] = clampOf(node.attributes, node.result.type);
      return (c, [x]) => invoke(requantize, sub(x!, from), multiplier(c), shift(c), to, lowest, highest);
    },
  },
  lookup: {
    called: 'mapped',
    prepare: (writer, node, number) => {
      const { storage } = writer.typeOf(node.operands[0]!).element;
      const lowest = storage === 'f32' ? 0 : storageRange(storage)[0];
      const table = writer.table(numbered('lookup', number), 'i32', writer.operandConstant(node, 1)!.data);
      return (_, [x]) => load(table, sub(x!, lowest));
    },
  },
  affine: {
    called: 'mapped',
    prepare: (writer, node, number) => {
      const gain = perChannel(writer, numbered('gain', number), writer.operandConstant(node, 1)!.data);
      const shift = perChannel(writer, numbered('offset', number), writer.operandConstant(node, 2)!.data);
      const from = zeroPointOf(writer.typeOf(node.operands[0]!));
      return (c, [x]) => add(mul(gain(c), sub(x!, from)), shift(c));
    },
  },
  add: binary('total', add),
  sub: binary('difference', sub),
  mul: binary('product', mul),
} as const satisfies Record<ElementwiseOp, Lowering>;

/** Operands that are elements; the others are tables. */
const elementOperands: Record<ElementwiseOp, number> = {
  requantize: 1,
  lookup: 1,
  affine: 1,
  add: 2,
  sub: 2,
  mul: 2,
};

const opOfNode = (node: Node): ElementwiseOp => node.op as ElementwiseOp;

/** Emits, for one row, everything that happens to the anchor's values, and their storing. */
export interface Epilogue {
  /** True when `place.at` will be asked for. */
  readonly needsPosition: boolean;
  readonly row: (place: Place, anchor: RowReader | undefined) => void;
}

/** Prepares the elementwise work of a step. Call once, before the loops. */
export function epilogue(writer: StepWriter, step: Step, space: RowSpace): Epilogue {
  const { block } = writer;
  const made = new Set(step.body.map((node) => node.result.name));
  if (step.anchor !== undefined) made.add(step.anchor.result.name);
  const accesses = new Map<string, Access>();
  for (const node of step.body) {
    for (const operand of node.operands.slice(0, elementOperands[opOfNode(node)])) {
      if (made.has(operand) || accesses.has(operand)) continue;
      const label = accesses.size === 0 ? 'operand' : `operand_${accesses.size + 1}`;
      accesses.set(operand, accessTo(writer, operand, label, space));
    }
  }
  const counts = new Map<string, number>();
  const prepared = step.body.map((node) => {
    const number = counts.get(node.op) ?? 0;
    counts.set(node.op, number + 1);
    return { node, value: lowerings[opOfNode(node)].prepare(writer, node, number) };
  });
  const destinations = step.outputs.map(
    (name, i) => [name, writer.output(name, i === 0 ? 'result' : `result_${i + 1}`)] as const,
  );

  return {
    needsPosition: [...accesses.values()].some((access) => broadcasts(access, space)),
    row: (place, anchor) => {
      const readers = new Map([...accesses].map(([name, access]) => [name, readRow(access, space, place)]));
      block.for('c', 0, space.extent, (c) => {
        const values = new Map<string, Expression>();
        if (step.anchor !== undefined) values.set(step.anchor.result.name, block.let('value', anchor!(c)));
        for (const { node, value } of prepared) {
          const operands = node.operands
            .slice(0, elementOperands[opOfNode(node)])
            .map((operand) => values.get(operand) ?? readers.get(operand)!(c));
          values.set(node.result.name, block.let(lowerings[opOfNode(node)].called, value(c, operands)));
        }
        const at = add(mul(place.row, space.extent), c);
        for (const [name, array] of destinations) block.store(array, at, values.get(name)!);
      });
    },
  };
}
