/**
 * Notes: what analysis and choice passes write down on a value for later passes, the text form and the user to read.
 * They never change what a program computes. Each note is declared here once.
 */
import type { AttributeSpec } from './attributes.ts';

export const noteSchema = {
  observed: { kind: 'floats', summary: 'smallest and largest value seen in calibration' },
  clip2: { kind: 'floats', summary: 'range to represent when the value is stored in 2 bits' },
  clip4: { kind: 'floats', summary: 'range to represent when the value is stored in 4 bits' },
  clip8: { kind: 'floats', summary: 'range to represent when the value is stored in 8 bits' },
  weight_bits: { kind: 'int', summary: 'bits of the weights of the layer that makes this value' },
  weight_steps: {
    kind: 'floats',
    summary: 'step of the weights, one for each output channel, where training decided it',
  },
  activation_bits: { kind: 'int', summary: 'bits of the activations that layer reads' },
} as const satisfies Record<string, AttributeSpec>;

export type NoteName = keyof typeof noteSchema;

export type Notes = {
  readonly [K in NoteName]?: (typeof noteSchema)[K]['kind'] extends 'int' ? number : readonly number[];
};
