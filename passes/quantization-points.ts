/**
 * The one rule that says which values are stored as integers, and in how many bits. `calibrate` observes these values,
 * `insert-quantizers` quantizes them, and `--explain` reads the reasons.
 *
 *   1. What a layer multiplies, it reads in its own activation bits.
 *   2. Everything else that is read as a number (a shortcut, the factors of a product, the input of a pool or of a curve) is read from
 *      the stream, in 8 bits. A value read both ways is stored twice, both from one accumulator: this is what lets convolutions
 *      be 4-bit while the residual stream stays at 8.
 *   3. A value that only one clamp or one addition reads flows on in the accumulator and is never stored. Of two convolutions that
 *      meet in an addition, the one that multiplies more flows into it and the other is stored, as the shortcut: a block's main branch
 *      is never materialised, its projection is.
 *      A batch norm that still stands behind its layer, as training wants it, is where that layer's accumulator ends.
 *   4. A layer that stays in float reads what is stored in 8 bits for others, and real numbers where nothing is.
 *   5. An op that only moves or selects elements (max pool, reshape, concat) keeps the quantization of what it reads, which
 *      is the widest that any reader of its result asks for.
 *
 * That is the placement `accumulators`, after which our own kernels compute. The placement `operators` is for engines that run one
 * operator after another on integers: there nothing flows into an addition, which reads both its operands from the stream, and a
 * narrower copy of a value is made from its widest one, since no operator returns its result in two widths.
 */
import { elementCount, fail, type Graph, type Node, opOf, producersOf, usersOf } from '../ir/index.ts';
import { staysFloat } from './layers.ts';

export const streamBits = 8;

export const placements = ['accumulators', 'operators'] as const;
export type Placement = (typeof placements)[number];

/** What the passes that go by this rule say about their option of that name. */
export const placementOption = {
  kind: 'string',
  summary: 'where values are stored: accumulators (as our kernels compute) or operators (one by one)',
  default: 'accumulators',
} as const;

export function checkPlacement(placement: string): Placement {
  const known = placements.find((each) => each === placement);
  return (
    known ??
    fail('quantization-points/placement', `no placement ${JSON.stringify(placement)}`, {
      help: `one of ${placements.join(', ')}`,
    })
  );
}

export interface QuantizationPoints {
  /** Value -> the bit-widths it is stored in, widest first. */
  readonly stored: ReadonlyMap<string, readonly number[]>;
  /**
   * By result name, for each operand of the node: the bits it is read in, or undefined where it flows in an accumulator, is
   * a constant or is read as a real number.
   */
  readonly reads: ReadonlyMap<string, readonly (number | undefined)[]>;
  /** Why each value is stored or flows on, in words. */
  readonly reasons: ReadonlyMap<string, string>;
}

export function quantizationPoints(graph: Graph, placement: Placement = 'accumulators'): QuantizationPoints {
  const users = usersOf(graph);
  const makers = producersOf(graph);
  const order = new Map(graph.nodes.map((node, i) => [node.result.name, i]));
  const outputs = new Set(graph.outputs);
  const demand = new Map<string, Set<number>>();
  const reads = new Map<string, (number | undefined)[]>();
  const reasons = new Map<string, string>();
  const inFloat: Node[] = [];

  const ask = (node: Node, index: number, bits: number, reason: string): void => {
    const value = node.operands[index]!;
    if (graph.constants.has(value)) return;
    const read = reads.get(node.result.name) ?? [];
    read[index] = bits;
    reads.set(node.result.name, read);
    want(value, bits, reason);
  };
  const want = (value: string, bits: number, reason: string): void => {
    const set = demand.get(value);
    if (set === undefined) demand.set(value, new Set([bits]));
    else set.add(bits);
    reasons.set(value, reasons.has(value) ? `${reasons.get(value)!}; ${reason}` : reason);
  };

  /** True when the value sits in an accumulator that its one reader can go on working with. */
  const canFlow = (value: string): boolean => {
    const maker = makers.get(value);
    return (
      maker !== undefined &&
      isAccumulated(maker) &&
      (users.get(value)?.length ?? 0) === 1 &&
      !outputs.has(value)
    );
  };

  /** Multiplications behind one element of an accumulator. */
  const work = (value: string): number => {
    const maker = makers.get(value);
    if (maker !== undefined && opOf(maker.op).traits.normalizes === true) return work(maker.operands[0]!);
    const weight =
      opOf(maker?.op ?? 'add').traits.layer === true ? graph.constants.get(maker!.operands[1]!) : undefined;
    return weight === undefined ? 0 : elementCount(weight.type.shape.slice(1));
  };

  // Backwards, so that every reader has spoken before its operand is decided.
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    const op = opOf(node.op);
    const value = node.result.name;
    const label = `%${value} (${node.op})`;
    if (op.traits.layer === true && staysFloat(node)) inFloat.push(node);
    else if (op.traits.layer === true) {
      const bits = node.result.notes?.activation_bits ?? streamBits;
      ask(node, 0, bits, `${label} multiplies it in ${bits} bits`);
    } else if (op.traits.clamp !== undefined) {
      const x = node.operands[0]!;
      if (canFlow(x)) reasons.set(x, `flows into ${label} in the accumulator`);
      else if (!isSingleUseClamp(x, makers, users))
        ask(node, 0, streamBits, `${label} clamps it, and others read it too`);
    } else if (
      op.traits.normalizes === true &&
      isLayer(makers.get(node.operands[0]!)) &&
      canFlow(node.operands[0]!)
    ) {
      reasons.set(node.operands[0]!, `flows into ${label} in the accumulator`);
    } else if (op.traits.transparent === true) {
      const wanted = demand.get(value);
      const widest = wanted === undefined ? streamBits : Math.max(...wanted);
      for (const index of node.operands.keys()) {
        ask(node, index, widest, `${label} keeps its quantization, read in ${widest} bits`);
      }
    } else if (op.traits.boundary === true) {
      reasons.set(node.operands[0]!, `${label} reads it as a real number at the edge`);
    } else if ((node.op === 'add' || node.op === 'sub') && node.operands[0] !== node.operands[1]) {
      const flowing = node.operands
        .filter((x) => placement === 'accumulators' && canFlow(x))
        .sort((a, b) => work(b) - work(a) || order.get(b)! - order.get(a)!)
        .at(0);
      for (const [index, x] of node.operands.entries()) {
        if (x === flowing) reasons.set(x, `flows into ${label} in the accumulator`);
        else
          ask(node, index, streamBits, `${label} adds it as the shortcut, from the ${streamBits}-bit stream`);
      }
    } else {
      for (const index of node.operands.keys()) {
        ask(node, index, streamBits, `${label} reads it from the ${streamBits}-bit stream`);
      }
    }
  }

  for (const output of graph.outputs) {
    const maker = makers.get(output);
    if (maker === undefined) continue;
    const exact = isAccumulated(maker) || opOf(maker.op).traits.boundary === true;
    if (!exact) want(output, streamBits, 'returned, and not held in an accumulator');
  }

  for (const node of inFloat) {
    const x = node.operands[0]!;
    if (demand.get(x)?.has(streamBits) === true)
      ask(
        node,
        0,
        streamBits,
        `%${node.result.name} (${node.op}) computes in float what is stored for others`,
      );
    else if (!demand.has(x)) reasons.set(x, `%${node.result.name} (${node.op}) reads it as real numbers`);
  }

  return {
    stored: new Map([...demand].map(([name, bits]) => [name, [...bits].sort((a, b) => b - a)])),
    reads,
    reasons,
  };
}

/** Whether a node's result sits in an accumulator; a batch norm's does once it is folded. */
export function isAccumulated({ op }: Node): boolean {
  const { accumulates, normalizes } = opOf(op).traits;
  return accumulates === true || normalizes === true;
}

function isLayer(node: Node | undefined): boolean {
  return node !== undefined && opOf(node.op).traits.layer === true;
}

/** relu(clip(conv)): a chain of clamps that nobody else reads folds into one saturation. */
function isSingleUseClamp(
  value: string,
  makers: ReadonlyMap<string, Node>,
  users: ReadonlyMap<string, readonly Node[]>,
): boolean {
  const maker = makers.get(value);
  return (
    maker !== undefined && opOf(maker.op).traits.clamp !== undefined && (users.get(value)?.length ?? 0) === 1
  );
}
