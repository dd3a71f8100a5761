/**
 * The catalogue of vector kernels: one row each, and the only list there is of them. Selection, tests, benchmarks and docs walk it. A name says
 * everything: input and weight types, op, algorithm, tile (pixels x outputs), instruction set.
 */
import type { VectorMachine } from '../isa/machine.ts';
import { machines } from '../isa/table.ts';
import type { Layer } from '../layer.ts';
import type { StepWriter } from '../step-writer.ts';
import { directConvolution, directCycles, type Ending, type Tile, tileFits } from './direct.ts';
import { panelOutputs } from './panels.ts';
import { winogradConvolution, winogradCycles, winogradRefuses } from './winograd.ts';

export interface KernelRow {
  readonly name: string;
  readonly summary: string;
  readonly machine: VectorMachine;
  readonly weightBits: number;
  readonly algorithm: 'direct' | 'winograd2x2';
  /** Pixels and outputs of a tile. */
  readonly tile: { readonly pixels: number; readonly outputs: number };
  /** Why the kernel cannot do this layer with such an ending; undefined when it can. */
  readonly refuses: (layer: Layer, ending: Ending['kind']) => string | undefined;
  /** Estimated cycles: among the kernels that can, the one with the fewest does it. */
  readonly cycles: (layer: Layer) => number;
  readonly emit: (writer: StepWriter, layer: Layer, ending: Ending) => void;
}

/** Tiles worth having: as many accumulators as fit, or few for layers with few pixels. */
function tilesOf({ accumulators, lanes }: VectorMachine): readonly Tile[] {
  const perPanel = panelOutputs / lanes;
  const panels = [1, 2, 4, 8].filter((count) => count * perPanel <= accumulators);
  return panels.flatMap((count) => {
    const registers = count * perPanel;
    const most = Math.floor(accumulators / registers);
    const pixels = new Set(
      [most, most - 1, most - 2, most - 4, Math.round((4 * most) / 7), Math.floor(most / 2), 1].filter(
        (p) => p >= 1 && p <= 28,
      ),
    );
    return [...pixels].map((p): Tile => ({ pixels: p, registers }));
  });
}

const directRow = (machine: VectorMachine, tile: Tile, weightBits: 8 | 4): KernelRow => {
  const outputs = tile.registers * machine.lanes;
  return {
    name: `u8_i${weightBits}w_conv2d_direct_${tile.pixels}x${outputs}__${machine.isa.name}`,
    summary: `register tile of ${tile.pixels} pixels and ${outputs} outputs${weightBits === 8 ? '' : ', weights unpacked once a layer'}`,
    machine,
    weightBits,
    algorithm: 'direct',
    tile: { pixels: tile.pixels, outputs },
    refuses: (layer) => {
      const perGroup = layer.outputs / layer.groups;
      if (layer.weightBits !== weightBits) return `weights of ${layer.weightBits} bits`;
      if (layer.form.element !== 'u8') return 'sums that would leave 32 bits on unsigned inputs';
      if (perGroup < panelOutputs) return `${perGroup} outputs a group are fewer than ${panelOutputs}`;
      if (!tileFits(layer, machine, tile)) return 'the tile is larger than the layer';
      return undefined;
    },
    cycles: (layer) => directCycles(layer, machine, tile),
    emit: (writer, layer, ending) => {
      directConvolution(writer, layer, machine, tile, ending);
    },
  };
};

const winogradRow = (machine: VectorMachine, tile: Tile): KernelRow => {
  const outputs = tile.registers * machine.lanes;
  return {
    name: `u4_i4w_conv2d_winograd2x2_${tile.pixels}x${outputs}__${machine.isa.name}`,
    summary: `3x3 on transformed 4x4 patches, 2.25 times fewer products: register tile of ${tile.pixels} patches and ${outputs} outputs`,
    machine,
    weightBits: 4,
    algorithm: 'winograd2x2',
    tile: { pixels: tile.pixels, outputs },
    refuses: (layer, ending) =>
      ending === 'rows'
        ? 'elementwise work that is not done in registers'
        : winogradRefuses(layer, machine, tile),
    cycles: (layer) => winogradCycles(layer, machine, tile),
    emit: (writer, layer, ending) => {
      if (ending.kind !== 'vector') throw new Error('a layer that winograd refuses');
      winogradConvolution(writer, layer, machine, tile, ending.epilogue);
    },
  };
};

export const catalogue: readonly KernelRow[] = machines.flatMap((machine) =>
  tilesOf(machine).flatMap((tile) => [
    directRow(machine, tile, 8),
    directRow(machine, tile, 4),
    ...(tile.pixels > 1 ? [winogradRow(machine, tile)] : []),
  ]),
);

/** Chooses the kernel for a layer on a machine; undefined where none takes it. */
export type SelectKernel = (
  layer: Layer,
  machine: VectorMachine,
  ending: Ending['kind'],
) => KernelRow | undefined;

export const selectKernel: SelectKernel = (layer, machine, ending) => {
  let best: { readonly row: KernelRow; readonly cycles: number } | undefined;
  for (const row of catalogue) {
    if (row.machine !== machine || row.refuses(layer, ending) !== undefined) continue;
    const cycles = row.cycles(layer);
    if (best === undefined || cycles < best.cycles) best = { row, cycles };
  }
  return best?.row;
};
