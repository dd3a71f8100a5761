/** Constraints on operand elements that several ops share. */
import { constraint, type Constraint } from '../op.ts';
import { formatElement, formatType, isF32, isQuantized, sameElement } from '../types.ts';

/** All operands are f32. */
export const f32Operands: Constraint<unknown> = constraint(
  'f32-operands',
  'all operands are f32',
  ({ operands }) => {
    const wrong = operands.find((type) => !isF32(type));
    return wrong === undefined ? undefined : `operand of type ${formatType(wrong)}, expected f32`;
  },
);

/**
 * Operands of a layer: all f32; or integers: activations of at most 8 bits quantized per tensor, weights of at most 8 bits quantized
 * symmetrically, per tensor or per output channel, and an int32 bias. One sum has one step only so.
 */
export const layerOperands: Constraint<unknown> = constraint(
  'layer-operands',
  'f32 throughout, or activations and symmetric weights of at most 8 bits with an i32 bias',
  ({ operands }) => {
    const [x, weight, bias] = operands;
    if (operands.every(isF32)) return undefined;
    if (!isQuantized(x!) || Number(x.element.storage.slice(1)) > 8) {
      return `activations of type ${formatElement(x!.element)}, expected at most 8 quantized bits`;
    }
    if (
      !isQuantized(weight!) ||
      weight.element.zeroPoint !== 0 ||
      !['i2', 'i4', 'i8'].includes(weight.element.storage)
    ) {
      return `weights of type ${formatElement(weight!.element)}, expected i2, i4 or i8 with zero point 0`;
    }
    if (x.element.axis !== undefined) return 'activations quantized per axis, expected per tensor';
    if ((weight.element.axis ?? 0) !== 0) {
      return `weights quantized along axis ${weight.element.axis!}, expected the output channels`;
    }
    if (bias !== undefined && bias.element.storage !== 'i32') {
      return `bias of type ${formatElement(bias.element)}, expected i32`;
    }
    return undefined;
  },
);

/** All operands have one element type. */
export const equalElements: Constraint<unknown> = constraint(
  'equal-elements',
  'all operands have the same element type',
  ({ operands }) => {
    const first = operands[0]!.element;
    const other = operands.find((type) => !sameElement(type.element, first));
    return other === undefined
      ? undefined
      : `operands of type ${formatElement(first)} and ${formatElement(other.element)} do not agree`;
  },
);

/** No operand is quantized per axis: where elements move between indices, a step that belongs to an index would not follow. */
export const perTensorOperands: Constraint<unknown> = constraint(
  'per-tensor-operands',
  'no operand is quantized per axis',
  ({ operands }) => {
    const wrong = operands.find((type) => isQuantized(type) && type.element.axis !== undefined);
    return wrong === undefined ? undefined : `operand of type ${formatType(wrong)}, expected one scale`;
  },
);

/** A vector operand has one element per channel. */
export function perChannelVector(index: number, name: string): Constraint<unknown> {
  return constraint(`${name}-shape`, `${name} is a vector with one element per channel`, ({ operands }) => {
    const type = operands[index];
    if (type === undefined) return undefined;
    const channels = operands[0]!.shape[1];
    return type.shape.length === 1 && type.shape[0] === channels
      ? undefined
      : `${name} of shape [${type.shape.join(', ')}], expected [${channels ?? '?'}]`;
  });
}
