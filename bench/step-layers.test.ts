import { expect, it } from '@jest/globals';
import { cleanFloat } from '../compiler/float-program.ts';
import { layerBitsOf } from '../compiler/layer-bits.ts';
import { importModel } from '../compiler/onnx/import.ts';
import { resnet } from '../fixtures/models/resnet.ts';
import { bestRow, type RateRow } from './peak.ts';
import { stepLayers } from './step-layers.ts';

const small = { net: { block: 'basic', blocks: [1, 1] }, width: 0.125, image: 16, batch: 1 } as const;

it('every layer belongs to the one step that stores what it made', async () => {
  const program = await cleanFloat((await importModel(resnet({ ...small, weights: 'zero' }))).graph);
  const layers = layerBitsOf(program);
  const shortcut = layers.find(({ name }) => name.includes('downsample'))!;
  // As a backend fuses: what a ReLU makes is stored, and a shortcut that has none.
  const stored = program.nodes
    .filter(({ op, result }) => op === 'relu' || op.includes('pool') || result.name === shortcut.value)
    .map(({ result }) => result.name)
    .concat(program.outputs);
  const steps = stepLayers(
    stored.map((name) => ({ name, milliseconds: 1 })),
    new Set(stored),
    program,
  );
  expect(steps.flatMap((step) => step.layers.map(({ name }) => name)).sort()).toEqual(
    layers.map(({ name }) => name).sort(),
  );
  expect(steps.every((step) => step.layers.length <= 1)).toBe(true);
  expect(steps.find(({ name }) => name === shortcut.value)!.macs).toBe(shortcut.macs);
  expect(steps.reduce((sum, { macs }) => sum + macs, 0)).toBe(
    layers.reduce((sum, { macs }) => sum + macs, 0),
  );
});

it('two layers that end in one stored tensor share its step', async () => {
  const program = await cleanFloat((await importModel(resnet({ ...small, weights: 'zero' }))).graph);
  const [output] = program.outputs;
  const steps = stepLayers([{ name: output!, milliseconds: 1 }], new Set(program.outputs), program);
  expect(steps[0]!.layers).toHaveLength(layerBitsOf(program).length);
});

it('the peak is that of the quickest instruction that may be used on the operands', () => {
  const row = (isa: string, operands: string, gmacs: number): RateRow => ({
    isa,
    operands,
    instructions: '',
    gmacs,
    macs_per_cycle: gmacs,
  });
  const rows = [
    row('avx512vnni', 'u8 s8', 500),
    row('avxvnni', 'u8 s8', 260),
    row('avx2', 'u8 s8', 120),
    row('avx2', 'u8 s4', 240),
    row('avx512f', 'f32', 900),
  ];
  expect(bestRow({ rows }, 8, 'auto')?.gmacs).toBe(500);
  expect(bestRow({ rows }, 8, 'avx2')?.gmacs).toBe(120);
  expect(bestRow({ rows }, 4, 'avx2')?.gmacs).toBe(240);
  expect(bestRow({ rows }, 4, 'avx512vnni')?.gmacs).toBe(500);
  expect(bestRow({ rows }, 8, 'scalar')).toBeUndefined();
});
