/**
 * What kernels ask of an instruction set: registers of 32-bit lanes, one lane an output channel, and a dot product of four unsigned bytes with
 * four signed ones in each. Kernels are written against this interface once; an instruction set is one row of it.
 */
import type {
  Expression,
  Isa,
  KernelArray,
  LoadRow,
  Operand,
  Register,
  StoreRow,
} from '../../kernel/index.ts';

/** A register as unsigned bytes that wrap. */
export interface ByteLanes {
  readonly size: number;
  readonly load: LoadRow;
  readonly store: StoreRow;
  readonly add: (a: Expression, b: Expression) => Expression;
  readonly subtract: (a: Expression, b: Expression) => Expression;
  readonly larger: (a: Expression, b: Expression) => Expression;
  /** The same byte in every lane. */
  readonly splat: (byte: number) => Expression;
}

export interface VectorMachine {
  readonly isa: Isa;
  /** One sentence, for `--help` and the docs. */
  readonly summary: string;
  /** A C expression that is true where this program runs on such a machine. Its operands are checked in order. */
  readonly probe: string;
  readonly register: Register;
  /** 32-bit lanes of a register. */
  readonly lanes: number;
  /** Accumulators that a register tile may keep while it multiplies. */
  readonly accumulators: number;

  readonly zero: Expression;
  readonly splat: (value: Operand) => Expression;
  readonly loadWords: LoadRow;
  readonly storeWords: StoreRow;
  /** `lanes` signed or unsigned bytes, one to a lane. */
  readonly widenBytes: (array: KernelArray, index: Operand) => Expression;
  /** The low byte of each lane, to memory. */
  readonly storeBytes: {
    readonly row: StoreRow;
    readonly narrow: (value: Expression) => Expression;
  };
  /** Four bytes of `array` from `index` on, copied to every lane. */
  readonly splatBytes: (array: KernelArray, index: Operand) => Expression;
  /** Weights of `lanes` outputs for four inputs. */
  readonly loadWeights: (array: KernelArray, index: Operand) => Expression;
  /** sum + four products of bytes and weights, in every lane. */
  readonly dot: (sum: Expression, bytes: Expression, weights: Expression) => Expression;
  /**
   * `dot` takes bytes for signed, not for unsigned: those above 127 must be given less 128. The bits are these with the highest one flipped, which
   * is what `flip` does to a register of them.
   */
  readonly flip?: (bytes: Expression) => Expression;

  readonly add: (a: Expression, b: Expression) => Expression;
  readonly subtract: (a: Expression, b: Expression) => Expression;
  readonly smaller: (a: Expression, b: Expression) => Expression;
  readonly larger: (a: Expression, b: Expression) => Expression;
  /** Low 32 bits of the product. */
  readonly multiply: (a: Expression, b: Expression) => Expression;
  /** Product of lanes that hold signed 16-bit numbers; those of `b` are not negative. */
  readonly multiplyHalves: (a: Expression, b: Expression) => Expression;
  /** The low 16 bits of each lane, unsigned. */
  readonly lowHalf: (a: Expression) => Expression;
  readonly shiftLeft: (a: Expression, by: number) => Expression;
  readonly shiftRight: (a: Expression, by: number) => Expression;
  /** By an amount of its own in every lane, 0 to 31. */
  readonly shiftLeftBy: (a: Expression, by: Expression) => Expression;
  readonly shiftRightBy: (a: Expression, by: Expression) => Expression;
  /**
   * addend + floor(value * multiplier / 2^16) for any value and a multiplier of 15 bits:
   *
   *     value = high * 2^16 + low, low unsigned:     floor(value * m / 2^16) = high * m + floor(low * m / 2^16)
   *
   * `raised` is the multiplier times 2^16.
   */
  readonly scaleBy16: (
    value: Expression,
    multiplier: Expression,
    raised: Expression,
    addend: Expression,
  ) => Expression;
  readonly storeWeights: StoreRow;
  /** Registers of bytes, the widest first: at least one of 16. */
  readonly bytes: readonly ByteLanes[];
  /** 4-bit weights: two registers' worth of nibbles (`8 * lanes` bytes of weights in half of them) as signed bytes. */
  readonly unpackNibbles: (array: KernelArray, index: Operand) => Expression;
}
