/** quantize and dequantize: the two bridges between real numbers and integers. */
import { dequantizeValue, quantizeValue } from '../numerics.ts';
import { defineOp } from '../op.ts';
import { allocate } from '../tensor.ts';
import { elementCount, formatElement, isF32, isQuantized, type QuantizedElement } from '../types.ts';

/** For every element of a tensor of this shape: its real step. */
function stepOf(
  element: QuantizedElement,
  shape: readonly number[],
  scales: (name: string) => Float32Array,
): (index: number) => number {
  if (typeof element.scale === 'number') {
    const { scale } = element;
    return () => scale;
  }
  const values = scales(element.scale);
  const axis = element.axis ?? 0;
  const inner = elementCount(shape.slice(axis + 1));
  return (index) => values[Math.floor(index / inner) % values.length]!;
}

export const quantize = defineOp({
  name: 'quantize',
  summary: 'Real to integer: round half to even of x / scale, plus zero point, saturated.',
  levels: ['quantized', 'integer'],
  operands: [{ name: 'x', summary: 'f32, any shape' }],
  attributes: {},
  traits: { boundary: true },
  element: 'declared',
  constraints: [
    {
      name: 'quantize-types',
      summary: 'f32 in, a quantized type out',
      check: ({ operands, result }) => {
        if (!isF32(operands[0]!))
          return `operand of type ${formatElement(operands[0]!.element)}, expected f32`;
        return isQuantized(result)
          ? undefined
          : `result of type ${formatElement(result.element)}, expected a quantized type`;
      },
    },
  ],
  shape: ([x]) => x!.shape,
  evaluate: ({ tensors, result, scales }) => {
    const [x] = tensors;
    const element = result.element as QuantizedElement;
    const step = stepOf(element, result.shape, scales);
    const y = allocate(element.storage, x!.data.length);
    for (let i = 0; i < y.length; i++) {
      y[i] = quantizeValue(x!.data[i]!, step(i), element.zeroPoint, element.storage);
    }
    return y;
  },
});

export const dequantize = defineOp({
  name: 'dequantize',
  summary: 'Integer to real: (x - zero point) * scale.',
  levels: ['quantized', 'integer'],
  operands: [{ name: 'x', summary: 'quantized, any shape' }],
  attributes: {},
  traits: { boundary: true },
  element: 'f32',
  constraints: [
    {
      name: 'dequantize-types',
      summary: 'a quantized type in, f32 out',
      check: ({ operands }) =>
        isQuantized(operands[0]!)
          ? undefined
          : `operand of type ${formatElement(operands[0]!.element)}, expected a quantized type`,
    },
  ],
  shape: ([x]) => x!.shape,
  evaluate: ({ tensors, scales }) => {
    const [x] = tensors;
    const element = x!.type.element as QuantizedElement;
    const step = stepOf(element, x!.type.shape, scales);
    return Float32Array.from(x!.data, (value, i) => dequantizeValue(value, step(i), element.zeroPoint));
  },
});
