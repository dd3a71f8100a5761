/** The vector forms of requantization against `requantizeValue`, at the ends of their ranges and between, on every machine. */
import { describe, expect, it } from '@jest/globals';
import { createRandom } from '../../../compiler/data/random.ts';
import { requantizeValue, saturate } from '../../../ir/index.ts';
import { evaluateFunction, pureFunction, type Value } from '../../kernel/index.ts';
import { machines } from '../isa/table.ts';
import { requantizeForm } from './vector-epilogue.ts';

interface Case {
  readonly form: string;
  /** Largest |a|. */
  readonly reach: number;
  readonly shifts: readonly number[];
  readonly clamp: readonly [number, number];
}

const cases: readonly Case[] = [
  { form: 'halves', reach: 255, shifts: [0, 1, 9, 16, 17, 31], clamp: [-(2 ** 31), 2 ** 31 - 1] },
  { form: 'product', reach: 40000, shifts: [1, 15, 24, 30], clamp: [0, 255] },
  { form: 'split', reach: 2 ** 31 - 1, shifts: [17, 18, 23, 24, 31, 32, 45, 46], clamp: [0, 255] },
  { form: 'split', reach: 2 ** 24, shifts: [17, 25, 30], clamp: [-128, 127] },
  { form: 'wide', reach: 2 ** 18, shifts: [3, 9, 15, 16], clamp: [-(2 ** 31), 2 ** 31 - 1] },
  { form: 'clamped', reach: 2 ** 31 - 1, shifts: [1, 2, 8, 15, 16, 17, 20, 40], clamp: [0, 255] },
  { form: 'clamped', reach: 2 ** 20, shifts: [5, 16, 18], clamp: [-8, 7] },
];

const words = (values: readonly number[], lanes: number): Uint8Array =>
  new Uint8Array(Int32Array.from({ length: lanes }, (_, i) => values[i % values.length]!).buffer);

describe.each(machines.map((machine) => [machine.isa.name, machine] as const))('%s', (_, machine) => {
  it.each(cases)('$form with |a| <= $reach, shifts $shifts', ({ form: name, reach, shifts, clamp }) => {
    const random = createRandom(shifts.length + reach);
    for (let trial = 0; trial < 40; trial++) {
      const multipliers = shifts.map(() => 2 ** 14 + random.below(2 ** 14));
      const range = { lowest: shifts.map(() => -reach), highest: shifts.map(() => reach) };
      const form = requantizeForm(range, multipliers, shifts, clamp);
      if (typeof form === 'string') throw new Error(form);
      expect(form.name).toBe(name);
      const names = form.tables.map((_, i) => `c${i}`);
      const callee = pureFunction(
        'subject',
        {
          parameters: Object.fromEntries(['value', ...names].map((key) => [key, machine.register])),
          result: machine.register,
        },
        (block, { value, ...constants }) => {
          block.return(form.compute(machine, value!, Object.values(constants)));
        },
      );
      // Near every boundary between results, and anywhere.
      const values = shifts.map((shift, c) => {
        const boundary = Math.round(((random.below(300) - 20) * 2 ** shift) / multipliers[c]!);
        const drawn = [
          boundary + random.below(5) - 2,
          Math.floor((random.uniform() * 2 - 1) * reach),
          reach,
          -reach,
        ];
        return saturate(drawn[random.below(drawn.length)]!, -reach, reach);
      });
      const { lanes } = machine;
      const constants = form.tables.map((table) => words(table.values, lanes));
      const result = evaluateFunction(callee, [words(values, lanes), ...constants] as readonly Value[]);
      const found = new Int32Array((result as Uint8Array).buffer);
      for (let lane = 0; lane < lanes; lane++) {
        const c = lane % shifts.length;
        const expected = saturate(requantizeValue(values[c]!, multipliers[c]!, shifts[c]!), ...clamp);
        expect(saturate(found[lane]!, ...clamp)).toBe(expected);
      }
    }
  });
});
