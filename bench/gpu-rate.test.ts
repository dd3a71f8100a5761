import { expect, it } from '@jest/globals';
import { GpuUnavailableError } from '../runtime/node-gpu.ts';
import { measureGpuRates } from './gpu-rate.ts';

it('every row runs on the adapter there is', async () => {
  const rates = await measureGpuRates().catch((error: unknown) => {
    if (!(error instanceof GpuUnavailableError)) throw error;
    console.log(`not run: ${error.message}`);
    return undefined;
  });
  if (rates === undefined) return;
  expect(rates.map(({ name }) => name)).toEqual(expect.arrayContaining(['unpacked by hand', 'f32']));
  for (const { gmacs } of rates) expect(gmacs).toBeGreaterThan(0);
});
