import { beforeAll, describe, expect, it } from '@jest/globals';
import { costOf } from '../compiler/cost.ts';
import { annotatedLayers } from '../compiler/float-program.ts';
import { importModel } from '../compiler/onnx/import.ts';
import type { Graph } from '../ir/index.ts';
import { resnet } from '../fixtures/models/resnet.ts';
import { type FusedLayer, fusedLayersOf } from './fused-layers.ts';
import { type Network, networkOf } from './network.ts';
import { layerLines } from './peers/onednn.ts';

describe.each([
  ['basic', 18, 20 + 1],
  ['bottleneck', 50, 53 + 1],
] as const)('the layers of a network of %s blocks', (_, net, count) => {
  let graph: Graph;
  let network: Network;
  let layers: FusedLayer[];
  beforeAll(async () => {
    ({ graph } = await importModel(resnet({ net, width: 0.125, image: 64, weights: 'zero', batch: 1 })));
    network = await networkOf(graph);
    layers = fusedLayersOf(network);
  });

  it('are all of them, with the multiplications that the cost models count', async () => {
    expect(layers).toHaveLength(count);
    const { macs } = costOf(await annotatedLayers(graph, {}));
    expect(layers.reduce((sum, layer) => sum + layer.macs, 0)).toBe(macs);
  });

  it('take every addition and every ReLU of the network into an epilogue', () => {
    const made = (op: string): number => network.nodes.filter((node) => node.op === op).length;
    expect(layers.filter(({ addend }) => addend !== undefined)).toHaveLength(made('add'));
    expect(layers.filter(({ relu }) => relu)).toHaveLength(made('relu'));
  });

  it('read and add only what was made before them', () => {
    const made = new Set([network.input.name]);
    const others = new Set(
      network.nodes.filter(({ op }) => /pool|mean|reshape/.test(op)).map(({ name }) => name),
    );
    for (const { input, addend, output } of layers) {
      for (const name of addend === undefined ? [input] : [input, addend]) {
        expect(made.has(name) || others.has(name)).toBe(true);
      }
      made.add(output);
    }
  });

  it('add into the buffer of the shortcut', () => {
    const lines = layerLines(layers, network.input).trim().split('\n');
    const convolutions = lines
      .filter((line) => line.startsWith('conv '))
      .map((line) => line.split(' ').map(Number));
    expect(lines.filter((line) => line.startsWith('dense '))).toHaveLength(1);
    expect(convolutions).toHaveLength(count - 1);
    const written = new Set<number>();
    for (const [, source, destination, adds] of convolutions) {
      expect(source).not.toBe(destination);
      // Only a shortcut is written twice, once by each of the two that meet in it.
      if (adds === 1) written.add(destination!);
      else expect(written.has(destination!)).toBe(false);
      if (adds === 0) written.add(destination!);
    }
  });
});

it('a convolution whose result has a second reader keeps its epilogue plain', () => {
  const shape = [1, 4, 8, 8];
  const conv = (name: string, input: string): Network['nodes'][number] => ({
    name,
    op: 'conv2d',
    inputs: [input],
    constants: [[4, 4, 1, 1], [4]],
    shape,
    attributes: { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], groups: 1 },
  });
  const layers = fusedLayersOf({
    input: { name: 'x', shape },
    output: 'sum',
    nodes: [
      conv('a', 'x'),
      conv('b', 'a'),
      { name: 'sum', op: 'add', inputs: ['a', 'b'], constants: [], shape, attributes: {} },
    ],
  });
  expect(layers.map(({ name, output, addend, macs }) => [name, output, addend, macs])).toEqual([
    ['a', 'a', undefined, 1024],
    ['b', 'sum', 'a', 1024],
  ]);
});
