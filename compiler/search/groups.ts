/**
 * Layers that are decided together. Layers that read the same value share what is stored of it: a projection and the convolution beside it
 * read the block's input, and with different bits it would be stored twice, read twice and quantized twice. So the projection is tied to
 * its block (as HAWQ-V3 does), and so are branches that start at one value.
 */
import type { Layer } from '../../passes/layers.ts';
import type { LayerGroup } from './measure.ts';

/** Groups in the order of their first layers. */
export function tiedLayers(layers: readonly Layer[]): LayerGroup[] {
  const readers = new Map<string, number[]>();
  for (const { node, index } of layers) {
    const source = node.operands[0]!;
    const group = readers.get(source);
    if (group === undefined) readers.set(source, [index]);
    else group.push(index);
  }
  return [...readers.values()];
}
