/** What C and WGSL share: steps, layouts, memory. */
export * from './layout.ts';
export * from './memory.ts';
export * from './schedule.ts';
export * from './step.ts';
export * from './winograd.ts';
