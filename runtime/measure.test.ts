/** Tuning on a device: it chooses among kernels that make the same bits, and what it finds is of use for one program on one adapter. */
import { describe, expect, it } from '@jest/globals';
import { emitArtifact } from '../fixtures/wgsl/artifact.ts';
import { integerPrograms } from '../fixtures/programs/integer-programs.ts';
import { randomInputs } from '../fixtures/programs/random-inputs.ts';
import { withTestDevice } from '../fixtures/wgsl/test-device.ts';
import { allTiles } from '../backends/wgsl/index.ts';
import { interpret } from '../ir/index.ts';
import { applyTuning, profile, trace, tune, tuned, type Tuning } from './measure.ts';
import { load, type Model } from './model.ts';

const programs = ['residual with a projection', 'classifier of two'];

async function opened(name: string, gpu: { device: GPUDevice }, tiles = allTiles): Promise<Model> {
  const { files } = await emitArtifact(graphOf(name), { tiles });
  return load(Object.fromEntries(files), { device: gpu.device });
}

const graphOf = (name: string) => integerPrograms.find((program) => program.name === name)!.graph;

/** Compares every stored tensor with the interpreter's. */
async function expectSame(model: Model, name: string): Promise<void> {
  const graph = graphOf(name);
  const inputs = randomInputs(graph, 9);
  const given = inputs.map(({ data }) => data as Float32Array);
  const { outputs } = await trace(model, given);
  expect(outputs.map(({ data }) => [...data])).toEqual(interpret(graph, inputs).map(({ data }) => [...data]));
}

describe('tune', () => {
  it.each(programs)(
    '"%s" has the same bits by any of its kernels',
    async (name) => {
      await withTestDevice(async (gpu) => {
        const model = await opened(name, gpu);
        const { dispatches } = model.parts.program;
        const most = Math.max(...dispatches.map(({ choices }) => choices.length));
        expect(most).toBeGreaterThan(3);
        const { tuning } = await tune(model);
        for (let n = 0; n < most; n++) {
          const choices = dispatches.map((dispatch) => Math.min(n, dispatch.choices.length - 1));
          await applyTuning(model, { ...tuning, choices });
          await expectSame(model, name);
        }
        model.dispose();
      });
    },
    120_000,
  );

  it('goes on with the quickest, and says what each took', async () => {
    await withTestDevice(async (gpu) => {
      const [name] = programs as [string];
      const model = await opened(name, gpu);
      const heard: (readonly [number, number])[] = [];
      const { tuning, steps } = await tune(model, {
        onProgress: (timed, total) => heard.push([timed, total]),
      });
      expect(heard[0]![0]).toBe(0);
      expect(heard.at(-1)![0]).toBe(heard.at(-1)![1]);
      expect(model.parts.choices).toEqual(tuning.choices);
      for (const { milliseconds, choice, before } of steps) {
        if (milliseconds.length === 1) continue;
        expect(milliseconds.every((time) => time > 0)).toBe(true);
        // No other is much quicker; those that were first by little give way to what was there.
        expect(milliseconds[choice]!).toBeLessThanOrEqual(Math.min(...milliseconds) / 0.97);
        expect(choice === before || milliseconds[choice]! < milliseconds[before]!).toBe(true);
      }
      await expectSame(model, name);
      const size = graphOf(name).inputs[0]!.type.shape.reduce((product, extent) => product * extent, 1);
      const times = await profile(model, new Float32Array(size));
      expect(times.map(({ step }) => step)).toEqual(steps.map(({ step }) => step));
      model.dispose();
    });
  }, 120_000);

  it('changes nothing when it is ended', async () => {
    await withTestDevice(async (gpu) => {
      const model = await opened(programs[0]!, gpu);
      const before = model.parts.choices;
      await expect(tune(model, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
      expect(model.parts.choices).toBe(before);
      model.dispose();
    });
  });
});

describe('a tuning', () => {
  it('serves the same program on the same adapter, and no other', async () => {
    await withTestDevice(async (gpu) => {
      const model = await opened(programs[0]!, gpu);
      const found: Tuning = JSON.parse(JSON.stringify(await tuned(model))) as Tuning;
      const again = await opened(programs[0]!, gpu);
      await applyTuning(again, found);
      expect(again.parts.choices).toEqual(found.choices);
      await expectSame(again, programs[0]!);
      const other = await opened(programs[1]!, gpu);
      await expect(applyTuning(other, found)).rejects.toThrow('it is of another program');
      const refusals: readonly (readonly [Partial<Tuning>, string])[] = [
        [{ adapter: 'voodoo' }, 'it is of another adapter, voodoo'],
        [{ choices: found.choices.slice(1) }, 'it names kernels that are not there'],
        [{ choices: found.choices.map(() => 99) }, 'it names kernels that are not there'],
        [{ format: 'x' as 'qc-tuning/1' }, 'it is no tuning'],
      ];
      for (const [change, why] of refusals)
        await expect(applyTuning(again, { ...found, ...change })).rejects.toThrow(why);
      for (const each of [model, again, other]) each.dispose();
    });
  }, 120_000);
});
