/**
 * An ONNX model as plain data: what a file says, without protobuf. The front end reads files into this form and the emitter of this
 * folder makes it; turning it into bytes belongs to `compiler/onnx`, the only place that knows the wire format.
 *
 * Nothing here is checked: a model read from a file is as wrong as the file.
 */

/** Codes of `TensorProto.DataType`, those this project reads or writes. */
export const dataTypeCode = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
  uint4: 21,
  int4: 22,
  uint2: 25,
  int2: 26,
} as const;

export type DataType = keyof typeof dataTypeCode;

/** Where the elements of a tensor are. */
export type OnnxPayload =
  /** Little-endian, row-major; types below 8 bits two to a byte, the first in the low half. */
  | { readonly kind: 'raw'; readonly bytes: Uint8Array }
  /** One entry an element; float16 and bfloat16 as bit patterns, types below 8 bits packed as in `raw`. */
  | { readonly kind: 'typed'; readonly values: ArrayLike<number> }
  /** In a file beside the model. Entries as written: nothing about them has been checked. */
  | { readonly kind: 'external'; readonly entries: Readonly<Record<string, string>> };

export interface OnnxTensor {
  readonly name: string;
  /** A code of `dataTypeCode`, or one that this project does not know. */
  readonly dataType: number;
  readonly dims: readonly number[];
  readonly payload: OnnxPayload;
}

export type OnnxAttribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'tensor'; readonly value: OnnxTensor }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  /** A subgraph, a sparse tensor, a type, or a list of such: read far enough to name it. */
  | { readonly kind: 'other'; readonly what: string }
  /** Inside a function: the attribute of the call that this one takes its value from. */
  | { readonly kind: 'reference'; readonly to: string };

export interface OnnxNode {
  /** May be empty. */
  readonly name: string;
  readonly opType: string;
  /** Empty for the operators of ONNX itself. */
  readonly domain: string;
  /** Names of values; an empty one stands for an operand that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** The extent of an axis: a number, the name of a dimension known only at run time, or nothing at all. */
export type OnnxDimension = number | string | undefined;

export type OnnxType =
  | {
      readonly kind: 'tensor';
      readonly dataType: number;
      /** Absent where even the number of axes is unknown. */
      readonly dims?: readonly OnnxDimension[];
    }
  /** A sequence, a map, an optional, a sparse tensor, or nothing. */
  | { readonly kind: 'other'; readonly what: string };

export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
}

export interface OnnxGraph {
  readonly name: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly initializers: readonly OnnxTensor[];
  /** Names of initializers in a sparse format. */
  readonly sparseInitializers: readonly string[];
  readonly nodes: readonly OnnxNode[];
}

/** A function of the model itself: a body that stands wherever a node names it. */
export interface OnnxFunction {
  readonly name: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly OnnxNode[];
}

export interface OnnxModel {
  readonly irVersion: number;
  /** Name and version of the program that wrote the file. */
  readonly producer: string;
  /** Version of the operators of each domain; the domain of ONNX itself is empty. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: OnnxGraph;
  readonly functions: readonly OnnxFunction[];
}
