/** Dense matrices of float32, row-major: what the rounding passes compute with. A matrix is data; whoever makes one owns it. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

/** Wraps `data`, or makes a matrix of zeros. */
export function matrix(
  rows: number,
  columns: number,
  data: Float32Array = new Float32Array(rows * columns),
): Matrix {
  if (data.length !== rows * columns) throw new Error(`${data.length} elements for ${rows}x${columns}`);
  return { rows, columns, data };
}

/** Rows `[from, end)`, sharing the elements. */
export function rowsOf({ columns, data }: Matrix, from: number, end: number): Matrix {
  return { rows: end - from, columns, data: data.subarray(from * columns, end * columns) };
}

/** The block of rows `[top, bottom)` and columns `[left, right)`, copied. */
export function blockOf(source: Matrix, top: number, bottom: number, left: number, right: number): Matrix {
  const block = matrix(bottom - top, right - left);
  for (let i = top; i < bottom; i++) {
    const at = i * source.columns;
    block.data.set(source.data.subarray(at + left, at + right), (i - top) * block.columns);
  }
  return block;
}

/** That block with rows and columns exchanged. */
export function transposedBlockOf(
  source: Matrix,
  top: number,
  bottom: number,
  left: number,
  right: number,
): Matrix {
  const block = matrix(right - left, bottom - top);
  for (let i = top; i < bottom; i++) {
    for (let j = left; j < right; j++) {
      block.data[(j - left) * block.columns + (i - top)] = source.data[i * source.columns + j]!;
    }
  }
  return block;
}
