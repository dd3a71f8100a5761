/** What a direct kernel is expected to cost, and whether its tile fits. */
import type { Layer } from '../layer.ts';
import { geometryOf } from './geometry.ts';
import { panelOutputs, panelsOf } from './panels.ts';
import { type Method, panelsOfTile } from './tile.ts';

/** Cycles a tile kernel takes for a layer, by its count of dot products, loads and weights to unpack: a ranking, not a promise. */
export function directCycles(layer: Layer, method: Method): number {
  const { product } = method;
  const { pixels, registers } = method.tile;
  const { images, rows, columns, runs } = geometryOf(layer, product);
  const own = panelsOfTile(method);
  const tiles =
    images *
    rows *
    Math.ceil(columns / pixels) *
    layer.groups *
    Math.ceil(panelsOf(layer.outputs / layer.groups) / own);
  const dots = pixels * registers;
  // Two dot products and two loads a cycle; a chain of dot products waits four cycles or more for each.
  const step = Math.max(dots / 2, (pixels + registers) / 2, 4.5);
  const ending = dots * 3;
  const unpacking = layer.weightBits === 8 ? 0 : (layer.weight.data.length * 8) / product.narrow[0]!.size;
  return tiles * ((runs.count * runs.length * step) / product.step + ending) + unpacking;
}

/** True when a tile fits the layer's rows and outputs. */
export const tileFits = (layer: Layer, { machine, product, tile }: Method): boolean =>
  tile.pixels <= geometryOf(layer, product).columns &&
  tile.registers * machine.lanes <= panelsOf(layer.outputs / layer.groups) * panelOutputs;
