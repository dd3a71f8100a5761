/** What every WebGPU device grants without asking, the bounds that emitted programs keep. A program records what it needs of them. */
export const limits = {
  storageBuffers: 8,
  bindingBytes: 128 * 2 ** 20,
  bufferBytes: 256 * 2 ** 20,
  workgroupsPerDimension: 65535,
  invocationsPerWorkgroup: 256,
  /** Offsets of bindings are multiples of this. */
  offsetAlignment: 256,
} as const;
