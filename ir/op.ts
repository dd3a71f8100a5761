/**
 * What an op is. Each op is declared once, in a file of its own under `ops/`; parser, printer, verifier, builder,
 * interpreter, constant folding, generators of random programs and the op page derive from the declaration. Shared code asks
 * a declaration for its traits and never switches on a name.
 */
import type { AttributeSchema, Attributes, AttributesOf } from './attributes.ts';
import type { Tensor, TensorData } from './tensor.ts';
import type { TensorType } from './types.ts';

/**
 * The three levels of a program, each the set of its legal ops:
 * `float` as imported, `quantized` with quantize and dequantize explicit, `integer` with no f32 but at the boundary.
 */
export const levels = ['float', 'quantized', 'integer'] as const;
export type Level = (typeof levels)[number];

export interface OperandSpec {
  readonly name: string;
  readonly summary: string;
  /** May be absent. Only trailing operands. */
  readonly optional?: boolean;
  /** Any number of these, at least one. Only the last operand. */
  readonly variadic?: boolean;
  /** Must be a constant of the graph. */
  readonly constant?: boolean;
}

/** A law between operands, attributes and result. `check` returns what is wrong, in words, or undefined. */
export interface Constraint<A> {
  readonly name: string;
  readonly summary: string;
  readonly check: (context: OpTypes<A>) => string | undefined;
}

export interface OpTypes<A> {
  readonly operands: readonly TensorType[];
  readonly attributes: A;
  readonly result: TensorType;
}

/** Operand tensors and whatever else an evaluation needs. `scales` resolves a per-axis scale to its values. */
export interface Evaluation<A> extends OpTypes<A> {
  readonly tensors: readonly Tensor[];
  readonly scales: (name: string) => Float32Array;
}

/** Inclusive integer bounds, one pair per channel (axis 1), or a single pair for all. */
export interface Bounds {
  readonly min: readonly number[];
  readonly max: readonly number[];
}

export interface BoundsQuery<A> extends OpTypes<A> {
  readonly bounds: readonly Bounds[];
  /** The operand's tensor where it is a constant. */
  readonly constants: readonly (Tensor | undefined)[];
}

/** A law on the values of operands that are constants (undefined where one is not). Names share the space of constraints. */
export interface ConstantLaw {
  readonly name: string;
  readonly summary: string;
  readonly check: (constants: readonly (Tensor | undefined)[]) => string | undefined;
}

export interface Traits {
  /** Rearranges or selects elements: the result keeps the element type of operand 0. */
  readonly transparent?: boolean;
  /** A function of one real variable, element by element: a lookup table computes it on integers. */
  readonly unary?: boolean;
  /** A clamp: unary, and the given interval of the real line is its image. It folds into a saturation. */
  readonly clamp?: (attributes: Attributes) => readonly [min: number, max: number];
  /** Multiplies by weights (operand 1, output channels first): the layers whose bit-widths are chosen. */
  readonly layer?: boolean;
  /** A gain and a shift per channel that the layer before it takes over: what it makes sits in that layer's accumulator. */
  readonly normalizes?: boolean;
  /** Makes an int32 accumulator at the integer level. */
  readonly accumulates?: boolean;
  /** Lives at the edge of the integer level, where f32 comes in or goes out. */
  readonly boundary?: boolean;
  /** The order of the two operands does not matter. */
  readonly commutative?: boolean;
}

/** How the element of the result follows from the operands. */
export type ResultElement =
  /** As operand 0. */
  | 'same'
  /** The result declares its own quantization. */
  | 'declared'
  /** Always f32. */
  | 'f32'
  /** f32 from f32 operands; an int32 accumulator, of declared quantization, from integers. */
  | 'accumulator';

export interface OpDefinition<S extends AttributeSchema = AttributeSchema> {
  readonly name: string;
  /** One sentence, shown by `qc ops`. */
  readonly summary: string;
  readonly levels: readonly Level[];
  readonly operands: readonly OperandSpec[];
  readonly attributes: S;
  readonly traits: Traits;
  readonly element: ResultElement;
  readonly constraints: readonly Constraint<AttributesOf<S>>[];
  readonly constantLaws?: readonly ConstantLaw[];
  /** The logical shape of the result. Called only when operand count and attribute kinds are right. */
  readonly shape: (operands: readonly TensorType[], attributes: AttributesOf<S>) => readonly number[];
  /** Reference semantics, written to be read. Called only on verified nodes. */
  readonly evaluate: (evaluation: Evaluation<AttributesOf<S>>) => TensorData;
  /** Bounds of an integer result. Absent where the storage range is all there is to say. */
  readonly bound?: (query: BoundsQuery<AttributesOf<S>>) => Bounds;
}

/** Types a declaration against its own schema, then forgets the schema's type so that all ops fit one table. */
export function defineOp<const S extends AttributeSchema>(definition: OpDefinition<S>): OpDefinition {
  return Object.freeze(definition) as unknown as OpDefinition;
}

/** Shorthand for a constraint. */
export function constraint<A>(
  name: string,
  summary: string,
  check: (context: OpTypes<A>) => string | undefined,
): Constraint<A> {
  return { name, summary, check };
}
