/**
 * The integer arithmetic of WGSL kernels as functions of the kernel language: `requantize` without 64-bit integers, and fields of fewer
 * than 32 bits in and out of words. A value in flight is a *quad*: four neighbouring channels as a vec4 of i32.
 *
 * `requantize(a, m, s) = floor((a * m + half) / 2^s)` has a 48-bit product. It is kept in two limbs, a * m = H * 2^16 + L with
 * 0 <= L < 2^16: from a = ah * 2^16 + al with al unsigned, both partial products fit 32 bits because |m| < 2^15. Then
 *
 *     s >= 17    floor((H + 2^(s-17)) / 2^(s-16))               half is a whole number of 2^16, so L cannot change the floor
 *     s <= 16    H * 2^(16-s) + floor((L + half) / 2^s)
 *
 * An operand of at most 8 bits needs no limbs: its product stays below 2^24.
 */
import {
  add,
  bitAnd,
  bitcast,
  bitOr,
  clamp,
  component,
  compose,
  dot4I8Packed,
  type Expression,
  extractBits,
  gt,
  i32,
  invoke,
  type KernelFunction,
  mul,
  neg,
  pureFunction,
  shl,
  shr,
  sub,
  u32,
} from '../kernel/index.ts';

const lanes = [0, 1, 2, 3] as const;

/** Applies a function of scalars lane by lane. */
function lanewise(name: string, doc: readonly string[], of: KernelFunction): KernelFunction {
  return pureFunction(
    name,
    { doc, parameters: { a: 'vec4i', m: 'vec4i', s: 'vec4i' }, result: 'vec4i' },
    (b, { a, m, s }) => {
      b.return(
        compose(
          'vec4i',
          ...lanes.map((lane) => invoke(of, component(a, lane), component(m, lane), component(s, lane))),
        ),
      );
    },
  );
}

const scalars = { parameters: { a: 'i32', m: 'i32', s: 'i32' }, result: 'i32' } as const;

/** 2^(s-1), or 0 for s = 0. */
const half = (s: Expression): Expression => shr(shl(i32(1), s), 1);

const low16 = (a: Expression): Expression => bitAnd(a, 0xffff);

/** H of a * m = H * 2^16 + L. */
const highLimb = (a: Expression, m: Expression): Expression =>
  add(mul(shr(a, 16), m), shr(mul(low16(a), m), 16));

const small = pureFunction('requantize_small', scalars, (b, { a, m, s }) => {
  b.return(shr(add(mul(a, m), half(s)), s));
});

const high = pureFunction('requantize_high', scalars, (b, { a, m, s }) => {
  b.return(shr(add(highLimb(a, m), shl(i32(1), sub(s, 17))), sub(s, 16)));
});

/** Bounds of H that keep the result of a small shift inside int32, far beyond what a narrow result saturates to. */
const wide = (name: string, saturating: boolean): KernelFunction =>
  pureFunction(name, scalars, (b, { a, m, s }) => {
    const limb = b.let('h', highLimb(a, m));
    b.if(gt(s, 16), () => {
      b.return(shr(add(limb, shl(i32(1), sub(s, 17))), sub(s, 16)));
    });
    const rest = shr(add(low16(mul(low16(a), m)), half(s)), s);
    const limit = b.let('limit', shl(i32(1), add(s, 14)));
    const held = saturating ? clamp(limb, neg(limit), sub(limit, 1)) : limb;
    b.return(add(shl(held, sub(i32(16), s)), rest));
  });

const requantizeSmall = lanewise('requantize_quad_small', ['|a| < 2^9, s <= 30'], small);
const requantizeHigh = lanewise('requantize_quad_high', ['any a, s >= 17'], high);
const requantizeSaturating = lanewise(
  'requantize_quad_saturating',
  ['any a and s; exact after saturation to 16 bits or fewer'],
  wide('requantize_saturating', true),
);
const requantizeWide = lanewise(
  'requantize_quad',
  ['any a and s whose result fits int32'],
  wide('requantize', false),
);

/** Which form of `requantize` serves, and the tables as that form reads them. */
export interface RequantizeForm {
  readonly callee: KernelFunction;
  readonly multiplier: readonly number[];
  readonly shift: readonly number[];
}

/** Chooses the cheapest exact form for an operand and a result of these bits and these tables. */
export function requantizeForm(
  operandBits: number,
  resultBits: number,
  multiplier: ArrayLike<number>,
  shift: ArrayLike<number>,
): RequantizeForm {
  const multipliers = Array.from(multiplier);
  const shifts = Array.from(shift);
  if (operandBits <= 8) {
    // Beyond 30 bits of shift the product is below half a step: the result is 0, as a multiplier of 0 says.
    return {
      callee: requantizeSmall,
      multiplier: multipliers.map((m, c) => (shifts[c]! > 30 ? 0 : m)),
      shift: shifts.map((s) => Math.min(s, 30)),
    };
  }
  const tables = { multiplier: multipliers, shift: shifts };
  if (shifts.every((s) => s >= 17)) return { callee: requantizeHigh, ...tables };
  return { callee: resultBits <= 16 ? requantizeSaturating : requantizeWide, ...tables };
}

/** Padding of a table of shifts: valid in every form. */
export const neutralShift = 17;

/** Four dot products of one word of activations with the words of four output channels. */
export const dotQuad = pureFunction(
  'dot_quad',
  {
    doc: ['x: four signed bytes of one pixel; w: four signed bytes for each of four output channels'],
    parameters: { x: 'u32', w: 'vec4u' },
    result: 'vec4i',
  },
  (b, { x, w }) => {
    b.return(compose('vec4i', ...lanes.map((lane) => dot4I8Packed(x, component(w, lane)))));
  },
);

const shiftFunctions = new Map(
  [4, 6].map((by) => [
    by,
    pureFunction(
      `shift_quad_${by}`,
      { doc: [`a / 2^${by}, exact`], parameters: { a: 'vec4i' }, result: 'vec4i' },
      (b, { a }) => {
        b.return(compose('vec4i', ...lanes.map((lane) => shr(component(a, lane), by))));
      },
    ),
  ]),
);

/** Every lane of a quad shifted right by 0, 4 or 6. */
export const shiftQuad = (quad: Expression, by: number): Expression =>
  by === 0 ? quad : invoke(shiftFunctions.get(by)!, quad);

const fieldReaders = new Map(
  [2, 4, 16].flatMap((bits) =>
    [true, false].map((signed) => {
      const type = signed ? 'i32' : 'u32';
      const parameters = bits === 16 ? ({ low: 'u32', high: 'u32' } as const) : ({ word: 'u32' } as const);
      const read = pureFunction(
        `unpack_${signed ? 'i' : 'u'}${bits}`,
        { parameters, result: 'vec4i' },
        (b, words) => {
          const fields = lanes.map((lane) => {
            const word = bits === 16 ? (lane < 2 ? words.low : words.high)! : words.word!;
            const offset = bits === 16 ? 16 * (lane % 2) : bits * lane;
            return bitcast('i32', extractBits(bitcast(type, word), u32(offset), u32(bits)));
          });
          b.return(compose('vec4i', ...fields));
        },
      );
      return [`${bits}${signed}`, read] as const;
    }),
  ),
);

/** The quad in the low bits of one word (2 or 4 bits a field), or of two (16 bits). */
export const fieldsQuad = (bits: number, signed: boolean, ...words: readonly Expression[]): Expression =>
  invoke(fieldReaders.get(`${bits}${signed}`)!, ...words);

const fieldPackers = new Map(
  [2, 4].map((bits) => [
    bits,
    pureFunction(`pack_${bits}`, { parameters: { a: 'vec4i' }, result: 'u32' }, (b, { a }) => {
      const fields = lanes.map((lane) =>
        shl(bitAnd(bitcast('u32', component(a, lane)), u32(2 ** bits - 1)), bits * lane),
      );
      b.return(fields.reduce((left, right) => bitOr(left, right)));
    }),
  ]),
);

/** The low fields of 2 or 4 bits of a quad's lanes, side by side. */
export const packedFields = (bits: number, quad: Expression): Expression =>
  invoke(fieldPackers.get(bits)!, quad);
