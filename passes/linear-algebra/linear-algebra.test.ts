/** Factorization, substitution, products and rounding against their definitions, on sizes around the block. */
import { describe, expect, it } from '@jest/globals';
import { noise } from '../../fixtures/passes/noise.ts';
import { interpreterExecutor } from '../interpreter-executor.ts';
import { blockSize, factorize, solveLower } from './cholesky.ts';
import { descend } from './coordinate-descent.ts';
import { matrix, type Matrix } from './matrix.ts';
import { roundToPlanes, squaredNorms } from './nearest-plane.ts';
import { productsOn } from './products.ts';

function random(rows: number, columns: number, seed: number): Matrix {
  const next = noise(seed);
  return matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, () => next()),
  );
}

/** a b^T, summed in double precision. */
function times(a: Matrix, b: Matrix): Matrix {
  const result = matrix(a.rows, b.rows);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < b.rows; j++) {
      let sum = 0;
      for (let k = 0; k < a.columns; k++) sum += a.data[i * a.columns + k]! * b.data[j * a.columns + k]!;
      result.data[i * b.rows + j] = sum;
    }
  }
  return result;
}

/** Symmetric, with a share of the identity that keeps it positive. */
function positive(n: number, seed: number): Matrix {
  const a = random(n, n + 8, seed);
  const h = times(a, a);
  for (let i = 0; i < n; i++) h.data[i * n + i]! += 0.01 * n;
  return h;
}

function lower(square: Matrix): Matrix {
  const l = matrix(square.rows, square.rows, square.data.slice());
  for (let i = 0; i < l.rows; i++) l.data.fill(0, i * l.rows + i + 1, (i + 1) * l.rows);
  return l;
}

function largestDifference(a: Matrix, b: Matrix): number {
  let worst = 0;
  for (let i = 0; i < a.data.length; i++) worst = Math.max(worst, Math.abs(a.data[i]! - b.data[i]!));
  return worst;
}

const sizes = [1, 2, 17, blockSize - 1, blockSize, blockSize + 1, 2 * blockSize + 5];

describe('products', () => {
  it.each([
    [1, 1, 1],
    [3, 5, 7],
    [130, 129, 70],
  ])('%i x %i times its like are what a double loop makes', async (rows, inner, columns) => {
    const products = productsOn(interpreterExecutor);
    const [a, b] = [random(rows, inner, 1), random(columns, inner, 2)];
    expect((await products.timesTransposed(a, b)).data).toEqual(times(a, b).data);
    await products.close();
  });

  it('refuses matrices that do not fit', async () => {
    const products = productsOn(interpreterExecutor);
    await expect(products.timesTransposed(matrix(2, 3), matrix(2, 4))).rejects.toThrow('2x3 times (2x4)^T');
  });

  it('closes what it prepared, the oldest first', async () => {
    const open = new Set<string>();
    const products = productsOn({
      prepare: async (graph, wanted) => {
        const key = graph.inputs.map(({ type }) => type.shape.join('x')).join(' ');
        const session = await interpreterExecutor.prepare(graph, wanted);
        open.add(key);
        return {
          run: session.run,
          close: async () => {
            open.delete(key);
            await session.close();
          },
        };
      },
    });
    for (let rows = 1; rows <= 9; rows++) {
      await products.timesTransposed(matrix(rows, 1200), matrix(1200, 1200));
    }
    expect(open.size).toBe(6);
    expect(open.has('1x1200 1200x1200')).toBe(false);
    await products.close();
    expect(open.size).toBe(0);
  });
});

describe('factorize', () => {
  it.each(sizes)('makes L with L L^T = H for n = %i', async (n) => {
    const products = productsOn(interpreterExecutor);
    const h = positive(n, 3);
    const l = matrix(n, n, h.data.slice());
    await factorize(l, products);
    const whole = lower(l);
    expect(largestDifference(times(whole, whole), h)).toBeLessThan(1e-4 * n);
    await products.close();
  });

  it('refuses a matrix that is not positive definite', async () => {
    const products = productsOn(interpreterExecutor);
    await expect(factorize(matrix(2, 2, Float32Array.of(1, 2, 2, 1)), products)).rejects.toThrow(RangeError);
  });
});

describe('solveLower', () => {
  it.each(sizes)('solves z L^T = b for n = %i', async (n) => {
    const products = productsOn(interpreterExecutor);
    const l = positive(n, 4);
    await factorize(l, products);
    const b = random(3, n, 5);
    const z = await solveLower(l, b, products);
    expect(largestDifference(times(z, lower(l)), b)).toBeLessThan(1e-4);
    await products.close();
  });
});

describe('roundToPlanes', () => {
  it.each(sizes)('measures (q - w) H (q - w)^T for n = %i', async (n) => {
    const products = productsOn(interpreterExecutor);
    const h = positive(n, 6);
    const l = matrix(n, n, h.data.slice());
    await factorize(l, products);
    const w = random(2, n, 7);
    const z = times(w, transposed(lower(l)));
    const scales = Float32Array.of(0.2, 0.3);
    const { integers, errors } = await roundToPlanes(l, z, scales, 7, products);
    const found = squaredNorms(errors);
    for (let row = 0; row < 2; row++) {
      const d = Array.from(
        { length: n },
        (_, i) => integers[row * n + i]! * scales[row]! - w.data[row * n + i]!,
      );
      let expected = 0;
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) expected += d[i]! * h.data[i * n + j]! * d[j]!;
      expect(Math.abs(found[row]! - expected)).toBeLessThan(1e-3 * (1 + expected));
    }
    expect(Math.max(...integers.map(Math.abs))).toBeLessThanOrEqual(7);
    await products.close();
  });

  it('is rounding to nearest when inputs are independent', async () => {
    const products = productsOn(interpreterExecutor);
    const identity = matrix(
      4,
      4,
      Float32Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 1 : 0)),
    );
    const z = matrix(1, 4, Float32Array.of(0.4, -1.6, 9, 2.5));
    const { integers } = await roundToPlanes(identity, z, Float32Array.of(1), 7, products);
    expect([...integers]).toEqual([0, -2, 7, 2]);
  });

  it('pushes the error of one weight into the next where they go together', async () => {
    const products = productsOn(interpreterExecutor);
    // Two inputs that are nearly equal: 0.4 + 0.4 is best made as 1 + 0 or 0 + 1, not as 0 + 0.
    const l = matrix(2, 2, Float32Array.of(1, 1, 1, 1.01));
    await factorize(l, products);
    const w = matrix(1, 2, Float32Array.of(0.4, 0.4));
    const z = times(w, transposed(lower(l)));
    const { integers } = await roundToPlanes(l, z, Float32Array.of(1), 7, products);
    expect(integers[0]! + integers[1]!).toBe(1);
  });
});

describe('descend', () => {
  const limit = 3;
  /** (s q - w) H (s q - w)^T of each row. */
  function errorsOf(h: Matrix, w: Matrix, integers: ArrayLike<number>, scales: Float32Array): number[] {
    const d = matrix(
      w.rows,
      w.columns,
      w.data.map((value, i) => integers[i]! * scales[Math.floor(i / w.columns)]! - value),
    );
    const images = times(d, h);
    return Array.from(scales, (_, row) => {
      let sum = 0;
      for (let i = row * w.columns; i < (row + 1) * w.columns; i++) sum += d.data[i]! * images.data[i]!;
      return sum;
    });
  }

  it.each([1, 2, 17, 70])('ends where no single move and no other step is better, n = %i', async (n) => {
    const products = productsOn(interpreterExecutor);
    const h = positive(n, 8);
    const w = random(3, n, 9);
    const c = times(w, h);
    const scales = Float32Array.of(0.2, 0.35, 0.5);
    const nearest = Int8Array.from(w.data, (value, i) =>
      Math.max(-limit, Math.min(limit, Math.round(value / scales[Math.floor(i / n)]!))),
    );
    const rows = {
      integers: nearest.slice(),
      scales: scales.slice(),
      leastScales: new Float32Array(3),
      limit,
    };
    await descend(h, c, rows, products);
    const found = errorsOf(h, w, rows.integers, rows.scales);
    errorsOf(h, w, nearest, scales).forEach((before, row) => {
      expect(found[row]).toBeLessThanOrEqual(before * (1 + 1e-6));
    });
    expect(Math.max(...rows.integers.map(Math.abs))).toBeLessThanOrEqual(limit);
    const slack = 1e-3 * (1 + Math.max(...found));
    for (let i = 0; i < rows.integers.length; i++) {
      for (const move of [-1, 1]) {
        const moved = rows.integers.slice();
        moved[i]! += move;
        if (Math.abs(moved[i]!) > limit) continue;
        const row = Math.floor(i / n);
        expect(errorsOf(h, w, moved, rows.scales)[row]!).toBeGreaterThan(found[row]! - slack);
      }
    }
    for (const factor of [0.99, 1.01]) {
      const others = errorsOf(
        h,
        w,
        rows.integers,
        rows.scales.map((scale) => scale * factor),
      );
      others.forEach((error, row) => expect(error).toBeGreaterThan(found[row]! - slack));
    }
    await products.close();
  });

  it('finds the move that nearest planes cannot take back', async () => {
    const products = productsOn(interpreterExecutor);
    // Rounded alone, both weights go up; together they overshoot, and one has to come down again.
    const h = matrix(2, 2, Float32Array.of(1, 0.95, 0.95, 1));
    const c = times(matrix(1, 2, Float32Array.of(0.55, 0.55)), h);
    const rows = {
      integers: Int8Array.of(1, 1),
      scales: Float32Array.of(1),
      leastScales: Float32Array.of(1),
      limit: 1,
    };
    await descend(h, c, rows, products);
    expect(rows.integers[0]! + rows.integers[1]!).toBe(1);
    await products.close();
  });

  it('leaves a row of zeros its step, and takes no step below the least', async () => {
    const products = productsOn(interpreterExecutor);
    const h = positive(4, 10);
    const rows = {
      integers: Int8Array.of(0, 0, 0, 0, 3, 0, 0, 0),
      scales: Float32Array.of(0.5, 0.5),
      leastScales: Float32Array.of(0.1, 0.4),
      limit: 3,
    };
    const w = matrix(2, 4, Float32Array.of(0, 0, 0, 0, 0.6, 0, 0, 0));
    await descend(h, times(w, h), rows, products);
    expect(rows.scales[0]).toBe(0.5);
    expect(rows.scales[1]).toBeGreaterThanOrEqual(Math.fround(0.4));
    await products.close();
  });
});

function transposed({ rows, columns, data }: Matrix): Matrix {
  const result = matrix(columns, rows);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result.data[j * rows + i] = data[i * columns + j]!;
  return result;
}
