/**
 * The elementwise end of a step: requantize, lookup, add, sub, mul and affine on quads in registers, and the stores of what leaves the
 * step. One row per op; a convolution, a pool and a step of elementwise work alone all end here.
 */
import {
  bitWidth,
  clampOf,
  fail,
  formatName,
  type Graph,
  isQuantized,
  type Node,
  storageRange,
  type Tensor,
  type TensorType,
} from '../../ir/index.ts';
import {
  add,
  type Block,
  clamp,
  compose,
  type Expression,
  i32,
  invoke,
  type KernelArray,
  type KernelFunction,
  mul,
  sub,
} from '../kernel/index.ts';
import type { elementwiseOps, Step } from '../plan/index.ts';
import { neutralShift, requantizeForm } from './arithmetic.ts';
import { type Granule, readQuads, type StoredArray, writeQuads } from './stored.ts';
import { type ChannelTable, laneOf, type StepTables, type TableReader } from './tables.ts';

/** What every part of a step's kernel is written with. */
export interface StepScope {
  readonly graph: Graph;
  readonly step: Step;
  readonly types: ReadonlyMap<string, TensorType>;
  readonly block: Block;
  readonly tables: StepTables;
  readonly reader: TableReader;
  /** The tables once more, as single words. */
  readonly lists: KernelArray;
  /** Channels an invocation makes, as a number of quads. */
  readonly quads: number;
  /** The fewest that make whole words of everything stored. */
  readonly leastQuads: number;
  /** The array of a stored operand or of a constant one. */
  readonly operand: (name: string) => StoredArray;
  readonly output: (name: string) => StoredArray;
}

export type ElementwiseOp = (typeof elementwiseOps)[number];

/** The constant that an operand must be for this backend. */
export function constantOperand(graph: Graph, node: Node, index: number): Tensor {
  const name = node.operands[index]!;
  const found = graph.constants.get(name);
  if (found !== undefined) return found;
  return fail(
    'wgsl/constant-operand',
    `%${formatName(node.result.name)} = ${node.op}: operand ${index}, %${formatName(name)}, is computed; expected a constant`,
    {
      ...(node.location === undefined ? {} : { location: node.location }),
      help: 'weights and channel tables are packed at compile time; run fold-constants, or keep this model on the interpreter',
    },
  );
}

/** The integer that stands for real 0. */
export const zeroPointOf = (type: TensorType): number => (isQuantized(type) ? type.element.zeroPoint : 0);

/** Operands of an elementwise op that are tensors and not channel tables. */
export const tensorOperands = (node: Node): readonly string[] =>
  node.operands.slice(0, ['add', 'sub', 'mul'].includes(node.op) ? 2 : 1);

class Body {
  readonly #scope: StepScope;
  readonly #prepared = new Map<Node, unknown>();

  constructor(scope: StepScope) {
    this.#scope = scope;
  }

  /** What a node needs once, however many granules are written. */
  once<T>(node: Node, make: () => T): T {
    if (!this.#prepared.has(node)) this.#prepared.set(node, make());
    return this.#prepared.get(node) as T;
  }

  get scope(): StepScope {
    return this.#scope;
  }
}

/** The tables of a requantize. */
function rescaling(
  body: Body,
  node: Node,
): { callee: KernelFunction; multiplier: ChannelTable; shift: ChannelTable } {
  const { graph, tables, types } = body.scope;
  return body.once(node, () => {
    const { callee, multiplier, shift } = requantizeForm(
      bitWidth(types.get(node.operands[0]!)!.element.storage),
      bitWidth(node.result.type.element.storage),
      constantOperand(graph, node, 1).data,
      constantOperand(graph, node, 2).data,
    );
    return {
      callee,
      multiplier: tables.byChannel(multiplier, 0),
      shift: tables.byChannel(shift, neutralShift),
    };
  });
}

/** The tables of an affine. */
function gains(body: Body, node: Node): { gain: ChannelTable; shift: ChannelTable } {
  const { graph, tables } = body.scope;
  return body.once(node, () => ({
    gain: tables.byChannel([...constantOperand(graph, node, 1).data], 0),
    shift: tables.byChannel([...constantOperand(graph, node, 2).data], 0),
  }));
}

function prepareTables(body: Body, node: Node, granule: Granule): void {
  const { reader } = body.scope;
  const read = (name: string, table: ChannelTable): void => {
    for (let j = 0; j < granule.quads; j++) reader.quad(name, table, granule, j);
  };
  if (node.op === 'requantize') {
    const { multiplier, shift } = rescaling(body, node);
    read('multiplier', multiplier);
    read('shift', shift);
  } else if (node.op === 'affine') {
    const { gain, shift } = gains(body, node);
    read('gain', gain);
    read('offset', shift);
  }
}

interface Place {
  readonly body: Body;
  readonly node: Node;
  readonly granule: Granule;
  readonly operands: readonly (readonly Expression[])[];
  readonly types: readonly TensorType[];
}

type Lowering = (place: Place) => readonly Expression[];

const centred = (quad: Expression, type: TensorType): Expression => {
  const zeroPoint = zeroPointOf(type);
  return zeroPoint === 0 ? quad : sub(quad, zeroPoint);
};

/** Saturates `value + zeroPoint` without ever leaving int32 on the way. */
export function saturated(
  value: Expression,
  zeroPoint: number,
  [low, high]: readonly [number, number],
): Expression {
  const lowest = Math.max(low - zeroPoint, -(2 ** 31));
  const highest = Math.min(high - zeroPoint, 2 ** 31 - 1);
  const everything = lowest === -(2 ** 31) && highest === 2 ** 31 - 1;
  const held = everything ? value : clamp(value, compose('vec4i', lowest), compose('vec4i', highest));
  return zeroPoint === 0 ? held : add(held, zeroPoint);
}

const lowerings: Readonly<Record<ElementwiseOp, Lowering>> = {
  requantize: ({ body, node, granule, operands, types }) => {
    const { reader } = body.scope;
    const from = types[0]!;
    const to = node.result.type;
    const { callee, multiplier, shift } = rescaling(body, node);
    return operands[0]!.map((quad, j) => {
      const scaled = invoke(
        callee,
        centred(quad, from),
        reader.quad('multiplier', multiplier, granule, j),
        reader.quad('shift', shift, granule, j),
      );
      return saturated(scaled, zeroPointOf(to), clampOf(node.attributes, to));
    });
  },
  lookup: ({ body, node, operands, types }) => {
    const { graph, tables, reader, lists } = body.scope;
    const first = body.once(node, () => tables.list(constantOperand(graph, node, 1).data));
    const { storage } = types[0]!.element;
    const [low, high] = storage === 'f32' ? [0, 0] : storageRange(storage);
    return operands[0]!.map((quad) =>
      compose(
        'vec4i',
        ...[0, 1, 2, 3].map((lane) =>
          // Lanes past the last channel may hold anything a register can.
          reader.entry(lists, first - low, clamp(laneOf(quad, lane), i32(low), i32(high))),
        ),
      ),
    );
  },
  add: ({ operands }) => operands[0]!.map((quad, j) => add(quad, operands[1]![j]!)),
  sub: ({ operands }) => operands[0]!.map((quad, j) => sub(quad, operands[1]![j]!)),
  mul: ({ operands, types }) =>
    operands[0]!.map((quad, j) => mul(centred(quad, types[0]!), centred(operands[1]![j]!, types[1]!))),
  affine: ({ body, node, granule, operands, types }) => {
    const { reader } = body.scope;
    const { gain, shift } = gains(body, node);
    return operands[0]!.map((quad, j) =>
      add(
        mul(reader.quad('gain', gain, granule, j), centred(quad, types[0]!)),
        reader.quad('offset', shift, granule, j),
      ),
    );
  },
} satisfies Record<ElementwiseOp, Lowering>;

/** Writes the ends of a step: values of the body from those of the anchor, and the stores. */
export class StepEnd {
  readonly #scope: StepScope;
  readonly #body: Body;

  constructor(scope: StepScope) {
    this.#scope = scope;
    this.#body = new Body(scope);
  }

  /**
   * Reads the channel tables of the whole body, so that what comes after, in a loop perhaps, finds them in registers. All granules of an
   * invocation have one run of channels.
   */
  prepare(granule: Granule): void {
    for (const node of this.#scope.step.body) prepareTables(this.#body, node, granule);
  }

  /**
   * Computes the body for one granule. Returns the stores, for the caller to put where the granule is known to lie inside the tensor.
   */
  values(granule: Granule, anchor?: readonly Expression[]): () => void {
    const { step, block, types, operand, output } = this.#scope;
    const made = new Map<string, readonly Expression[]>();
    const read = new Map<string, readonly Expression[]>();
    if (step.anchor !== undefined) made.set(step.anchor.result.name, anchor!);
    const quadsOf = (name: string, shape: readonly number[]): readonly Expression[] => {
      const known = made.get(name) ?? read.get(name);
      if (known !== undefined) return known;
      const quads = readQuads(block, operand(name), shape, granule);
      read.set(name, quads);
      return quads;
    };
    for (const node of step.body) {
      const tensors = tensorOperands(node);
      const quads = lowerings[node.op as ElementwiseOp]({
        body: this.#body,
        node,
        granule,
        operands: tensors.map((name) => quadsOf(name, node.result.type.shape)),
        types: tensors.map((name) => types.get(name)!),
      });
      made.set(
        node.result.name,
        quads.map((quad) => block.let(node.op === 'add' ? 'sum' : node.op, quad)),
      );
    }
    return () => {
      for (const name of step.outputs) writeQuads(block, output(name), granule, made.get(name)!);
    };
  }
}
