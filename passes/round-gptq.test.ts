import { describe, expect, it } from '@jest/globals';
import { netContext, quantizedNet, smallFloatNet, smoothSamples } from '../fixtures/passes/rounded-net.ts';
import { type Graph, interpret } from '../ir/index.ts';
import { printGraph } from '../ir/text/index.ts';
import { interpreterExecutor } from './interpreter-executor.ts';
import { quantizedLayersOf } from './layer-walk/quantized-layer.ts';
import type { LayerSample } from './layer-walk/walk-layers.ts';
import { walkLayers } from './layer-walk/walk-layers.ts';
import { createPassRegistry, parsePipeline, runPipeline } from './index.ts';
import type { PassContext } from './pass.ts';

const then = (graph: Graph, pipeline: string, context: PassContext): Promise<Graph> =>
  runPipeline(graph, parsePipeline(pipeline), createPassRegistry(), context);

/** Sum of squared differences between the outputs of two programs. */
async function outputError(a: Graph, b: Graph, samples = smoothSamples(24, 1000)): Promise<number> {
  let sum = 0;
  for await (const inputs of samples.read()) {
    const [left, right] = [interpret(a, inputs)[0]!.data, interpret(b, inputs)[0]!.data];
    for (let i = 0; i < left.length; i++) sum += (left[i]! - right[i]!) ** 2;
  }
  return sum;
}

/** Shares of the error left, by layer, as the pass explains them. */
function sharesLeft(sentences: readonly string[]): Map<string, number> {
  return new Map(
    sentences.flatMap((sentence) => {
      const found = /^%(.*): rounding left ([\d.]+) %/.exec(sentence);
      return found === null ? [] : [[found[1]!, Number(found[2])] as const];
    }),
  );
}

/** Sum of squared differences behind the ReLU, of every layer that has one. */
async function rectifiedErrors(graph: Graph): Promise<Map<string, number>> {
  const errors = new Map<string, number>();
  await walkLayers(graph, netContext(smoothSamples(24)), {
    label: 'looking',
    samples: 24,
    compensates: true,
    settings: {},
    visit: (layer) => ({
      readsOutput: true,
      observe: ({ target, floor, output }) => {
        if (floor === undefined) return Promise.resolve();
        let sum = errors.get(layer.node.result.name) ?? 0;
        target.data.forEach((y: number, i: number) => {
          const low = floor === 0 ? 0 : floor.data[i]!;
          sum += (Math.max(y, low) - Math.max(output!.data[i]!, low)) ** 2;
        });
        errors.set(layer.node.result.name, sum);
        return Promise.resolve();
      },
      revise: () => Promise.resolve(undefined),
    }),
  });
  return errors;
}

describe('round-gptq', () => {
  it.each(['w4a8', 'w4a4', 'w2a4'])(
    'lowers the error of every layer, and of the net, in %s',
    async (precision) => {
      const context = netContext(smoothSamples(24));
      const nearest = await quantizedNet(precision, context);
      const rounded = await then(nearest, 'round-gptq', context);
      const shares = sharesLeft(context.sentences);
      expect([...shares.keys()]).toEqual(['stem', 'grouped', 'depthwise', 'last', 'down', 'logits']);
      for (const share of shares.values()) expect(share).toBeLessThanOrEqual(100);
      const float = smallFloatNet();
      expect(await outputError(rounded, float)).toBeLessThan(0.7 * (await outputError(nearest, float)));
    },
  );

  it('gives each layer the mean that puts it, or the sum it goes into, right', async () => {
    const context = netContext(smoothSamples(12));
    const rounded = await quantizedNet('w4a4', context, ',round-gptq{rectified=0}');
    const differences: number[] = [];
    await walkLayers(rounded, context, {
      label: 'looking',
      samples: 12,
      compensates: true,
      settings: {},
      visit: (layer) => {
        const channels = layer.scales.data.length;
        const sums = new Float64Array(channels);
        return {
          readsOutput: true,
          observe: (sample: LayerSample) => {
            const plane = sample.target.data.length / channels;
            sample.target.data.forEach((y: number, i: number) => {
              sums[Math.floor(i / plane)]! += (y - sample.output!.data[i]!) / plane / 12;
            });
            return Promise.resolve();
          },
          revise: () => {
            differences.push(...sums);
            return Promise.resolve(undefined);
          },
        };
      },
    });
    expect(differences).toHaveLength(8 * 4 + 12 + 5);
    expect(Math.max(...differences.map(Math.abs))).toBeLessThan(1e-4);
  });

  it('does better behind a ReLU when it is told what passes', async () => {
    const context = netContext(smoothSamples(24));
    const nearest = await quantizedNet('w2a4', context);
    const errors = await Promise.all(
      [0, 1].map(async (rectified) =>
        rectifiedErrors(await then(nearest, `round-gptq{rectified=${rectified}}`, context)),
      ),
    );
    // The first layer reads the same inputs in both, so there it has to show.
    expect(errors[1]!.get('stem')!).toBeLessThan(errors[0]!.get('stem')!);
    expect([...errors[0]!.keys()]).toEqual(['stem', 'grouped', 'depthwise', 'last', 'down']);
  });

  it('keeps the grid: integers in the narrow range, steps no less than a quarter, only low bits rounded', async () => {
    const context = netContext(smoothSamples(8));
    const mixed = await quantizedNet('w8a8', context);
    expect(await then(mixed, 'round-gptq', context)).toBe(mixed);
    const nearest = await quantizedNet('w4a4', context);
    const rounded = await then(nearest, 'round-gptq', context);
    const before = quantizedLayersOf(nearest, () => undefined);
    for (const [i, layer] of quantizedLayersOf(rounded, () => undefined).entries()) {
      layer.scales.data.forEach((scale, o) => {
        expect(scale / before[i]!.scales.data[o]!).toBeGreaterThan(0.2499);
      });
      expect(Math.max(...layer.weights.tensor.data.map(Math.abs))).toBeLessThanOrEqual(7);
    }
  });

  it('gives the same bits twice, and a program that lowers to integers', async () => {
    const run = (): Promise<Graph> =>
      quantizedNet('w4a4', netContext(smoothSamples(8)), ',round-gptq,correct-statistics,eliminate-dead');
    const [first, second] = [await run(), await run()];
    expect(printGraph(first)).toBe(printGraph(second));
    const integer = await then(
      first,
      'lower-to-integer,bound-accumulators,eliminate-dead',
      netContext(smoothSamples(1)),
    );
    const float = smallFloatNet();
    expect(await outputError(integer, float)).toBeLessThan(2 * (await outputError(first, float)));
  });

  it('reads no more samples than it is told to, and needs some', async () => {
    const context = netContext(smoothSamples(8));
    const nearest = await quantizedNet('w4a4', context);
    let read = 0;
    const counting: PassContext = {
      ...context,
      samples: {
        ...smoothSamples(8),
        async *read() {
          for await (const inputs of smoothSamples(8).read()) {
            read += 1;
            yield inputs;
          }
        },
      },
    };
    await then(nearest, 'round-gptq{samples=3}', counting);
    expect(read).toBeLessThanOrEqual(4);
    const none: PassContext = {
      executor: interpreterExecutor,
      report: context.report,
      explain: context.explain,
      progress: context.progress,
    };
    await expect(then(nearest, 'round-gptq', none)).rejects.toThrow('walk-layers/no-samples');
    await expect(then(nearest, 'round-gptq{damping=0}', context)).rejects.toThrow('round-gptq/damping');
  });

  it('says which layers it leaves alone', async () => {
    const context = netContext(smoothSamples(4));
    const nearest = await quantizedNet('w4a4', context);
    const stem = nearest.nodes.find(({ result }) => result.name === 'stem')!;
    const unquantized: Graph = {
      ...nearest,
      nodes: nearest.nodes.map((node) =>
        node === stem ? { ...node, operands: ['x', ...node.operands.slice(1)] } : node,
      ),
    };
    await then(unquantized, 'round-gptq', context);
    expect(context.sentences).toContain(
      '%stem keeps its weights: its activations or weights are not quantized',
    );
  });
});
