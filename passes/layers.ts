/**
 * The layers of a program: the convolutions and dense layers, whose weights are multiplied and whose bit-widths are chosen. One
 * numbering and one naming for selectors, cost models, tables and manifests.
 */
import { elementCount, type Graph, type Node, opOf, typesOf } from '../ir/index.ts';
import { onnxNodeOf } from './location.ts';

/** What `assign-bits` notes as the bits of a layer that is kept in float. */
export const floatBits = 32;

/** Whether the layer that this node is has been kept in float. */
export function staysFloat({ result }: Node): boolean {
  return result.notes?.weight_bits === floatBits;
}

export interface Layer {
  /** The ONNX node that the layer comes from where that is known and unique, else the name of its value. */
  readonly name: string;
  /** Name of the value it makes. */
  readonly value: string;
  readonly node: Node;
  readonly op: string;
  /** Position among the layers, in program order. */
  readonly index: number;
  /** Kernel height and width; [1, 1] for a dense layer. */
  readonly kernel: readonly [number, number];
  readonly groups: number;
  readonly inputChannels: number;
  readonly outputChannels: number;
  /** Multiplications for one input of batch 1. */
  readonly macs: number;
  /** Number of weights, bias not counted. */
  readonly weights: number;
  readonly weightBits?: number;
  readonly activationBits?: number;
}

/** Layers in program order. Only the first axis of an activation, the batch, is divided out of `macs`. */
export function layersOf(graph: Graph): Layer[] {
  const types = typesOf(graph);
  const nodes = graph.nodes.filter((node) => opOf(node.op).traits.layer === true);
  const names = nodes.map((node) => onnxNodeOf(node.location) ?? node.result.name);
  return nodes.map((node, index) => {
    const weight = types.get(node.operands[1]!)!.shape;
    const { shape } = node.result.type;
    const notes = staysFloat(node) ? undefined : node.result.notes;
    const unique = names.indexOf(names[index]!) === names.lastIndexOf(names[index]!);
    const groups = (node.attributes['groups'] as number | undefined) ?? 1;
    return {
      name: unique ? names[index]! : node.result.name,
      value: node.result.name,
      node,
      op: node.op,
      index,
      kernel: [weight[2] ?? 1, weight[3] ?? 1],
      groups,
      inputChannels: weight[1]! * groups,
      outputChannels: weight[0]!,
      macs: elementCount(shape.slice(2)) * elementCount(weight),
      weights: elementCount(weight),
      ...(notes?.weight_bits === undefined ? {} : { weightBits: notes.weight_bits }),
      ...(notes?.activation_bits === undefined ? {} : { activationBits: notes.activation_bits }),
    };
  });
}
