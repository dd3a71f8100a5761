/**
 * What kernels ask of an instruction set: registers of 32-bit lanes, one lane an output channel, and ways to multiply inputs with weights and to
 * add the products up in such lanes. Kernels are written against this interface once; an instruction set is one row of it.
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

/** A register as bytes or 16-bit words that wrap: what inputs and weights are transformed in. */
export interface NarrowLanes {
  readonly size: number;
  /** `size` bytes of memory, of the array's element. */
  readonly load: (array: KernelArray, index: Operand) => Expression;
  readonly store: StoreRow;
  readonly add: (a: Expression, b: Expression) => Expression;
  readonly subtract: (a: Expression, b: Expression) => Expression;
  /** The same number in every lane. */
  readonly splat: (value: number) => Expression;
}

/**
 * A way to multiply. In a *step* each lane takes `step` inputs, the same in all lanes, and as many weights of its own output. What kernels read
 * again and again is made ready first: inputs when they are copied, weights a tile of outputs at a time.
 */
export interface Product {
  readonly step: 4 | 2;
  /** Inputs and weights as they are multiplied. */
  readonly inputs: 'u8' | 'i16';
  readonly weights: 'i8' | 'i16';
  /** The inputs of one step, copied to every lane. */
  readonly splat: (array: KernelArray, index: Operand) => Expression;
  /** Weights of `lanes` outputs for one step. */
  readonly load: (array: KernelArray, index: Operand) => Expression;
  /** sum + the products of a step, in every lane. */
  readonly dot: (sum: Expression, inputs: Expression, weights: Expression) => Expression;
  /**
   * `dot` takes bytes for signed, not for unsigned: those above 127 must be given less 128. The bits are these with the highest one flipped, which
   * is what `flip` does to a register of them.
   */
  readonly flip?: (bytes: Expression) => Expression;
  /** Sums have 16 bits, two to a lane: what they hold is added to 32-bit lanes before it can be too much. */
  readonly fold?: (total: Expression, sums: Expression) => Expression;
  /** Weights of `lanes` outputs for four inputs as they are stored, 8 or 4 bits each, made ready: a register for each step. */
  readonly ready: (array: KernelArray, index: Operand) => readonly Expression[];
  readonly store: StoreRow;
  /** Registers of inputs or weights as they are multiplied, the widest first: at least one of 16. */
  readonly narrow: readonly NarrowLanes[];
  /** Present where a dot product does two steps at once. */
  readonly pairs?: PairedSteps;
  /** Estimates of what kernels take, by which they are ranked. */
  readonly cost: ProductCost;
}

/** What it takes to do two steps of bytes in one dot product: see `kernels/paired-steps.ts`. */
export interface PairedSteps {
  /** Adds bytes that wrap. */
  readonly add: (a: Expression, b: Expression) => Expression;
  /** The same byte in every lane. */
  readonly splat: (value: number) => Expression;
  /** `bytes` bytes of memory, and of those the second four of each eight in the place of the first, zeros in theirs. */
  readonly bytes: number;
  readonly load: (array: KernelArray, index: Operand) => Expression;
  readonly seconds: (bytes: Expression) => Expression;
  /** Accumulators of a tile: registers are needed for both steps' inputs and weights, and for what they add up to. */
  readonly accumulators: number;
}

/** Cycles on a processor of the machine's kind: fitted to measurements, good for a ranking. */
export interface ProductCost {
  /** One step of a register tile, loads and all. */
  readonly step: (pixels: number, registers: number) => number;
  /** Transforming one register of Winograd's inputs, of its filters, and what becomes of the sums of one register of outputs. */
  readonly input: number;
  readonly filter: number;
  readonly result: number;
}

/** `count` registers of lanes as one of unsigned bytes, those of a register side by side. */
export interface PackedBytes {
  readonly count: number;
  /** Lanes below 0 become 0, those above 255 become 255. */
  readonly pack: (values: readonly Expression[]) => Expression;
  /** Bytes above `highest` become it. */
  readonly limit: (bytes: Expression, highest: number) => Expression;
  /** The bytes of one of the registers, as `store` takes them. */
  readonly part: (bytes: Expression, index: number) => Expression;
  readonly store: StoreRow;
}

/** The ways a machine has. One of the first two multiplies u8 with i8. */
export interface Products {
  /** u8 * i8, four to a lane. */
  readonly bytes?: Product;
  /** i16 * i16, two to a lane; sums wrap at 32 bits. */
  readonly words?: Product;
  /** u8 * i8 of which two products fit 16 bits, added up in 16 bits. */
  readonly short?: Product;
  /** u4 * i4, two steps at once. */
  readonly paired?: Product;
}

export interface VectorMachine {
  readonly isa: Isa;
  /** The machine whose kernels it runs too: the catalogue has rows of its own only for what it does better. */
  readonly refines?: VectorMachine;
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
  /** Present where several registers become bytes in fewer instructions than one after the other. */
  readonly packBytes?: PackedBytes;
  readonly products: Products;

  readonly add: (a: Expression, b: Expression) => Expression;
  readonly subtract: (a: Expression, b: Expression) => Expression;
  readonly smaller: (a: Expression, b: Expression) => Expression;
  readonly larger: (a: Expression, b: Expression) => Expression;
  /** Low 32 bits of the product. */
  readonly multiply: (a: Expression, b: Expression) => Expression;
  /** addend + the product of lanes that hold signed 16-bit numbers; those of `b` are not negative. */
  readonly multiplyHalves: (addend: Expression, a: Expression, b: Expression) => Expression;
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
}
