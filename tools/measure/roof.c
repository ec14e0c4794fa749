/* roof.c - measures the speed of multiply-adds in registers and of reading from memory.
 *
 * The work is divided into more tasks than there are threads, so that it is balanced on cores of
 * different speed, as the work of kernels is. Vectors are as wide as this machine supports, which
 * is detected at run time. */
#include "tools/measure/roof.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
    STEPS = 50000,
    TASKS_PER_THREAD = 16,
    READ_TASKS = 256,
    TRIES = 8,
    READ_TRIES = 2,
    REGIONS = 200,
    REGION_TRIES = 5
};
#define MEMORY_BYTES ((size_t)256 << 20) /* number of bytes to read, more than caches hold */

struct fv_roof_memory {
    unsigned char *bytes;
};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the work of one task, for each instruction set ---- */

/* The number of independent chains of multiply-adds. An fma takes four cycles, and two can start in
 * each cycle, so eight chains would hide the latency; a few more are used. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
enum { NCHAINS = 12 };

typedef struct variant {
    int lanes;                            /* number of f32 in a vector */
    float (*multiply_add)(int64_t steps); /* performs `steps` steps of NCHAINS multiply-adds */
    /* reads `bytes` bytes, a multiple of 1024, from aligned memory */
    uint64_t (*read)(const void *p, size_t bytes);
} variant;

#if defined(__x86_64__)
#include <immintrin.h>

#define START(i) a##i = _mm512_set1_ps((float)(i)),
#define STEP(i)  a##i = _mm512_fmadd_ps(a##i, x, y);
#define ADD(i)   sum = _mm512_add_ps(sum, a##i);
__attribute__((target("avx512f"))) static float multiply_add_512(int64_t steps) {
    __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
    __m512 CHAINS(START) sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < steps; i++) {
        CHAINS(STEP)
    }
    CHAINS(ADD)
    return _mm512_cvtss_f32(sum);
}
#undef START
#undef STEP
#undef ADD

__attribute__((target("avx512f"))) static uint64_t read_512(const void *p, size_t bytes) {
    const __m512i *v = p;
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (size_t i = 0; i < bytes / sizeof *v; i += 4) {
        a = _mm512_xor_si512(a, _mm512_load_si512(v + i));
        b = _mm512_xor_si512(b, _mm512_load_si512(v + i + 1));
        c = _mm512_xor_si512(c, _mm512_load_si512(v + i + 2));
        d = _mm512_xor_si512(d, _mm512_load_si512(v + i + 3));
    }
    a = _mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d));
    return (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(a));
}

#define START(i) a##i = _mm256_set1_ps((float)(i)),
#define STEP(i)  a##i = _mm256_fmadd_ps(a##i, x, y);
#define ADD(i)   sum = _mm256_add_ps(sum, a##i);
__attribute__((target("avx2,fma"))) static float multiply_add_256(int64_t steps) {
    __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
    __m256 CHAINS(START) sum = _mm256_setzero_ps();
    for (int64_t i = 0; i < steps; i++) {
        CHAINS(STEP)
    }
    CHAINS(ADD)
    return _mm256_cvtss_f32(sum);
}
#undef START
#undef STEP
#undef ADD

__attribute__((target("avx2"))) static uint64_t read_256(const void *p, size_t bytes) {
    const __m256i *v = p;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (size_t i = 0; i < bytes / sizeof *v; i += 4) {
        a = _mm256_xor_si256(a, _mm256_load_si256(v + i));
        b = _mm256_xor_si256(b, _mm256_load_si256(v + i + 1));
        c = _mm256_xor_si256(c, _mm256_load_si256(v + i + 2));
        d = _mm256_xor_si256(d, _mm256_load_si256(v + i + 3));
    }
    a = _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d));
    return (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(a));
}
#endif

/* The variant for any machine: vectors of 16 bytes, and whatever instructions the compiler chooses
 * for a * x + y. */
typedef float float4 __attribute__((vector_size(16)));
typedef uint64_t ulong2 __attribute__((vector_size(16), may_alias));

#if defined(__aarch64__)
#include <arm_neon.h>
#define MULTIPLY_ADD(a) ((float4)vfmaq_f32((float32x4_t)y, (float32x4_t)(a), (float32x4_t)x))
#else
#define MULTIPLY_ADD(a) ((a) * x + y)
#endif
#define START(i) a##i = {i, i, i, i},
#define STEP(i)  a##i = MULTIPLY_ADD(a##i);
#define ADD(i)   sum += a##i;
static float multiply_add_128(int64_t steps) {
    float4 x = {0.999f, 0.999f, 0.999f, 0.999f}, y = {0.001f, 0.001f, 0.001f, 0.001f};
    float4 CHAINS(START) sum = {0, 0, 0, 0};
    for (int64_t i = 0; i < steps; i++) {
        CHAINS(STEP)
    }
    CHAINS(ADD)
    return sum[0];
}
#undef START
#undef STEP
#undef ADD

static uint64_t read_128(const void *p, size_t bytes) {
    const ulong2 *v = p;
    ulong2 a = {0, 0}, b = a, c = a, d = a;
    for (size_t i = 0; i < bytes / sizeof *v; i += 4) {
        a ^= v[i];
        b ^= v[i + 1];
        c ^= v[i + 2];
        d ^= v[i + 3];
    }
    a ^= b ^ c ^ d;
    return a[0] ^ a[1];
}

static variant widest(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return (variant){16, multiply_add_512, read_512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (variant){8, multiply_add_256, read_256};
#endif
    return (variant){4, multiply_add_128, read_128};
}

/* ---- tasks ---- */

typedef struct work {
    variant v;
    const unsigned char *bytes;
    /* results are added here, so that the compiler does not remove the work */
    _Atomic uint64_t result;
} work;

static void multiply_add(void *arg, int64_t i) {
    work *w = arg;
    (void)i;
    atomic_fetch_xor(&w->result, (uint64_t)w->v.multiply_add(STEPS));
}

static void read_share(void *arg, int64_t i) {
    work *w = arg;
    size_t share = MEMORY_BYTES / READ_TASKS;
    atomic_fetch_xor(&w->result, w->v.read(w->bytes + (size_t)i * share, share));
}

static double time_tasks(const fv_env *env, void (*task)(void *arg, int64_t i), work *w,
                         int64_t n) {
    double start = seconds();
    if (env->parallel_for)
        env->parallel_for(env->user, task, w, n);
    else
        for (int64_t i = 0; i < n; i++)
            task(w, i);
    return seconds() - start;
}

/* The least time of several short attempts, because other processes may use the core during some of
 * them. */
static double least_time(const fv_env *env, void (*task)(void *arg, int64_t i), work *w, int64_t n,
                         int tries) {
    double best = 1e300;
    for (int i = 0; i < tries; i++) {
        double t = time_tasks(env, task, w, n);
        best = t < best ? t : best;
    }
    return best;
}

/* ---- parallel regions ---- */

static void nothing(void *arg, int64_t i) {
    (void)arg;
    (void)i;
}

static void measure_regions(const fv_env *env, int threads, fv_roof *roof) {
    const struct timespec pause = {.tv_nsec = 1000000};
    double row = 1e300, parked = 1e300;
    if (!env->parallel_for)
        return;
    for (int i = 0; i < REGION_TRIES; i++) {
        nanosleep(&pause, NULL);
        double start = seconds();
        env->parallel_for(env->user, nothing, NULL, threads);
        double first = seconds();
        for (int k = 0; k < REGIONS; k++)
            env->parallel_for(env->user, nothing, NULL, threads);
        double rest = (seconds() - first) / (double)REGIONS;
        parked = first - start < parked ? first - start : parked;
        row = rest < row ? rest : row;
    }
    roof->region_us = 1e6 * row;
    roof->parked_us = 1e6 * parked;
}

fv_roof fv_roof_measure(const fv_env *env, int threads, fv_roof_memory *memory) {
    work w = {.v = widest(), .bytes = memory ? memory->bytes : NULL};
    fv_roof roof = {0};
    int64_t n = (int64_t)threads * TASKS_PER_THREAD;
    double flops = (double)(2 * NCHAINS * w.v.lanes) * (double)(STEPS * n);
    roof.gflops = flops / least_time(env, multiply_add, &w, n, TRIES) * 1e-9;
    if (memory)
        roof.gbs =
            (double)MEMORY_BYTES / least_time(env, read_share, &w, READ_TASKS, READ_TRIES) * 1e-9;
    measure_regions(env, threads, &roof);
    return roof;
}

/* ---- memory ---- */

fv_roof_memory *fv_roof_memory_new(void) {
    fv_roof_memory *m = malloc(sizeof *m);
    void *p = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!m || p == MAP_FAILED) {
        free(m);
        if (p != MAP_FAILED)
            munmap(p, MEMORY_BYTES);
        return NULL;
    }
#ifdef MADV_HUGEPAGE
    madvise(p, MEMORY_BYTES, MADV_HUGEPAGE);
#endif
    /* Writes to every page, so that each has memory of its own: pages that were only read share one
     * page of zeros, which stays in a cache */
    memset(p, 1, MEMORY_BYTES);
    m->bytes = p;
    return m;
}

void fv_roof_memory_free(fv_roof_memory *m) {
    if (m)
        munmap(m->bytes, MEMORY_BYTES);
    free(m);
}

double fv_cache_bytes(void) {
    double most = 0;
    for (int i = 0; i < 8; i++) {
        char path[80], unit = 0;
        double size = 0;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        FILE *f = fopen(path, "r");
        if (f && fscanf(f, "%lf%c", &size, &unit) >= 1)
            size *= unit == 'K' ? 1024.0 : unit == 'M' ? 1048576.0 : 1.0;
        if (f)
            fclose(f);
        most = size > most ? size : most;
    }
    return most;
}
