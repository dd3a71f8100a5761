/**
 * Two products of 4-bit numbers in one 32-bit multiplication, for machines that have no dot product of bytes: lavapipe makes four multiplications of
 * each `dot4I8Packed`.
 *
 * A word holds eight fields; those at 4k and at 4k + 16 are a pair. With a pair of activations (a, b), a in the low half, and the pair of weights
 * (v, w) in the other order, w in the low half,
 *
 *     (a + b * 2^16) * (w + v * 2^16) = a w + (a v + b w) * 2^16      modulo 2^32
 *
 * Weights are taken with 8 added, so all fields are 0..15 and no half borrows from the other: after n multiplications the low half is at most 225 n
 * and the high one 450 n, which stay apart for n <= 145. The 8 is taken off again with the sum of the activations: the same product with ones for
 * weights.
 */
import {
  add,
  bitAnd,
  bitcast,
  bitOr,
  bitXor,
  component,
  compose,
  type Expression,
  invoke,
  mul,
  pureFunction,
  shl,
  shr,
  u32,
} from '../kernel/index.ts';

/** Words of eight fields, four multiplications each, before the halves must be taken apart. */
export const wordsOfPairs = 36;

const pairMask = 0x000f000f;

const pairDot = pureFunction(
  'pair_dot',
  {
    doc: ['eight products of fields of 4 bits; the sum in the high half'],
    parameters: { x: 'u32', w: 'u32' },
    result: 'u32',
  },
  (b, { x, w }) => {
    const pair = (word: Expression, k: number): Expression => bitAnd(shr(word, 4 * k), u32(pairMask));
    b.return(
      [0, 1, 2, 3].map((k) => mul(pair(x, k), pair(w, k))).reduce((sum, product) => add(sum, product)),
    );
  },
);

const lanes = [0, 1, 2, 3] as const;

const pairQuad = pureFunction(
  'pair_quad',
  { parameters: { x: 'u32', w: 'vec4u' }, result: 'vec4u' },
  (b, { x, w }) => {
    b.return(compose('vec4u', ...lanes.map((lane) => invoke(pairDot, x, component(w, lane)))));
  },
);

const highHalves = pureFunction(
  'high_halves',
  {
    doc: ['sums of products by weights of 8 too much, less 8 times the sum of the activations'],
    parameters: { products: 'vec4u', activations: 'u32' },
    result: 'vec4i',
  },
  (b, { products, activations }) => {
    const excess = b.let('excess', mul(bitcast('i32', shr(activations, 16)), -8));
    b.return(
      compose(
        'vec4i',
        ...lanes.map((lane) => add(bitcast('i32', shr(component(products, lane), 16)), excess)),
      ),
    );
  },
);

/** Eight signed fields as `pairProducts` takes them. */
export const pairWeights = (word: Expression): Expression =>
  bitXor(bitOr(shl(word, 16), shr(word, 16)), u32(0x88888888));

/** What a word of activations, eight unsigned fields, adds for four output channels. */
export const pairProducts = (x: Expression, weights: Expression): Expression => invoke(pairQuad, x, weights);

/** What it adds to the sum of the activations. */
export const pairActivations = (x: Expression): Expression => invoke(pairDot, x, u32(0x11111111));

/** The sums that both have made. */
export const pairSums = (products: Expression, activations: Expression): Expression =>
  invoke(highHalves, products, activations);

/** How many runs of equal length, each short enough, a row of words is cut into; undefined where it cannot be. */
export function runsOfPairs(words: number): number | undefined {
  for (let runs = Math.ceil(words / wordsOfPairs); runs <= 8; runs++) if (words % runs === 0) return runs;
  return undefined;
}
