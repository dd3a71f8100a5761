import { describe, expect, it } from '@jest/globals';
import { netContext, smallFloatNet, smoothSamples } from '../fixtures/passes/rounded-net.ts';
import { type Graph, interpret } from '../ir/index.ts';
import { Histogram } from './histogram.ts';
import { chooseRange } from './clip.ts';
import { createPassRegistry, parsePipeline, runPipeline } from './index.ts';
import { interpreterExecutor } from './interpreter-executor.ts';
import type { PassContext } from './pass.ts';

const then = (graph: Graph, pipeline: string, context: PassContext): Promise<Graph> =>
  runPipeline(graph, parsePipeline(pipeline), createPassRegistry(), context);

/** Largest clip of a channel over the smallest. */
async function spread(graph: Graph, value: string): Promise<number> {
  const session = await interpreterExecutor.prepare(graph, [value]);
  const histograms: Histogram[] = [];
  for await (const inputs of smoothSamples(12).read()) {
    const { type, data } = (await session.run(inputs)).get(value)!;
    const plane = data.length / type.shape[1]!;
    for (let c = 0; c < type.shape[1]!; c++) {
      (histograms[c] ??= new Histogram()).add((data as Float32Array).subarray(c * plane, (c + 1) * plane));
    }
  }
  const clips = histograms
    .map((histogram) => chooseRange('mse', { histogram, bits: 4, unsigned: true })[1])
    .filter((clip) => clip > 0);
  return Math.max(...clips) / Math.min(...clips);
}

describe('equalize-channels', () => {
  it('makes ranges alike between two layers, through groups, and means the same', async () => {
    const context = netContext(smoothSamples(12));
    const before = await then(smallFloatNet(), 'assign-bits{precision=w4a4}', context);
    const after = await then(before, 'equalize-channels', context);
    const scaled = context.sentences.flatMap(
      (sentence) => /^%(\S+): channels scaled/.exec(sentence)?.[1] ?? [],
    );
    // Not stem.relu and not block: the shortcut reads the one, the other goes into the stream. Not down.relu: a mean reads it.
    expect(scaled).toEqual(['grouped.relu', 'depthwise.relu']);
    for (const value of scaled) {
      expect(await spread(after, value)).toBeLessThan(await spread(before, value));
    }
    for await (const inputs of smoothSamples(6, 500).read()) {
      const [a, b] = [interpret(before, inputs)[0]!.data, interpret(after, inputs)[0]!.data];
      for (let i = 0; i < a.length; i++) expect(Math.abs(a[i]! - b[i]!)).toBeLessThan(1e-4);
    }
  });

  it('leaves alone what is read in 8 bits, and everything at a share of 0', async () => {
    const context = netContext(smoothSamples(4));
    const wide = await then(smallFloatNet(), 'assign-bits{precision=w4a8}', context);
    expect(await then(wide, 'equalize-channels', context)).toBe(wide);
    const narrow = await then(smallFloatNet(), 'assign-bits{precision=w4a4}', context);
    expect(await then(narrow, 'equalize-channels{share=0}', context)).toBe(narrow);
  });

  it('needs samples, reads no more than it is told to, and refuses a share beyond the whole', async () => {
    const context = netContext(smoothSamples(4));
    const narrow = await then(smallFloatNet(), 'assign-bits{precision=w4a4}', context);
    let read = 0;
    await then(narrow, 'equalize-channels{samples=3}', {
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
    });
    expect(read).toBeLessThanOrEqual(4);
    const { samples: _, ...none } = context;
    await expect(then(narrow, 'equalize-channels', none)).rejects.toThrow('equalize-channels/no-samples');
    await expect(then(narrow, 'equalize-channels{share=1.5}', context)).rejects.toThrow(
      'equalize-channels/share',
    );
  });
});
