/** Instruction sets that both sides can be held down to. `auto` is whatever the processor has. */
export const isas = ['auto', 'scalar', 'avx2', 'avx512vnni'] as const;
export type Isa = (typeof isas)[number];

/** Whether a processor of these instruction sets has nothing that goes beyond: then nobody needs holding down. */
export const isBestOf = (isa: Isa, instructions: readonly string[]): boolean =>
  isa === 'avx2' &&
  instructions.includes('avx2') &&
  !instructions.some((name) => /^(?:avx512|avx_vnni|amx)/.test(name));

/** What a heading says of it, after a comma; nothing where all may use what there is. */
export const isaCondition = (isa: Isa, instructions: readonly string[]): string =>
  isa === 'auto' ? '' : isBestOf(isa, instructions) ? `, ${isa}` : `, held down to ${isa}`;
