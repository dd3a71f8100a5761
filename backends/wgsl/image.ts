/**
 * From pixels to the model's input on the device: an antialiased resize, a crop, and the table that is preprocessing and quantization in one.
 * Two kernels, columns and then rows, rounded to bytes between, with the integer taps of `runtime/image/taps.ts`: the same bits as the
 * compiler's own resize. An image that has the model's size passes unchanged, its taps being one of weight 1.
 *
 * What changes from image to image lies in a buffer of i32, `geometry`, which the runtime fills (`runtime/image/geometry.ts`).
 */
import { bitWidth, type Graph, isQuantized, quantizeValue, type TensorType } from '../../ir/index.ts';
import type { imageHeader as RuntimeHeader } from '../../runtime/image/geometry.ts';
import type { EmitOptions } from '../backend.ts';
import {
  add,
  and,
  bitAnd,
  bitcast,
  bitOr,
  type Block,
  clamp,
  type Expression,
  globalId,
  type GridKernel,
  gridKernel,
  type KernelArray,
  load,
  lt,
  mul,
  reads,
  shl,
  shr,
  type Variable,
  writes,
} from '../kernel/index.ts';
import type { PlannedUpload } from './boundary.ts';

/** As `runtime/image/geometry.ts` has it. */
const imageHeader: typeof RuntimeHeader = {
  output: 0,
  pitch: 1,
  firstRow: 2,
  rows: 3,
  columnTaps: 4,
  rowTaps: 5,
  rowsAt: 6,
  words: 8,
};

/** Columns and rows of a workgroup. */
export const imageWorkgroup = [8, 8] as const;

const fractionBits = 22;
const channels = [0, 1, 2] as const;

/** What turns an image into the program's input. */
export interface ImagePlan {
  readonly width: number;
  readonly height: number;
  /** 3 x 256 words: the field of a channel's byte in a pixel's word. */
  readonly tables: Uint8Array;
  readonly columns: GridKernel;
  readonly rows: GridKernel;
}

/**
 * Plans the entry for images, where the one input is quantized per tensor and a pixel is one word. For others there is none: an input
 * of 16 bits, say.
 */
export function planImage(
  graph: Graph,
  types: ReadonlyMap<string, TensorType>,
  uploads: readonly PlannedUpload[],
  image: EmitOptions['image'],
): ImagePlan | undefined {
  const [upload] = uploads;
  if (image === undefined || upload === undefined || graph.inputs.length !== 1 || uploads.length !== 1)
    return undefined;
  const type = types.get(upload.tensor)!;
  if (!isQuantized(type) || type.shape.length !== 4 || typeof type.element.scale !== 'number')
    return undefined;
  const axes = image.layout === 'NCHW' ? [1, 2, 3] : [3, 1, 2];
  const [depth, height, width] = axes.map((axis) => type.shape[axis]!) as [number, number, number];
  const [ofChannel, , ofColumn] = axes.map((axis) => upload.strides[axis]!) as [number, number, number];
  if (depth !== 3 || ofChannel !== 1 || ofColumn * upload.bits !== 32) return undefined;
  const { scale, zeroPoint, storage } = type.element;
  const bits = bitWidth(storage);
  const words = image.tables.flatMap((table, c) =>
    Array.from(
      table,
      (value) => (quantizeValue(value, scale, zeroPoint, storage) & (2 ** bits - 1)) << (c * bits),
    ),
  );
  return {
    width,
    height,
    tables: new Uint8Array(Int32Array.from(words).buffer),
    columns: columnsKernel(width),
    rows: rowsKernel(width, height),
  };
}

/** The three channels of a weighted sum of pixels. Every invocation has a `geometry` that says which. */
function weightedPixel(
  b: Block,
  geometry: KernelArray,
  at: { readonly entry: Expression; readonly weights: Expression },
  pixel: (position: Expression) => Expression,
): readonly Expression[] {
  const first = b.let('first', load(geometry, at.entry));
  const count = b.let('count', load(geometry, add(at.entry, 1)));
  const sums: Variable[] = channels.map(() => b.var('sum', 1 << (fractionBits - 1)));
  b.for('t', 0, count, (t) => {
    const weight = b.let('weight', load(geometry, add(at.weights, t)));
    const word = b.let('word', pixel(add(first, t)));
    for (const c of channels) {
      b.addTo(sums[c]!, mul(weight, bitcast('i32', bitAnd(shr(word, 8 * c), 255))));
    }
  });
  return sums.map((sum) => clamp(shr(sum, fractionBits), 0, 255));
}

const signed = (id: Expression): Expression => bitcast('i32', id);

function columnsKernel(width: number): GridKernel {
  return gridKernel(
    `image_columns_${width}`,
    {
      doc: [`RGB of any size -> ${width} columns`],
      parameters: { geometry: reads('i32'), source: reads('u32'), y: writes('u32') },
      workgroupSize: imageWorkgroup,
    },
    (b, { geometry, source, y }) => {
      const column = b.let('column', signed(globalId.x));
      const row = b.let('row', signed(globalId.y));
      b.if(and(lt(column, width), lt(row, load(geometry, imageHeader.rows))), () => {
        const begin = b.let(
          'begin',
          mul(add(load(geometry, imageHeader.firstRow), row), load(geometry, imageHeader.pitch)),
        );
        const [red, green, blue] = weightedPixel(
          b,
          geometry,
          {
            entry: add(imageHeader.words, mul(column, 2)),
            weights: add(imageHeader.words + 2 * width, mul(column, load(geometry, imageHeader.columnTaps))),
          },
          (position) => load(source, add(begin, position)),
        );
        b.store(
          y,
          add(mul(row, width), column),
          bitcast('u32', bitOr(bitOr(red!, shl(green!, 8)), shl(blue!, 16))),
        );
      });
    },
  );
}

function rowsKernel(width: number, height: number): GridKernel {
  return gridKernel(
    `image_rows_${width}x${height}`,
    {
      doc: [`${width} columns of RGB -> ${height} rows, through the table`],
      parameters: { geometry: reads('i32'), narrow: reads('u32'), table: reads('u32'), y: writes('u32') },
      workgroupSize: imageWorkgroup,
    },
    (b, { geometry, narrow, table, y }) => {
      const column = b.let('column', signed(globalId.x));
      const row = b.let('row', signed(globalId.y));
      b.if(and(lt(column, width), lt(row, height)), () => {
        const begin = b.let('begin', load(geometry, imageHeader.rowsAt));
        const [red, green, blue] = weightedPixel(
          b,
          geometry,
          {
            entry: add(begin, mul(row, 2)),
            weights: add(begin, 2 * height, mul(row, load(geometry, imageHeader.rowTaps))),
          },
          (position) => load(narrow, add(mul(position, width), column)),
        );
        const word = bitOr(
          bitOr(load(table, red!), load(table, add(256, green!))),
          load(table, add(512, blue!)),
        );
        b.store(y, add(load(geometry, imageHeader.output), mul(row, width), column), word);
      });
    },
  );
}
