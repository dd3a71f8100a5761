import { describe, expect, it } from '@jest/globals';
import { positiveWaves, quietContext, relativeDifference, waves } from '../fixtures/passes/float-check.ts';
import { f32, type Graph, GraphBuilder, verify } from '../ir/index.ts';
import { foldBatchnorm } from './fold-batchnorm.ts';
import { onnxNodeOf } from './location.ts';

const sentences: string[] = [];
const context = quietContext(sentences);

async function fold(graph: Graph): Promise<Graph> {
  sentences.length = 0;
  const folded = await foldBatchnorm.run(graph, {}, context);
  expect(verify(folded, 'float')).toEqual([]);
  return folded;
}

function batchNorm(builder: GraphBuilder, x: string, name: string, channels: number): string {
  const parameters = ['scale', 'bias', 'mean', 'variance'].map((part, i) =>
    builder.constant(`${name}.${part}`, (part === 'variance' ? positiveWaves : waves)([channels], i)),
  );
  return builder.add('batch_norm', [x, ...parameters], {}, { name, location: { kind: 'onnx', node: name } });
}

describe('fold-batchnorm', () => {
  it('folds into grouped convolutions and dense layers, under the name of the batch norm', async () => {
    const builder = new GraphBuilder('main');
    const x = builder.input('x', f32([1, 4, 5, 5]));
    const w = builder.constant('conv.weight', waves([6, 2, 3, 3], 1));
    const conv = builder.add(
      'conv2d',
      [x, w],
      { groups: 2, pads: [1, 1, 1, 1] },
      {
        name: 'conv',
        location: { kind: 'onnx', node: 'Conv_0' },
      },
    );
    const normed = batchNorm(builder, conv, 'bn', 6);
    const flat = builder.add('reshape', [normed], { shape: [1, 150] });
    const dense = builder.add('dense', [
      flat,
      builder.constant('fc.weight', waves([3, 150], 2)),
      builder.constant('fc.bias', waves([3], 3)),
    ]);
    const graph = builder.finish([batchNorm(builder, dense, 'logits', 3)]);
    const folded = await fold(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual(['conv2d', 'reshape', 'dense']);
    expect(folded.nodes[0]!.result.name).toBe('bn');
    expect([...folded.constants.keys()].sort()).toEqual(['conv.bias', 'conv.weight', 'fc.bias', 'fc.weight']);
    expect(folded.outputs).toEqual(['logits']);
    expect(onnxNodeOf(folded.nodes[0]!.location)).toBe('Conv_0');
    expect(relativeDifference(graph, folded)).toBeLessThan(1e-5);
  });

  it('keeps a batch norm before an activation as affine, and folds one before an unpadded layer', async () => {
    const builder = new GraphBuilder('main');
    const x = builder.input('x', f32([2, 4, 5, 5]));
    const open = builder.add('relu', [batchNorm(builder, x, 'bn1', 4)]);
    const before = batchNorm(builder, open, 'bn2', 4);
    const conv = builder.add('conv2d', [before, builder.constant('w', waves([4, 2, 1, 1], 1))], {
      groups: 2,
    });
    const graph = builder.finish([conv]);
    const folded = await fold(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual(['affine', 'relu', 'conv2d']);
    expect(relativeDifference(graph, folded)).toBeLessThan(1e-5);
  });

  it('says why it leaves a shift in front of padding, a shared convolution and a convolution that is an output', async () => {
    const builder = new GraphBuilder('main');
    const x = builder.input('x', f32([1, 2, 5, 5]));
    const w = builder.constant('w', waves([2, 2, 3, 3], 1));
    const padded = builder.add(
      'conv2d',
      [batchNorm(builder, x, 'bn0', 2), w],
      { pads: [1, 1, 1, 1] },
      { name: 'c0' },
    );
    const twice = builder.add('add', [batchNorm(builder, padded, 'bn1', 2), padded]);
    const out = builder.add('conv2d', [twice, w], {}, { name: 'c1' });
    const graph = builder.finish([batchNorm(builder, out, 'bn2', 2), out]);
    const folded = await fold(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual([
      'affine',
      'conv2d',
      'affine',
      'add',
      'conv2d',
      'affine',
    ]);
    const refusals = sentences.filter((sentence) => sentence.includes('leaves'));
    expect(refusals).toEqual([
      'fold-batchnorm: affine-before-layer leaves conv2d %c0: %bn0 shifts what the padding of this layer would leave unshifted',
      'fold-batchnorm: affine-after-layer leaves affine %bn1: %c0 is read elsewhere too',
      'fold-batchnorm: affine-after-layer leaves affine %bn2: %c1 is a graph output',
    ]);
    expect(relativeDifference(graph, folded)).toBeLessThan(1e-5);
  });

  it('returns the same graph when there is nothing to fold', async () => {
    const builder = new GraphBuilder('main');
    const graph = builder.finish([builder.add('relu', [builder.input('x', f32([1, 2]))])]);
    expect(await foldBatchnorm.run(graph, {}, context)).toBe(graph);
  });

  it('gives shared weights a second version', async () => {
    const builder = new GraphBuilder('main');
    const x = builder.input('x', f32([1, 2, 4, 4]));
    const w = builder.constant('w', waves([2, 2, 1, 1], 1));
    const a = batchNorm(builder, builder.add('conv2d', [x, w]), 'a', 2);
    const b = builder.add('conv2d', [a, w], {}, { name: 'b' });
    const graph = builder.finish([b]);
    const folded = await fold(graph);
    expect(folded.nodes.map((node) => node.operands[1])).toEqual(['w.1', 'w']);
    expect(relativeDifference(graph, folded)).toBeLessThan(1e-5);
  });
});
