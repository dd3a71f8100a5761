/**
 * Products of whole words: what one word of activations and one word of weights (or several, where their widths differ) add to the sums of four
 * output channels. Fields are unpacked inside; compilers see that neighbouring calls unpack the same word and do it once.
 */
import {
  add,
  type Expression,
  invoke,
  type KernelFunction,
  pureFunction,
  type Type,
} from '../kernel/index.ts';
import { dotQuad } from './arithmetic.ts';
import { activationPart, type ActivationFields, weightPart } from './dot-layout.ts';

const functions = new Map<string, KernelFunction>();

/**
 * The function for `words` activation words followed by `weights` quads of weight words (vec4u); the result is 2^(8 - weightBits) times the
 * sum, for four output channels.
 */
export function dotFunction(
  fields: ActivationFields,
  weightBits: 2 | 4 | 8,
  words: number,
  weights: number,
): KernelFunction {
  if (words === 1 && fields.bits === 8 && weightBits === 8) return dotQuad;
  const name = `dot_${words}x${fields.bits}_${weights}x${weightBits}`;
  let made = functions.get(name);
  if (made === undefined) {
    made = writeDot(name, fields, weightBits, words, weights);
    functions.set(name, made);
  }
  return made;
}

function writeDot(
  name: string,
  fields: ActivationFields,
  weightBits: 2 | 4 | 8,
  words: number,
  weights: number,
): KernelFunction {
  const xs: readonly (readonly [string, Type])[] = Array.from({ length: words }, (_, i) => [`x${i}`, 'u32']);
  const ws: readonly (readonly [string, Type])[] = Array.from({ length: weights }, (_, i) => [
    `w${i}`,
    'vec4u',
  ]);
  const partsOfWeight = 8 / weightBits;
  return pureFunction(
    name,
    {
      doc: [`${words} words of ${fields.bits}-bit fields by ${weights} of ${weightBits} bits`],
      parameters: Object.fromEntries([...xs, ...ws]),
      result: 'vec4i',
    },
    (b, named) => {
      const products: Expression[] = [];
      for (let product = 0; product < words * fields.parts; product++) {
        const word = named[`x${Math.floor(product / fields.parts)}`]!;
        const weight = named[`w${Math.floor(product / partsOfWeight)}`]!;
        products.push(
          invoke(
            dotQuad,
            activationPart(fields, word, product % fields.parts),
            weightPart(weightBits, weight, product % partsOfWeight),
          ),
        );
      }
      b.return(products.reduce((sum, product) => add(sum, product)));
    },
  );
}
