import { describe, expect, it } from '@jest/globals';
import { f32, type Graph, GraphBuilder, type Tensor, tensor } from '../ir/index.ts';
import { interpreterExecutor, type Samples } from '../passes/index.ts';
import { checkHealth, healthWarning } from './health.ts';

/** y = x * factors: a program that a test can make agree or disagree with another. */
function scaled(factors: readonly number[]): Graph {
  const builder = new GraphBuilder('main');
  const x = builder.input('x', f32([2, 2]));
  const k = builder.constant('k', tensor(f32([1, 2]), factors));
  return builder.finish([builder.add('mul', [x, k])]);
}

const rows = [1, 2, 2, 1];
const samples: Samples = {
  count: 20,
  description: 'twenty',
  async *read() {
    for (let i = 0; i < 20; i++)
      yield [{ type: f32([2, 2]), data: Float32Array.from(rows) } satisfies Tensor];
  },
};
const context = { executor: interpreterExecutor, progress: () => undefined };

describe('health', () => {
  it('counts every sample of a batch, and stops at sixteen runs', async () => {
    const health = await checkHealth(scaled([1, 1]), scaled([1, 10]), samples, context);
    // Of [1, 2] and [2, 1], the second changes places.
    expect(health).toMatchObject({ samples: 32, agreement: 50 });
    expect(health.sqnr_db).toBe(10 * Math.log10(10 / (18 ** 2 + 9 ** 2)));
    expect(healthWarning(health)).toMatchObject({ code: 'compile/health', severity: 'warning' });
  });

  it('of equal programs has no ratio and needs no warning', async () => {
    const health = await checkHealth(scaled([1, 1]), scaled([1, 1]), samples, context);
    expect(health).toEqual({ samples: 32, agreement: 100, sqnr_db: null });
    expect(healthWarning(health)).toBeUndefined();
  });

  it('does not judge by a few samples', () => {
    expect(healthWarning({ samples: 7, agreement: 0, sqnr_db: 1 })).toBeUndefined();
  });
});
