/**
 * Diagnostics are data. Everything a user can cause is reported as a `Diagnostic` with a stable code, and reaches the
 * caller either in a list (warnings, verifier findings) or inside a `QcError`. A plain `Error` means a bug of ours.
 */

export type Severity = 'error' | 'warning' | 'note';

/** Where a diagnostic or a node comes from. `derived` is the work of a pass on other locations. */
export type Location =
  | { readonly kind: 'onnx'; readonly node: string }
  | { readonly kind: 'text'; readonly file?: string; readonly line: number; readonly column: number }
  | { readonly kind: 'derived'; readonly by: string; readonly from: readonly Location[] };

export interface Diagnostic {
  /** Stable and kebab-case, area first: `onnx/unsupported-op`, `verify/conv2d-channels`. */
  readonly code: string;
  readonly severity: Severity;
  /** One sentence that names the thing, what was found and what was expected. */
  readonly message: string;
  readonly location?: Location;
  readonly notes?: readonly string[];
  /** What the user can do about it. */
  readonly help?: string;
}

/** An error that the user can act on. The command line prints its diagnostics and exits with status 2. */
export class QcError extends Error {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: Diagnostic | readonly Diagnostic[]) {
    const list: readonly Diagnostic[] = Array.isArray(diagnostics)
      ? (diagnostics as readonly Diagnostic[])
      : [diagnostics as Diagnostic];
    super(list.map((diagnostic) => formatDiagnostic(diagnostic)).join('\n'));
    this.name = 'QcError';
    this.diagnostics = list;
  }
}

/** Throws a one-diagnostic `QcError`. */
export function fail(
  code: string,
  message: string,
  more: Omit<Partial<Diagnostic>, 'code' | 'message'> = {},
): never {
  throw new QcError({ severity: 'error', ...more, code, message });
}

export function formatLocation(location: Location): string {
  switch (location.kind) {
    case 'onnx':
      return `ONNX node ${JSON.stringify(location.node)}`;
    case 'text':
      return `${location.file ?? '<text>'}:${location.line}:${location.column}`;
    case 'derived':
      return `${location.by} of ${location.from.map(formatLocation).join(', ')}`;
  }
}

/** `error[code]: message`, then indented location, notes and help. Lines of one note (a code frame) stay aligned. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const lines = [`${diagnostic.severity}[${diagnostic.code}]: ${diagnostic.message}`];
  if (diagnostic.location !== undefined) lines.push(`  at ${formatLocation(diagnostic.location)}`);
  for (const note of diagnostic.notes ?? []) lines.push(`  note: ${note.replaceAll('\n', '\n        ')}`);
  if (diagnostic.help !== undefined) lines.push(`  help: ${diagnostic.help}`);
  return lines.join('\n');
}
