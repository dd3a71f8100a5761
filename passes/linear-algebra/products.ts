/**
 * Matrix products, on whatever runs graphs: `dense` is  y = x w^T, so a program of one dense layer with two inputs is a product, and an
 * executor that runs networks quickly multiplies matrices quickly. Nothing else about an executor has to be known.
 *
 * Small products stay here: handing them over would cost more than computing them.
 */
import { f32, type Graph, GraphBuilder, tensor } from '../../ir/index.ts';
import type { Executor, Session } from '../pass.ts';
import { matrix, type Matrix } from './matrix.ts';

/** Multiplications below which a product is computed in place. */
const small = 2 ** 20;

/** Prepared products kept at a time: loops that come back to the same shapes find them. */
const keptShapes = 6;

export interface Products {
  /** a b^T, [a.rows, b.rows]. */
  readonly timesTransposed: (a: Matrix, b: Matrix) => Promise<Matrix>;
  readonly close: () => Promise<void>;
}

/** Products on an executor. Sums are in the executor's own order and precision, at least float32. */
export function productsOn(executor: Executor): Products {
  const sessions = new Map<string, { session: Session; output: string }>();
  const dropOldest = async (): Promise<void> => {
    const [key, oldest] = [...sessions][0]!;
    sessions.delete(key);
    await oldest.session.close();
  };
  const prepared = async (
    rows: number,
    inner: number,
    columns: number,
  ): Promise<{ session: Session; output: string }> => {
    const key = `${rows} ${inner} ${columns}`;
    const found = sessions.get(key);
    if (found !== undefined) {
      sessions.delete(key);
      sessions.set(key, found);
      return found;
    }
    if (sessions.size >= keptShapes) await dropOldest();
    const graph = productGraph(rows, inner, columns);
    const made = { session: await executor.prepare(graph, graph.outputs), output: graph.outputs[0]! };
    sessions.set(key, made);
    return made;
  };
  return {
    timesTransposed: async (a, b) => {
      if (a.columns !== b.columns) throw new Error(`${a.rows}x${a.columns} times (${b.rows}x${b.columns})^T`);
      if (a.rows * a.columns * b.rows <= small) return product(a, b);
      const { session, output } = await prepared(a.rows, a.columns, b.rows);
      const results = await session.run([
        tensor(f32([a.rows, a.columns]), a.data),
        tensor(f32([b.rows, b.columns]), b.data),
      ]);
      return matrix(a.rows, b.rows, results.get(output)!.data as Float32Array);
    },
    close: async () => {
      while (sessions.size > 0) await dropOldest();
    },
  };
}

function productGraph(rows: number, inner: number, columns: number): Graph {
  const builder = new GraphBuilder('product');
  const a = builder.input('a', f32([rows, inner]));
  const b = builder.input('b', f32([columns, inner]));
  return builder.finish([builder.add('dense', [a, b], {}, { name: 'product' })]);
}

/** a b^T by definition, summed in double precision. */
function product(a: Matrix, b: Matrix): Matrix {
  const result = matrix(a.rows, b.rows);
  const inner = a.columns;
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < b.rows; j++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += a.data[i * inner + k]! * b.data[j * inner + k]!;
      result.data[i * b.rows + j] = sum;
    }
  }
  return result;
}
