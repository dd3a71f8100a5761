/**
 * How the operands of `dot4I8Packed` come out of packed words: which four channels one dot product takes, and the weights packed to match.
 *
 * Activations. A word holds 4, 8 or 16 channels of 8, 4 or 2 bits. It gives as many *parts*, each four fields spread to four bytes by one
 * shift and one mask: part k of a word of 4-bit fields is channels k, k+2, k+4, k+6. Signedness costs one xor: u8 becomes the signed byte
 * x - 128, i4 and i2 become x + 8 and x + 2, unsigned but still within a signed byte. With x = s + offset the sum over all taps is
 *
 *     sum w * (x - zeroPoint) = sum w * s + (offset - zeroPoint) * sum w
 *
 * and the second term is a constant of the output channel: it goes into the bias. Taps in the padding read the zero point, so they obey it.
 *
 * Weights. One word of i4 holds two dot products: the byte's low nibbles and its high ones. Moved to the top of its byte a nibble is 16 times
 * the weight, signed; no bit is spent on extending the sign, and the sum is shifted down by 4 once, at the end, exactly. Where 16 times
 * the sum could leave int32 the weights are widened to bytes instead.
 */
import { bitWidth, isSigned, type Storage, storageRange, type Tensor } from '../../ir/index.ts';
import { channelGranule } from './tile.ts';
import { bitAnd, bitXor, type Expression, mul, shr, u32 } from '../kernel/index.ts';

/** The activations of a dot product. */
export interface ActivationFields {
  readonly bits: 2 | 4 | 8;
  /** Dot products a word feeds. */
  readonly parts: number;
  /** Xor that turns every field of a word into what the dot product reads. */
  readonly flip: number;
  /** x = (field as the dot product reads it) + offset. */
  readonly offset: number;
  /** Largest magnitude of a field as the dot product reads it. */
  readonly largest: number;
}

/** The replication of a field over a word. */
export function replicated(field: number, bits: number): number {
  let word = 0;
  for (let at = 0; at < 32; at += bits) word = (word | ((field & (2 ** bits - 1)) << at)) >>> 0;
  return word;
}

export function activationFields(storage: Storage): ActivationFields {
  const bits = bitWidth(storage) as 2 | 4 | 8;
  const signed = isSigned(storage);
  const top = 2 ** (bits - 1);
  const flips = bits === 8 ? !signed : signed;
  const [low] = storageRange(storage);
  return {
    bits,
    parts: 8 / bits,
    flip: flips ? replicated(top, bits) : 0,
    offset: bits === 8 ? (signed ? 0 : top) : low,
    largest: bits === 8 ? 128 : 2 ** bits - 1,
  };
}

/** Four bytes out of a word already flipped. */
export function activationPart(
  { bits, parts }: ActivationFields,
  word: Expression,
  part: number,
): Expression {
  return parts === 1 ? word : bitAnd(shr(word, part * bits), u32(replicated(2 ** bits - 1, 8)));
}

/** The bytes of part `part` of a quad of packed weight words, each 2^(8 - bits) times its weight. */
export function weightPart(bits: number, words: Expression, part: number): Expression {
  if (bits === 8) return words;
  const up = 8 - bits * (part + 1);
  // A product, not a shift: WGSL shifts vectors only by vectors.
  const moved = up === 0 ? words : mul(words, 2 ** up);
  return bitAnd(moved, replicated((2 ** bits - 1) << (8 - bits), 8));
}

export const flipped = (fields: ActivationFields, words: Expression): Expression =>
  fields.flip === 0 ? words : bitXor(words, fields.flip);

/** The bits weights are packed in: their own, or 8 where the scaled sums might leave int32. */
export function packedWeightBits(weight: Tensor, fields: ActivationFields): 2 | 4 | 8 {
  const bits = bitWidth(weight.type.element.storage) as 2 | 4 | 8;
  const taps = weight.data.length / weight.type.shape[0]!;
  for (let start = 0; start < weight.data.length; start += taps) {
    let magnitude = 0;
    for (let i = start; i < start + taps; i++) magnitude += Math.abs(weight.data[i]!);
    if (magnitude * fields.largest * 2 ** (8 - bits) >= 2 ** 31) return 8;
  }
  return bits;
}

/** Which words of a pixel an output channel's run reads, and how many weight words that takes for each tap. */
export interface DotRows {
  readonly fields: ActivationFields;
  readonly weightBits: 2 | 4 | 8;
  /** Quads of output channels an invocation makes. */
  readonly quads: number;
  readonly runs: number;
  /** Output channels of a row of weight words, padded. */
  readonly pitch: number;
  /** Words of one pixel that are read for each tap. */
  readonly words: number;
  /** First word of every run. */
  readonly starts: readonly number[];
  /** Weight words for each tap and output channel. */
  readonly weightWords: number;
}

/**
 * Plans the rows of a convolution of `groups` groups. A run of output channels reads the words that hold the channels of all its groups;
 * weights are zero for channels of another group, which makes depthwise, grouped and plain convolutions one kernel.
 */
export function dotRows(
  fields: ActivationFields,
  weightBits: 2 | 4 | 8,
  channels: number,
  outputs: number,
  groups: number,
  quads: number,
): DotRows {
  const perWord = 32 / fields.bits;
  const pixelWords = Math.ceil(channels / perWord);
  const runs = Math.ceil(outputs / (4 * quads));
  const [inputsOfGroup, outputsOfGroup] = [channels / groups, outputs / groups];
  const spans = Array.from({ length: runs }, (_, run) => {
    const firstGroup = Math.floor((run * 4 * quads) / outputsOfGroup);
    const lastGroup = Math.floor((Math.min(outputs, (run + 1) * 4 * quads) - 1) / outputsOfGroup);
    const first = Math.floor((firstGroup * inputsOfGroup) / perWord);
    return { first, end: Math.floor(((lastGroup + 1) * inputsOfGroup - 1) / perWord) + 1 };
  });
  const words = spans.reduce((most, { first, end }) => Math.max(most, end - first), 1);
  return {
    fields,
    weightBits,
    quads,
    runs,
    pitch: Math.ceil(outputs / channelGranule) * channelGranule,
    words,
    starts: spans.map(({ first }) => Math.min(first, pixelWords - words)),
    weightWords: Math.ceil((words * fields.parts * weightBits) / 8),
  };
}

/** Weights [O, I, taps...] as the kernel reads them: [tap][weight word][channel], words of four bytes. */
export function packDotWeights(weight: Tensor, rows: DotRows, groups: number): Uint8Array {
  const { fields, weightBits, quads, pitch, words, starts, weightWords } = rows;
  const [outputs, inputsOfGroup] = weight.type.shape as [number, number];
  const taps = weight.data.length / (outputs * inputsOfGroup);
  const outputsOfGroup = outputs / groups;
  const perWord = 32 / fields.bits;
  const partsOfWeight = 8 / weightBits;
  const mask = 2 ** weightBits - 1;
  const packed = new Uint32Array(taps * weightWords * pitch);
  for (let o = 0; o < outputs; o++) {
    const run = Math.floor(o / (4 * quads));
    const firstInput = Math.floor(o / outputsOfGroup) * inputsOfGroup;
    for (let product = 0; product < words * fields.parts; product++) {
      const word = starts[run]! + Math.floor(product / fields.parts);
      const weightWord = Math.floor(product / partsOfWeight);
      for (let byte = 0; byte < 4; byte++) {
        const channel = word * perWord + (product % fields.parts) + fields.parts * byte;
        const input = channel - firstInput;
        if (input < 0 || input >= inputsOfGroup) continue;
        const shift = 8 * byte + weightBits * (product % partsOfWeight);
        for (let tap = 0; tap < taps; tap++) {
          const value = weight.data[(o * inputsOfGroup + input) * taps + tap]!;
          packed[(tap * weightWords + weightWord) * pitch + o]! |= (value & mask) << shift;
        }
      }
    }
  }
  return new Uint8Array(packed.buffer);
}

/** Biases that also hold what the zero point and the fields' offset add for every output channel. */
export function foldedBias(
  weight: Tensor,
  bias: Tensor | undefined,
  fields: ActivationFields,
  zeroPoint: number,
): number[] {
  const outputs = weight.type.shape[0]!;
  const taps = weight.data.length / outputs;
  return Array.from({ length: outputs }, (_, o) => {
    let sum = 0;
    for (let i = o * taps; i < (o + 1) * taps; i++) sum += weight.data[i]!;
    // Wraps: what the kernel adds wraps as well, and the whole sum fits.
    return ((bias?.data[o] ?? 0) + (fields.offset - zeroPoint) * sum) | 0;
  });
}
