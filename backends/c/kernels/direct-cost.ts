/** What a direct kernel is expected to cost, and whether its tile fits. */
import type { Layer } from '../layer.ts';
import { geometryOf } from './geometry.ts';
import { stepInputs } from './paired-steps.ts';
import { panelOutputs, panelPitch, panelsOf } from './panels.ts';
import { type Method, panelsOfTile } from './tile.ts';

/** Bytes of a first-level cache, and what comes a cycle from the next one. */
const nearBytes = 32 * 1024;
const bytesFromFar = 24;

/** Cycles a tile kernel takes for a layer, by its count of dot products, loads and weights to make ready: a ranking, not a promise. */
export function directCycles(layer: Layer, method: Method): number {
  const { machine, product } = method;
  const { pixels, registers } = method.tile;
  const { images, rows, columns, runs } = geometryOf(layer, product);
  const own = panelsOfTile(method);
  const strips = images * rows * Math.ceil(columns / pixels);
  const tiles = strips * layer.groups * Math.ceil(panelsOf(layer.outputs / layer.groups) / own);
  const weightBytes = own * panelPitch(runs) * (product.weights === 'i8' ? 1 : 2);
  // Weights that are used again, but too many to stay near.
  const loads =
    strips > 1 && weightBytes > nearBytes
      ? (registers * machine.lanes * stepInputs(product)) / bytesFromFar
      : 0;
  const step = Math.max(product.cost.step(pixels, registers), loads);
  const ending = pixels * registers * 3;
  const ready = layer.weightBits === 8 ? 0 : (layer.weight.data.length * 8) / product.narrow[0]!.size;
  return tiles * ((runs.count * runs.length * step) / stepInputs(product) + ending) + ready;
}

/** True when a tile fits the layer's rows and outputs. */
export const tileFits = (layer: Layer, { machine, product, tile }: Method): boolean =>
  tile.pixels <= geometryOf(layer, product).columns &&
  tile.registers * machine.lanes <= panelsOf(layer.outputs / layer.groups) * panelOutputs;
