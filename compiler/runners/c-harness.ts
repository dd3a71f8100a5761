/**
 * The C program around a C artifact that lets Node run it: requests on standard input, answers on standard output, in native byte order.
 * One process serves many runs, so that starting it and loading its weights is paid once.
 *
 *     request   command: int32 ('r' run, 't' trace, 'b' bench), count: int32, warmup: int32, then every input as floats
 *     answer    r: every output as floats
 *               t: for each tensor as it is stored: number, bytes: int32, then the bytes; -1; then every output as floats
 *               b: `count` times in milliseconds, then for each traced tensor, for each of `count` further runs, the milliseconds
 *                  since the tensor stored before it: doubles; then the instruction set used, length: int32 and characters
 *
 * Compiled with `-DQC_THREADS`, runs are shared by a pool of as many threads as the first argument says.
 */
import type { PublicNames } from '../../backends/c/index.ts';

export interface HarnessPorts {
  /** Elements of each. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Number of traced tensors. */
  readonly tensors: number;
}

export const harnessFile = 'qc_harness.c';

export function harnessSource(names: PublicNames, { inputs, outputs, tensors }: HarnessPorts): string {
  const buffers = (word: string, counts: readonly number[]): string[] =>
    counts.map((count, i) => `static float ${word}${i}[${count}];`);
  const args = ['memory', ...inputs.map((_, i) => `input${i}`), ...outputs.map((_, i) => `output${i}`)];
  const lines = [
    `#define _POSIX_C_SOURCE 200809L`,
    `#include "${names.header}"`,
    '#include <stdio.h>',
    '#include <stdlib.h>',
    '#include <string.h>',
    '#include <time.h>',
    '',
    `enum { TENSORS = ${Math.max(1, tensors)} };`,
    ...buffers('input', inputs),
    ...buffers('output', outputs),
    'static void *memory;',
    'static int32_t mode;',
    'static double last;',
    'static double times[TENSORS];',
    '',
    'static double now(void) {',
    '  struct timespec time;',
    '  clock_gettime(CLOCK_MONOTONIC, &time);',
    '  return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;',
    '}',
    '',
    'static void get(void *bytes, size_t size) {',
    '  if (fread(bytes, 1, size, stdin) != size) exit(feof(stdin) ? 0 : 3);',
    '}',
    '',
    'static void put(const void *bytes, size_t size) {',
    '  if (fwrite(bytes, 1, size, stdout) != size) exit(4);',
    '}',
    '',
    `void ${names.trace}(int tensor, const void *bytes, size_t size) {`,
    "  if (mode == 't') {",
    '    const int32_t head[2] = {tensor, (int32_t)size};',
    '    put(head, sizeof head);',
    '    put(bytes, size);',
    "  } else if (mode == 'l') {",
    '    const double time = now();',
    '    times[tensor] = time - last;',
    '    last = time;',
    '  }',
    '}',
    '',
    '#ifdef QC_THREADS',
    `static ${names.pool} *pool;`,
    '#endif',
    '',
    'static void run(void) {',
    '#ifdef QC_THREADS',
    `  if (${names.poolRun}(${['pool', ...args].join(', ')}) != 0) exit(6);`,
    '#else',
    `  if (${names.run}(${args.join(', ')}) != 0) exit(6);`,
    '#endif',
    '}',
    '',
    'int main(int count, char **words) {',
    `  memory = aligned_alloc(64, (${names.arenaSize} + 63) / 64 * 64);`,
    '  if (memory == NULL) return 5;',
    '#ifdef QC_THREADS',
    '  const int threads = count < 2 ? 1 : atoi(words[1]);',
    `  const size_t size = ${names.poolSize}(threads);`,
    `  pool = ${names.poolStart}(malloc(size), size, threads);`,
    '  if (pool == NULL) return 7;',
    '#else',
    '  (void)count, (void)words;',
    '#endif',
    '  for (;;) {',
    '    int32_t request[3];',
    '    get(request, sizeof request);',
    ...inputs.map((_, i) => `    get(input${i}, sizeof input${i});`),
    "    mode = request[0] == 't' ? 't' : 0;",
    "    if (request[0] == 'b') {",
    '      for (int32_t i = -request[2]; i < request[1]; i++) {',
    '        const double start = now();',
    '        run();',
    '        const double time = now() - start;',
    '        if (i >= 0) put(&time, sizeof time);',
    '      }',
    "      mode = 'l';",
    '      for (int32_t i = 0; i < request[1]; i++) {',
    '        last = now();',
    '        run();',
    '        put(times, sizeof times);',
    '      }',
    `      const char *isa = ${names.isaName}();`,
    '      const int32_t length = (int32_t)strlen(isa);',
    '      put(&length, sizeof length);',
    '      put(isa, strlen(isa));',
    '    } else {',
    '      run();',
    "      if (mode == 't') {",
    '        const int32_t end = -1;',
    '        put(&end, sizeof end);',
    '      }',
    ...outputs.map((_, i) => `      put(output${i}, sizeof output${i});`),
    '    }',
    '    if (fflush(stdout) != 0) return 4;',
    '  }',
    '}',
  ];
  return `${lines.join('\n')}\n`;
}
