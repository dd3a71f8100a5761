/**
 * The numerics contract in the kernel language: `quantize`, `dequantize` and `requantize` of `ir/numerics.ts` as functions that every step of an
 * artifact shares. Saturation comes before narrowing, so that no conversion is ever out of range; and no float expression
 * holds a product followed by a sum, so that contraction to fused multiply-add, which compilers are free to do, has nothing to contract.
 */
import {
  add,
  cast,
  div,
  type Expression,
  ge,
  i64,
  le,
  lt,
  gt,
  mul,
  ne,
  pureFunction,
  roundEven,
  select,
  shl,
  shr,
  sub,
} from '../kernel/index.ts';

/** The 64-bit product keeps every bit: `shift` is 0 to 46 and `multiplier` has 31 bits at most (15 before shifts are aligned). */
export const requantize = pureFunction(
  'requantize',
  {
    doc: [
      'One product, one rounding (half towards +infinity), one saturation:',
      'floor((value * multiplier + half) / 2^shift) + zero_point, held to lowest..highest.',
    ],
    parameters: {
      value: 'i32',
      multiplier: 'i32',
      shift: 'i32',
      zero_point: 'i32',
      lowest: 'i32',
      highest: 'i32',
    },
    result: 'i32',
  },
  (b, { value, multiplier, shift, zero_point, lowest, highest }) => {
    const half = b.let('half', shr(shl(i64(1), shift), 1));
    const product = b.let('product', mul(cast('i64', value), cast('i64', multiplier)));
    const result = b.let('result', add(shr(add(product, half), shift), cast('i64', zero_point)));
    const most = b.let('most', cast('i64', highest));
    const least = b.let('least', cast('i64', lowest));
    b.return(cast('i32', select(lt(result, least), least, select(gt(result, most), most, result))));
  },
);

/** NaN is asked about first: converting it to an integer is undefined. */
export const quantize = pureFunction(
  'quantize',
  {
    doc: ['Round half to even of value / scale, plus zero point, saturated; NaN gives the zero point.'],
    parameters: { value: 'f32', scale: 'f32', zero_point: 'i32', lowest: 'i32', highest: 'i32' },
    result: 'i32',
  },
  (b, { value, scale, zero_point, lowest, highest }) => {
    const steps = b.let('steps', roundEven(div(value, scale)));
    b.if(ne(steps, steps), () => {
      b.return(zero_point);
    });
    b.if(le(steps, cast('f32', sub(lowest, zero_point))), () => {
      b.return(lowest);
    });
    b.if(ge(steps, cast('f32', sub(highest, zero_point))), () => {
      b.return(highest);
    });
    b.return(add(cast('i32', steps), zero_point));
  },
);

/** float32((value - zero point) * scale). */
export const dequantized = (value: Expression, zeroPoint: number, scale: Expression): Expression =>
  mul(cast('f32', sub(value, zeroPoint)), scale);
