/**
 * The two ends of a program, where f32 comes in and goes out. JavaScript is exact about rounding, WGSL is not: so they are computed here, and the
 * same input gives the same integers on every adapter. (Softmax, if the model ends in one, is f32 and outside this promise.)
 */
import { elementCount, forEachElement, packer, rangeOf, unpackIntegers } from './elements.ts';
import type { HostOutput, HostUpload } from './program.ts';

/** Numbers in steps of `scale` that differ along one axis: the scale of a row-major index. */
function scaleOf(
  scale: readonly number[],
  axis: number,
  shape: readonly number[],
): (index: number) => number {
  const [first] = scale;
  if (scale.length === 1) return () => first!;
  const inner = elementCount(shape.slice(axis + 1));
  return (index) => scale[Math.floor(index / inner) % scale.length]!;
}

/** Adding and subtracting this rounds a double to an integer, ties to even, for magnitudes below 2^51. */
const rounder = 1.5 * 2 ** 52;

/** An input as the device reads it: quantized as ONNX QuantizeLinear does, NaN to the zero point. */
export function packInput(
  { shape, strides, bits, bytes, storage, quantize }: HostUpload,
  data: Float32Array,
): Uint8Array {
  const packed = new Uint8Array(bytes);
  const put = packer(packed, bits);
  if (quantize === undefined) {
    forEachElement(shape, strides, (index, offset) => {
      put(offset, data[index]!);
    });
    return packed;
  }
  const [min, max] = rangeOf(storage);
  const { zero_point: zeroPoint } = quantize;
  const scale = scaleOf(quantize.scale, quantize.axis, shape);
  const [low, high] = [min - zeroPoint, max - zeroPoint];
  forEachElement(shape, strides, (index, offset) => {
    const steps = Math.fround(data[index]! / scale(index));
    // Saturating first is the same, as both ends are integers, and keeps the sum small.
    const held = steps < low ? low : steps > high ? high : steps;
    put(offset, Number.isNaN(held) ? zeroPoint : held + rounder - rounder + zeroPoint);
  });
  return packed;
}

/** An output out of the bytes that the device computed. */
export function finishOutput(output: HostOutput, bytes: Uint8Array): Float32Array {
  const integers = unpackIntegers(output, bytes);
  let values = Float32Array.from(integers);
  for (const stage of output.stages) {
    if (stage.op === 'dequantize') {
      const scale = scaleOf(stage.scale, stage.axis, stage.shape);
      // float32 of the difference first, then one rounded product: as hardware converts.
      values = Float32Array.from(integers, (value, i) => Math.fround(value - stage.zero_point) * scale(i));
    } else {
      softmax(values, stage.shape, stage.axis);
    }
  }
  return values;
}

function softmax(values: Float32Array, shape: readonly number[], axis: number): void {
  const extent = shape[axis]!;
  const inner = elementCount(shape.slice(axis + 1));
  for (let start = 0; start < values.length; start += extent * inner) {
    for (let lane = start; lane < start + inner; lane++) {
      let largest = -Infinity;
      for (let k = 0; k < extent; k++) largest = Math.max(largest, values[lane + k * inner]!);
      let sum = 0;
      for (let k = 0; k < extent; k++) sum += Math.exp(values[lane + k * inner]! - largest);
      for (let k = 0; k < extent; k++) {
        values[lane + k * inner] = Math.exp(values[lane + k * inner]! - largest) / sum;
      }
    }
  }
}
