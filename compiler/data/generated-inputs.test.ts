import { describe, expect, it } from '@jest/globals';
import type { Batch, Dataset } from './batches.ts';
import { generatedInputs } from './generated-inputs.ts';
import { inputBounds, presetPreprocess } from './preprocess.ts';
import { createRandom } from './random.ts';
import { sampleIndices } from './sampling.ts';

async function all(dataset: Dataset): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of dataset) batches.push(batch);
  return batches;
}

describe('the random stream', () => {
  it('is the same on every machine', () => {
    const random = createRandom(0);
    expect([random.uint32(), random.uint32(), random.uint32()]).toEqual([1789933344, 44971166, 2521387044]);
  });

  it('differs for every bit of the seed', () => {
    const firsts = [0, 1, -1, 2 ** 31, 2 ** 32, 2 ** 52].map((seed) => createRandom(seed).uint32());
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  it('covers its range evenly', () => {
    const random = createRandom(5);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 7000; i++) counts[random.below(7)]!++;
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
    const normals = Array.from({ length: 10_000 }, random.normal);
    const mean = normals.reduce((sum, x) => sum + x) / normals.length;
    const variance = normals.reduce((sum, x) => sum + x * x, 0) / normals.length;
    expect(Math.abs(mean)).toBeLessThan(0.05);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  });

  it('takes safe integers only', () => expect(() => createRandom(0.5)).toThrow('a seed is a safe integer'));
});

describe('sampling', () => {
  it('takes the first, or a uniform subset in ascending order', () => {
    expect(Array.from(sampleIndices(10, 3, 'first', 9))).toEqual([0, 1, 2]);
    expect(Array.from(sampleIndices(3, 10, 'uniform', 9))).toEqual([0, 1, 2]);
    const chosen = sampleIndices(1000, 100, 'uniform', 9);
    expect(chosen).toEqual(sampleIndices(1000, 100, 'uniform', 9));
    expect(chosen).not.toEqual(sampleIndices(1000, 100, 'uniform', 10));
    expect(new Set(chosen).size).toBe(100);
    expect(chosen).toEqual(chosen.slice().sort());
    expect(chosen.at(-1)).toBeGreaterThan(900);
  });

  it('is uniform: over many seeds each candidate is taken equally often', () => {
    const counts = new Array<number>(10).fill(0);
    for (let seed = 0; seed < 3000; seed++)
      for (const i of sampleIndices(10, 3, 'uniform', seed)) counts[i]!++;
    for (const count of counts) expect(Math.abs(count - 900)).toBeLessThan(110);
  });
});

describe('generated inputs', () => {
  const shape = [1, 3, 32, 48];
  const preprocess = presetPreprocess('imagenet', { height: 32, width: 48 });

  it('depend on the seed and the index alone, not on batches', async () => {
    const one = await all(generatedInputs(preprocess, shape, 3, { seed: 4 }));
    const [both, last] = await all(generatedInputs(preprocess, shape, 3, { seed: 4, batch: 2 }));
    expect(both?.shape).toEqual([2, 3, 32, 48]);
    expect(last?.shape).toEqual([1, 3, 32, 48]);
    expect(both?.input.subarray(0, 3 * 32 * 48)).toEqual(one[0]?.input);
    expect(last?.input).toEqual(one[2]?.input);
    expect(one[0]?.input).not.toEqual(one[1]?.input);
    expect(one.map(({ names }) => names[0])).toEqual(['generated[0]', 'generated[1]', 'generated[2]']);
    const [other] = await all(generatedInputs(preprocess, shape, 1, { seed: 5 }));
    expect(other?.input).not.toEqual(one[0]?.input);
  });

  it('stay within what bytes can become, and are smooth as photographs are', async () => {
    const { min, max } = inputBounds(preprocess);
    let [sum, squares, steps, count] = [0, 0, 0, 0];
    for (const { input } of await all(generatedInputs(preprocess, shape, 20))) {
      expect(input.every((value) => value >= min && value <= max)).toBe(true);
      for (let i = 0; i < input.length; i++) {
        sum += input[i]!;
        squares += input[i]! ** 2;
        if (i % 48 !== 0) steps += (input[i]! - input[i - 1]!) ** 2;
        count++;
      }
    }
    const variance = squares / count - (sum / count) ** 2;
    // White noise would have neighbours differ by twice the variance.
    expect(variance).toBeGreaterThan(0.6);
    expect(steps / count).toBeLessThan(0.5 * variance);
  });

  it('lie in NHWC for a model that reads NHWC, and are normal values for one that reads no images', async () => {
    const [image] = await all(
      generatedInputs(presetPreprocess('raw', { height: 8, width: 9 }), [1, 8, 9, 3], 1),
    );
    expect(image?.input.every(Number.isInteger)).toBe(true);
    const sound = generatedInputs(presetPreprocess('raw', { height: 8, width: 8 }), [1, 49, 10], 1);
    expect((await all(sound))[0]?.shape).toEqual([1, 49, 10]);
    expect(sound.description).toBe('1 generated inputs (seed 0)');
  });
});
