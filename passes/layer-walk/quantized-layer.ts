/**
 * The layers whose weights a pass may change: those that read quantized activations and hold quantized weights of their own. What such a
 * pass may write is a revision: other integers on the grid, another step per output channel, another bias. None of them costs
 * anything at run time.
 */
import {
  bitWidth,
  type Graph,
  isQuantized,
  type Node,
  opOf,
  producersOf,
  type QuantizedElement,
  type Tensor,
  type TensorType,
  usersOf,
} from '../../ir/index.ts';

export interface QuantizedLayer {
  readonly node: Node;
  /** Of the stored activations that it reads, and the value that holds them. */
  readonly input: {
    readonly name: string;
    readonly type: TensorType & { readonly element: QuantizedElement };
  };
  /** Of its integer weights, output channels first. */
  readonly weights: { readonly name: string; readonly tensor: Tensor; readonly bits: number };
  /** Of the step of each output channel. */
  readonly scales: { readonly name: string; readonly data: Float32Array };
  /** Groups of channels; 1 for a dense layer. */
  readonly groups: number;
}

export interface Revision {
  readonly integers?: Int8Array;
  readonly scales?: Float32Array;
  readonly bias?: Float32Array;
}

/** In program order. `skipped` hears of layers that are not among them, and why. */
export function quantizedLayersOf(
  graph: Graph,
  skipped: (node: Node, reason: string) => void,
): QuantizedLayer[] {
  const makers = producersOf(graph);
  const users = usersOf(graph);
  const scaleUses = new Map<string, number>();
  for (const { type } of graph.constants.values()) {
    if (!isQuantized(type) || typeof type.element.scale !== 'string') continue;
    scaleUses.set(type.element.scale, (scaleUses.get(type.element.scale) ?? 0) + 1);
  }
  const found: QuantizedLayer[] = [];
  for (const node of graph.nodes) {
    if (opOf(node.op).traits.layer !== true) continue;
    const [x, w] = node.operands.map((name) => makers.get(name));
    if (x?.op !== 'dequantize' || w?.op !== 'dequantize') {
      skipped(node, 'its activations or weights are not quantized');
      continue;
    }
    const name = w.operands[0]!;
    const stored = graph.constants.get(name);
    const element = stored?.type.element;
    if (stored === undefined || element?.kind !== 'quantized' || typeof element.scale !== 'string') {
      skipped(node, 'its weights are not a constant with one step per output channel');
      continue;
    }
    const shared = [w.result.name, name].some((value) => users.get(value)!.length > 1);
    if (shared || scaleUses.get(element.scale)! > 1) {
      skipped(node, 'it shares its weights or their steps with another layer');
      continue;
    }
    const type = typeOf(graph, makers, x.operands[0]!);
    if (type === undefined) {
      skipped(node, 'its activations have a step per channel');
      continue;
    }
    found.push({
      node,
      input: { name: x.operands[0]!, type },
      weights: { name, tensor: stored, bits: bitWidth(element.storage) },
      scales: { name: element.scale, data: graph.constants.get(element.scale)!.data as Float32Array },
      groups: (node.attributes['groups'] as number | undefined) ?? 1,
    });
  }
  return found;
}

/** The type of a stored activation, if one step serves all of it. */
function typeOf(
  graph: Graph,
  makers: ReadonlyMap<string, Node>,
  name: string,
): (TensorType & { readonly element: QuantizedElement }) | undefined {
  const type = makers.get(name)?.result.type ?? graph.inputs.find((input) => input.name === name)?.type;
  return type !== undefined && isQuantized(type) && type.element.axis === undefined ? type : undefined;
}
