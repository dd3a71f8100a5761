/** max_pool2d and average_pool2d: over the taps of the window that lie inside the input, a row of channels at a time. */
import { clampOf, isQuantized, type Node, storageRange, type TensorType } from '../../ir/index.ts';
import { add, and, type Expression, i32, invoke, load, max, mul, sub } from '../kernel/index.ts';
import type { AnchorEmitter } from './anchor.ts';
import { requantize } from './fixed-point.ts';
import { accessTo, placeOf, plainPlace, readRow, type RowReader, type RowSpace, rowSpace } from './rows.ts';
import { shareStep } from './share.ts';
import type { StepWriter } from './step-writer.ts';
import { inside, neverOutside, slidingWindow, type SlidingWindow, tapIndex } from './window.ts';

const zeroPointOf = (type: TensorType): number => (isQuantized(type) ? type.element.zeroPoint : 0);

function windowOf(writer: StepWriter, node: Node): SlidingWindow {
  const [height, width] = node.attributes['kernel'] as readonly [number, number];
  return slidingWindow(node, writer.typeOf(node.operands[0]!), [height, width]);
}

/** Loops over the rows of the result; `body` may ask, once, for all taps of the row's window. */
function overWindows(
  writer: StepWriter,
  node: Node,
  space: RowSpace,
  body: (row: Expression, overTaps: (visit: (tap: RowReader) => void) => void) => void,
): void {
  const { block } = writer;
  const window = windowOf(writer, node);
  const input = rowSpace(writer.typeOf(node.operands[0]!).shape);
  const x = accessTo(writer, node.operands[0]!, 'x', input);
  const { from, to } = shareStep(writer, { items: space.rows });
  block.for('row', from, to, (row) => {
    const { at } = placeOf(block, space, row);
    body(row, (visit) => {
      block.for('v', 0, window.y.taps, (v) => {
        const y = block.let('from_y', tapIndex(window.y, at[2]!, v));
        block.for('u', 0, window.x.taps, (u) => {
          const column = block.let('from_x', tapIndex(window.x, at[3]!, u));
          block.if(and(inside(window.y, y), inside(window.x, column)), () => {
            const pixel = add(mul(add(mul(at[0]!, window.y.extent), y), window.x.extent), column);
            visit(readRow(x, input, plainPlace(block.let('source', pixel))));
          });
        });
      });
    });
  });
}

export const maxPool: AnchorEmitter = (writer, node, space, emitRow) => {
  const { block } = writer;
  const { storage } = node.result.type.element;
  if (storage === 'f32') throw new Error('a pool of floats at the integer level');
  const largest = writer.scratch('own', 'largest', 'i32', space.extent);
  overWindows(writer, node, space, (row, overTaps) => {
    block.for('c', 0, space.extent, (c) => {
      block.store(largest, c, storageRange(storage)[0]);
    });
    overTaps((tap) => {
      block.for('c', 0, space.extent, (c) => {
        block.store(largest, c, max(load(largest, c), tap(c)));
      });
    });
    emitRow(row, (c) => load(largest, c));
  });
};

export const averagePool: AnchorEmitter = (writer, node, space, emitRow) => {
  const { block } = writer;
  const from = zeroPointOf(writer.typeOf(node.operands[0]!));
  const to = zeroPointOf(node.result.type);
  const [lowest, highest] = clampOf(node.attributes, node.result.type);
  const multipliers = writer.operandConstant(node, 1)!.data;
  const shifts = writer.operandConstant(node, 2)!.data;
  const window = windowOf(writer, node);
  const area = window.y.taps * window.x.taps;
  const alwaysWhole = neverOutside(window.y) && neverOutside(window.x);
  const byCount = (label: string, values: ArrayLike<number>): ((count: Expression) => Expression) => {
    if (alwaysWhole) return () => i32(values[area - 1]!);
    const table = writer.table(label, 'i32', values);
    return (count) => load(table, sub(count, 1));
  };
  const multiplier = byCount('multiplier_by_taps', multipliers);
  const shift = byCount('shift_by_taps', shifts);
  const sums = writer.scratch('own', 'sums', 'i32', space.extent);
  overWindows(writer, node, space, (row, overTaps) => {
    block.for('c', 0, space.extent, (c) => {
      block.store(sums, c, 0);
    });
    const taps = alwaysWhole ? undefined : block.var('taps', 0);
    overTaps((tap) => {
      block.for('c', 0, space.extent, (c) => {
        block.store(sums, c, add(load(sums, c), sub(tap(c), from)));
      });
      if (taps !== undefined) block.addTo(taps, 1);
    });
    const count = taps ?? i32(area);
    emitRow(row, (c) =>
      invoke(requantize, load(sums, c), multiplier(count), shift(count), to, lowest, highest),
    );
  });
};
