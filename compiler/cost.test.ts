/** The golden numbers of the paper's library, and of the table that was computed with its models. */
import { describe, expect, it } from '@jest/globals';
import { type Depth, resnet } from '../fixtures/models/resnet.ts';
import type { Graph } from '../ir/index.ts';
import { costOf, unitWidth } from './cost.ts';
import type { BitsOptions } from './default-pipeline.ts';
import { annotatedLayers, cleanFloat } from './float-program.ts';
import { importModel } from './onnx/import.ts';

const programs = new Map<Depth, Graph>();

async function costAt(depth: Depth, bits: BitsOptions): Promise<ReturnType<typeof costOf>> {
  let graph = programs.get(depth);
  if (graph === undefined) {
    graph = await cleanFloat((await importModel(resnet({ net: depth, batch: 1, weights: 'zero' }))).graph);
    programs.clear();
    programs.set(depth, graph);
  }
  return costOf(await annotatedLayers(graph, bits));
}

const giga = (value: number, digits: number): number => Number((value / 1e9).toFixed(digits));
const megabytes = (bits: number): number => Number((bits / 8e6).toFixed(2));
const ratio = (value: number): number => Number(value.toFixed(4));

describe('AQT on ResNet-50', () => {
  it('to the last digit', async () => {
    const bfloat16 = await costAt(50, {});
    expect(bfloat16.macs).toBe(4_089_184_256);
    expect(bfloat16.weights).toBe(25_502_912);
    expect(bfloat16.compute_cost).toBe(1_046_831_169_536);
    expect(bfloat16.memory_cost).toBe(408_046_592);
    expect(bfloat16.compute_cost_ratio_to_bfloat16).toBe(1);
    expect((await costAt(50, { precision: 'w8a8' })).compute_cost).toBe(261_707_792_384);
    const fourBit = await costAt(50, { precision: 'w4a4' });
    expect(fourBit.compute_cost).toBe(65_426_948_096);
    expect(fourBit.memory_cost).toBe(102_011_648);
  });
});

describe('the table of ResNets', () => {
  const rows = [
    [
      18,
      1.8141,
      11.679,
      [29.03, 14.51, 7.26, 7.73],
      [464.4, 116.1, 29, 34.7],
      [23.36, 11.68, 5.84, 6.1],
      [0.2663, 0.0748, 0.2612],
    ],
    [
      34,
      3.6638,
      21.78,
      [58.62, 29.31, 14.66, 15.13],
      [937.9, 234.5, 58.6, 64.3],
      [43.56, 21.78, 10.89, 11.15],
      [0.2581, 0.0686, 0.256],
    ],
    [
      50,
      4.0892,
      25.503,
      [65.43, 32.71, 16.36, 16.84],
      [1046.8, 261.7, 65.4, 71.2],
      [51.01, 25.5, 12.75, 13.78],
      [0.2573, 0.068, 0.2702],
    ],
    [
      101,
      7.8014,
      44.443,
      [124.82, 62.41, 31.21, 31.69],
      [1997.2, 499.3, 124.8, 130.6],
      [88.89, 44.44, 22.22, 23.25],
      [0.2538, 0.0654, 0.2616],
    ],
    [
      152,
      11.5136,
      60.04,
      [184.22, 92.11, 46.05, 46.53],
      [2947.5, 736.9, 184.2, 190],
      [120.08, 60.04, 30.02, 31.05],
      [0.2526, 0.0645, 0.2586],
    ],
  ] as const;

  it.each(rows)('R%i', async (depth, macs, weights, linear, quadratic, memory, ratios) => {
    const costs = [];
    for (const bits of [{}, { precision: 'w8a8' }, { precision: 'w4a4' }, { bits: 4 }])
      costs.push(await costAt(depth, bits));
    const mostly = costs[3]!;
    expect(giga(mostly.macs, 4)).toBe(macs);
    expect(Number((mostly.weights / 1e6).toFixed(3))).toBe(weights);
    expect(costs.map((cost) => giga(cost.compute_cost_linear, 2))).toEqual(linear);
    expect(costs.map((cost) => giga(cost.compute_cost, 1))).toEqual(quadratic);
    expect(costs.map((cost) => megabytes(cost.memory_cost))).toEqual(memory);
    expect([
      ratio(mostly.compute_cost_linear_ratio_to_bfloat16),
      ratio(mostly.compute_cost_ratio_to_bfloat16),
      ratio(mostly.memory_cost_ratio_to_bfloat16),
    ]).toEqual(ratios);
  });
});

describe('the linear model', () => {
  it('rounds up to the widths that units have', () => {
    expect([1, 2, 3, 4, 5, 8, 9, 16].map(unitWidth)).toEqual([4, 4, 4, 4, 8, 8, 16, 16]);
  });

  it('charges the wider operand', () => {
    const layer = { macs: 10, weights: 3, weightBits: 4, activationBits: 8 };
    expect(costOf([layer])).toMatchObject({ compute_cost: 320, compute_cost_linear: 80, memory_cost: 12 });
  });

  it('of nothing has ratio 1', () => {
    expect(costOf([]).memory_cost_ratio_to_bfloat16).toBe(1);
  });
});
