/** Instruction sets that both sides can be held down to. `auto` is whatever the processor has. */
export const isas = ['auto', 'scalar', 'avx2', 'avx512vnni'] as const;
export type Isa = (typeof isas)[number];
