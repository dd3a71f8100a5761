/** A float program as the compiler will treat it: in one form, batch norms folded, and, if asked, with bits noted on its layers. */
import type { Graph } from '../ir/index.ts';
import {
  createPassRegistry,
  floatPipeline,
  interpreterExecutor,
  levelOf,
  parsePipeline,
  type PassContext,
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
