/** What the grammar hands on: tokens in their places, nothing interpreted yet. */
import type { IToken } from 'chevrotain';

export interface TypeSyntax {
  /** `f32`, `u8` or `q`. */
  readonly head: IToken;
  readonly storage: IToken | undefined;
  readonly parameters: readonly { readonly key: IToken; readonly value: IToken }[];
  readonly shape: readonly IToken[];
}

export interface EntrySyntax {
  readonly key: IToken;
  /** A list when written in brackets. */
  readonly value: IToken | readonly IToken[];
}

export interface LocationSyntax {
  /** A string, an identifier, or the line of a place. */
  readonly head: IToken;
  /** After `:`: line and column, or the column alone when the head is the line. */
  readonly position: readonly IToken[];
  /** In parentheses: what the location derives from. */
  readonly from: readonly LocationSyntax[] | undefined;
}

export interface InitialSyntax {
  /** `dense`, `splat` or `blob`. */
  readonly form: IToken;
  /** Elements; one element; file and offset. */
  readonly arguments: readonly IToken[];
}

export interface ConstantSyntax {
  readonly name: IToken;
  readonly type: TypeSyntax;
  readonly initial: InitialSyntax;
}

export interface ParameterSyntax {
  readonly name: IToken;
  readonly type: TypeSyntax;
  readonly notes: readonly EntrySyntax[] | undefined;
}

export interface NodeSyntax extends ParameterSyntax {
  readonly op: IToken;
  readonly operands: readonly IToken[];
  readonly attributes: readonly EntrySyntax[];
  readonly location: LocationSyntax | undefined;
}

export interface GraphSyntax {
  readonly constants: readonly ConstantSyntax[];
  readonly name: IToken;
  readonly inputs: readonly ParameterSyntax[];
  readonly results: readonly TypeSyntax[];
  readonly nodes: readonly NodeSyntax[];
  readonly returnToken: IToken;
  readonly outputs: readonly IToken[];
}
