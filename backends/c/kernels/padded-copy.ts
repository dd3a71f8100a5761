/** A copy of one image of the input with padding around it, in the form that products take inputs in. */
import { add, type Expression, i32, type KernelArray, load, mul } from '../../kernel/index.ts';
import { once, share, type Span } from '../share.ts';
import type { StepWriter } from '../step-writer.ts';

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

/** The threads that call this share the rows; they must meet before anybody reads the copy. */
export function copyPadded(writer: StepWriter, image: Expression, copy: PaddedCopy): void {
  const { block } = writer;
  const { from, to, channels, extent, top, left, height, width, slack, padding, ofValue } = copy;
  const fill = (start: Expression, end: Expression): void => {
    block.for('k', start, end, (k) => {
      block.store(to, k, padding);
    });
  };
  const fillOnce = (start: number, end: number): void => {
    if (start === end) return;
    once(writer, () => {
      fill(i32(start), i32(end));
    });
  };
  const rows = Math.min(extent.rows, height - top);
  const columns = Math.min(extent.columns, width - left);
  const rowLength = width * channels;
  fillOnce(0, top * rowLength);
  // A single row, which may be the whole image, is cut between pixels.
  const single = rows === 1;
  const own: Span = single ? { from: 0, to: 1 } : share(writer, { items: rows });
  const pieces: Span = single ? share(writer, { items: columns }) : { from: 0, to: columns };
  const beside = (body: () => void): void => {
    if (single) once(writer, body);
    else body();
  };
  block.for('y', own.from, own.to, (y) => {
    const into = block.let('to', mul(add(y, top), rowLength));
    const source = block.let('source', mul(add(mul(image, extent.rows), y), extent.columns * channels));
    beside(() => {
      fill(into, add(into, left * channels));
      fill(add(into, (left + columns) * channels), add(into, rowLength));
    });
    block.for('k', mul(pieces.from, channels), mul(pieces.to, channels), (k) => {
      block.store(to, add(into, k, left * channels), ofValue(load(from, add(source, k))));
    });
  });
  fillOnce((top + rows) * rowLength, height * rowLength + slack);
}
