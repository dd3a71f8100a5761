/** What is known of a Winograd layer before it is written: whether it can be done so, how it is cut into bands, how long short sums are safe. */
import { transformedRange, transformFilters, winogradLimits, winogradOffset } from '../../plan/index.ts';
import type { Product } from '../isa/machine.ts';
import type { Layer } from '../layer.ts';
import { pairsRefuse, stepInputs } from './paired-steps.ts';
import { panelOutputs, panelsOf } from './panels.ts';
import type { Folding } from './short-sums.ts';
import { type Method, panelsOfTile } from './tile.ts';

export const positions = 16;

/** Bytes of transformed input that are kept at a time: about half of a second-level cache. */
const bandBytes = 512 * 1024;
/** And of a band, where there are several: they compete with all filters. */
const smallBandBytes = 160 * 1024;

/** Bytes of sums that are kept at a time: the filters of one position are read once for all of them. */
const sumsBytes = 64 * 1024;

export interface WinogradGeometry {
  /** Patches across and down the result. */
  readonly across: number;
  readonly down: number;
  /** Rows of patches in a band, and bands. */
  readonly bandRows: number;
  readonly bands: number;
  readonly patches: number;
  /** Pixels of a row of the padded input. */
  readonly width: number;
  readonly height: number;
}

export function winogradGeometry({ window, channels }: Layer, product: Product): WinogradGeometry {
  const across = Math.ceil(window.x.outputs / 2);
  const down = Math.ceil(window.y.outputs / 2);
  const rowBytes = positions * across * channels * (product.inputs === 'u8' ? 1 : 2);
  const all = rowBytes * down <= bandBytes;
  const most = all ? down : Math.max(1, Math.floor(smallBandBytes / rowBytes));
  const bands = Math.ceil(down / most);
  const bandRows = Math.ceil(down / bands);
  return {
    across,
    down,
    bandRows,
    bands,
    patches: bandRows * across,
    width: 2 * across + 2,
    height: 2 * down + 2,
  };
}

/** Patches whose sums are kept at a time: as many in each group as there are groups needed for, and at least a tile. */
export function patchesAtATime({ patches }: WinogradGeometry, { machine, tile }: Method): number {
  const most = Math.max(1, Math.floor(sumsBytes / (positions * tile.registers * machine.lanes * 4)));
  const groups = Math.ceil(patches / most);
  return Math.max(tile.pixels, Math.ceil(patches / groups));
}

/** Why a layer cannot be done this way. */
export function winogradRefuses(layer: Layer, method: Method): string | undefined {
  const { machine, product, tile } = method;
  const { window, channels, outputs, groups, form, weight, weightBits, lowest, highest } = layer;
  const square = [window.x, window.y].every(
    ({ taps, stride, dilation }) => taps === 3 && stride === 1 && dilation === 1,
  );
  if (!square || groups !== 1) return 'not a plain 3x3 convolution of stride 1';
  if (form.element !== 'u8') return 'sums that would leave 32 bits on unsigned inputs';
  if (product.inputs === 'u8') {
    if (weightBits !== 4) return `weights of ${weightBits} bits`;
    if (form.highest > winogradLimits.input) return 'inputs of more than 4 bits';
    if (weight.data.some((w) => Math.abs(w) > winogradLimits.weight)) return 'weights beyond 8';
  }
  const unpaired = pairsRefuse(layer, product, 'winograd2x2');
  if (unpaired !== undefined) return unpaired;
  if (channels % 16 !== 0) return `${channels} channels are no multiple of 16`;
  if (outputs < panelOutputs) return `${outputs} outputs are fewer than ${panelOutputs}`;
  const most = Math.max(...highest.map(Math.abs), ...lowest.map(Math.abs));
  // Sums of products wrap, four times the result must not; nor the bias less what the offset adds, nine sums of products of 32 and 72.
  const offsets = product.inputs === 'u8' ? 9 * winogradOffset * 72 * channels : 0;
  if (4 * most + offsets >= 2 ** 31) return 'sums that might leave 32 bits';
  if (tile.pixels > winogradGeometry(layer, product).patches) return 'fewer patches than the tile has';
  if (tile.registers * machine.lanes > panelsOf(outputs) * panelOutputs)
    return 'fewer outputs than the tile has';
  return undefined;
}

const known = new WeakMap<Layer['weight'], Folding | undefined>();

/**
 * When short sums of a layer are folded, by how many channels: as `short-sums.ts` says, of transformed inputs and filters. At least four channels
 * are always safe, for 2 * 92 * 72 fits 16 bits.
 */
export function winogradFolding(layer: Layer): Folding {
  const { weight } = layer;
  const found = known.get(weight) ?? foundFolding(layer);
  known.set(weight, found);
  return found;
}

function foundFolding({ weight, channels, outputs, form }: Layer): Folding {
  const filters = transformFilters(weight.data);
  const safe = (own: number): boolean => {
    for (let position = 0; position < positions; position++) {
      const [low, high] = transformedRange(position, form.highest).map((value) => value + winogradOffset) as [
        number,
        number,
      ];
      for (let output = 0; output < outputs; output++) {
        for (let from = 0; from < channels; from += own) {
          for (const lane of [0, 2]) {
            let [least, most] = [0, 0];
            for (let c = from; c < Math.min(from + own, channels); c++) {
              if ((c & 2) !== lane) continue;
              const w = filters[positions * (output * channels + c) + position]!;
              least += w * (w < 0 ? high : low);
              most += w * (w < 0 ? low : high);
            }
            if (least < -(2 ** 15) || most >= 2 ** 15) return false;
          }
        }
      }
    }
    return true;
  };
  if (safe(channels)) return 'end';
  for (let parts = 2; ; parts++) {
    const own = Math.ceil(channels / parts / 4) * 4;
    if (own === 4 || safe(own)) return own;
  }
}

/**
 * Estimated cycles, on the scale of `directCycles`: products, transforms of inputs and of filters, what becomes of sums. Few channels leave
 * registers of the transforms partly empty, and are better done directly.
 */
export function winogradCycles(layer: Layer, method: Method): number {
  const { machine, product, tile } = method;
  const { cost, narrow, step } = product;
  const { pixels, registers } = tile;
  const geometry = winogradGeometry(layer, product);
  const { bands, patches, down, across } = geometry;
  const { batch, channels, outputs } = layer;
  const group = patchesAtATime(geometry, method);
  const groups = bands * Math.ceil(patches / group) * Math.ceil(panelsOf(outputs) / panelsOfTile(method));
  const products =
    groups *
    Math.ceil(group / pixels) *
    positions *
    (channels / stepInputs(product)) *
    cost.step(pixels, registers);
  const inputs = (down * across * channels * cost.input) / Math.min(narrow[0]!.size, channels);
  const filters = (outputs * channels * cost.filter) / (machine.lanes * step);
  const results = groups * group * registers * cost.result;
  return batch * (products + inputs + filters + results);
}
