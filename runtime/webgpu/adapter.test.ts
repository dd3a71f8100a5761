/** Which devices begin with the kernels for subgroups: those where they were found to be the quicker ones. */
import { expect, it } from '@jest/globals';
import { adapterFamily, adapterName, prefersSubgroups, runsSubgroups } from './adapter.ts';

const deviceOf = (adapterInfo: object | undefined, features: readonly string[] = ['subgroups']): GPUDevice =>
  ({ features: new Set(features), adapterInfo }) as unknown as GPUDevice;
const sized = (subgroupMinSize: number, subgroupMaxSize: number) => ({ subgroupMinSize, subgroupMaxSize });

it.each([
  ['a processor with vectors of eight', sized(8, 8), undefined, true, true],
  ['a processor with vectors of four', sized(4, 4), undefined, false, false],
  ['a GPU that nobody tuned for', { vendor: 'acme', ...sized(32, 32) }, undefined, true, false],
  ['a GPU of another family', { vendor: 'acme', ...sized(32, 32) }, 'acme rocket', true, false],
  [
    'a GPU of the family tuned on',
    { vendor: 'acme', architecture: 'rocket', ...sized(16, 32) },
    'acme rocket',
    true,
    true,
  ],
  ['subgroups that may be too small', { vendor: 'acme', ...sized(4, 32) }, 'acme', false, false],
  ['a browser that says nothing', undefined, '', false, false],
  ['a nameless adapter', sized(32, 32), '', true, false],
])('%s', (_, info, tunedOn, runs, prefers) => {
  expect(runsSubgroups(deviceOf(info))).toBe(runs);
  expect(prefersSubgroups(deviceOf(info), tunedOn)).toBe(prefers);
  expect(prefersSubgroups(deviceOf(info, []), tunedOn)).toBe(false);
});

it('names an adapter by what is known of it', () => {
  const device = deviceOf({ vendor: 'acme', architecture: 'rocket', device: '', description: 'Rocket 9' });
  expect(adapterFamily(device)).toBe('acme rocket');
  expect(adapterName(device)).toBe('acme rocket Rocket 9');
  expect(adapterName(deviceOf(undefined))).toBe('');
});
