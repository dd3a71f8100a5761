/**
 * How many bits each layer of a program computes in, whatever its level: noted by `assign-bits` at the float level, in the types at the
 * others. Cost models, tables and manifests all ask here, so they cannot disagree.
 */
import { bitWidth, type Graph, opOf, producersOf, typesOf } from '../ir/index.ts';
import { type Layer, layersOf } from '../passes/layers.ts';

/** Bits of a layer that is not quantized: it is counted as bfloat16. */
export const unquantizedBits = 16;

export interface LayerBits extends Layer {
  readonly weightBits: number;
  readonly activationBits: number;
  /** False where the layer multiplies real numbers and nothing says it will not. */
  readonly quantized: boolean;
  /** Of its result. */
  readonly shape: readonly number[];
}

/** The layers of a program with the bits of their operands, in program order. */
export function layerBitsOf(graph: Graph): LayerBits[] {
  const types = typesOf(graph);
  const makers = producersOf(graph);

  /** Bits of the integers that a value is made of, looking through dequantize and what only moves elements. */
  const bitsOf = (name: string): number | undefined => {
    const { element } = types.get(name)!;
    if (element.storage !== 'f32') return bitWidth(element.storage);
    const maker = makers.get(name);
    if (maker === undefined) return undefined;
    const source = maker.operands[0]!;
    const looksThrough = maker.op === 'dequantize' || opOf(maker.op).traits.transparent === true;
    return looksThrough ? bitsOf(source) : undefined;
  };

  return layersOf(graph).map((layer) => {
    const activation = bitsOf(layer.node.operands[0]!) ?? layer.activationBits;
    const weight = bitsOf(layer.node.operands[1]!) ?? layer.weightBits;
    return {
      ...layer,
      weightBits: weight ?? unquantizedBits,
      activationBits: activation ?? unquantizedBits,
      quantized: weight !== undefined && activation !== undefined,
      shape: layer.node.result.type.shape,
    };
  });
}
