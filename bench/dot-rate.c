// What the multipliers of this processor can do: each row repeats one instruction (or the pair that does its work) on registers alone, with
// enough independent accumulators to hide every latency. No kernel of these operands can multiply faster.
//
// Prints one JSON document: the core's clock, and the multiplications a second and a cycle of every row that this processor has. Cycles are
// the core's own, found by a chain of dependent instructions of known latency in the same moments: counters of time run at another rate.
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

enum { ROUNDS = 200000, ACCUMULATORS = 12, CHAIN = 8 };

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

// A 64-bit multiplication takes three cycles on every x86-64 core since 2008.
enum { CHAIN_CYCLES = 3 };
static void chain(void) {
  uint64_t x = 3;
  for (int i = 0; i < ROUNDS; i++) {
    for (int j = 0; j < CHAIN; j++) __asm__ volatile("imul %0, %0" : "+r"(x));
  }
}

#define TWELVE(V, code)                                                                                                          \
  V c0 = a, c1 = a, c2 = a, c3 = a, c4 = a, c5 = a, c6 = a, c7 = a, c8 = a, c9 = a, c10 = a, c11 = a, t, u;                        \
  for (int i = 0; i < ROUNDS; i++) {                                                                                             \
    code(c0) code(c1) code(c2) code(c3) code(c4) code(c5) code(c6) code(c7) code(c8) code(c9) code(c10) code(c11)                 \
  }                                                                                                                              \
  __asm__ volatile("" : "=v"(t), "=v"(u) : "v"(c0), "v"(c1), "v"(c2), "v"(c3), "v"(c4), "v"(c5), "v"(c6), "v"(c7), "v"(c8), "v"(c9),        \
                   "v"(c10), "v"(c11))
#define ROW(function, features, V, code)                                                                                         \
  __attribute__((target(features))) static void function(void) {                                                                 \
    V a, b;                                                                                                                      \
    __asm__ volatile("vpxor %x0, %x0, %x0\n\tvpxor %x1, %x1, %x1" : "=x"(a), "=x"(b));                                             \
    TWELVE(V, code);                                                                                                             \
  }

#define ONE(text, c) __asm__ volatile(text : "+v"(c) : "v"(a), "v"(b));
#define TWO(text, c) __asm__ volatile(text : "+v"(c), "=&v"(t) : "v"(a), "v"(b));
#define DP512(c) ONE("vpdpbusd %2, %1, %0", c)
// Two steps of 4-bit operands in one product, as `backends/c/kernels/paired-steps.ts` makes them: (x + w')(x' + w), two additions a product.
#define PAIR512(c)                                                                                                               \
  __asm__ volatile("vpaddb %4, %3, %1\n\tvpaddb %3, %4, %2\n\tvpdpbusd %2, %1, %0"                                              \
                   : "+v"(c), "=&v"(t), "=&v"(u)                                                                                \
                   : "v"(a), "v"(b));
#define DP256(c) ONE("vpdpbusd %2, %1, %0", c)
#define DPVEX(c) __asm__ volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));
#define WD256(c) TWO("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0", c)
#define UB256(c) TWO("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0", c)
#define QB256(c) TWO("vpmaddubsw %3, %2, %1\n\tvpmaddwd %3, %1, %1\n\tvpaddd %1, %0, %0", c)
#define FMA(c) ONE("vfmadd231ps %2, %1, %0", c)

ROW(vnni512, "avx512f,avx512bw,avx512vl,avx512vnni", __m512i, DP512)
ROW(pairs512, "avx512f,avx512bw,avx512vl,avx512vnni", __m512i, PAIR512)
ROW(vnni256, "avx512f,avx512bw,avx512vl,avx512vnni", __m256i, DP256)
ROW(avxvnni, "avx2,avxvnni", __m256i, DPVEX)
ROW(words256, "avx2", __m256i, WD256)
ROW(bytes256, "avx2", __m256i, UB256)
ROW(fours256, "avx2", __m256i, QB256)
ROW(fma512, "avx512f,avx512vl", __m512, FMA)
ROW(fma256, "avx2,fma", __m256, FMA)

static int avx512vnni(void) { return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl"); }
static int avx512f(void) { return __builtin_cpu_supports("avx512f"); }
static int avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static int has_avxvnni(void) {
  unsigned a, b, c, d;
  return avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1) != 0;
}

static const struct row {
  const char *isa, *operands, *instructions;
  int multiplications;
  int (*present)(void);
  void (*run)(void);
} rows[] = {
    {"avx512vnni", "u8 s8", "vpdpbusd zmm", 64, avx512vnni, vnni512},
    {"avx512vnni", "u4 s4", "2 vpaddb + vpdpbusd zmm", 128, avx512vnni, pairs512},
    {"avx512vnni", "u8 s8", "vpdpbusd ymm", 32, avx512vnni, vnni256},
    {"avxvnni", "u8 s8", "vpdpbusd ymm, VEX", 32, has_avxvnni, avxvnni},
    {"avx2", "u8 s8", "vpmaddwd + vpaddd, widened", 16, avx2, words256},
    {"avx2", "u8 s4", "vpmaddubsw + vpaddw", 32, avx2, bytes256},
    {"avx2", "u8 s7", "vpmaddubsw + vpmaddwd + vpaddd", 32, avx2, fours256},
    {"avx512f", "f32", "vfmadd231ps zmm", 16, avx512f, fma512},
    {"avx2", "f32", "vfmadd231ps ymm", 8, avx2, fma256},
};

#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>

// An addition takes one cycle.
enum { CHAIN_CYCLES = 1 };
static void chain(void) {
  uint64_t x = 3;
  for (int i = 0; i < ROUNDS; i++) {
    for (int j = 0; j < CHAIN; j++) __asm__ volatile("eor %0, %0, %0, ror #7" : "+r"(x));
  }
}

__attribute__((target("+dotprod"))) static void sdot(void) {
  int8x16_t a = vdupq_n_s8(0), b = vdupq_n_s8(0);
  int32x4_t c[ACCUMULATORS] = {0};
#define STEP(i) __asm__ volatile("sdot %0.4s, %1.16b, %2.16b" : "+w"(c[i]) : "w"(a), "w"(b));
  for (int i = 0; i < ROUNDS; i++) {
    STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8) STEP(9) STEP(10) STEP(11)
  }
}

static int dotprod(void) { return (getauxval(AT_HWCAP) >> 20 & 1) != 0; }

static const struct row {
  const char *isa, *operands, *instructions;
  int multiplications;
  int (*present)(void);
  void (*run)(void);
} rows[] = {{"neon", "s8 s8", "sdot", 16, dotprod, sdot}};

#else
#error "no rows for this processor"
#endif

/// Seconds of the quickest of several runs.
static double least(void (*run)(void)) {
  double best = 1e9;
  for (int i = 0; i < 20; i++) {
    const double start = now();
    run();
    const double time = now() - start;
    if (time < best) best = time;
  }
  return best;
}

int main(void) {
  const double clock = (double)ROUNDS * CHAIN * CHAIN_CYCLES / least(chain);
  printf("{\"clock_ghz\":%.4f,\"rows\":[", 1e-9 * clock);
  const char *comma = "";
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct row *row = &rows[i];
    if (!row->present()) continue;
    const double before = (double)ROUNDS * CHAIN * CHAIN_CYCLES / least(chain);
    const double rate = (double)ROUNDS * ACCUMULATORS * row->multiplications / least(row->run);
    const double after = (double)ROUNDS * CHAIN * CHAIN_CYCLES / least(chain);
    printf("%s{\"isa\":\"%s\",\"operands\":\"%s\",\"instructions\":\"%s\",\"gmacs\":%.2f,\"macs_per_cycle\":%.2f}", comma, row->isa,
           row->operands, row->instructions, 1e-9 * rate, rate / (0.5 * (before + after)));
    comma = ",";
  }
  printf("]}\n");
  return 0;
}
