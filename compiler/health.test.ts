import { describe, expect, it } from '@jest/globals';
import {
  f32,
  type Graph,
  GraphBuilder,
  perAxis,
  perTensor,
  plain,
  type Tensor,
  tensor,
} from '../ir/index.ts';
import { interpreterExecutor, type Samples } from '../passes/index.ts';
import { measureHealth } from './health.ts';

const context = { executor: interpreterExecutor, progress: () => undefined };

function samplesOf(shape: readonly number[], rows: readonly (readonly number[])[]): Samples {
  return {
    count: rows.length,
    description: 'rows',
    async *read() {
      for (const row of rows) {
        yield await Promise.resolve([tensor(f32(shape), Float32Array.from(row)) satisfies Tensor]);
      }
    },
  };
}

/** y = x W^T, in float. */
function floatNet(weights: readonly number[]): Graph {
  const b = new GraphBuilder('main');
  const x = b.input('x', f32([2, 2]));
  const w = b.constant('w', tensor(f32([3, 2]), weights));
  return b.finish([b.add('dense', [x, w], {}, { name: 'fc' })]);
}

/** The same with activations of 2 bits and a step of 1, weights of 4 bits and a step of 1. */
function quantizedNet(integers: readonly number[]): Graph {
  const b = new GraphBuilder('main');
  const x = b.input('x', f32([2, 2]));
  const stored = b.add('quantize', [x], {}, { name: 'x.u2', element: perTensor('u2', 1) });
  const real = b.add('dequantize', [stored], {}, { name: 'x.real' });
  b.constant('s', tensor(f32([3]), [1, 1, 1]));
  const type = { ...plain('i8', [3, 2]), element: perAxis('i4', 's', 0) };
  const w = b.add('dequantize', [b.constant('w.i4', tensor(type, integers))], {}, { name: 'w.real' });
  return b.finish([b.add('dense', [real, w], {}, { name: 'fc' })]);
}

describe('health', () => {
  // Two samples a run. 5 is clipped to 3; the third output is 0 in both, the second in the quantized program alone.
  const samples = samplesOf(
    [2, 2],
    [
      [1, 0, 2, 1],
      [5, 1, 0, 2],
    ],
  );

  it('measures layers, stored activations and outputs', async () => {
    const health = await measureHealth(
      floatNet([1, 0, 0, 0.4, 0, 0]),
      quantizedNet([1, 0, 0, 0, 0, 0]),
      samples,
      context,
    );
    // Outputs in float: [1, 0, 0] [2, 0.4, 0] [5, 0.4, 0] [0, 0.8, 0]; quantized: [1, 0, 0] [2, 0, 0] [3, 0, 0] [0, 0, 0].
    const signal = 1 + 4 + 25 + 0.4 ** 2 * 2 + 0.8 ** 2;
    const noise = 4 + 0.4 ** 2 * 2 + 0.8 ** 2;
    const ratio = Math.round(10_000 * Math.log10(signal / noise)) / 1000;
    expect(health).toEqual({
      samples: 4,
      agreement: 75,
      sqnr_db: ratio,
      layers: [{ name: 'fc', sqnr_db: ratio, weights_at_limit: 0, dead_channels: 2, dead_in_float: 1 }],
      // Of 8 values one is clipped; none of the zeros counts.
      activations: [{ name: 'x.u2', storage: 'u2', read_by: ['fc'], clipped: 12.5 }],
    });
  });

  it('counts weights at both limits', async () => {
    const { layers } = await measureHealth(
      floatNet([7, -7, 1, 2, 3, 4]),
      quantizedNet([7, -7, 1, 2, 3, 4]),
      samples,
      context,
    );
    expect(layers[0]).toMatchObject({ weights_at_limit: 33.333, dead_channels: 0 });
  });

  it('of equal programs has no ratio', async () => {
    const net = quantizedNet([1, 0, 0, 1, 1, 1]);
    const health = await measureHealth(net, net, samples, context);
    expect(health).toMatchObject({ samples: 4, agreement: 100, sqnr_db: null });
    expect(health.layers).toMatchObject([{ sqnr_db: null }]);
  });

  it('looks at no more samples than a program of its size is worth', async () => {
    const many = samplesOf(
      [2, 2],
      Array.from({ length: 300 }, (_, i) => [i, 1, 1, i]),
    );
    const net = floatNet([1, 0, 0, 1, 1, 1]);
    expect((await measureHealth(net, net, many, context)).samples).toBe(512);
  });
});
