/** Numbers as a person reads them. */

/** 999 B, 12.3 kB, 6.25 MB: powers of a thousand, three digits. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [value, unit] = bytes < 999_500 ? [bytes / 1e3, 'kB'] : [bytes / 1e6, 'MB'];
  return `${value.toPrecision(3)} ${unit}`;
}

export function millisecondsText(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return '';
  return `${milliseconds < 10 ? milliseconds.toFixed(2) : milliseconds.toFixed(milliseconds < 100 ? 1 : 0)} ms`;
}

interface LayerBits {
  readonly weight_bits: number;
  readonly activation_bits: number;
}

/** W4A4 where all layers are so; "mostly W4A4" where most are. */
export function bitsText(layers: readonly LayerBits[]): string {
  const counts = new Map<string, number>();
  for (const { weight_bits: weights, activation_bits: activations } of layers) {
    const kind = `W${weights}A${activations}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const [commonest] = [...counts].sort(([, a], [, b]) => b - a);
  if (commonest === undefined) return 'no layers';
  return commonest[1] === layers.length ? commonest[0] : `mostly ${commonest[0]}`;
}
