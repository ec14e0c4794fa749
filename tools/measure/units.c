/* units.c - see units.h.
 *
 * Each loop consists of one kind of instruction, in assembly so that the compiler neither removes
 * nor combines them. The clock is found by additions of two registers, each of which needs the
 * result of the one before: every core takes one cycle for one of them. (Additions of a constant
 * take less on Intel's cores since Golden Cove, which compute them when they rename registers.) */
#include "tools/measure/units.h"

#include "tools/measure/caches.h"
#include "tools/measure/peak.h"
#include "tools/model/runner.h"

#if defined(__x86_64__) || defined(__aarch64__)

enum { SAMPLES = 9, STEPS = 20000, REPEATED = 16 };
#define TIMES_4(X)  X X X X
#define TIMES_16(X) TIMES_4(TIMES_4(X))

/* ---- loops of any machine ---- */

static void add(uint64_t x, int steps) {
    uint64_t y = x;
    for (int i = 0; i < steps; i++)
#if defined(__x86_64__)
        __asm__ volatile(TIMES_16("add %1, %0\n") : "+r"(x) : "r"(y));
#else
        __asm__ volatile(TIMES_16("add %0, %0, %1\n") : "+r"(x) : "r"(y));
#endif
}

static void run_additions(void *memory) {
    add((uint64_t)memory, STEPS);
}

static void run_nops(void *memory) {
    (void)memory;
    for (int i = 0; i < STEPS; i++)
        __asm__ volatile(TIMES_16("nop\n"));
}

/* The nanoseconds of one of the instructions of `loop`. */
static fv_measure nanoseconds(void (*loop)(void *memory)) {
    static _Alignas(64) char memory[64 * REPEATED];
    double values[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        double start = fv_now_ms();
        loop(memory);
        values[i] = 1e6 * (fv_now_ms() - start) / (double)(STEPS * REPEATED);
    }
    return fv_measure_best(SAMPLES, values, false);
}

static fv_measure cycles(void (*loop)(void *memory), double ghz) {
    fv_measure m = nanoseconds(loop);
    m.value *= ghz;
    return m;
}

static fv_measure per_cycle(void (*loop)(void *memory), double ghz) {
    fv_measure m = cycles(loop, ghz);
    m.value = 1 / m.value;
    return m;
}

/* Multiply-adds of vectors per cycle in a loop of a tile, whose operands are in the first-level
 * cache. */
static fv_measure tile_multiplies(double ghz) {
    enum { TIMES = 500, MOST_LANES = 16 };
    static _Alignas(64) float memory[FV_PEAK_TILE_FLOATS(MOST_LANES)];
    double values[SAMPLES];
    volatile float result;
    fv_peak_code code = fv_peak_widest();
    for (int i = 0; i < SAMPLES; i++) {
        double start = fv_now_ms();
        result = code.tile(memory, TIMES);
        double cycles = 1e6 * ghz * (fv_now_ms() - start);
        values[i] = TIMES * FV_PEAK_TILE_STEPS * FV_PEAK_TILE_ROWS * FV_PEAK_TILE_VECTORS / cycles;
    }
    (void)result;
    return fv_measure_best(SAMPLES, values, true);
}

/* The clock, in GHz, of a core that has executed the loop of a tile for some milliseconds: found by
 * additions in the few microseconds after it, before the clock changes again. */
static double clock_in_tile(void) {
    enum { TIMES = 20000, MOST_LANES = 16, FEW_STEPS = 400 };
    static _Alignas(64) float memory[FV_PEAK_TILE_FLOATS(MOST_LANES)];
    double values[SAMPLES];
    volatile float result;
    fv_peak_code code = fv_peak_widest();
    for (int i = 0; i < SAMPLES; i++) {
        result = code.tile(memory, TIMES);
        double start = fv_now_ms();
        add((uint64_t)memory, FEW_STEPS);
        values[i] = 1e-6 * (double)(FEW_STEPS * (int)REPEATED) / (fv_now_ms() - start);
    }
    (void)result;
    return fv_measure_best(SAMPLES, values, true).value;
}

/* ---- loops for vectors ---- */

#if defined(__x86_64__)
/* Sixteen instructions whose results go to eight registers; each register is read only by the
 * instructions of `op` that write it if the instruction has three equal operands. */
#define EIGHT(op, r) op(r, 0) op(r, 1) op(r, 2) op(r, 3) op(r, 4) op(r, 5) op(r, 6) op(r, 7)
#define AND(r, n)    "vandps %%" #r "8, %%" #r "9, %%" #r #n "\n"
#define DIV(r, n)    "vdivps %%" #r "8, %%" #r "9, %%" #r #n "\n"
#define ROOT(r, n)   "vsqrtps %%" #r "8, %%" #r #n "\n"
#define LOAD(r, n)   "vmovups 64*" #n "(%0), %%" #r #n "\n"
#define STORE(r, n)  "vmovups %%" #r #n ", 64*" #n "(%0)\n"
#define CLOBBERED                                                                                  \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "memory"
#define LOOP(name, op, r, feature)                                                                 \
    __attribute__((target(feature))) static void name(void *memory) {                              \
        __asm__ volatile("vxorps %%xmm8, %%xmm8, %%xmm8\nvxorps %%xmm9, %%xmm9, %%xmm9\n" ::       \
                             : "xmm8", "xmm9");                                                    \
        for (int i = 0; i < STEPS; i++)                                                            \
            __asm__ volatile(EIGHT(op, r) EIGHT(op, r)::"r"(memory) : CLOBBERED);                  \
        __asm__ volatile("vzeroupper" ::: CLOBBERED);                                              \
    }
#define LOOPS(bits, r, feature)                                                                    \
    LOOP(and_##bits, AND, r, feature)                                                              \
    LOOP(div_##bits, DIV, r, feature)                                                              \
    LOOP(root_##bits, ROOT, r, feature)                                                            \
    LOOP(load_##bits, LOAD, r, feature)                                                            \
    LOOP(store_##bits, STORE, r, feature)
LOOPS(256, ymm, "avx2")
LOOPS(512, zmm, "avx512dq")

/* If at least this many times as many operations begin in a cycle on vectors of 32 bytes as on
 * those of 64, the core executes the wide ones in two passes. A core with three units for narrow
 * vectors and two for wide ones executes 1.5 times as many. */
static const double TWO_PASSES = 1.75;

static fv_measure bytes(int n) {
    return (fv_measure){.value = n, .known = true};
}

/* Vectors are the widest ones of this machine, as in the loops of peak.h: a core may execute fewer
 * operations in a cycle if vectors are wider. */
static void measure_vectors(double ghz, fv_measure out[FV_NMEASURES]) {
    bool wide = __builtin_cpu_supports("avx512dq");
    if (!wide && !__builtin_cpu_supports("avx2"))
        return;
    fv_measure narrow = per_cycle(and_256, ghz), all = wide ? per_cycle(and_512, ghz) : narrow;
    out[FV_MEASURE_vector_bytes] = bytes(wide ? 64 : 32);
    out[FV_MEASURE_datapath] = bytes(wide && narrow.value < TWO_PASSES * all.value ? 64 : 32);
    out[FV_MEASURE_vector_operations] = all;
    out[FV_MEASURE_vector_loads] = per_cycle(wide ? load_512 : load_256, ghz);
    out[FV_MEASURE_vector_stores] = per_cycle(wide ? store_512 : store_256, ghz);
    out[FV_MEASURE_division] = cycles(wide ? div_512 : div_256, ghz);
    out[FV_MEASURE_square_root] = cycles(wide ? root_512 : root_256, ghz);
}
#else
static void measure_vectors(double ghz, fv_measure out[FV_NMEASURES]) {
    (void)ghz;
    (void)out;
}
#endif

void fv_measure_units(double gflops, fv_measure out[FV_NMEASURES], double *tile_ghz) {
    fv_measure addition = nanoseconds(run_additions);
    double ghz = 1 / addition.value;
    out[FV_MEASURE_clock] = (fv_measure){ghz, addition.deviation, true};
    out[FV_MEASURE_vector_multiplies] =
        (fv_measure){.value = gflops / (2 * fv_peak_widest().lanes * ghz), .known = true};
    out[FV_MEASURE_tile_multiplies] = tile_multiplies(ghz);
    *tile_ghz = clock_in_tile();
    out[FV_MEASURE_instructions] = per_cycle(run_nops, ghz);
    measure_vectors(ghz, out);
}

#else
void fv_measure_units(double gflops, fv_measure out[FV_NMEASURES], double *tile_ghz) {
    (void)gflops;
    (void)out;
    *tile_ghz = 0;
}
#endif
