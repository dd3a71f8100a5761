/**
 * Where floats come in and go out. The caller's tensors are f32 and row-major, as he knows them; what is stored is channels last. The transposing
 * happens here, in the same loop as the conversion.
 */
import {
  isQuantized,
  quantizeValue,
  rowMajorStrides,
  storageRange,
  type TensorType,
} from '../../ir/index.ts';
import { add, div, exp, type Expression, f32, i32, invoke, load, max, mul, sub } from '../kernel/index.ts';
import type { AnchorEmitter } from './anchor.ts';
import { dequantized, quantize as quantizeFunction } from './fixed-point.ts';
import { accessTo, offsetOf, placeOf, readRow, type RowSpace, rowSpace } from './rows.ts';
import { shareStep } from './share.ts';
import type { StepWriter } from './step-writer.ts';

/** The real step of each element of a type, by position. */
function stepOf(writer: StepWriter, type: TensorType): (position: readonly Expression[]) => Expression {
  if (!isQuantized(type)) throw new Error('only quantized tensors meet floats');
  const { scale, axis = 0 } = type.element;
  if (typeof scale === 'number') return () => f32(scale);
  const table = writer.table('scale', 'f32', writer.constant(scale)!.data);
  return (position) => load(table, position[axis]!);
}

function positionIn(space: RowSpace, at: readonly Expression[], c: Expression): readonly Expression[] {
  return space.shape.map((_, axis) => (axis === space.inner ? c : at[axis]!));
}

export const quantize: AnchorEmitter = (writer, node, space, emitRow) => {
  const { block } = writer;
  const { element } = node.result.type;
  if (element.kind !== 'quantized') throw new Error('quantize to a type that is not quantized');
  const [lowest, highest] = storageRange(element.storage);
  const x = writer.input(node.operands[0]!, 'x');
  const strides = rowMajorStrides(space.shape);
  const step = stepOf(writer, node.result.type);
  const { from, to } = shareStep(writer, { items: space.rows });
  block.for('row', from, to, (row) => {
    const { at } = placeOf(block, space, row);
    emitRow(row, (c) => {
      const position = positionIn(space, at, c);
      const value = load(x, offsetOf(strides, position));
      return invoke(quantizeFunction, value, step(position), element.zeroPoint, lowest, highest);
    });
  });
};

/** The channel and the place of a byte image [N, H, W, C] for each position of the input tensor. */
export interface ImagePort {
  readonly tables: readonly Float32Array[];
  readonly layout: 'NCHW' | 'NHWC';
}

/** `quantize` of an image of bytes: a table of 256 entries a channel, made with the same function the float way uses. */
export const quantizeImage =
  ({ tables, layout }: ImagePort): AnchorEmitter =>
  (writer, node, space, emitRow) => {
    const { block } = writer;
    const { element } = node.result.type;
    if (element.kind !== 'quantized' || typeof element.scale !== 'number') {
      throw new Error('a byte image is quantized per tensor');
    }
    const { scale, zeroPoint, storage } = element;
    const values = tables.flatMap((table) =>
      Array.from(table, (value) => quantizeValue(value, scale, zeroPoint, storage)),
    );
    const byByte = writer.table('by_byte', storageRange(storage)[0] < 0 ? 'i8' : 'u8', values);
    const image = writer.image();
    const [batch, ...rest] = space.shape as [number, number, number, number];
    const [height, width, channels] = layout === 'NHWC' ? rest : [rest[1], rest[2], rest[0]];
    const strides = rowMajorStrides([batch, height, width, channels]);
    const order = layout === 'NHWC' ? [0, 1, 2, 3] : [0, 2, 3, 1];
    const channelAxis = layout === 'NHWC' ? 3 : 1;
    const { from, to } = shareStep(writer, { items: space.rows });
    block.for('row', from, to, (row) => {
      const { at } = placeOf(block, space, row);
      emitRow(row, (c) => {
        const position = positionIn(space, at, c);
        const byte = load(
          image,
          offsetOf(
            strides,
            order.map((axis) => position[axis]!),
          ),
        );
        return load(byByte, add(mul(position[channelAxis]!, 256), byte));
      });
    });
  };

/** Writes floats, row-major: the epilogue of integers has no part in it. */
export function emitDequantize(writer: StepWriter, x: string, y: string): void {
  const { block } = writer;
  const type = writer.typeOf(x);
  const space = rowSpace(type.shape);
  const access = accessTo(writer, x, 'x', space);
  const result = writer.output(y, 'result');
  const strides = rowMajorStrides(space.shape);
  const step = stepOf(writer, type);
  const zeroPoint = isQuantized(type) ? type.element.zeroPoint : 0;
  block.for('row', 0, space.rows, (row) => {
    const place = placeOf(block, space, row);
    const read = readRow(access, space, place);
    block.for('c', 0, space.extent, (c) => {
      const position = positionIn(space, place.at, c);
      block.store(result, offsetOf(strides, position), dequantized(read(c), zeroPoint, step(position)));
    });
  });
}

/** Shifted by the maximum, in f32: outside the promise of equal bits, for exp differs between machines. */
export function emitSoftmax(writer: StepWriter, x: string, y: string, axis: number): void {
  const { block } = writer;
  const { shape } = writer.typeOf(x);
  const extent = shape[axis]!;
  const inner = rowMajorStrides(shape)[axis]!;
  const lanes = shape.reduce((product, size) => product * size, 1) / extent;
  const input = writer.input(x, 'x');
  const result = writer.output(y, 'result');
  block.for('lane', 0, lanes, (lane) => {
    const above = div(lane, inner);
    const start = block.let('start', add(mul(above, extent * inner), sub(lane, mul(above, inner))));
    const at = (k: Expression): Expression => add(start, mul(k, inner));
    const largest = block.var('largest', load(input, at(i32(0))));
    block.for('k', 1, extent, (k) => {
      block.set(largest, max(largest, load(input, at(k))));
    });
    const sum = block.var('sum', f32(0));
    block.for('k', 0, extent, (k) => {
      const power = block.let('power', exp(sub(load(input, at(k)), largest)));
      block.store(result, at(k), power);
      block.addTo(sum, power);
    });
    block.for('k', 0, extent, (k) => {
      block.store(result, at(k), div(load(result, at(k)), sum));
    });
  });
}
