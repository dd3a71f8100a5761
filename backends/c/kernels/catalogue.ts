/**
 * The catalogue of vector kernels: one row each, and the only list there is of them. Selection, tests, benchmarks and docs walk it. A name says
 * everything: input and weight types, op, algorithm, tile (pixels x outputs), instruction set.
 */
import type { Product, VectorMachine } from '../isa/machine.ts';
import { machines } from '../isa/table.ts';
import type { Layer } from '../layer.ts';
import type { StepWriter } from '../step-writer.ts';
import { directCycles, tileFits } from './direct-cost.ts';
import { directConvolution, type Ending } from './direct.ts';
import { pairsRefuse } from './paired-steps.ts';
import { panelOutputs, runsOf } from './panels.ts';
import { foldingOf } from './short-sums.ts';
import type { Method, Tile } from './tile.ts';
import { winogradCycles, winogradRefuses } from './winograd-plan.ts';
import { winogradConvolution } from './winograd.ts';

export interface KernelRow {
  readonly name: string;
  readonly summary: string;
  readonly machine: VectorMachine;
  readonly weightBits: number;
  readonly algorithm: 'direct' | 'winograd2x2';
  /** Two steps in one product. */
  readonly inPairs: boolean;
  /** Bits of the inputs it takes, or fewer. */
  readonly inputBits: number;
  /** Pixels and outputs of a tile. */
  readonly tile: { readonly pixels: number; readonly outputs: number };
  /** Why the kernel cannot do this layer with such an ending; undefined when it can. */
  readonly refuses: (layer: Layer, ending: Ending['kind']) => string | undefined;
  /** Estimated cycles: among the kernels that can, the one with the fewest does it. */
  readonly cycles: (layer: Layer) => number;
  readonly emit: (writer: StepWriter, layer: Layer, ending: Ending) => void;
}

/** Tiles worth having: as many accumulators as fit, or few for layers with few pixels. */
function tilesOf(accumulators: number, lanes: number): readonly Tile[] {
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

/** What a name says of operands, algorithm and tile. */
function nameOf(
  { machine, product, tile }: Method,
  inputBits: number,
  weightBits: number,
  algorithm: KernelRow['algorithm'],
): string {
  const pairs = product.pairs === undefined ? '' : '_pairs';
  const outputs = tile.registers * machine.lanes;
  return `u${inputBits}_i${weightBits}w_conv2d_${algorithm}${pairs}_${tile.pixels}x${outputs}__${machine.isa.name}`;
}

const directRow = (machine: VectorMachine, product: Product, tile: Tile, weightBits: 8 | 4): KernelRow => {
  const method: Method = { machine, product, tile };
  const outputs = tile.registers * machine.lanes;
  const ready = weightBits === 4 || product.weights === 'i16' ? ', weights made ready once a layer' : '';
  const short = product.fold === undefined ? '' : ', sums of 16 bits';
  const paired = product.pairs === undefined ? '' : ', two steps in one product';
  const inputBits = product.pairs === undefined ? 8 : 4;
  return {
    name: nameOf(method, inputBits, weightBits, 'direct'),
    summary: `register tile of ${tile.pixels} pixels and ${outputs} outputs${short}${paired}${ready}`,
    machine,
    weightBits,
    algorithm: 'direct',
    inPairs: product.pairs !== undefined,
    inputBits,
    tile: { pixels: tile.pixels, outputs },
    refuses: (layer) => {
      const perGroup = layer.outputs / layer.groups;
      if (layer.weightBits !== weightBits) return `weights of ${layer.weightBits} bits`;
      if (layer.form.element !== 'u8') return 'sums that would leave 32 bits on unsigned inputs';
      if (perGroup < panelOutputs) return `${perGroup} outputs a group are fewer than ${panelOutputs}`;
      const unpaired = pairsRefuse(layer, product, 'direct');
      if (unpaired !== undefined) return unpaired;
      if (!tileFits(layer, method)) return 'the tile is larger than the layer';
      if (product.fold !== undefined && foldingOf(layer, runsOf(layer)) === undefined)
        return 'products that leave 16 bits';
      return undefined;
    },
    cycles: (layer) => directCycles(layer, method),
    emit: (writer, layer, ending) => {
      directConvolution(writer, layer, method, ending);
    },
  };
};

/** Products of bytes take inputs of 4 bits, those of words any. */
const winogradRow = (machine: VectorMachine, product: Product, tile: Tile, weightBits: 8 | 4): KernelRow => {
  const method: Method = { machine, product, tile };
  const outputs = tile.registers * machine.lanes;
  const inputBits = product.inputs === 'u8' ? 4 : 8;
  const paired = product.pairs === undefined ? '' : ', two steps in one product';
  return {
    name: nameOf(method, inputBits, weightBits, 'winograd2x2'),
    summary: `3x3 on transformed 4x4 patches, 2.25 times fewer products: register tile of ${tile.pixels} patches and ${outputs} outputs${paired}`,
    machine,
    weightBits,
    algorithm: 'winograd2x2',
    inPairs: product.pairs !== undefined,
    inputBits,
    tile: { pixels: tile.pixels, outputs },
    refuses: (layer, ending) => {
      if (ending === 'rows') return 'elementwise work that is not done in registers';
      if (layer.weightBits !== weightBits) return `weights of ${layer.weightBits} bits`;
      return winogradRefuses(layer, method);
    },
    cycles: (layer) => winogradCycles(layer, method),
    emit: (writer, layer, ending) => {
      if (ending.kind !== 'vector') throw new Error('a layer that winograd refuses');
      winogradConvolution(writer, layer, method, ending.epilogue);
    },
  };
};

function rowsOf(machine: VectorMachine, tile: Tile): readonly KernelRow[] {
  const { bytes, words, short } = machine.products;
  const any = bytes ?? words;
  const few = short ?? bytes;
  return [
    ...(any === undefined ? [] : [directRow(machine, any, tile, 8)]),
    ...(few === undefined ? [] : [directRow(machine, few, tile, 4)]),
    ...(tile.pixels === 1
      ? []
      : [
          ...(few === undefined ? [] : [winogradRow(machine, few, tile, 4)]),
          ...(words === undefined
            ? []
            : ([8, 4] as const).map((bits) => winogradRow(machine, words, tile, bits))),
        ]),
  ];
}

/** What a machine does better than the one it refines. */
function pairedRows(machine: VectorMachine): readonly KernelRow[] {
  const { paired } = machine.products;
  if (paired?.pairs === undefined) return [];
  return tilesOf(paired.pairs.accumulators, machine.lanes).flatMap((tile) => [
    directRow(machine, paired, tile, 4),
    ...(tile.pixels === 1 ? [] : [winogradRow(machine, paired, tile, 4)]),
  ]);
}

export const catalogue: readonly KernelRow[] = machines.flatMap((machine) => [
  ...pairedRows(machine),
  ...tilesOf(machine.accumulators, machine.lanes).flatMap((tile) => rowsOf(machine, tile)),
]);

/** Chooses the kernel for a layer on a machine; undefined where none takes it. */
export type SelectKernel = (
  layer: Layer,
  machine: VectorMachine,
  ending: Ending['kind'],
) => KernelRow | undefined;

export const selectKernel: SelectKernel = (layer, machine, ending) => {
  let best: { readonly row: KernelRow; readonly cycles: number } | undefined;
  for (const row of catalogue) {
    if (row.machine !== machine && row.machine !== machine.refines) continue;
    if (row.refuses(layer, ending) !== undefined) continue;
    const cycles = row.cycles(layer);
    if (best === undefined || cycles < best.cycles) best = { row, cycles };
  }
  return best?.row;
};
