/** A run shared by threads has the bits of a run alone, and no two threads touch one byte without meeting in between. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { type CRunnerOptions } from '../../compiler/runners/node-c.ts';
import type { Runner } from '../../compiler/runners/runner.ts';
import { inputsFor } from '../../fixtures/generate/graphs.ts';
import { integerNets } from '../../fixtures/generate/integer-nets.ts';
import { runCProgram, sanitizedFlags, strictFlags } from '../../fixtures/programs/c-program.ts';
import { integerPrograms } from '../../fixtures/programs/integer-programs.ts';
import { mergePrograms } from '../../fixtures/programs/merge-programs.ts';
import { ProgramWriter } from '../../fixtures/programs/program-writer.ts';
import type { Graph } from '../../ir/index.ts';
import { c } from './index.ts';

/** Layers large enough for several threads: padding, strides, Winograd in one band and in several, 1x1, pools, a residual sum, dense. */
function severalTiles(): Graph {
  const w = new ProgramWriter('several tiles', 11);
  const square = { kernel: [3, 3], pads: [1, 1, 1, 1] } as const;
  const image = w.input([2, 8, 30, 29], 'i8', 3);
  const wide = w.requantize(w.convolution(image, 64, { ...square, strides: [2, 2], weights: 'i8' }), 'u4');
  const long = w.requantize(w.convolution(wide, 96, { ...square, weights: 'i4' }), 'u4');
  const flat = w.requantize(w.convolution(long, 80, { weights: 'i8' }), 'u8');
  const narrow = w.requantize(w.convolution(long, 80, { ...square, weights: 'i4' }), 'i32');
  const sum = w.requantize(w.binary('add', narrow, w.requantize(flat, 'i32')), 'u8');
  return w.finish(sum);
}

const runners: Runner[] = [];
afterAll(async () => {
  for (const runner of runners) await runner.close();
});

async function traced(graph: Graph, options: CRunnerOptions): Promise<Map<string, unknown>[]> {
  const runner = await runCProgram(graph, options);
  runners.push(runner);
  const found: Map<string, unknown>[] = [];
  for (const seed of [1, 2, 3]) {
    const inputs = inputsFor(graph, seed).map(({ data }) => data as Float32Array);
    const tensors = await runner.trace(inputs);
    found.push(new Map<string, unknown>([...tensors].map(([name, { data }]) => [name, data])));
    found.push(new Map([['outputs', await runner.run(inputs)]]));
  }
  return found;
}

describe('a run that threads share', () => {
  it('has the same bits whatever their number', async () => {
    const graph = mergePrograms('shared', [
      severalTiles(),
      ...integerPrograms.map((program) => program.graph),
      ...(await integerNets(4, 20)),
    ]);
    const flags = ['-std=c11', '-O1'];
    const alone = await traced(graph, { flags });
    for (const threads of [2, 3, 7]) expect(await traced(graph, { threads, flags })).toEqual(alone);
  }, 400_000);

  it('has them under the sanitizers of addresses and undefined behaviour', async () => {
    const graph = severalTiles();
    const alone = await traced(graph, { flags: ['-std=c11', '-O1'] });
    expect(await traced(graph, { threads: 3, flags: [...sanitizedFlags] })).toEqual(alone);
  }, 200_000);

  it('has no race', async () => {
    const flags = [...strictFlags, '-O1', '-g', '-fsanitize=thread'];
    const missing = threadSanitizerMissing();
    if (missing !== undefined) {
      process.stdout.write(`not run: ${missing}\n`);
      return;
    }
    const graph = mergePrograms('races', [
      severalTiles(),
      ...integerPrograms.slice(0, 12).map((program) => program.graph),
    ]);
    const alone = await traced(graph, { flags: ['-std=c11', '-O1'] });
    expect(await traced(graph, { threads: 3, flags })).toEqual(alone);
  }, 400_000);

  it('is a pool of its own for each of several at once', async () => {
    const emission = await c.emit(severalTiles(), { name: 'net' });
    expect(emission.files.map(({ name }) => name)).toContain('net_threads.c');
    const main = [
      '#include <pthread.h>',
      '#include <stdio.h>',
      '#include <stdlib.h>',
      '#include <string.h>',
      '#include "net.h"',
      'enum { INPUT = 2 * 8 * 30 * 29, OUTPUT = 2 * 80 * 15 * 15 };',
      'static float input[INPUT], expected[OUTPUT];',
      'static void *instance(void *threads) {',
      '  const int count = *(const int *)threads;',
      '  const size_t size = net_pool_size(count);',
      '  void *memory = malloc(size), *arena = malloc(NET_ARENA_SIZE);',
      '  float *output = (float *)malloc(sizeof expected);',
      '  net_pool *pool = net_pool_start(memory, size, count);',
      '  void *failed = pool == NULL || arena == NULL || output == NULL ? threads : NULL;',
      '  for (int i = 0; i < 20 && failed == NULL; i++) {',
      '    memset(output, 0, sizeof expected);',
      '    if (net_pool_run(pool, arena, input, output) != 0) failed = threads;',
      '    if (memcmp(output, expected, sizeof expected) != 0) failed = threads;',
      '  }',
      '  net_pool_stop(pool);',
      '  free(memory), free(arena), free(output);',
      '  return failed;',
      '}',
      'int main(void) {',
      '  static uint64_t arena[(NET_ARENA_SIZE + 7) / 8];',
      '  for (int i = 0; i < INPUT; i++) input[i] = (float)(i % 101) / 25.0f - 2.0f;',
      '  if (net_run(arena, input, expected) != 0) return 1;',
      '  if (net_pool_size(0) != 0 || net_pool_start(arena, 8, 2) != NULL) return 2;',
      '  if (net_pool_run(NULL, arena, input, expected) != 1) return 3;',
      '  int counts[3] = {1, 2, 3};',
      '  pthread_t threads[3];',
      '  for (int i = 0; i < 3; i++) if (pthread_create(&threads[i], NULL, instance, &counts[i]) != 0) return 4;',
      '  for (int i = 0; i < 3; i++) {',
      '    void *failed;',
      '    if (pthread_join(threads[i], &failed) != 0 || failed != NULL) return 5;',
      '  }',
      '  puts("same");',
      '  return 0;',
      '}',
    ].join('\n');
    const { buildC } = await import('../../compiler/runners/node-c-build.ts');
    const sources = emission.files.filter(({ name }) => /^net.*\.[ch]$/.test(name));
    const { program } = await buildC([...sources, { name: 'main.c', content: main }], {
      flags: [...sanitizedFlags, '-pthread'],
    });
    expect(execFileSync(program).toString()).toBe('same\n');
  }, 200_000);
});

/** Why no program can be run under the thread sanitizer here; undefined where one can. */
function threadSanitizerMissing(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'qc-tsan-'));
  try {
    writeFileSync(join(folder, 'main.c'), 'int main(void) { return 0; }\n');
    const program = join(folder, 'main');
    execFileSync('cc', ['-fsanitize=thread', '-o', program, `${program}.c`], { stdio: 'pipe' });
    execFileSync(program, { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `the thread sanitizer cannot run here: ${(error as Error).message.split('\n').slice(0, 3).join(' ')}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
