/**
 * The one error this folder throws: the *author of a kernel* broke a rule of the language (types that do not match,
 * a reserved name), or the evaluator met what C or WGSL leaves undefined (an index out of bounds, a signed overflow).
 * A user's model must never be able to cause one; a kernel that throws here is a bug of ours.
 */
export class KernelError extends Error {
  override readonly name = 'KernelError';
}
