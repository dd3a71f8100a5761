/**
 * Layer selectors: which layers a bit-width is meant for.
 *
 *     first,last=w8a8; layer3.*=w4a4; op:conv2d & kernel:1x1=w4a8; head.*=float; *=w4a4
 *
 * Rules are read in order and **the first that selects a layer decides**: the special cases come first and `*` closes the list. A
 * layer that no rule selects keeps what it had. `&` binds tighter than `,` (or); `!` turns one condition round.
 */

/** What a selector can ask about a layer: a node that multiplies by weights. */
export interface LayerFacts {
  /** Name of the layer's result in the IR. */
  readonly name: string;
  /** Name of the ONNX node it came from. */
  readonly onnxNode?: string | undefined;
  /** Name of its weights: where an exporter numbers its values, this is what still tells the module. */
  readonly weight?: string | undefined;
  readonly op: string;
  /** [height, width]; absent where the layer has no window. */
  readonly kernel?: readonly [number, number] | undefined;
  /** Position among the layers of the graph, in order, and how many there are. */
  readonly index: number;
  readonly count: number;
  /** Every input channel has its own filters. */
  readonly depthwise: boolean;
  readonly groups: number;
  readonly inputChannels: number;
  readonly outputChannels: number;
}

export type LayerCondition =
  | { readonly kind: 'first' | 'last' | 'depthwise' }
  /** Names that a glob matches, or the one name that was quoted. */
  | { readonly kind: 'name'; readonly pattern: string; readonly exact: boolean }
  | { readonly kind: 'op'; readonly pattern: string }
  | { readonly kind: 'kernel'; readonly height: number; readonly width: number }
  | { readonly kind: 'in' | 'out' | 'groups'; readonly value: number }
  | { readonly kind: 'not'; readonly condition: LayerCondition };

/** Any of the alternatives; each is met when all its conditions are. */
export type LayerSelector = readonly (readonly LayerCondition[])[];

/** Widths that a layer's weights and the activations it reads are stored in. */
export interface Precision {
  readonly weightBits: 2 | 4 | 8;
  readonly activationBits: 2 | 4 | 8;
}

/** What a rule gives a layer: a precision, or none, so that it stays as it is. */
export type RulePrecision = Precision | 'float';

export interface LayerRule {
  /** The rule as written. */
  readonly text: string;
  readonly selector: LayerSelector;
  readonly precision: RulePrecision;
}
