/** A register's bytes seen as lanes: what the models of intrinsics are written in. */
import { type Register, typeRows } from '../types.ts';

export type Bytes = Uint8Array;

export const view = {
  i8: (bytes: Bytes) => new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length),
  u8: (bytes: Bytes) => bytes,
  i16: (bytes: Bytes) => new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2),
  u16: (bytes: Bytes) => new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2),
  i32: (bytes: Bytes) => new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
  u32: (bytes: Bytes) => new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
} as const;

export type LaneType = keyof typeof view;
type Lanes = ReturnType<(typeof view)[LaneType]>;

const bytesOf = (lanes: Lanes): Bytes => new Uint8Array(lanes.buffer, lanes.byteOffset, lanes.byteLength);

/** Makes a register lane by lane; `make` sees the lane's number. */
export function build(register: Register, type: LaneType, make: (lane: number) => number): Bytes {
  const lanes = view[type](new Uint8Array(typeRows[register].registerBytes!));
  for (let lane = 0; lane < lanes.length; lane++) lanes[lane] = make(lane);
  return bytesOf(lanes);
}
