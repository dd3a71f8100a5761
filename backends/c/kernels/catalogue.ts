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

export interface KernelRow {
  readonly name: string;
  readonly summary: string;
  readonly machine: VectorMachine;
  readonly weightBits: number;
  /** Pixels and outputs of a tile. */
  readonly tile: { readonly pixels: number; readonly outputs: number };
  /** Why the kernel cannot do this layer; undefined when it can. */
  readonly refuses: (layer: Layer) => string | undefined;
  /** Estimated cycles: among the kernels that can, the one with the fewest does it. */
  readonly cycles: (layer: Layer) => number;
  readonly emit: (writer: StepWriter, layer: Layer, ending: Ending) => void;
}

/** Tiles worth having: as many accumulators as fit, or few for layers with few pixels. */
function tilesOf({ accumulators, lanes }: VectorMachine): readonly Tile[] {
  const perPanel = panelOutputs / lanes;
  const panels = [1, 2, 4, 8];
  return panels.flatMap((count) => {
    const registers = count * perPanel;
    const most = Math.floor(accumulators / registers);
    const pixels = new Set(
      [most, most - 1, most - 2, most - 4, Math.floor(most / 2), 1].filter((p) => p >= 1 && p <= 28),
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

export const catalogue: readonly KernelRow[] = machines.flatMap((machine) =>
  tilesOf(machine).flatMap((tile) => [directRow(machine, tile, 8), directRow(machine, tile, 4)]),
);

/** Chooses the kernel for a layer on a machine; undefined where none takes it. */
export type SelectKernel = (layer: Layer, machine: VectorMachine) => KernelRow | undefined;

export function selectKernel(layer: Layer, machine: VectorMachine): KernelRow | undefined {
  let best: { readonly row: KernelRow; readonly cycles: number } | undefined;
  for (const row of catalogue) {
    if (row.machine !== machine || row.refuses(layer) !== undefined) continue;
    const cycles = row.cycles(layer);
    if (best === undefined || cycles < best.cycles) best = { row, cycles };
  }
  return best?.row;
}
