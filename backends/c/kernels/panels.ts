/**
 * Weights in the order vector kernels read them: *panels* of 16 outputs, and in a panel, for every four inputs of the run a kernel walks, four
 * bytes of each output side by side. 64 bytes are so one register of AVX-512, two of AVX2, four of NEON or WASM: every instruction set reads the
 * same weights, and an artifact holds them once.
 *
 *     [panel][run][step of 4][output of 16][input of 4]
 *
 * Where the outputs are no multiple of 16 the last panel starts early, at `outputs - 16`, and repeats some; inputs beyond a run weigh 0. 4-bit
 * weights keep this order, two to a byte, low bits first.
 */
import type { Storage, Tensor } from '../../../ir/index.ts';
import { packRows } from '../../plan/index.ts';
import type { Layer } from '../layer.ts';

export const panelOutputs = 16;

/** What a kernel walks without a jump: `runs` times `length` input bytes, a multiple of four, of which the weights know `useful`. */
export interface Runs {
  readonly count: number;
  readonly length: number;
  readonly useful: number;
}

export const panelsOf = (outputs: number): number => Math.ceil(outputs / panelOutputs);

/** The first output of a panel. */
export const panelStart = (panel: number, outputs: number): number =>
  Math.min(panel * panelOutputs, outputs - panelOutputs);

/** Bytes from one panel to the next, in 8-bit weights. */
export const panelPitch = ({ count, length }: Runs): number => panelOutputs * count * length;

/** What weights in panels are called in the source. */
export const panelTitle = ({ node, weight }: Layer): string =>
  `${node.operands[1]!}: ${weight.type.element.storage}, panels of ${panelOutputs} outputs`;

/** The runs of a layer: a row of the window where its taps lie side by side, a single tap otherwise. */
export function runsOf({ channels, groups, window }: Layer): Runs {
  const perGroup = channels / groups;
  const rows = groups === 1 && window.x.dilation === 1;
  const useful = rows ? window.x.taps * perGroup : perGroup;
  return {
    count: rows ? window.y.taps : window.y.taps * window.x.taps,
    useful,
    length: Math.ceil(useful / 4) * 4,
  };
}

/** What a program's weights became, so that every instruction set is given the same bytes. */
const packed = new WeakMap<Tensor, Map<string, Uint8Array>>();

/** OIHW (or OI) to panels, packed as the weights are stored. */
export function panelWeights(layer: Layer): Uint8Array {
  const runs = runsOf(layer);
  const key = [layer.groups, runs.count, runs.length].join(' ');
  const known = packed.get(layer.weight) ?? new Map<string, Uint8Array>();
  packed.set(layer.weight, known);
  const bytes = known.get(key) ?? ordered(layer, runs);
  known.set(key, bytes);
  return bytes;
}

function ordered(layer: Layer, runs: Runs): Uint8Array {
  const { weight, groups, outputs, window } = layer;
  const perGroup = outputs / groups;
  const panels = panelsOf(perGroup);
  const inputs = weight.type.shape[1]!;
  const taps = window.y.taps * window.x.taps;
  const elements = new Int8Array(groups * panels * panelPitch(runs));
  let at = 0;
  for (let group = 0; group < groups; group++) {
    for (let panel = 0; panel < panels; panel++) {
      const first = group * perGroup + panelStart(panel, perGroup);
      for (let run = 0; run < runs.count; run++) {
        const firstTap = (run * taps) / runs.count;
        for (let step = 0; step < runs.length; step += 4) {
          for (let output = 0; output < panelOutputs; output++) {
            const filter = (first + output) * inputs * taps;
            for (let k = step; k < step + 4; k++, at++) {
              if (k >= runs.useful) continue;
              const tap = firstTap + Math.floor(k / inputs);
              elements[at] = weight.data[filter + (k % inputs) * taps + tap]!;
            }
          }
        }
      }
    }
  }
  return packRows(elements, elements.length, weight.type.element.storage as Storage, 8);
}
