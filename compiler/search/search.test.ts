/**
 * The search on a small network: what it measures is what the compiler's own pipeline makes, and stopping it anywhere changes nothing but the
 * time it takes.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { resnet } from '../../fixtures/models/resnet.ts';
import { type Graph, verify } from '../../ir/index.ts';
import { createContext, createPassRegistry, runPipeline, type Samples } from '../../passes/index.ts';
import { layersOf } from '../../passes/layers.ts';
import { formatPrecision, parsePrecision } from '../../passes/selector/index.ts';
import { presetPreprocess } from '../data/preprocess.ts';
import { defaultPipeline } from '../default-pipeline.ts';
import { quickExecutor } from '../executor/quick.ts';
import { importModel } from '../onnx/import.ts';
import { generatedSamples } from '../samples.ts';
import { costTable, type PaperModel } from './costs.ts';
import { divergenceOf } from './divergence.ts';
import type { Front } from './front.ts';
import { tiedLayers } from './groups.ts';
import { holdOut } from './held-out.ts';
import { type Journal, memoryJournal } from './journal.ts';
import { logitsOn, measureAlone } from './measure.ts';
import { roundVariants } from './rounding.ts';
import { floatModel, roundingPipeline, search, type SearchOptions } from './search.ts';
import { assemble, uniform, type VariantProgram } from './variants.ts';

const executor = quickExecutor(() => undefined);
const choices = ['w8a8', 'w4a8', 'w4a4', 'w2a4'].map(parsePrecision);
const context = () => createContext({ executor, samples });
let given: Graph;
let float: Graph;
let samples: Samples;

beforeAll(async () => {
  const model = resnet({
    net: { block: 'basic', blocks: [1, 1] },
    width: 0.125,
    image: 16,
    classes: 5,
    stem: 'cifar',
  });
  given = (await importModel(model)).graph;
  float = await floatModel(given);
  samples = generatedSamples(given, presetPreprocess('imagenet-norm', { height: 16, width: 16 }), 3, 12);
});

function options(more: Partial<SearchOptions> = {}, model: PaperModel = 'compute_cost'): SearchOptions {
  return {
    name: 'net',
    samples,
    measured: 4,
    choices,
    costs: (layers, all) => costTable(model, layers, all),
    round: 'nearest',
    points: 6,
    executor,
    journal: async () => memoryJournal(),
    report: () => undefined,
    progress: () => undefined,
    ...more,
  };
}

/** A journal that fails, or stops the search, after so many measurements; what it kept can be opened again. */
function stoppingJournal(kept: Journal, after: number, stop: () => void): Journal {
  let count = 0;
  return {
    ...kept,
    keep: async (key, divergence) => {
      await kept.keep(key, divergence);
      if (++count === after) stop();
    },
  };
}

describe('variants', () => {
  let program: VariantProgram;
  beforeAll(async () => {
    program = await roundVariants(float, choices, 0, roundingPipeline('nearest'), context());
  });

  it('hold the base as the pipeline makes it', async () => {
    const measuring = { executor, samples, tick: () => undefined };
    const reference = await logitsOn(float, measuring);
    const own = divergenceOf(reference, await logitsOn(assemble(program, uniform(program, 0)), measuring));
    const compiled = await runPipeline(
      given,
      // Statistics are corrected at the base too, because narrower variants stand beside it.
      [
        ...defaultPipeline('float', 'quantized', { precision: 'w8a8' }).map((step) =>
          step.kind === 'pass' && step.name === 'correct-statistics'
            ? { ...step, options: { below: 9 } }
            : step,
        ),
      ],
      createPassRegistry(),
      context(),
    );
    expect(own).toEqual(divergenceOf(reference, await logitsOn(compiled, measuring)));
  });

  it('are a program, and no variant knows of those of other widths', async () => {
    expect(verify(program.graph, 'quantized')).toEqual([]);
    const pipeline = roundingPipeline('gptq');
    const all = await roundVariants(float, choices, 0, pipeline, context());
    const few = await roundVariants(float, choices.slice(0, 3), 0, pipeline, context());
    expect(verify(all.graph, 'quantized')).toEqual([]);
    const measuring = { executor, samples, tick: () => undefined };
    for (const choice of [0, 2]) {
      const logits = await Promise.all(
        [all, few].map(async (of) => logitsOn(assemble(of, uniform(of, choice)), measuring)),
      );
      expect(logits[0]!.map(({ data }) => [...data])).toEqual(logits[1]!.map(({ data }) => [...data]));
    }
  });

  it.each(['nearest', 'gptq'] as const)('lose what compiling loses, about: %s', async (round) => {
    const all = await roundVariants(float, choices, 0, roundingPipeline(round), context());
    const measuring = { executor, samples, tick: () => undefined };
    const reference = await logitsOn(float, measuring);
    for (const choice of [1, 2]) {
      const precision = formatPrecision(choices[choice]!);
      const pipeline = defaultPipeline('float', 'quantized', { round, precision });
      const compiled = await runPipeline(given, pipeline, createPassRegistry(), context());
      const theirs = divergenceOf(reference, await logitsOn(compiled, measuring));
      const ours = divergenceOf(reference, await logitsOn(assemble(all, uniform(all, choice)), measuring));
      // Variants are rounded behind the base, a compiled program behind itself.
      expect(ours.kl).toBeLessThan(5 * theirs.kl);
      expect(ours.kl).toBeGreaterThan(theirs.kl / 5);
    }
  });

  it('change a program in the layers named and nowhere else', () => {
    const bits = (graph: Graph): string[] =>
      layersOf(graph).map(({ node }) => {
        const weights = graph.nodes.find(({ result }) => result.name === node.operands[1])!.operands[0]!;
        return graph.constants.get(weights)!.type.element.storage;
      });
    const assignment = program.layers.map((_, i) => (i === 2 ? 3 : i === 4 ? 2 : 0));
    expect(bits(assemble(program, assignment))).toEqual(['i8', 'i8', 'i2', 'i8', 'i4', 'i8', 'i8']);
  });

  it('measured alone, from the middle, are what the whole program with them is', async () => {
    const measuring = { executor, samples, tick: () => undefined };
    const reference = await logitsOn(float, measuring);
    const groups = tiedLayers(program.layers);
    const found = new Map<string, unknown>();
    await measureAlone(program, groups, reference, measuring, {
      wanted: () => true,
      found: (group, choice, divergence) => void found.set(`${group}/${choice}`, divergence),
    });
    expect(found.size).toBe(3 * groups.length);
    for (const [group, choice] of [
      [0, 2],
      [2, 3],
      [groups.length - 1, 1],
    ] as const) {
      const assignment = program.layers.map((_, layer) => (groups[group]!.includes(layer) ? choice : 0));
      const whole = divergenceOf(reference, await logitsOn(assemble(program, assignment), measuring));
      expect(found.get(`${group}/${choice}`)).toEqual(whole);
    }
  });

  it('tie a projection to the convolution beside it', () => {
    const groups = tiedLayers(program.layers);
    expect(groups.filter((group) => group.length > 1)).toHaveLength(1);
    expect(groups.flat().sort((a, b) => a - b)).toEqual(program.layers.map((_, i) => i));
  });
});

describe('samples held out', () => {
  it('are as many as asked for, apart from the others, and the same every time', async () => {
    const seen = async (of: Samples): Promise<string[]> => {
      const all: string[] = [];
      for await (const [input] of of.read()) all.push(String(input!.data[0]));
      return all;
    };
    const split = await holdOut(samples, 4, () => undefined);
    const [rounding, measured] = [await seen(split.rounding), await seen(split.measured)];
    expect([rounding.length, measured.length]).toEqual([split.rounding.count, split.measured.count]);
    expect(measured).toHaveLength(4);
    expect([...rounding, ...measured].sort()).toEqual((await seen(samples)).sort());
    expect((await holdOut(samples, 4, () => undefined)).digest).toBe(split.digest);
  });

  it('are never more than half', async () => {
    const split = await holdOut(samples, 100, () => undefined);
    expect([split.rounding.count, split.measured.count]).toEqual([6, 6]);
  });
});

describe('search', () => {
  let front: Front;
  beforeAll(async () => {
    const result = await search(given, options());
    expect(result.complete).toBe(true);
    front = result.front!;
  });

  it('gives a front: dearer is better, every point measured, nothing dominated by a baseline', () => {
    expect(front.points.length).toBeGreaterThanOrEqual(3);
    expect(front).toMatchObject({ complete: true, knapsack_gap: 0 });
    for (const [i, point] of front.points.entries()) {
      expect(point).toMatchObject({ loss_is: 'measured', loss: point.measured_loss });
      if (i === 0) continue;
      expect(point.cost).toBeGreaterThan(front.points[i - 1]!.cost);
      expect(point.loss).toBeLessThan(front.points[i - 1]!.loss);
    }
    for (const baseline of front.baselines) {
      const beats = front.points.some(
        ({ cost, loss }) =>
          cost >= baseline.cost && loss >= baseline.loss && cost + loss > baseline.cost + baseline.loss,
      );
      expect(beats).toBe(false);
    }
    expect(front.baselines.map(({ id }) => id)).toEqual(['all-8', 'mostly-4', 'all-4']);
  });

  it('gives tied layers the same bits', () => {
    const [tied] = tiedLayers(layersOf(float)).filter((group) => group.length > 1);
    for (const { layers } of front.points) {
      const [a, b] = tied!.map((layer) => [layers[layer]!.weight_bits, layers[layer]!.activation_bits]);
      expect(a).toEqual(b);
    }
  });

  it.each([1, 9, 20])('stopped after %d measurements and taken up again is the same', async (after) => {
    const kept = memoryJournal();
    const controller = new AbortController();
    const stopped = await search(
      given,
      options({
        signal: controller.signal,
        journal: async () =>
          stoppingJournal(kept, after, () => {
            controller.abort();
          }),
      }),
    );
    expect(stopped.complete).toBe(false);
    expect(stopped.front).toMatchObject({ complete: false, format: front.format });
    for (const point of stopped.front!.points) expect(Number.isFinite(point.loss)).toBe(true);
    const resumed = await search(given, options({ journal: async () => kept }));
    expect(JSON.stringify(resumed.front)).toBe(JSON.stringify(front));
  });

  it('stopped before anything is known has no front', async () => {
    const controller = new AbortController();
    controller.abort();
    expect(await search(given, options({ signal: controller.signal }))).toEqual({
      front: undefined,
      complete: false,
    });
  });

  it('takes up what another cost model measured, and is as if it had not', async () => {
    const kept = memoryJournal();
    await search(given, options({ journal: async () => kept }));
    let measured = 0;
    const counting: Journal = {
      ...kept,
      keep: async (key, divergence) => {
        measured += 1;
        await kept.keep(key, divergence);
      },
    };
    const shared = await search(given, options({ journal: async () => counting }, 'compute_cost_linear'));
    const alone = await search(given, options({}, 'compute_cost_linear'));
    expect(JSON.stringify(shared.front)).toBe(JSON.stringify(alone.front));
    expect(measured).toBeLessThanOrEqual(2 * 6);
    // w4a8 costs what w8a8 does: nobody asks for it.
    expect(shared.front!.sensitivities.map(({ precision }) => precision)).not.toContain('w4a8');
  });

  it('is another search, with a journal of its own, for other data and other choices', async () => {
    const keys: string[] = [];
    const journal = async (key: string): Promise<Journal> => {
      keys.push(key);
      return memoryJournal();
    };
    const controller = new AbortController();
    controller.abort();
    const other = generatedSamples(
      given,
      presetPreprocess('imagenet-norm', { height: 16, width: 16 }),
      4,
      12,
    );
    for (const more of [
      {},
      { samples: other },
      { choices: choices.slice(0, 2) },
      { round: 'gptq' as const },
    ]) {
      // Stopped as soon as the journal is opened.
      const stop = new AbortController();
      await search(
        given,
        options({
          ...more,
          signal: stop.signal,
          journal: async (key) => {
            stop.abort();
            return journal(key);
          },
        }),
      );
    }
    expect(new Set(keys).size).toBe(4);
  });

  it('names every choice of every layer', () => {
    for (const { layers } of front.points) {
      expect(layers.map(({ name }) => name)).toEqual(layersOf(float).map(({ name }) => name));
      for (const layer of layers) {
        expect(choices.map(formatPrecision)).toContain(`w${layer.weight_bits}a${layer.activation_bits}`);
      }
    }
  });
});
