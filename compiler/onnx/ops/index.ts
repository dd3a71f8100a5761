/**
 * The table of ONNX operators. `importers` make nodes of the program; `folders` work on numbers known at compile time and come first
 * when all operands are known (`Shape` and `Size`, which look at types alone, always). An op is a function in one of the files beside
 * this one and a row here; its versions are handled inside the function.
 */
import type { OpImporter } from '../node-scope.ts';
import * as elementwise from './elementwise.ts';
import * as folding from './folding.ts';
import * as integer from './integer-operators.ts';
import * as layers from './layers.ts';
import * as movement from './movement.ts';
import * as normalization from './normalization.ts';
import * as pooling from './pooling.ts';
import * as quantization from './quantization.ts';

/** Operators of ONNX itself, from opset 7 on. */
export const importers = {
  Add: elementwise.add,
  AveragePool: pooling.averagePool,
  BatchNormalization: normalization.batchNormalization,
  Cast: elementwise.cast,
  CastLike: elementwise.castLike,
  Clip: elementwise.clip,
  Concat: movement.concat,
  Constant: folding.constant,
  Conv: layers.conv,
  DequantizeLinear: quantization.dequantizeLinear,
  Div: elementwise.div,
  Dropout: normalization.dropout,
  Flatten: movement.flatten,
  Gemm: layers.gemm,
  GlobalAveragePool: pooling.globalAveragePool,
  GlobalMaxPool: pooling.globalMaxPool,
  HardSigmoid: elementwise.hardSigmoid,
  HardSwish: elementwise.hardSwish,
  Identity: elementwise.identity,
  LeakyRelu: elementwise.leakyRelu,
  MatMul: layers.matMul,
  Max: elementwise.max,
  MaxPool: pooling.maxPool,
  Min: elementwise.min,
  Mul: elementwise.mul,
  Pad: movement.pad,
  QLinearConv: integer.qLinearConv,
  QLinearMatMul: integer.qLinearMatMul,
  QuantizeLinear: quantization.quantizeLinear,
  ReduceMean: pooling.reduceMean,
  Relu: elementwise.relu,
  Reshape: movement.reshape,
  Shape: folding.shape,
  Sigmoid: elementwise.sigmoid,
  Size: folding.size,
  Slice: movement.slice,
  Softmax: elementwise.softmax,
  Squeeze: movement.squeeze,
  Sub: elementwise.sub,
  Sum: elementwise.sum,
  Transpose: movement.transpose,
  Unsqueeze: movement.unsqueeze,
} as const satisfies Record<string, OpImporter>;

/** The same with all operands known. Ops that are only here have no meaning on computed values. */
export const folders = {
  Abs: folding.foldUnary(Math.abs),
  Add: folding.foldBinary((a, b) => a + b),
  Cast: folding.foldCast,
  CastLike: folding.foldCastLike,
  Ceil: folding.foldUnary(Math.ceil),
  ConstantOfShape: folding.constantOfShape,
  Div: folding.foldBinary(
    (a, b) => a / b,
    (a, b) => Math.trunc(a / b),
  ),
  Equal: folding.foldBinary((a, b) => Number(a === b), undefined, 'bool'),
  Exp: folding.foldUnary(Math.exp),
  Expand: folding.expand,
  Floor: folding.foldUnary(Math.floor),
  Gather: folding.gather,
  Max: folding.foldBinary(Math.max),
  Min: folding.foldBinary(Math.min),
  Mul: folding.foldBinary((a, b) => a * b),
  Neg: folding.foldUnary((value) => -value),
  Pow: folding.foldBinary((a, b) => a ** b),
  Range: folding.range,
  Reciprocal: folding.foldUnary((value) => 1 / value),
  ReduceMax: folding.foldReduce(-Infinity, Math.max),
  ReduceMin: folding.foldReduce(Infinity, Math.min),
  ReduceProd: folding.foldReduce(1, (a, b) => a * b),
  ReduceSum: folding.foldReduce(0, (a, b) => a + b),
  Sqrt: folding.foldUnary(Math.sqrt),
  Sub: folding.foldBinary((a, b) => a - b),
  Where: folding.where,
} as const satisfies Record<string, OpImporter>;

/** Operators that ONNX Runtime adds in the domain com.microsoft. */
export const microsoftImporters = {
  DequantizeLinear: quantization.dequantizeLinear,
  QGemm: integer.qGemm,
  QLinearAdd: integer.qLinearAdd,
  QLinearAveragePool: integer.qLinearAveragePool,
  QLinearConcat: integer.qLinearConcat,
  QLinearConv: integer.qLinearConv,
  QLinearGlobalAveragePool: integer.qLinearGlobalAveragePool,
  QLinearLeakyRelu: integer.qLinearLeakyRelu,
  QLinearMul: integer.qLinearMul,
  QLinearSigmoid: integer.qLinearSigmoid,
  QLinearSoftmax: integer.qLinearSoftmax,
  QuantizeLinear: quantization.quantizeLinear,
} as const satisfies Record<string, OpImporter>;

/** What to use instead of an op that cannot be imported, where something comes near. */
export const nearestForm: Readonly<Record<string, string>> = {
  ConvInteger: 'QLinearConv, or Conv between DequantizeLinear and QuantizeLinear',
  DynamicQuantizeLinear: 'QuantizeLinear with a constant scale: quantize the model statically',
  Elu: 'LeakyRelu or Relu',
  Gelu: 'HardSwish, or x * Sigmoid(x)',
  GlobalLpPool: 'GlobalAveragePool',
  GroupNormalization: 'BatchNormalization',
  InstanceNormalization: 'BatchNormalization',
  LayerNormalization: 'BatchNormalization',
  LogSoftmax: 'Softmax, or the logits before it',
  LRN: 'BatchNormalization',
  MatMulInteger: 'QLinearMatMul, or MatMul between DequantizeLinear and QuantizeLinear',
  Mish: 'HardSwish, or x * Sigmoid(x)',
  PRelu: 'LeakyRelu with one slope',
  ReduceMax: 'GlobalMaxPool',
  ReduceSum: 'ReduceMean and a Mul by the count',
  Resize: 'a fixed input size',
  Selu: 'LeakyRelu or Relu',
  Split: 'one Slice for each part',
  Swish: 'x * Sigmoid(x)',
  Tanh: 'Sigmoid',
  Upsample: 'a fixed input size',
};
