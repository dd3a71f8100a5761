/** Registers of bytes on x86, for machines that have them. */
import { call, type x86 } from '../../kernel/index.ts';
import type { ByteLanes } from './machine.ts';

export const byteLanes = (rows: x86.WideRows): ByteLanes => ({
  size: rows.load.bytes,
  load: rows.load,
  store: rows.store,
  add: (a, b) => call(rows.addBytes, a, b),
  subtract: (a, b) => call(rows.subtractBytes, a, b),
  larger: (a, b) => call(rows.largerBytes, a, b),
  splat: (byte) => call(rows.splat, (byte * 0x01010101) | 0),
});
