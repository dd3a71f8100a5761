/** Weights in panels as a product reads them: where they are stored, or made ready in scratch memory. */
import { add, div, type Expression, type KernelArray, mul } from '../../kernel/index.ts';
import type { Layer } from '../layer.ts';
import type { ScratchScope, StepWriter } from '../step-writer.ts';
import { pairOffset } from './paired-steps.ts';
import { panelOutputs, panelPitch, panelsOf, panelTitle, panelWeights, runsOf } from './panels.ts';
import type { Method } from './tile.ts';

export interface ReadyWeights {
  readonly array: KernelArray;
  /** Makes `count` panels from `first` on ready, as the panels from `at` on of `array`; undefined where they are as stored. */
  readonly make: ((first: Expression, count: number, at: Expression) => void) | undefined;
}

/** Panels of a layer as they are stored. */
export const storedPanels = (writer: StepWriter, layer: Layer): KernelArray =>
  writer.weights(layer.weightBits === 8 ? 'i8' : 'u8', panelWeights(layer), panelTitle(layer));

/**
 * Calls `body` for every register of a panel and every four inputs: `stored` is where `lanes` outputs' weights begin, in a panel of bytes, and
 * `ready(step)` where those of a step belong; `second` are the second four of eight, where a product takes them in pairs.
 */
export function overPanel(
  writer: StepWriter,
  { machine, product }: Method,
  length: number,
  body: (stored: Expression, ready: (step: number) => Expression, second: boolean) => void,
): void {
  const { block } = writer;
  const four = 4 * panelOutputs;
  const fours = product.pairs === undefined ? [0] : [0, four];
  block.for(
    'k',
    0,
    panelOutputs * length,
    (k) => {
      for (const further of fours) {
        for (let v = 0; v < panelOutputs / machine.lanes; v++) {
          body(
            add(k, further + v * machine.lanes * 4),
            (step) => add(k, further + step * panelOutputs * product.step + v * machine.lanes * product.step),
            further > 0,
          );
        }
      }
    },
    four * fours.length,
  );
}

/** The weights of a layer; scratch has room for `room` panels, each thread's own or one for all. */
export function readyWeights(
  writer: StepWriter,
  layer: Layer,
  method: Method,
  scope: ScratchScope,
  room: number,
): ReadyWeights {
  const stored = storedPanels(writer, layer);
  const { product } = method;
  if (layer.weightBits === 8 && product.weights === 'i8') return { array: stored, make: undefined };
  const runs = runsOf(layer);
  const pitch = panelPitch(runs);
  const array = writer.scratch(scope, 'ready', product.weights, room * pitch);
  const packed = layer.weightBits === 8 ? 1 : 2;
  const { block } = writer;
  return {
    array,
    make: (first, count, place) => {
      const from = block.let('stored', mul(first, pitch / packed));
      const into = mul(place, pitch);
      overPanel(writer, method, count * runs.count * runs.length, (at, to, second) => {
        product.ready(stored, add(from, packed === 1 ? at : div(at, 2))).forEach((weights, step) => {
          const factors = second
            ? product.pairs!.add(weights, product.pairs!.splat(pairOffset.direct))
            : weights;
          block.storeVector(product.store, array, add(into, to(step)), factors);
        });
      });
    },
  };
}

/** Panels of the whole layer. */
export const allPanels = ({ groups, outputs }: Layer): number => groups * panelsOf(outputs / groups);
