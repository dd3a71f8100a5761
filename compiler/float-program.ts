/**
 * Float programs as the compiler treats them: in one form, batch norms folded, and, if asked, with bits noted on their layers. A model whose
 * weights alone are integers (4-bit weights to save space, say) is one of them once its weights are multiplied out.
 */
import { evaluateNode, type Graph, isQuantized } from '../ir/index.ts';
import {
  createPassRegistry,
  floatPipeline,
  interpreterExecutor,
  levelOf,
  parsePipeline,
  type PassContext,
  rebuild,
  runPipeline,
} from '../passes/index.ts';
import { assignBitsStep, type BitsOptions } from './default-pipeline.ts';
import { type LayerBits, layerBitsOf } from './layer-bits.ts';

/** Programs of other levels come back as they are: their bits are in their types. */
export async function cleanFloat(
  graph: Graph,
  bits: BitsOptions = {},
  report: PassContext['report'] = () => undefined,
): Promise<Graph> {
  if (levelOf(graph) !== 'float') return graph;
  const assigned = Object.keys(bits).length === 0 ? [] : [assignBitsStep(bits)];
  return runPipeline(graph, [...parsePipeline(floatPipeline), ...assigned], createPassRegistry(), {
    executor: interpreterExecutor,
    report,
    explain: () => undefined,
    progress: () => undefined,
  });
}

/** The layers of a program at the bits asked for; bfloat16 where nothing is asked for and nothing is quantized. */
export async function annotatedLayers(
  graph: Graph,
  bits: BitsOptions,
  report?: PassContext['report'],
): Promise<LayerBits[]> {
  return layerBitsOf(await cleanFloat(graph, bits, report));
}

/** Whether dequantized constants are all that is quantized in a program. */
export function hasIntegerWeightsOnly(graph: Graph): boolean {
  const values = [...graph.inputs, ...graph.nodes.map(({ result }) => result)];
  return (
    !values.some(({ type }) => isQuantized(type)) &&
    graph.nodes.some(({ op, operands }) => op === 'dequantize' && graph.constants.has(operands[0]!))
  );
}

/** The same program with the real numbers that its integer weights stand for. */
export function multiplyOutWeights(graph: Graph): Graph {
  const real = rebuild(graph, (node, builder) => {
    const weights = node.op === 'dequantize' ? builder.constantOf(node.operands[0]!) : undefined;
    if (weights === undefined) return undefined;
    return builder.constant(
      node.result.name,
      evaluateNode(node, [weights], (name) => builder.constantOf(name)),
    );
  });
  const read = new Set([...real.nodes.flatMap(({ operands }) => operands), ...real.outputs]);
  return { ...real, constants: new Map([...real.constants].filter(([name]) => read.has(name))) };
}
