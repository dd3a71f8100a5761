import { describe, expect, it } from '@jest/globals';
import { quietContext, relativeDifference, positiveWaves, waves } from '../fixtures/passes/float-check.ts';
import { f32, type Graph, GraphBuilder, tensor, verify } from '../ir/index.ts';
import { canonicalize } from './canonicalize.ts';

const sentences: string[] = [];

async function canonical(graph: Graph, tolerance = 1e-5): Promise<Graph> {
  sentences.length = 0;
  const context = quietContext(sentences);
  const result = await canonicalize.run(graph, {}, context);
  expect(verify(result, 'float')).toEqual([]);
  expect(relativeDifference(graph, result)).toBeLessThan(tolerance);
  expect(await canonicalize.run(result, {}, quietContext())).toBe(result);
  return result;
}

const opsOf = (graph: Graph): string[] => graph.nodes.map((node) => node.op);

/** Builds a graph from one input. */
async function canonicalOf(
  shape: readonly number[],
  build: (builder: GraphBuilder, x: string) => string,
): Promise<Graph> {
  const builder = new GraphBuilder('main');
  return canonical(builder.finish([build(builder, builder.input('x', f32(shape)))]));
}

const scalar = (builder: GraphBuilder, value: number): string =>
  builder.constant('c', tensor(f32([]), [value]));

describe('canonicalize', () => {
  it('turns a channels-last network with a residual block into channels first, one transpose at its input', async () => {
    const graph = await canonicalOf([1, 8, 8, 3], (b, x) => {
      const first = (v: string): string => b.add('transpose', [v], { perm: [0, 3, 1, 2] });
      const last = (v: string): string => b.add('transpose', [v], { perm: [0, 2, 3, 1] });
      const perChannel = (n: number, seed: number): string => b.constant('k', positiveWaves([n], seed));
      const scaled = b.add('div', [b.add('sub', [x, perChannel(3, 1)]), perChannel(3, 2)]);
      const padded = b.add('pad', [scaled], { pads: [0, 1, 1, 0, 0, 1, 1, 0] });
      const conv = last(
        b.add('conv2d', [first(padded), b.constant('w1', waves([4, 3, 3, 3], 1))], { strides: [2, 2] }),
      );
      const stem = b.add('relu', [b.add('add', [conv, perChannel(4, 3)])]);
      const pooled = last(
        b.add('max_pool2d', [first(b.add('pad', [stem], { pads: [0, 1, 1, 0, 0, 1, 1, 0] }))], {
          kernel: [3, 3],
          strides: [2, 2],
        }),
      );
      const branch = last(
        b.add('conv2d', [first(pooled), b.constant('w2', waves([4, 4, 3, 3], 2))], { pads: [1, 1, 1, 1] }),
      );
      const normed = b.add('add', [b.add('mul', [branch, perChannel(4, 4)]), perChannel(4, 5)]);
      const sum = b.add('relu', [b.add('add', [normed, pooled])]);
      const gate = b.add('sigmoid', [b.add('reduce_mean', [sum], { axes: [1, 2] })]);
      const gated = b.add('mul', [sum, gate]);
      const mean = b.add('reduce_mean', [gated], { axes: [1, 2], keepdims: false });
      return b.add(
        'dense',
        [mean, b.constant('w3', waves([5, 4], 3)), b.constant('b3', waves([5], 3))],
        {},
        { name: 'y' },
      );
    });
    expect(opsOf(graph)).toEqual([
      'transpose',
      'affine',
      'conv2d',
      'relu',
      'max_pool2d',
      'conv2d',
      'affine',
      'add',
      'relu',
      'average_pool2d',
      'sigmoid',
      'mul',
      'average_pool2d',
      'reshape',
      'dense',
    ]);
    expect(graph.outputs).toEqual(['y']);
    expect(graph.nodes.find((node) => node.op === 'max_pool2d')!.attributes['pads']).toEqual([1, 1, 1, 1]);
    // The border of the image is black after normalisation: the affine may not cross it, the pad may.
    expect(graph.nodes.find((node) => node.op === 'conv2d')!.attributes['pads']).toEqual([1, 1, 1, 1]);
  });

  it('scales a channels-last image by a number per channel, not per row', async () => {
    const graph = await canonicalOf([1, 4, 4, 3], (b, x) => {
      const scaled = b.add('div', [x, b.constant('half', tensor(f32([]), [127.5]))]);
      const centred = b.add('sub', [scaled, b.constant('one', tensor(f32([]), [1]))]);
      const first = b.add('transpose', [centred], { perm: [0, 3, 1, 2] });
      return b.add('conv2d', [first, b.constant('w', waves([2, 3, 3, 3], 1))], { pads: [1, 1, 1, 1] });
    });
    expect(opsOf(graph)).toEqual(['transpose', 'affine', 'conv2d']);
    expect(graph.constants.get(graph.nodes[1]!.operands[1]!)!.type.shape).toEqual([3]);
  });

  it('removes what does nothing, unless an output would lose its name', async () => {
    const builder = new GraphBuilder('main');
    const x = builder.input('x', f32([1, 2, 3, 3]));
    const a = builder.add('reshape', [x], { shape: [1, 2, 3, 3] });
    const b = builder.add('transpose', [a], { perm: [0, 1, 2, 3] });
    const c = builder.add('slice', [b], { starts: [0, 0, 0, 0], ends: [1, 2, 3, 3], steps: [1, 1, 1, 1] });
    const d = builder.add('pad', [c], { pads: [0, 0, 0, 0, 0, 0, 0, 0] });
    const e = builder.add('concat', [d], { axis: 1 });
    const f = builder.add('mul', [e, scalar(builder, 1)]);
    const g = builder.add('add', [scalar(builder, 0), f]);
    const h = builder.add('clip', [g], {});
    const i = builder.add('max_pool2d', [h], { kernel: [1, 1] });
    const r = builder.add('relu', [i]);
    const out = builder.add('clip', [r], {}, { name: 'out' });
    const same = builder.add('clip', [x], {}, { name: 'same' });
    const graph = await canonical(builder.finish([out, same]));
    expect(graph.nodes.map((node) => [node.op, node.result.name, node.operands])).toEqual([
      ['relu', 'out', ['x']],
      ['clip', 'same', ['x']],
    ]);
    expect(sentences.at(-1)).toBe(
      'canonicalize: no-op-clamp leaves clip %same: %same is a graph output and %x has a name of its own to keep',
    );
  });

  it('merges transposes, reshapes, pads, means and clamps', async () => {
    const graph = await canonicalOf([2, 3, 4, 5], (b, x) => {
      const t = b.add('transpose', [b.add('transpose', [x], { perm: [0, 2, 1, 3] })], { perm: [0, 1, 3, 2] });
      const p = b.add('pad', [b.add('pad', [t], { pads: [0, 0, 1, 0, 0, 0, 0, 2] })], {
        pads: [0, 0, 0, 3, 0, 0, 4, 0],
      });
      const r = b.add('reshape', [b.add('reshape', [p], { shape: [8, 10, 8] })], { shape: [8, 80] });
      return b.add('clip', [b.add('clip', [b.add('relu', [r])], { min: -1, max: 0.5 })], { max: 0.75 });
    });
    expect(opsOf(graph)).toEqual(['pad', 'transpose', 'reshape', 'clip']);
    expect(graph.nodes[0]!.attributes).toEqual({ pads: [0, 3, 0, 1, 0, 2, 0, 4], value: 0 });
    expect(graph.nodes[1]!.attributes).toEqual({ perm: [0, 2, 3, 1] });
    expect(graph.nodes[3]!.attributes).toEqual({ min: 0, max: 0.5 });
  });

  it('makes a clamp from 0 upwards a relu', async () => {
    const graph = await canonicalOf([1, 2], (b, x) =>
      b.add('clip', [b.add('clip', [x], { min: -3 })], { min: 0 }),
    );
    expect(opsOf(graph)).toEqual(['relu']);
  });

  it('writes constant arithmetic as affine where there is one value per channel, and leaves the rest', async () => {
    const graph = await canonicalOf([1, 3, 4, 4], (b, x) => {
      const left = b.add('sub', [b.constant('one', positiveWaves([3, 1, 1], 1)), x]);
      const scaled = b.add('div', [left, b.constant('two', positiveWaves([1, 3, 1, 1], 2))]);
      const half = b.add('mul', [scalar(b, 0.5), scaled]);
      const placed = b.add('add', [b.constant('places', waves([4, 4], 3)), half]);
      return b.add('div', [placed, b.constant('zero', tensor(f32([]), [0]))]);
    });
    expect(opsOf(graph)).toEqual(['affine', 'add', 'div']);
    expect(graph.nodes[1]!.operands[1]).toBe('places');
    expect(sentences.at(-1)).toContain('div-to-mul leaves div %4: the constant has a value whose inverse');
  });

  it('gives a dense layer the bias that was added to it', async () => {
    const graph = await canonicalOf([2, 3], (b, x) =>
      b.add('add', [
        b.constant('k', waves([4], 1)),
        b.add('dense', [x, b.constant('fc.weight', waves([4, 3], 2))]),
      ]),
    );
    expect(graph.nodes.map((node) => node.operands)).toEqual([['x', 'fc.weight', 'fc.bias']]);
  });

  it('keeps zero borders out of pools that would see them', async () => {
    const pads = [0, 0, 1, 1, 0, 0, 1, 1];
    const graph = await canonicalOf([1, 2, 4, 4], (b, x) => {
      const signed = b.add('max_pool2d', [b.add('pad', [x], { pads }, { name: 'p0' })], { kernel: [3, 3] });
      const mean = b.add('average_pool2d', [b.add('pad', [b.add('relu', [signed])], { pads })], {
        kernel: [3, 3],
      });
      const ones = b.add('pad', [mean], { pads, value: 1 }, { name: 'p1' });
      return b.add('conv2d', [ones, b.constant('w', waves([1, 2, 3, 3], 1))], {}, { name: 'y' });
    });
    expect(opsOf(graph)).toEqual(['pad', 'max_pool2d', 'relu', 'pad', 'average_pool2d', 'pad', 'conv2d']);
    expect(sentences.filter((sentence) => sentence.includes('leaves'))).toEqual([
      'canonicalize: pad-into-pool leaves max_pool2d %0: %x may be below 0, where the zeros of the border are the maximum',
      'canonicalize: pad-into-pool leaves average_pool2d %3: its mean counts the zeros of the border',
      'canonicalize: pad-into-conv2d leaves conv2d %y: %p1 pads with 1, not with 0',
    ]);
  });

  it('keeps a pool whose windows would lie wholly in the padding', async () => {
    const graph = await canonicalOf([1, 1, 2, 2], (b, x) => {
      const p = b.add('pad', [b.add('relu', [x])], { pads: [0, 0, 2, 0, 0, 0, 0, 0] });
      return b.add('max_pool2d', [p], { kernel: [2, 2] });
    });
    expect(opsOf(graph)).toEqual(['relu', 'pad', 'max_pool2d']);
    expect(sentences.at(-1)).toContain('lies wholly in the padding');
  });

  it('widens channels by a pad where a shortcut concatenates zeros', async () => {
    const graph = await canonicalOf([1, 2, 4, 4], (b, x) => {
      const every = b.add('average_pool2d', [x], { kernel: [1, 1], strides: [2, 2] });
      const nothing = b.add('mul', [every, scalar(b, 0)]);
      return b.add('concat', [every, nothing], { axis: 1 });
    });
    expect(opsOf(graph)).toEqual(['max_pool2d', 'pad']);
    expect(graph.nodes[1]!.attributes['pads']).toEqual([0, 0, 0, 0, 0, 2, 0, 0]);
  });

  it('flattens channels-last features without moving them', async () => {
    const graph = await canonicalOf([2, 3, 2, 4], (b, x) => {
      const last = b.add('transpose', [b.add('relu', [x])], { perm: [0, 2, 3, 1] });
      const flat = b.add('reshape', [last], { shape: [2, 24] });
      return b.add('dense', [flat, b.constant('w', waves([5, 24], 1))]);
    });
    expect(opsOf(graph)).toEqual(['relu', 'reshape', 'dense']);
  });

  it('finds the mean over space in its other spellings', async () => {
    const graph = await canonicalOf([2, 3, 4, 5], (b, x) => {
      const flat = b.add('reshape', [x], { shape: [2, 3, 20] });
      const one = b.add('reduce_mean', [flat], { axes: [2], keepdims: false });
      const rows = b.add('reduce_mean', [x], { axes: [2], keepdims: false });
      return b.add('add', [one, b.add('reduce_mean', [rows], { axes: [2], keepdims: false })]);
    });
    expect(opsOf(graph)).toEqual(['average_pool2d', 'reshape', 'average_pool2d', 'reshape', 'add']);
  });

  it('evaluates what no input reaches', async () => {
    const graph = await canonicalOf([2, 3], (b, x) => {
      const w = b.add('transpose', [b.constant('w', waves([3, 4], 1))], { perm: [1, 0] });
      return b.add('dense', [x, w]);
    });
    expect(opsOf(graph)).toEqual(['dense']);
  });
});
