import { describe, expect, it } from '@jest/globals';
import { interpreterExecutor } from '../interpreter-executor.ts';
import { matrix, type Matrix } from '../linear-algebra/matrix.ts';
import { productsOn } from '../linear-algebra/products.ts';
import { RectifiedTargets } from './rectified-targets.ts';

/** The targets of every block, for one input a group. */
async function targetsOf(
  kept: RectifiedTargets,
  weights: Matrix,
  bias: Float64Array,
  groups = 1,
): Promise<number[][]> {
  const blocks: number[][] = [];
  await kept.forEach(weights, bias, groups, (_, targets) => {
    blocks.push([...targets.data]);
    return Promise.resolve();
  });
  return blocks;
}

describe('RectifiedTargets', () => {
  const products = productsOn(interpreterExecutor);

  it('keeps what passes the ReLU, and asks below its floor for no more than the floor', async () => {
    const kept = new RectifiedTargets(true, products);
    kept.keep({
      inputs: matrix(1, 5, Float32Array.of(1, 2, 3, -1, -2)),
      // The first two and the last pass; of the others one is made above the floor, one below.
      targets: matrix(1, 5, Float32Array.of(4, 0.5, -1, -1, -1)),
      floors: Float32Array.of(0, -1, 2, 0, -1.5),
      filled: 5,
    });
    // Made: 1.5, 2.5, 3.5, -0.5, -1.5.
    const made = await targetsOf(kept, matrix(1, 1, Float32Array.of(1)), Float64Array.of(0.5));
    expect(made).toEqual([[4, 0.5, 2, -0.5, -1]]);
  });

  it('gives zeros beyond the end of a block, inputs as they were, and each group its own', async () => {
    const kept = new RectifiedTargets(false, products);
    const inputs = matrix(2, 3, Float32Array.of(200, -200, 7, 10, 20, 7));
    kept.keep({
      inputs,
      targets: matrix(2, 3, new Float32Array(6).fill(-1)),
      floors: new Float32Array(6),
      filled: 2,
    });
    const weights = matrix(2, 1, Float32Array.of(0.5, -1));
    const bias = Float64Array.of(0, 5);
    expect(await targetsOf(kept, weights, bias, 2)).toEqual([[0, -100, 0, -5, -15, 0]]);
    await kept.forEach(weights, bias, 2, (x) => {
      expect(x.data).toEqual(inputs.data);
      return Promise.resolve();
    });
  });
});
