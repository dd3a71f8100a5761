/** The program without its quantizers: what reads a dequantize reads what was quantized, and layers read the weights behind the integers. */
import { type Graph, type Node, producersOf } from '../../ir/index.ts';

export function floatTwin(graph: Graph): Graph {
  const makers = producersOf(graph);
  const isQuantizer = ({ op }: Node): boolean => op === 'quantize' || op === 'dequantize';
  const behind = (value: string): string => {
    const maker = makers.get(value);
    if (maker === undefined || !isQuantizer(maker)) return value;
    const source = maker.operands[0]!;
    const integers = graph.constants.get(source);
    return integers === undefined
      ? behind(source)
      : source.slice(0, -`.${integers.type.element.storage}`.length);
  };
  return {
    ...graph,
    nodes: graph.nodes
      .filter((node) => !isQuantizer(node))
      .map((node) => ({ ...node, operands: node.operands.map(behind) })),
    outputs: graph.outputs.map(behind),
  };
}
