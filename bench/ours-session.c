// Times an artifact of the C backend through its public header alone, as a program that embeds it would call it (protocol: line-process.ts).
// The macros QC_HEADER, QC_RUN, QC_ARENA_SIZE, QC_INPUT and QC_OUTPUT name what belongs to the artifact; for more than one thread so do
// QC_POOL, QC_POOL_SIZE, QC_POOL_START and QC_POOL_RUN, and QC_THREADS is their number.
#define _POSIX_C_SOURCE 200809L
#include QC_HEADER
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static float input[QC_INPUT];
static float output[QC_OUTPUT];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

static void *arena;
#ifdef QC_THREADS
static QC_POOL *pool;
#endif

static int run(void) {
#ifdef QC_THREADS
  return QC_POOL_RUN(pool, arena, input, output);
#else
  return QC_RUN(arena, input, output);
#endif
}

int main(void) {
#ifdef QC_THREADS
  const size_t size = QC_POOL_SIZE(QC_THREADS);
  pool = QC_POOL_START(malloc(size), size, QC_THREADS);
  if (pool == NULL) return 3;
#endif
  arena = aligned_alloc(64, (QC_ARENA_SIZE + 63) / 64 * 64);
  if (arena == NULL) return 1;
  for (size_t i = 0; i < QC_INPUT; i++) input[i] = (float)(i * 7919 % 4001) / 1000.0f - 2.0f;
  if (run() != 0) return 2;
  puts("{}");
  fflush(stdout);
  for (int times; scanf("%d", &times) == 1;) {
    for (int i = 0; i < times; i++) {
      const double start = now();
      if (run() != 0) return 2;
      printf("%s%.6f", i == 0 ? "[" : ",", now() - start);
    }
    puts(times == 0 ? "[]" : "]");
    fflush(stdout);
  }
}
