/**
 * The weights of an artifact as C source: one constant array of 64-bit words in a file of its own. Words cost a compiler an eighth of the time
 * that bytes do (ResNet-18 at 8 bits: about four seconds of gcc), and the file with the code stays one that a person can open. Bytes are taken
 * from words in little-endian order, which the source states and checks.
 */
import { commentText } from '../kernel/index.ts';

/** One run of weights: starts at a multiple of eight bytes. */
export interface WeightRun {
  readonly title: string;
  readonly bytes: Uint8Array;
}

/** Collects runs, each once, and says where each begins. */
export class WeightPool {
  readonly #runs: WeightRun[] = [];
  readonly #offsets = new Map<Uint8Array, number>();
  #bytes = 0;

  /** Offset in bytes of these weights. */
  place(bytes: Uint8Array, title: string): number {
    const known = this.#offsets.get(bytes);
    if (known !== undefined) return known;
    const offset = this.#bytes;
    this.#runs.push({ title, bytes });
    this.#offsets.set(bytes, offset);
    this.#bytes += Math.ceil(bytes.length / 8) * 8;
    return offset;
  }

  get runs(): readonly WeightRun[] {
    return this.#runs;
  }

  /** With the padding between runs. */
  get bytes(): number {
    return this.#bytes;
  }
}

/** Lines that stop a compiler for a machine on which words would be read backwards. */
export const endiannessCheck: readonly string[] = [
  '#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__',
  '#error "weights are stored as little-endian words"',
  '#endif',
];

const wordsPerLine = 4;
const digits = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));

/** The source file that defines `array`. Bytes, not a string: ResNet-50's is 65 MB. */
export function weightSource(array: string, head: readonly string[], pool: WeightPool): Uint8Array {
  const encoder = new TextEncoder();
  const open = encoder.encode(
    [
      ...head,
      '#include <stdint.h>',
      '',
      ...endiannessCheck,
      '',
      `extern const uint64_t ${array}[${pool.bytes / 8}];`,
      `const uint64_t ${array}[${pool.bytes / 8}] = {`,
      '',
    ].join('\n'),
  );
  const parts: Uint8Array[] = [open];
  for (const { title, bytes } of pool.runs) {
    parts.push(encoder.encode(`  // ${commentText(title)}\n`), wordLines(bytes));
  }
  parts.push(encoder.encode('};\n'));
  const source = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    source.set(part, offset);
    offset += part.length;
  }
  return source;
}

/** `  0x0123456789abcdef, ...` with `wordsPerLine` words a line. */
function wordLines(bytes: Uint8Array): Uint8Array {
  const words = Math.ceil(bytes.length / 8);
  const lines = Math.ceil(words / wordsPerLine);
  const text = new Uint8Array(words * 20 + lines * 2);
  let at = 0;
  for (let word = 0; word < words; word++) {
    if (word % wordsPerLine === 0) text[at++] = 0x20;
    text[at++] = 0x20;
    text[at++] = 0x30;
    text[at++] = 0x78;
    for (let byte = 7; byte >= 0; byte--) {
      const value = bytes[word * 8 + byte] ?? 0;
      text[at++] = digits[value >> 4]!;
      text[at++] = digits[value & 15]!;
    }
    text[at++] = 0x2c;
    if (word % wordsPerLine === wordsPerLine - 1 || word === words - 1) text[at++] = 0x0a;
  }
  return text.subarray(0, at);
}
