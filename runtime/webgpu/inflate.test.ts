/** Weights out of their gzip stream: whole, or an error that says how much there was. */
import { gzipSync } from 'fflate';
import { expect, it } from '@jest/globals';
import { inflated } from './inflate.ts';

const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * i) & 255);
const packed = gzipSync(bytes);

it('gives the bytes', async () => {
  expect(await inflated(packed, bytes.length, 'weights.bin')).toEqual(bytes);
});

it.each([
  ['more than stated', packed, 4096, 'weights.bin holds more than 4096 bytes'],
  ['fifty million zeros', gzipSync(new Uint8Array(5e7)), 16, 'weights.bin holds more than 16 bytes'],
  ['less than stated', packed, 5001, 'weights.bin holds 5000 of 5001 bytes'],
  ['a stream that is cut', packed.subarray(0, packed.length - 20), 5000, 'weights.bin is no gzip stream'],
  ['something else', bytes, 5000, 'weights.bin is no gzip stream'],
] as const)('%s is an error', async (_, given, size, message) => {
  await expect(inflated(given, size, 'weights.bin')).rejects.toThrow(message);
});
