/** Programs that people know, to see a front against: all layers alike, and "mostly 4 bits", which leaves the two ends at 8. */
import { isEnd } from '../../passes/assign-bits.ts';
import type { Layer } from '../../passes/layers.ts';
import type { Precision } from '../../passes/selector/index.ts';
import type { Assignment } from './variants.ts';

export interface BaselinePlan {
  readonly id: string;
  readonly title: string;
  readonly assignment: Assignment;
}

/** Those that can be had with the choices there are. */
export function baselinePlans(layers: readonly Layer[], choices: readonly Precision[]): BaselinePlan[] {
  const position = (bits: number): number =>
    choices.findIndex(({ weightBits, activationBits }) => weightBits === bits && activationBits === bits);
  const [eight, four] = [position(8), position(4)];
  const all = (choice: number): Assignment => layers.map(() => choice);
  return [
    ...(eight < 0 ? [] : [{ id: 'all-8', title: 'all layers at 8 bits', assignment: all(eight) }]),
    ...(eight < 0 || four < 0
      ? []
      : [
          {
            id: 'mostly-4',
            title: 'mostly 4 bits, the ends at 8',
            assignment: layers.map((layer) => (isEnd(layer, layers) ? eight : four)),
          },
        ]),
    ...(four < 0 ? [] : [{ id: 'all-4', title: 'all layers at 4 bits', assignment: all(four) }]),
  ];
}
