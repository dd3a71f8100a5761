/** A point of a front becomes rules only for the model it was found on, and the rules decide every layer as the point says. */
import { describe, expect, it } from '@jest/globals';
import { f32, type Graph, GraphBuilder, type Location, QcError, tensor } from '../../ir/index.ts';
import { type Layer, layersOf } from '../../passes/layers.ts';
import { annotatedLayers } from '../float-program.ts';
import { frontFormat, parseFront, type PlanFront } from './front.ts';
import { planOf } from './plan.ts';
import { modelDigest } from './search.ts';

/** A chain of dense layers with the given results and ONNX nodes; layer i has i + 3 outputs. */
function chain(names: readonly (readonly [value: string, onnxNode?: string])[]): Graph {
  const builder = new GraphBuilder('net');
  let [value, width] = [builder.input('x', f32([1, 2])), 2];
  for (const [i, [name, onnxNode]] of names.entries()) {
    const weights = builder.constant(
      `w${i}`,
      tensor(
        f32([i + 3, width]),
        Float32Array.from({ length: (i + 3) * width }, (_, k) => k),
      ),
    );
    const location: Location | undefined =
      onnxNode === undefined ? undefined : { kind: 'onnx', node: onnxNode };
    value = builder.add('dense', [value, weights], {}, { name, location });
    width = i + 3;
  }
  return builder.finish([value]);
}

function frontFor(
  layers: readonly Layer[],
  digest: string,
  bits: readonly (readonly [number, number])[],
): PlanFront {
  const point = layers.map(({ name, op }, i) => ({
    name,
    op,
    weight_bits: bits[i]![0],
    activation_bits: bits[i]![1],
  }));
  return {
    model: {
      name: 'net',
      digest,
      layers: layers.map(({ name, op, macs, weights }) => ({ name, op, macs, weights })),
    },
    round: 'gptq',
    cost_model: 'compute_cost',
    points: [{ id: 'p1', layers: point }],
    baselines: [],
  };
}

async function planned(graph: Graph, bits: readonly (readonly [number, number])[]) {
  const layers = layersOf(graph);
  const digest = await modelDigest(graph);
  return planOf(frontFor(layers, digest, bits), 'p1', { layers, digest }, '"front.json"');
}

const refusal = (work: () => unknown): { code: string; message: string; help: string } => {
  try {
    work();
  } catch (error) {
    if (error instanceof QcError) {
      const [{ code, message, help = '' }] = error.diagnostics as [(typeof error.diagnostics)[0]];
      return { code, message, help };
    }
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('a plan', () => {
  it.each([
    ['plain names', ['conv1', 'conv2', 'fc']],
    ['names that would be other rules', ['a=w8a8; *', 'b"c\\', 'first']],
    ['globs and signs of the grammar', ['*', '[!a]&,;:=', 'layer ! one']],
    ['line breaks and other scripts', ['a\nb\u0000', '\u202egnp', '層']],
  ])('decides each layer as the point says: %s', async (_, names) => {
    const graph = chain(names.map((name) => [name]));
    const bits = [
      [8, 8],
      [2, 4],
      [4, 8],
    ] as const;
    const { layerBits, round, warnings } = await planned(graph, bits);
    expect({ round, warnings }).toEqual({ round: 'gptq', warnings: [] });
    const reported: unknown[] = [];
    const layers = await annotatedLayers(graph, { layerBits }, (diagnostic) => reported.push(diagnostic));
    expect(layers.map(({ weightBits, activationBits }) => [weightBits, activationBits])).toEqual(bits);
    expect(reported).toEqual([]);
  });

  const graph = chain([['a'], ['b'], ['c']]);
  const layers = layersOf(graph);
  const all8 = layers.map(() => [8, 8] as const);

  it('is refused for a point that is not there, with those that are', () => {
    const front = frontFor(layers, 'x', all8);
    expect(refusal(() => planOf(front, 'p9', { layers, digest: 'x' }, '"f"'))).toMatchObject({
      code: 'plan/point',
      message: '"f" has no point "p9"',
      help: expect.stringContaining('p1'),
    });
  });

  it('is refused for another model, naming the layer', () => {
    const front = frontFor(layers, 'x', all8);
    const fewer = layersOf(chain([['a'], ['b']]));
    expect(refusal(() => planOf(front, 'p1', { layers: fewer, digest: 'x' }, '"f"'))).toMatchObject({
      code: 'plan/layers',
      message: '"f" is for 3 layers, the model has 2',
    });
    const other = layersOf(chain([['a'], ['other'], ['c']]));
    expect(refusal(() => planOf(front, 'p1', { layers: other, digest: 'x' }, '"f"'))).toMatchObject({
      code: 'plan/layers',
      message: expect.stringContaining('layer 2 is "b"'),
    });
  });

  it('is a warning where only the weights are others', () => {
    const front = frontFor(layers, 'trained before', all8);
    const { warnings } = planOf(front, 'p1', { layers, digest: 'trained since' }, '"f"');
    expect(warnings).toMatchObject([{ code: 'plan/model', severity: 'warning' }]);
  });

  it('is refused for bits that nothing computes in', () => {
    const front = frontFor(layers, 'x', [
      [8, 8],
      [3, 8],
      [8, 8],
    ]);
    expect(refusal(() => planOf(front, 'p1', { layers, digest: 'x' }, '"f"'))).toMatchObject({
      code: 'plan/bits',
    });
  });

  it('is refused where a name means two layers that the point tells apart', () => {
    // The first layer is called what the weights of the second are called.
    const twins = layersOf(chain([['a', 'w1'], ['b']]));
    const front = frontFor(twins, 'x', [
      [8, 8],
      [4, 4],
    ]);
    expect(refusal(() => planOf(front, 'p1', { layers: twins, digest: 'x' }, '"f"'))).toMatchObject({
      code: 'plan/ambiguous',
    });
  });
});

describe('reading a front', () => {
  const good = { format: frontFormat, ...frontFor(layersOf(chain([['a']])), 'x', [[8, 8]]) };

  it('takes what a search wrote', () => {
    expect(parseFront(JSON.stringify(good), '"f"').points).toEqual(good.points);
  });

  it.each([
    ['no JSON', '{', /not JSON/],
    ['another document', '{"format":"x"}', /its format is "x", expected "qc-front\/1"/],
    ['a list', '[]', /the document is no object/],
    ['points that are none', JSON.stringify({ ...good, points: [1] }), /points is no object/],
    [
      'bits that are no number',
      JSON.stringify({ ...good, points: [{ id: 'p', layers: [{ name: 'a', weight_bits: '8' }] }] }),
      /weight_bits is no whole number/,
    ],
    [
      'no layers of the model',
      JSON.stringify({ ...good, model: { name: 'm', digest: 'd' } }),
      /model.layers is no list/,
    ],
  ])('refuses %s', (_, text, message) => {
    expect(refusal(() => parseFront(text, '"f"'))).toMatchObject({
      code: 'plan/front',
      message: expect.stringMatching(message),
    });
  });
});
