/**
 * The weights of an artifact as bytes beside an assembler file that includes them: nothing a compiler reads grows with the model. `.incbin` is what
 * gcc, clang and their assemblers have on Linux, macOS, Windows and for WebAssembly; elsewhere there is the array of `weight-words.ts`.
 */
import type { PublicNames } from './public-names.ts';
import type { WeightPool } from './weight-words.ts';

/** All runs, each at its offset. */
export function weightBytes({ runs, bytes }: WeightPool): Uint8Array {
  const all = new Uint8Array(bytes);
  let offset = 0;
  for (const run of runs) {
    all.set(run.bytes, offset);
    offset += Math.ceil(run.bytes.length / 8) * 8;
  }
  return all;
}

/** The file that gives `names.weightsBinary` its symbol. */
export function weightAssembly(names: PublicNames, head: readonly string[], bytes: number): string {
  const lines = [
    ...head,
    `// ${bytes} bytes of ${names.weightsBinary} as the constant ${names.weights}. The assembler looks for the file where -I says.`,
    '#if defined(__wasm__)',
    `#define SYMBOL ${names.weights}`,
    `        .section .rodata.${names.weights},"",@`,
    '#elif defined(__APPLE__)',
    `#define SYMBOL _${names.weights}`,
    '        .section __TEXT,__const',
    '#elif defined(_WIN32)',
    `#define SYMBOL ${names.weights}`,
    '        .section .rdata,"dr"',
    '#else',
    `#define SYMBOL ${names.weights}`,
    '        .section .rodata,"a",%progbits',
    '#endif',
    '        .globl SYMBOL',
    '        .balign 64',
    'SYMBOL:',
    `        .incbin "${names.weightsBinary}"`,
    '#if defined(__wasm__)',
    `        .size SYMBOL, ${bytes}`,
    '#elif defined(__ELF__)',
    '        .type SYMBOL,%object',
    '        .size SYMBOL,.-SYMBOL',
    '        .section .note.GNU-stack,"",%progbits',
    '#endif',
  ];
  return `${lines.join('\n')}\n`;
}
