/** Sums of 16 bits against the worst inputs there are: safe for as long as is said, and not said for longer than is safe. */
import { describe, expect, it } from '@jest/globals';
import { ProgramWriter } from '../../../fixtures/programs/program-writer.ts';
import { type Graph, type Tensor, typesOf } from '../../../ir/index.ts';
import { transformFilters, transformInput, numbers, winogradOffset } from '../../plan/index.ts';
import { type Layer, layerOf } from '../layer.ts';
import { runsOf } from './panels.ts';
import { type Folding, foldingOf } from './short-sums.ts';
import { winogradFolding } from './winograd-plan.ts';

/** The layer of a program's only convolution, with these weights. */
function layerWith(
  shape: readonly [outputs: number, inputs: number, kernel: number],
  storage: 'u4' | 'u8',
  weightAt: (index: number) => number,
): Layer {
  const [outputs, inputs, kernel] = shape;
  const w = new ProgramWriter('sums', 1);
  const x = w.input([1, inputs, kernel, kernel], storage);
  const sums = w.convolution(x, outputs, { weights: 'i4', kernel: [kernel, kernel] });
  const graph: Graph = w.finish(w.requantize(sums, 'u8'));
  const types = typesOf(graph);
  const node = graph.nodes.find(({ op }) => op === 'conv2d')!;
  const layer = layerOf(
    {
      typeOf: (name) => types.get(name)!,
      operandConstant: ({ operands }, index) => graph.constants.get(operands[index]!),
    },
    node,
  );
  const weight: Tensor = { ...layer.weight, data: Int8Array.from(layer.weight.data, (_, i) => weightAt(i)) };
  return { ...layer, weight };
}

/** The largest sum of a lane, of inputs that are all or nothing, when it is folded every `inputs` of `channels` inputs. */
const reach = (weights: readonly number[], highest: number, inputs: number): number => {
  let most = 0;
  for (let from = 0; from < weights.length; from += inputs) {
    for (const lane of [0, 2]) {
      const own = weights.slice(from, from + inputs).filter((_, i) => (i & 2) === lane);
      const positive = own.filter((w) => w > 0).reduce((sum, w) => sum + w, 0);
      const negative = own.filter((w) => w < 0).reduce((sum, w) => sum + w, 0);
      most = Math.max(most, highest * positive, -highest * negative - 1);
    }
  }
  return most;
};

const inputsOf = (folding: Folding | undefined, all: number): number =>
  folding === 'end' ? all : (folding ?? 0);

describe('products of inputs and 4-bit weights', () => {
  it.each([
    ['u4', 7, 544, 'end'],
    ['u4', 7, 1248, 624],
    ['u4', -8, 544, 'end'],
    ['u4', -8, 548, 276],
    ['u8', 7, 36, 'end'],
    ['u8', 7, 40, 20],
    ['u8', -8, 32, 'end'],
    ['u8', -8, 36, 20],
  ] as const)('%s inputs and weights of %i over %i inputs', (storage, weight, inputs, folding) => {
    const layer = layerWith([16, inputs, 1], storage, () => weight);
    expect(foldingOf(layer, runsOf(layer))).toBe(folding);
  });

  it('goes by the weights there are: each fold is safe, a rarer one would not be', () => {
    for (const bound of [1, 2, 4, 7]) {
      const layer = layerWith([16, 512, 1], 'u8', (i) => ((i * 7919 + (i >> 3)) % (2 * bound + 1)) - bound);
      const inputs = inputsOf(foldingOf(layer, runsOf(layer)), 512);
      const rows = Array.from({ length: 16 }, (_, o) =>
        Array.from(layer.weight.data.subarray(512 * o, 512 * o + 512)),
      );
      const most = (own: number): number => Math.max(...rows.map((row) => reach(row, 255, own)));
      expect(most(inputs)).toBeLessThan(2 ** 15);
      const parts = Math.ceil(512 / inputs);
      if (parts > 1) expect(most(Math.ceil(512 / (parts - 1) / 4) * 4)).toBeGreaterThanOrEqual(2 ** 15);
    }
  });

  it('takes the taps of a row for one run, and all rows for one sum', () => {
    const layer = layerWith([16, 64, 3], 'u4', (i) => (i % 9 < 6 ? 7 : 0));
    // Two rows of taps: 2 * 3 * 64 / 2 weights of 7 in a lane.
    expect(15 * 7 * 192).toBeLessThan(2 ** 15);
    expect(foldingOf(layer, runsOf(layer))).toBe('end');
    const more = layerWith([16, 128, 3], 'u4', () => 7);
    expect(foldingOf(more, runsOf(more))).toBe(384);
  });
});

describe('transformed products', () => {
  it('are safe for the worst patches', () => {
    for (const [channels, weight] of [
      [16, 8],
      [64, 7],
      [256, 2],
    ] as const) {
      const layer = layerWith([16, channels, 3], 'u4', (i) =>
        (i * 31) % 3 === 0 ? weight : -weight + ((i >> 4) & 1),
      );
      const own = inputsOf(winogradFolding(layer), channels);
      const filters = transformFilters(layer.weight.data);
      // Inputs that drive each position to its ends.
      const patches = Array.from({ length: 400 }, (_, seed) =>
        transformInput(
          Array.from({ length: 4 }, (_, v) =>
            Array.from({ length: 4 }, (_, u) => (((seed * 2654435761) >>> (4 * v + u)) & 1) * 15),
          ),
          numbers,
        ).flat(),
      );
      for (let position = 0; position < 16; position++) {
        const seen = patches.map((patch) => patch[position]! + winogradOffset);
        const [low, high] = [Math.min(...seen), Math.max(...seen)];
        for (let output = 0; output < 16; output++) {
          for (let from = 0; from < channels; from += own) {
            for (const lane of [0, 2]) {
              let [least, most] = [0, 0];
              for (let c = from; c < Math.min(channels, from + own); c++) {
                if ((c & 2) !== lane) continue;
                const w = filters[16 * (output * channels + c) + position]!;
                least += Math.min(w * low, w * high);
                most += Math.max(w * low, w * high);
              }
              expect(least).toBeGreaterThanOrEqual(-(2 ** 15));
              expect(most).toBeLessThan(2 ** 15);
            }
          }
        }
      }
    }
  });
});
