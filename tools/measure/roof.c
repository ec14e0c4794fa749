/* roof.c - measures the speed of multiply-adds in registers and of reading from memory.
 *
 * The work is divided into more tasks than there are threads, so that it is balanced on cores of
 * different speed, as the work of kernels is. */
#include "tools/measure/roof.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tools/measure/peak.h"

enum {
    STEPS = 50000,
    DOT_STEPS = 5000,
    MATRIX_STEPS = 500,
    TASKS_PER_THREAD = 16,
    READ_TASKS = 256,
    TRIES = 8,
    READ_TRIES = 2,
    REGIONS = 200,
    REGION_TRIES = 5
};
/* the number of seconds of an attempt from which on loops are not made longer */
static const double ENOUGH = 0.002;
#define MEMORY_BYTES ((size_t)256 << 20) /* number of bytes to read, more than most caches hold */

struct fv_roof_memory {
    unsigned char *bytes;
};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- tasks ---- */

typedef struct work {
    fv_peak_code v;
    int64_t steps; /* of the loop of a task */
    const unsigned char *bytes;
    /* results are combined here, so that the compiler does not remove the work */
    _Atomic uint64_t result;
} work;

static void multiply_add(void *arg, int64_t i) {
    work *w = arg;
    (void)i;
    atomic_fetch_xor(&w->result, (uint64_t)w->v.multiply_add(w->steps));
}

static void dot(void *arg, int64_t i) {
    work *w = arg;
    (void)i;
    atomic_fetch_xor(&w->result, (uint64_t)(int64_t)w->v.dot(w->steps));
}

static void matrix(void *arg, int64_t i) {
    work *w = arg;
    (void)i;
    atomic_fetch_xor(&w->result, (uint64_t)w->v.matrix(w->steps));
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

/* The most steps per second of TRIES attempts, in each of which `n` tasks run loops of up to `most`
 * steps; of fewer if those take ENOUGH seconds already, as under an emulator. */
static double fastest_steps(const fv_env *env, void (*task)(void *arg, int64_t i), work *w,
                            int64_t n, int64_t most) {
    w->steps = most / 64;
    while (w->steps < most && least_time(env, task, w, n, 2) < ENOUGH)
        w->steps = 4 * w->steps < most ? 4 * w->steps : most;
    return (double)(w->steps * n) / least_time(env, task, w, n, TRIES);
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
    work w = {.v = fv_peak_widest(), .bytes = memory ? memory->bytes : NULL};
    fv_roof roof = {0};
    int64_t n = (int64_t)threads * TASKS_PER_THREAD;
    roof.gflops = 1e-9 * (double)(2 * FV_PEAK_CHAINS * w.v.lanes) *
                  fastest_steps(env, multiply_add, &w, n, STEPS);
    if (w.v.dot)
        roof.gdots =
            1e-9 * (double)(FV_PEAK_CHAINS * w.v.dots) * fastest_steps(env, dot, &w, n, DOT_STEPS);
    if (w.v.matrix)
        roof.matrix_gdots =
            1e-9 * (double)w.v.matrices * fastest_steps(env, matrix, &w, n, MATRIX_STEPS);
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
