/** A copy of one image of the input with padding around it, in the form that products take inputs in. */
import { add, type Block, type Expression, i32, type KernelArray, load, mul } from '../../kernel/index.ts';

export interface PaddedCopy {
  readonly from: KernelArray;
  readonly to: KernelArray;
  readonly channels: number;
  /** Pixels of the input: its rows and columns. */
  readonly extent: { readonly rows: number; readonly columns: number };
  /** Rows and columns of padding before it. */
  readonly top: number;
  readonly left: number;
  /** Pixels of the copy: what does not fit is left out, what remains is padding. */
  readonly height: number;
  readonly width: number;
  /** Elements of padding behind the last row. */
  readonly slack: number;
  readonly padding: number;
  readonly ofValue: (stored: Expression) => Expression;
}

export function copyPadded(block: Block, image: Expression, copy: PaddedCopy): void {
  const { from, to, channels, extent, top, left, height, width, slack, padding, ofValue } = copy;
  const fill = (start: Expression, end: Expression): void => {
    block.for('k', start, end, (k) => {
      block.store(to, k, padding);
    });
  };
  const rows = Math.min(extent.rows, height - top);
  const columns = Math.min(extent.columns, width - left);
  const rowLength = width * channels;
  fill(i32(0), i32(top * rowLength));
  block.for('y', 0, rows, (y) => {
    const into = block.let('to', mul(add(y, top), rowLength));
    const source = block.let('source', mul(add(mul(image, extent.rows), y), extent.columns * channels));
    fill(into, add(into, left * channels));
    block.for('k', 0, columns * channels, (k) => {
      block.store(to, add(into, k, left * channels), ofValue(load(from, add(source, k))));
    });
    fill(add(into, (left + columns) * channels), add(into, rowLength));
  });
  fill(i32((top + rows) * rowLength), i32(height * rowLength + slack));
}
