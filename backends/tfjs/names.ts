/** Identifiers for the values of a program: what ONNX called the node, made fit for TypeScript, each once. */
import type * as operations from '../../runtime/train/operations.ts';

type Operation = keyof typeof operations;

/** What an emitted file may import by name: no value is called so. */
export const operationNames = Object.keys({
  relu: true, sigmoid: true, leakyRelu: true, clip: true, hardSigmoid: true, hardSwish: true, add: true, sub: true, mul: true, div: true,
  affine: true, transpose: true, concat: true, softmax: true, mean: true, reshape: true, pad: true, slice: true, maxPool: true,
  averagePool: true,
} satisfies Record<Operation, true>); // prettier-ignore

const reserved = new Set(
  (
    'abstract arguments await break case catch class const continue debugger default delete do else enum eval export extends false ' +
    'finally for function if implements import in instanceof interface let new null package private protected public return static ' +
    'super switch this throw true try typeof undefined var void while with yield'
  ).split(' '),
);

export class Identifiers {
  readonly #taken: Set<string>;

  /** `taken` are names that mean something else in the emitted file. */
  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken);
  }

  /** An identifier close to `name` that no other value has. */
  of(name: string): string {
    const plain = name.replace(/[^A-Za-z0-9]+/g, '_').replace(/^_+|_+$/g, '');
    const start = /^[A-Za-z]/.test(plain) ? plain.charAt(0).toLowerCase() + plain.slice(1) : `value_${plain}`;
    let identifier = start;
    for (let i = 2; this.#taken.has(identifier) || reserved.has(identifier); i++)
      identifier = `${start}_${i}`;
    this.#taken.add(identifier);
    return identifier;
  }
}
