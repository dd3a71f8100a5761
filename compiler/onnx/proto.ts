/**
 * The one module that knows the protobuf library. `onnx-proto` 8 is CommonJS on protobufjs 6 and holds the schema of ONNX 1.10; what
 * later versions added arrives as plain numbers (data types 21 and 22 are the 4-bit integers) or is skipped.
 *
 * 64-bit integers become JavaScript numbers by saturation at the safe integers: the only larger ones that models contain mean "as far
 * as it goes".
 */
import onnxProto from 'onnx-proto';

declare global {
  /** A 64-bit integer of protobufjs. The types of `onnx-proto` name it and never declare it. */
  interface Long {
    toNumber: () => number;
  }
}

/** What protobufjs makes of a 64-bit integer: a number, or a `Long` where that package is installed. */
export type Integer64 = number | Long | null | undefined;

export const { ModelProto, TensorProto, AttributeProto } = onnxProto.onnx;
export type ModelProto = onnxProto.onnx.IModelProto;
export type GraphProto = onnxProto.onnx.IGraphProto;
export type NodeProto = onnxProto.onnx.INodeProto;
export type TensorProto = onnxProto.onnx.ITensorProto;
export type AttributeProto = onnxProto.onnx.IAttributeProto;
export type ValueInfoProto = onnxProto.onnx.IValueInfoProto;
export type TypeProto = onnxProto.onnx.ITypeProto;

export function toNumber(value: Integer64): number {
  if (value === null || value === undefined) return 0;
  const number = typeof value === 'number' ? value : value.toNumber();
  return Math.min(Math.max(number, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}

export function toNumbers(values: readonly Integer64[] | null | undefined): number[] {
  return (values ?? []).map(toNumber);
}
