/** The precisions that are compared: the first convolution and the last dense layer at 8 bits, everything else as named. */
export const precisions = ['w8a8', 'w4a8', 'w4a4'] as const;

export type Precision = (typeof precisions)[number];

/** As `--layer-bits` takes it. */
export function layerBits(precision: Precision): string {
  return `first,last=w8a8; *=${precision}`;
}
