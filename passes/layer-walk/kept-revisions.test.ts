import { describe, expect, it } from '@jest/globals';
import { netContext, quantizedNet, smoothSamples } from '../../fixtures/passes/rounded-net.ts';
import type { Graph } from '../../ir/index.ts';
import { printGraph } from '../../ir/text/index.ts';
import { createPassRegistry, parsePipeline, runPipeline } from '../index.ts';
import type { Samples, WorkStore } from '../pass.ts';
import { withDigest } from '../sample-digest.ts';

interface CountingStore extends WorkStore {
  readonly entries: Map<string, Uint8Array>;
  /** Keys that gave something back. */
  readonly hits: string[];
}

function countingStore(entries = new Map<string, Uint8Array>()): CountingStore {
  const hits: string[] = [];
  return {
    entries,
    hits,
    load: (key) => {
      const found = entries.get(key);
      if (found !== undefined) hits.push(key);
      return Promise.resolve(found);
    },
    save: (key, bytes) => {
      entries.set(key, bytes);
      return Promise.resolve();
    },
  };
}

/** What a walk made, and how many layers it solved for itself. */
async function rounded(
  store: WorkStore | undefined,
  pipeline = 'round-gptq,correct-statistics{below=5}',
  samples: Samples = smoothSamples(6),
): Promise<{ text: string; solved: number; notes: string[] }> {
  const net = await quantizedNet('w4a4', netContext(smoothSamples(6)));
  const notes: string[] = [];
  const context = {
    ...netContext(samples),
    samples: withDigest(samples),
    ...(store === undefined ? {} : { store }),
    report: ({ message }: { readonly message: string }): void => void notes.push(message),
  };
  const graph: Graph = await runPipeline(net, parsePipeline(pipeline), createPassRegistry(), context);
  const solved = context.sentences.filter((sentence) => sentence.includes('rounding left')).length;
  return { text: printGraph(graph, { inlineLimit: Infinity }), solved, notes };
}

describe('kept revisions', () => {
  it('give the same program after any interruption, and spare the layers before it', async () => {
    const whole = await rounded(undefined);
    expect(whole).toMatchObject({ solved: 6, notes: [] });
    const store = countingStore();
    expect(await rounded(store)).toEqual(whole);
    const entries = [...store.entries];
    expect(entries).toHaveLength(12);
    for (const kept of [0, 2, 6, 9, 12]) {
      const again = countingStore(new Map(entries.slice(0, kept)));
      const { text, solved, notes } = await rounded(again);
      expect(text).toBe(whole.text);
      expect(solved).toBe(Math.max(0, 6 - kept));
      expect(again.hits).toHaveLength(kept);
      expect(notes).toHaveLength((kept > 0 ? 1 : 0) + (kept > 6 ? 1 : 0));
      expect([...again.entries.keys()]).toEqual(entries.map(([key]) => key));
    }
  });

  it('of a walk that ended need no sample', async () => {
    const store = countingStore();
    const { text } = await rounded(store);
    const { digest } = withDigest(smoothSamples(6));
    const known = await digest!();
    const unreadable: Samples = {
      ...smoothSamples(6),
      digest: () => Promise.resolve(known),
      read: () => {
        throw new Error('read');
      },
    };
    const net = await quantizedNet('w4a4', netContext(smoothSamples(6)));
    const context = { ...netContext(unreadable), store };
    const pipeline = parsePipeline('round-gptq,correct-statistics{below=5}');
    const graph = await runPipeline(net, pipeline, createPassRegistry(), context);
    expect(printGraph(graph, { inlineLimit: Infinity })).toBe(text);
  });

  it.each([
    ['other options', 'round-gptq{damping=0.5},correct-statistics{below=5}', smoothSamples(6)],
    ['other samples', undefined, smoothSamples(6, 50)],
    ['fewer samples', undefined, smoothSamples(5)],
  ])('are of no use to a walk with %s', async (_, pipeline, samples) => {
    const store = countingStore();
    await rounded(store);
    await rounded(store, pipeline, samples);
    expect(store.hits).toEqual([]);
    expect(store.entries.size).toBe(24);
  });

  it('that are no revisions of their layer are made again', async () => {
    const store = countingStore();
    const whole = await rounded(store);
    const [first, second] = [...store.entries.keys()];
    store.entries.set(second!, store.entries.get(second!)!.slice(1));
    expect(await rounded(store)).toMatchObject({ text: whole.text, solved: 5 });
    store.entries.set(first!, Uint8Array.of(255));
    expect(await rounded(store)).toMatchObject({ text: whole.text, solved: 6 });
  });
});
