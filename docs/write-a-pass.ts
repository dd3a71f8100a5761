import { formatFloat, type Graph, tensor } from '../ir/index.ts';
import { parseGraph, printGraph } from '../ir/text/index.ts';
import {
  createContext,
  createPassRegistry,
  definePass,
  defineRewrite,
  parsePipeline,
  rewriteToFixpoint,
  runPipeline,
} from '../passes/index.ts';

/**
 * straighten-leaky: takes a leaky relu for a relu where its negative side is nearly flat.
 *
 *     %1 = leaky_relu(%0) {alpha = 0.01}        ->        %1 = relu(%0)
 */
const straightenLeaky = definePass({
  name: 'straighten-leaky',
  summary: 'Takes leaky relus of a small slope for relus.',
  options: {
    below: { kind: 'float', summary: 'largest slope taken for flat', default: 0.05 },
  },
  run: (graph, { below }, { explain }) => {
    const toRelu = defineRewrite({
      name: 'leaky-to-relu',
      summary: 'leaky_relu(x) -> relu(x)',
      roots: ['leaky_relu'],
      match: (root) => root.attributes['alpha'] as number,
      unless: (alpha) =>
        Math.abs(alpha) <= below
          ? undefined
          : `its slope ${formatFloat(alpha)} is more than ${formatFloat(below)}`,
      apply: (_, draft, root) => draft.add('relu', root.operands),
    });
    return rewriteToFixpoint(graph, [toRelu], 'straighten-leaky', explain);
  },
});

/** drop-tiny-weights: weights nearer to zero than a share of the largest one become zero. */
const dropTinyWeights = definePass({
  name: 'drop-tiny-weights',
  summary: 'Sets weights to zero that are small beside the largest of their layer.',
  options: {
    share: { kind: 'float', summary: 'of the largest weight, below which one is tiny', default: 0.001 },
  },
  requires: 'float',
  run: (graph, { share }) => {
    const weights = new Set(
      graph.nodes.filter(({ op }) => op === 'conv2d' || op === 'dense').map(({ operands }) => operands[1]!),
    );
    let changed = false;
    const constants = new Map(graph.constants);
    for (const [name, { type, data }] of graph.constants) {
      if (!weights.has(name)) continue;
      const largest = Array.from(data, Math.abs).reduce((a, b) => Math.max(a, b), 0);
      const limit = largest * share;
      const isTiny = (value: number): boolean => value !== 0 && Math.abs(value) < limit;
      if (!data.some(isTiny)) continue;
      constants.set(
        name,
        tensor(
          type,
          Array.from(data, (value) => (isTiny(value) ? 0 : value)),
        ),
      );
      changed = true;
    }
    // The same graph when nothing changed: `repeat(...)` and `--print-ir-after=changed` rest on it.
    return changed ? { ...graph, constants } : graph;
  },
});

/** A program as a file would hold it. `importOnnx` makes one from a model, a `GraphBuilder` from code. */
const program = `
const @conv.weight : f32[2, 1, 1, 1] = dense<[0.5, 0.0001]>
const @scale : f32[2] = dense<[2.0, 1.0]>
const @bias : f32[2] = dense<[0.0, 0.5]>
const @mean : f32[2] = splat<0.0>
const @variance : f32[2] = splat<0.99999>
func @main(%x: f32[1, 1, 4, 4]) -> (f32[1, 2, 4, 4]) {
  %conv = conv2d(%x, @conv.weight) : f32[1, 2, 4, 4] loc("Conv_0")
  %bn = batch_norm(%conv, @scale, @bias, @mean, @variance) : f32[1, 2, 4, 4]
  %act = leaky_relu(%bn) {alpha = 0.01} : f32[1, 2, 4, 4]
  %out = leaky_relu(%act) {alpha = 0.2} : f32[1, 2, 4, 4]
  return %out
}
`;

/** Runs both passes among the compiler's own, and returns the program after them and what they had to say. */
export async function compileWithMyPasses(): Promise<{ text: string; explanations: string[] }> {
  const explanations: string[] = [];
  const graph: Graph = await runPipeline(
    parseGraph(program),
    parsePipeline('fold-batchnorm,straighten-leaky{below=0.02},drop-tiny-weights,eliminate-dead'),
    createPassRegistry([straightenLeaky, dropTinyWeights]),
    createContext({ explain: (sentence) => explanations.push(sentence) }),
    { verifyEach: true },
  );
  return { text: printGraph(graph), explanations };
}
