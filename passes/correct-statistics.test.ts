import { describe, expect, it } from '@jest/globals';
import { netContext, quantizedNet, smoothSamples } from '../fixtures/passes/rounded-net.ts';
import type { Graph } from '../ir/index.ts';
import { printGraph } from '../ir/text/index.ts';
import { createPassRegistry, parsePipeline, runPipeline } from './index.ts';
import { walkLayers } from './layer-walk/walk-layers.ts';
import type { PassContext } from './pass.ts';

const then = (graph: Graph, pipeline: string, context: PassContext): Promise<Graph> =>
  runPipeline(graph, parsePipeline(pipeline), createPassRegistry(), context);

/** Mean and standard deviation of every channel of every layer, as float has it and as it is. */
async function statistics(graph: Graph, context: PassContext): Promise<{ wanted: number[]; made: number[] }> {
  const [wanted, made]: [number[], number[]] = [[], []];
  const summary = (values: readonly number[]): number[] => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return [mean, Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length)];
  };
  await walkLayers(graph, context, {
    label: 'looking',
    samples: 1000,
    compensates: false,
    settings: {},
    visit: (layer) => {
      const channels = layer.scales.data.length;
      const [targets, outputs] = [0, 1].map(() => Array.from({ length: channels }, (): number[] => []));
      return {
        readsOutput: true,
        observe: ({ target, output }) => {
          const plane = target.data.length / channels;
          for (let i = 0; i < target.data.length; i++) {
            targets![Math.floor(i / plane)]!.push(target.data[i]!);
            outputs![Math.floor(i / plane)]!.push(output!.data[i]!);
          }
          return Promise.resolve();
        },
        revise: () => {
          wanted.push(...targets!.flatMap(summary));
          made.push(...outputs!.flatMap(summary));
          return Promise.resolve(undefined);
        },
      };
    },
  });
  return { wanted, made };
}

const apart = ({ wanted, made }: { wanted: number[]; made: number[] }): number =>
  Math.max(...wanted.map((value, i) => Math.abs(value - made[i]!)));

describe('correct-statistics', () => {
  it.each(['', ',round-gptq'])(
    'matches mean and deviation of every channel after nearest%s',
    async (rounding) => {
      const context = netContext(smoothSamples(12));
      const before = await quantizedNet('w4a4', context, rounding);
      const after = await then(before, 'correct-statistics{largest_gain=64}', context);
      expect(apart(await statistics(before, context))).toBeGreaterThan(2e-3);
      // One channel is all but constant in float, and constant once rounded: no gain gives it its 0.0004 back.
      expect(apart(await statistics(after, context))).toBeLessThan(5e-4);
    },
  );

  it('keeps integers, and bounds what it does to a scale', async () => {
    const context = netContext(smoothSamples(6));
    const before = await quantizedNet('w2a4', context);
    const after = await then(before, 'correct-statistics{largest_gain=1.125}', context);
    for (const [name, value] of before.constants) {
      const now = after.constants.get(name)!;
      if (!name.endsWith('.scale')) expect(now.data).toEqual(value.data);
      else {
        for (const [c, scale] of value.data.entries()) {
          expect(now.data[c]! / scale).toBeLessThan(1.1251);
          expect(now.data[c]! / scale).toBeGreaterThan(1 / 1.1251);
        }
      }
    }
  });

  it('leaves a program alone in which nothing is narrow', async () => {
    const context = netContext(smoothSamples(4));
    const wide = await quantizedNet('w8a8', context);
    expect(await then(wide, 'correct-statistics', context)).toBe(wide);
    expect(await then(wide, 'correct-statistics{below=9}', context)).not.toBe(wide);
  });

  it('leaves the step of a channel that never varies alone', async () => {
    const context = netContext(smoothSamples(4));
    const before = await quantizedNet('w4a4', context);
    const dead = before.constants.get('last.w.i4')!;
    const silent = new Map(before.constants).set('last.w.i4', {
      ...dead,
      data: (dead.data as Int8Array).map((value, i) => (i < 8 ? 0 : value)),
    });
    const after = await then({ ...before, constants: silent }, 'correct-statistics', context);
    const [old, now] = [before, after].map((graph) => graph.constants.get('last.w.scale')!.data);
    expect(now![0]).toBe(old![0]);
    expect(now![1]).not.toBe(old![1]);
  });

  it('changes nothing but rounding when it runs again', async () => {
    const context = netContext(smoothSamples(6));
    const pass = 'correct-statistics{largest_gain=64}';
    const once = await quantizedNet('w4a4', context, `,${pass}`);
    const twice = await then(once, pass, context);
    expect(twice.nodes).toEqual(once.nodes);
    for (const [name, { data }] of once.constants) {
      const now = twice.constants.get(name)!.data;
      for (const [i, value] of data.entries()) expect(Math.abs(now[i]! - value)).toBeLessThan(1e-4);
    }
  });

  it('gives the same bits twice, and refuses a gain below 1', async () => {
    const run = (options = ''): Promise<Graph> =>
      quantizedNet('w4a4', netContext(smoothSamples(4)), `,correct-statistics${options}`);
    expect(printGraph(await run())).toBe(printGraph(await run()));
    await expect(run('{largest_gain=0.5}')).rejects.toThrow('correct-statistics/gain');
  });
});
