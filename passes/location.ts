/**
 * Where rewritten nodes come from. A node that stands for several others is `derived` from their locations, the one a user would
 * look for first: the layer before the batch norm that went into it.
 */
import type { Location, Node } from '../ir/index.ts';

/** The location of a node that `by` made out of `from`; the location itself where there is but one. */
export function derivedLocation(by: string, from: readonly Node[]): Location | undefined {
  const parts: Location[] = [];
  for (const { location } of from) {
    if (location === undefined) continue;
    // What one pass did in several steps reads as one.
    for (const part of location.kind === 'derived' && location.by === by ? location.from : [location]) {
      if (!parts.some((other) => JSON.stringify(other) === JSON.stringify(part))) parts.push(part);
    }
  }
  return parts.length > 1 ? { kind: 'derived', by, from: parts } : parts[0];
}

/** The name of the ONNX node a location leads back to: for a derived one, of the first it was made from that has one. */
export function onnxNodeOf(location: Location | undefined): string | undefined {
  switch (location?.kind) {
    case 'onnx':
      return location.node === '' ? undefined : location.node;
    case 'derived':
      for (const part of location.from) {
        const name = onnxNodeOf(part);
        if (name !== undefined) return name;
      }
      return undefined;
    case 'text':
    case undefined:
      return undefined;
  }
}
