/** The runtime: loads and runs WGSL artifacts, and says what a manifest is. `node-gpu.ts` is an entry of its own: it needs Node. */
export * from './model.ts';
export type * from './manifest.ts';
