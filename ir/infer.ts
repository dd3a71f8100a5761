/** Result types from declarations: what the builder writes and the verifier demands. */
import type { Attributes, AttributeValue } from './attributes.ts';
import type { OpDefinition } from './op.ts';
import { type Element, formatElement, isF32, plain, sameElement, f32, type TensorType } from './types.ts';

/** Attributes with every default filled in, in the order of the schema. Unknown names are kept for the verifier to name. */
export function completeAttributes(op: OpDefinition, given: Attributes): Attributes {
  const complete: Record<string, AttributeValue> = {};
  for (const [name, spec] of Object.entries(op.attributes)) {
    const value = given[name] ?? spec.default;
    if (value !== undefined) complete[name] = value;
  }
  return { ...complete, ...given };
}

/**
 * The element type of a result. `declared` is what its author asks for, where the op leaves that free.
 * Returns a sentence when there is no answer.
 */
export function inferElement(
  op: OpDefinition,
  operands: readonly TensorType[],
  declared: Element | undefined,
): Element | string {
  const first = operands[0]!;
  switch (op.element) {
    case 'same':
      return first.element;
    case 'f32':
      return f32([]).element;
    case 'declared':
      if (declared !== undefined) return declared;
      return isF32(first) ? first.element : `${op.name} needs a declared result type`;
    case 'accumulator':
      if (isF32(first)) return first.element;
      if (declared === undefined) return plain('i32', []).element;
      return declared.storage === 'i32'
        ? declared
        : `declared ${formatElement(declared)}, but an accumulator is i32`;
  }
}

/** True when `found` may stand where the op infers from `declared = found`. */
export function agreesWithDeclared(
  op: OpDefinition,
  operands: readonly TensorType[],
  found: Element,
): string | undefined {
  const inferred = inferElement(op, operands, found);
  if (typeof inferred === 'string') return inferred;
  return sameElement(inferred, found)
    ? undefined
    : `${formatElement(found)}, expected ${formatElement(inferred)}`;
}
