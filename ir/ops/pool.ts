/**
 * max_pool2d and average_pool2d. Padding is never counted: a window is the taps that lie inside the input (an imported pool that
 * does count its zeros becomes `pad` and a pool). `ceil_mode` is spelled out in the pads by the importer.
 *
 * The integer average takes two tables, multiplier and shift, indexed by the number of taps in the window minus one, so that
 * windows cut by the border divide by their own count: y = zeroPoint(y) + requantize(sum of (x - zeroPoint(x)), m[n-1], s[n-1]),
 * clamped to [min, max]. One rounding, like everywhere.
 */
import { requantizeValue, saturate } from '../numerics.ts';
import { constraint, type Constraint, defineOp } from '../op.ts';
import { allocate, type Tensor } from '../tensor.ts';
import { elementCount, formatElement, isF32, isQuantized, storageRange } from '../types.ts';
import { centred } from './accumulate.ts';
import { perTensorOperands } from './signature.ts';
import { clampAttributes, clampOf, clampWithinStorage, fixedPointTables } from './requantize.ts';
import {
  fittingWindow,
  largestWindow,
  spatialInput,
  tapSpan,
  type Window,
  windowAttributes,
  windowedExtent,
  wellFormedWindow,
} from './window.ts';

const kernelAttribute = { kernel: { kind: 'ints', summary: 'window, [height, width]' } } as const;

interface Pool extends Window {
  readonly kernel: readonly number[];
}

const kernelShape: Constraint<Pool> = constraint(
  'kernel',
  'kernel is two positive integers below 2^16',
  ({ attributes: { kernel } }) =>
    kernel.length === 2 && kernel.every((extent) => extent >= 1 && extent <= largestWindow)
      ? undefined
      : `kernel [${kernel.join(', ')}] is not two positive integers below 2^16`,
);

/**
 * Whether some window along an axis has all its taps in the padding. Answered from the ends, not by walking the windows: the
 * verifier must not take long over a text that names enormous extents.
 */
function hasEmptyWindow(pool: Pool, axis: 0 | 1, extent: number, outputExtent: number): boolean {
  const [stride, dilation, before] = [pool.strides[axis]!, pool.dilations[axis]!, pool.pads[axis]!];
  const span = (pool.kernel[axis]! - 1) * dilation;
  const lastStart = (outputExtent - 1) * stride - before;
  if (span < before || lastStart >= extent) return true;
  // Taps no further apart than the input is long cannot step over it. Otherwise the input is short, and so is this walk.
  if (dilation <= extent) return false;
  for (let start = -before; start <= lastStart; start += stride) {
    const firstInside = start < 0 ? start + Math.ceil(-start / dilation) * dilation : start;
    if (firstInside >= extent || firstInside > start + span) return true;
  }
  return false;
}

/** A window that holds no tap at all has no value. */
const noEmptyWindow: Constraint<Pool> = constraint(
  'no-empty-window',
  'every window holds at least one element of the input',
  ({ attributes, operands }) => {
    for (const axis of [0, 1] as const) {
      const extent = operands[0]!.shape[axis + 2]!;
      const outputExtent = windowedExtent(attributes, axis, extent, attributes.kernel[axis]!);
      if (hasEmptyWindow(attributes, axis, extent, outputExtent)) {
        return `a window along axis ${axis + 2} lies wholly in the padding`;
      }
    }
    return undefined;
  },
);

const poolShape = (x: readonly number[], attributes: Pool): number[] => [
  x[0]!,
  x[1]!,
  windowedExtent(attributes, 0, x[2]!, attributes.kernel[0]!),
  windowedExtent(attributes, 1, x[3]!, attributes.kernel[1]!),
];

/** Calls `visit(output index, input index)` for every tap inside the input. */
function forEachTap(
  x: Tensor,
  shape: readonly number[],
  pool: Pool,
  visit: (output: number, input: number) => void,
): void {
  const [, , height, width] = shape as [number, number, number, number];
  const [batch, channels, inputHeight, inputWidth] = x.type.shape as [number, number, number, number];
  for (let u = 0; u < pool.kernel[0]!; u++) {
    const rows = tapSpan(pool, 0, u, inputHeight, height);
    for (let v = 0; v < pool.kernel[1]!; v++) {
      const columns = tapSpan(pool, 1, v, inputWidth, width);
      for (let plane = 0; plane < batch * channels; plane++) {
        for (let i = rows.first; i < rows.end; i++) {
          const inputRow = plane * inputHeight + rows.start + (i - rows.first) * pool.strides[0]!;
          for (let j = columns.first; j < columns.end; j++) {
            visit(
              (plane * height + i) * width + j,
              inputRow * inputWidth + columns.start + (j - columns.first) * pool.strides[1]!,
            );
          }
        }
      }
    }
  }
}

export const maxPool2d = defineOp({
  name: 'max_pool2d',
  summary: 'Largest element of each window.',
  levels: ['float', 'quantized', 'integer'],
  operands: [{ name: 'x', summary: 'activations [N, C, H, W]' }],
  attributes: { ...kernelAttribute, ...windowAttributes },
  traits: { transparent: true },
  element: 'same',
  constraints: [
    spatialInput,
    perTensorOperands,
    wellFormedWindow,
    kernelShape,
    fittingWindow<Pool>(({ kernel }) => kernel),
    noEmptyWindow,
  ],
  shape: ([x], attributes) => poolShape(x!.shape, attributes),
  evaluate: ({ tensors, attributes, result }) => {
    const x = tensors[0]!;
    const y = allocate(result.element.storage, elementCount(result.shape));
    y.fill(result.element.storage === 'f32' ? -Infinity : storageRange(result.element.storage)[0]);
    forEachTap(x, result.shape, attributes, (output, input) => {
      y[output] = Math.max(y[output]!, x.data[input]!);
    });
    return y;
  },
});

export const averagePool2d = defineOp({
  name: 'average_pool2d',
  summary: 'Mean of the elements of each window; padding is not counted.',
  levels: ['float', 'quantized', 'integer'],
  operands: [
    { name: 'x', summary: 'activations [N, C, H, W]' },
    {
      name: 'multiplier',
      summary: 'integer form: multiplier by tap count [kernel area]',
      optional: true,
      constant: true,
    },
    {
      name: 'shift',
      summary: 'integer form: shift by tap count [kernel area]',
      optional: true,
      constant: true,
    },
  ],
  attributes: { ...kernelAttribute, ...windowAttributes, ...clampAttributes },
  traits: {},
  element: 'declared',
  constraints: [
    spatialInput,
    perTensorOperands,
    wellFormedWindow,
    kernelShape,
    fittingWindow<Pool>(({ kernel }) => kernel),
    noEmptyWindow,
    {
      name: 'average-form',
      summary: 'f32 to f32, or quantized to quantized with both tables',
      check: ({ operands, attributes, result }) => {
        const [x, multiplier, shift] = operands;
        if (isF32(x!)) {
          return isF32(result) && operands.length === 1
            ? undefined
            : 'an f32 input takes no tables and gives f32';
        }
        if (!isQuantized(x!) || !isQuantized(result))
          return 'an integer average reads and makes quantized tensors';
        const area = attributes.kernel[0]! * attributes.kernel[1]!;
        for (const table of [multiplier, shift]) {
          if (table?.element.storage !== 'i32' || table.shape.length !== 1 || table.shape[0] !== area) {
            return `a table is ${table === undefined ? 'missing' : `${formatElement(table.element)}[${table.shape.join(', ')}]`}, expected i32[${area}]`;
          }
        }
        return undefined;
      },
    },
    clampWithinStorage,
  ],
  constantLaws: [fixedPointTables],
  shape: ([x], attributes) => poolShape(x!.shape, attributes),
  evaluate: ({ tensors, attributes, result }) => {
    const [x, multiplier, shift] = tensors;
    const count = elementCount(result.shape);
    const sums = new Float64Array(count);
    const taps = new Int32Array(count);
    const values = centred(x!);
    forEachTap(x!, result.shape, attributes, (output, input) => {
      sums[output]! += values[input]!;
      taps[output]! += 1;
    });
    const y = allocate(result.element.storage, count);
    if (isF32(result)) return y.map((_, i) => sums[i]! / taps[i]!);
    const zeroPoint = isQuantized(result) ? result.element.zeroPoint : 0;
    const [min, max] = clampOf(attributes, result);
    for (let i = 0; i < count; i++) {
      const n = taps[i]! - 1;
      y[i] = saturate(requantizeValue(sums[i]!, multiplier!.data[n]!, shift!.data[n]!) + zeroPoint, min, max);
    }
    return y;
  },
});
