// Times an artifact of the C backend through its public header alone, as a program that embeds it would call it (protocol: line-process.ts).
// The macros QC_HEADER, QC_RUN, QC_ARENA_SIZE, QC_INPUT and QC_OUTPUT name what belongs to the artifact.
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

int main(void) {
  void *arena = aligned_alloc(64, (QC_ARENA_SIZE + 63) / 64 * 64);
  if (arena == NULL) return 1;
  for (size_t i = 0; i < QC_INPUT; i++) input[i] = (float)(i * 7919 % 4001) / 1000.0f - 2.0f;
  if (QC_RUN(arena, input, output) != 0) return 2;
  puts("{}");
  fflush(stdout);
  for (int times; scanf("%d", &times) == 1;) {
    for (int i = 0; i < times; i++) {
      const double start = now();
      if (QC_RUN(arena, input, output) != 0) return 2;
      printf("%s%.6f", i == 0 ? "[" : ",", now() - start);
    }
    puts(times == 0 ? "[]" : "]");
    fflush(stdout);
  }
}
