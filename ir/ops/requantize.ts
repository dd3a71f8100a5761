/**
 * requantize: from one integer scale to another by integers alone,
 *
 *     y = clamp(floor(((x - zeroPoint(x)) * multiplier[c] + 2^(shift[c]-1)) / 2^shift[c]) + zeroPoint(y), min, max)
 *
 * with one multiplier and shift, or one per channel (axis 1). `min` and `max` default to the storage range of the result and carry
 * a fused ReLU or clip. A negative multiplier is allowed: an affine map may turn its channel round.
 */
import { maxShift, multiplierBits, requantizeValue, saturate } from '../numerics.ts';
import { type Bounds, type ConstantLaw, constraint, type Constraint, defineOp } from '../op.ts';
import { allocate } from '../tensor.ts';
import { elementCount, formatElement, isQuantized, storageRange, type TensorType } from '../types.ts';
import { centred } from './accumulate.ts';

export const clampAttributes = {
  min: { kind: 'int', summary: 'smallest result, default the smallest the storage holds', optional: true },
  max: { kind: 'int', summary: 'largest result, default the largest the storage holds', optional: true },
} as const;

interface Clamp {
  readonly min?: number;
  readonly max?: number;
}

/** The interval that results saturate to. */
export function clampOf(attributes: Clamp, result: TensorType): readonly [min: number, max: number] {
  if (result.element.storage === 'f32') return [-Infinity, Infinity];
  const [low, high] = storageRange(result.element.storage);
  return [attributes.min ?? low, attributes.max ?? high];
}

export const clampWithinStorage: Constraint<Clamp> = constraint(
  'clamp-within-storage',
  'min and max lie in the storage range, min not above max',
  ({ attributes, result }) => {
    if (result.element.storage === 'f32') {
      return attributes.min === undefined && attributes.max === undefined
        ? undefined
        : 'an f32 result takes no clamp';
    }
    const [low, high] = storageRange(result.element.storage);
    const [min, max] = clampOf(attributes, result);
    return low <= min && min <= max && max <= high
      ? undefined
      : `clamp [${min}, ${max}] is not an interval within [${low}, ${high}]`;
  },
);

/** Operands 1 and 2 are multipliers and shifts that the numerics contract covers. */
export const fixedPointTables: ConstantLaw = {
  name: 'fixed-point-tables',
  summary: 'multipliers are below 2^15 in magnitude, shifts in [0, 46]',
  check: ([, multipliers, shifts]) => {
    const wide = multipliers?.data.find((multiplier) => Math.abs(multiplier) >= 2 ** multiplierBits);
    if (wide !== undefined) return `multiplier ${wide} has more than ${multiplierBits} bits`;
    const outside = shifts?.data.find((shift) => shift < 0 || shift > maxShift);
    return outside === undefined ? undefined : `shift ${outside} is outside [0, ${maxShift}]`;
  },
};

export const requantize = defineOp({
  name: 'requantize',
  summary: 'Integer rescaling: multiply, shift with one rounding, add the zero point, saturate.',
  levels: ['integer'],
  operands: [
    { name: 'x', summary: 'integers of any storage' },
    { name: 'multiplier', summary: 'i32[1] or i32[C], below 2^15 in magnitude', constant: true },
    { name: 'shift', summary: 'i32[1] or i32[C], in [0, 46]', constant: true },
  ],
  attributes: clampAttributes,
  traits: {},
  element: 'declared',
  constraints: [
    {
      name: 'requantize-operands',
      summary: 'integers in, quantized integers out',
      check: ({ operands, result }) => {
        if (operands[0]!.element.storage === 'f32') return 'operand 0 is f32, expected integers';
        return isQuantized(result)
          ? undefined
          : `result of type ${formatElement(result.element)}, expected a quantized type`;
      },
    },
    {
      name: 'requantize-tables',
      summary: 'multiplier and shift are i32[1] or i32[C], of equal shape',
      check: ({ operands }) => {
        const [x, multiplier, shift] = operands;
        for (const table of [multiplier!, shift!]) {
          const extent = table.shape[0];
          if (
            table.element.storage !== 'i32' ||
            table.shape.length !== 1 ||
            (extent !== 1 && extent !== x!.shape[1])
          ) {
            return `table of type ${formatElement(table.element)}[${table.shape.join(', ')}], expected i32[1] or i32[${x!.shape[1] ?? 1}]`;
          }
        }
        return multiplier!.shape[0] === shift!.shape[0] ? undefined : 'multiplier and shift differ in length';
      },
    },
    clampWithinStorage,
  ],
  constantLaws: [fixedPointTables],
  shape: ([x]) => x!.shape,
  evaluate: ({ tensors, attributes, result }) => {
    const [x, multiplier, shift] = tensors;
    const inner = elementCount(result.shape.slice(2));
    const channels = multiplier!.data.length;
    const values = centred(x!);
    const zeroPoint = isQuantized(result) ? result.element.zeroPoint : 0;
    const [min, max] = clampOf(attributes, result);
    const y = allocate(result.element.storage, values.length);
    for (let i = 0; i < y.length; i++) {
      const c = channels === 1 ? 0 : Math.floor(i / inner) % channels;
      y[i] = saturate(
        requantizeValue(values[i]!, multiplier!.data[c]!, shift!.data[c]!) + zeroPoint,
        min,
        max,
      );
    }
    return y;
  },
  bound: ({ operands, bounds, constants, attributes, result }): Bounds => {
    const [x] = operands;
    const [multiplier, shift] = [constants[1]!, constants[2]!];
    const from = isQuantized(x!) ? x.element.zeroPoint : 0;
    const to = isQuantized(result) ? result.element.zeroPoint : 0;
    const [low, high] = clampOf(attributes, result);
    const channels = Math.max(multiplier.data.length, bounds[0]!.min.length);
    const min: number[] = [];
    const max: number[] = [];
    for (let c = 0; c < channels; c++) {
      const m = multiplier.data[multiplier.data.length === 1 ? 0 : c]!;
      const s = shift.data[shift.data.length === 1 ? 0 : c]!;
      const at = (list: readonly number[]): number =>
        saturate(requantizeValue(list[list.length === 1 ? 0 : c]! - from, m, s) + to, low, high);
      const ends = [at(bounds[0]!.min), at(bounds[0]!.max)];
      min.push(Math.min(...ends));
      max.push(Math.max(...ends));
    }
    return { min, max };
  },
});
