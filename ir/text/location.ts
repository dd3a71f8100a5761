/**
 * Locations in the text form, between `loc(` and `)`:
 *
 *     "Conv_0"                               an ONNX node
 *     "net.qir":3:5, or 3:5 without a file   a place in a text
 *     fold-batchnorm("Conv_0", "BN_0")       derived by a pass from other locations
 */
import type { Location } from '../diagnostics.ts';

/** Derivations nest no deeper in a text, so that reading one takes bounded stack. */
export const deepestLocation = 200;

export function formatLocationText(location: Location, depth = 1): string {
  switch (location.kind) {
    case 'onnx':
      return JSON.stringify(location.node);
    case 'text': {
      const place = `${location.line}:${location.column}`;
      return location.file === undefined ? place : `${JSON.stringify(location.file)}:${place}`;
    }
    case 'derived': {
      if (depth >= deepestLocation) throw new Error(`a location derives more than ${deepestLocation} times`);
      const by = /^[A-Za-z_][A-Za-z_0-9]*(?:[-.][A-Za-z_0-9]+)*$/.test(location.by)
        ? location.by
        : JSON.stringify(location.by);
      return `${by}(${location.from.map((origin) => formatLocationText(origin, depth + 1)).join(', ')})`;
    }
  }
}
