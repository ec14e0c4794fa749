/* caches.c - see caches.h.
 *
 * A latency is measured by loads each of which has the value of the one before as its address:
 * lines of a block of memory in random order, which the prefetchers do not foresee. */
#include "tools/measure/caches.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ir/base/random.h"
#include "tools/measure/peak.h"
#include "tools/measure/roof.h"
#include "tools/model/runner.h"

enum {
    LINE = 64,
    SAMPLES = 9,
    /* number of loads in a sample of a latency */
    LOADS = 100000,
    /* distance of lines that compete for one set of the first-level cache: a page, since x86
     * processors find the set by address bits within a page. In a cache whose sets take more than a
     * page, as 64 kB in 4 ways do, such lines are in several sets, so more of them stay than a set
     * has ways */
    SET_STRIDE = 4096,
    MOST_WAYS = 24
};
/* limits of the size of the block of memory that is read: four times the last-level cache */
#define LEAST_BLOCK ((size_t)256 << 20)
#define MOST_BLOCK  ((size_t)2048 << 20)
#define RATE_BYTES  ((size_t)64 << 20) /* least number of bytes that a sample of a rate reads */
/* a latency that exceeds the one of a level of caches by this factor is that of the next level */
#define NEXT_LEVEL 1.5
/* part of the rate of the last-level cache that a block which it holds is read at */
#define KEPT 0.8
/* largest deviation of a latency from which the size of a cache is concluded */
#define SURE 0.1

typedef struct block {
    char *bytes;
    size_t size;
    fv_random random;
} block;

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

fv_measure fv_measure_best(int n, double *values, bool rate) {
    qsort(values, (size_t)n, sizeof *values, by_size);
    double best = rate ? values[n - 1] : values[0], median = values[n / 2];
    double apart = rate ? best - median : median - best;
    return (fv_measure){.value = best, .deviation = best > 0 ? apart / best : 0, .known = true};
}

/* ---- latencies ---- */

static uint64_t random_below(block *b, uint64_t n) {
    return fv_random_next(&b->random) % n;
}

/* Links `n` places, `stride` bytes apart, to one cycle in random order (Sattolo's algorithm): each
 * contains the address of the next one. */
static void link_places(block *b, size_t n, size_t stride) {
    for (size_t i = 0; i < n; i++)
        *(char **)(b->bytes + i * stride) = b->bytes + i * stride;
    for (size_t i = n - 1; i > 0; i--) {
        char **x = (char **)(b->bytes + i * stride),
             **y = (char **)(b->bytes + random_below(b, i) * stride);
        char *kept = *x;
        *x = *y;
        *y = kept;
    }
}

static double nanoseconds_of_load(const block *b, size_t n) {
    char *at = b->bytes;
    for (size_t i = 0; i < n && i < LOADS; i++) /* fetches the lines into the caches */
        at = *(char *volatile *)at;
    double start = fv_now_ms();
    for (int i = 0; i < LOADS; i++)
        at = *(char *volatile *)at;
    return 1e6 * (fv_now_ms() - start) / (double)LOADS;
}

static fv_measure latency(block *b, size_t n, size_t stride) {
    double values[SAMPLES];
    link_places(b, n, stride);
    for (int i = 0; i < SAMPLES; i++)
        values[i] = nanoseconds_of_load(b, n);
    return fv_measure_best(SAMPLES, values, false);
}

static fv_measure latency_of(block *b, size_t bytes) {
    return latency(b, bytes / LINE, LINE);
}

/* The number of lines with the same set that stay in the first-level cache together. */
static fv_measure ways(block *b, double hit_ns) {
    size_t n = 1;
    while (n < MOST_WAYS && latency(b, n + 1, SET_STRIDE).value < NEXT_LEVEL * hit_ns)
        n++;
    return (fv_measure){.value = (double)n, .known = n < MOST_WAYS};
}

/* The largest block, of those that have 3/4 of the bytes of the one before, whose latency is nearer
 * to that of the last-level cache than to that of memory. The first one has the size that the
 * system reports, which is the result if the measurements vary. If no block is, the result is the
 * first one of at most twice the second-level cache. */
static int last_level(block *b, const fv_caches *c, fv_measure hit, fv_measure memory) {
    double between = hit.value + (memory.value - hit.value) / 2;
    size_t size = (size_t)c->l3_bytes;
    bool sure = hit.deviation < SURE && memory.deviation < SURE;
    while (sure && size > 2 * (size_t)c->l2_bytes) {
        fv_measure at = latency_of(b, size);
        sure = at.deviation < SURE;
        if (at.value <= between)
            break;
        size -= size / 4;
    }
    return sure ? (int)size : c->l3_bytes;
}

/* ---- rates ---- */

typedef struct reading {
    fv_peak_code code;
    const char *bytes;
    size_t share;
    uint64_t result;
} reading;

static void read_share(void *arg, int64_t i) {
    reading *r = arg;
    uint64_t x = r->code.read(r->bytes + (size_t)i * r->share, r->share);
    __atomic_fetch_xor(&r->result, x, __ATOMIC_RELAXED);
}

/* 10^9 bytes per second of reading `bytes` bytes by one thread, repeatedly if they are few. */
static fv_measure rate(const block *b, size_t bytes) {
    double values[SAMPLES];
    reading r = {.code = fv_peak_widest(), .bytes = b->bytes, .share = bytes & ~(size_t)1023};
    size_t times = RATE_BYTES / r.share + 1;
    read_share(&r, 0);
    for (int i = 0; i < SAMPLES; i++) {
        double start = fv_now_ms();
        for (size_t k = 0; k < times; k++)
            read_share(&r, 0);
        values[i] = 1e-6 * (double)(times * r.share) / (fv_now_ms() - start);
    }
    return fv_measure_best(SAMPLES, values, true);
}

static fv_measure rate_of_threads(const fv_env *env, const block *b) {
    enum { SHARES = 256 };
    double values[SAMPLES];
    reading r = {.code = fv_peak_widest(), .bytes = b->bytes, .share = b->size / SHARES};
    for (int i = 0; i < SAMPLES; i++) {
        double start = fv_now_ms();
        env->parallel_for(env->user, read_share, &r, SHARES);
        values[i] = 1e-6 * (double)b->size / (fv_now_ms() - start);
    }
    return fv_measure_best(SAMPLES, values, true);
}

/* How many lines of a block a core loads at the same time, if their order is random and known: the
 * latency of one load, divided by the time from one load to the next. */
static fv_measure misses(block *b, size_t bytes, fv_measure one) {
    double values[SAMPLES];
    size_t n = bytes / LINE;
    uint32_t *order = malloc(LOADS * sizeof *order);
    uint64_t sum = 0;
    if (!order)
        return (fv_measure){0};
    for (size_t i = 0; i < LOADS; i++)
        order[i] = (uint32_t)random_below(b, n);
    for (int i = 0; i < SAMPLES; i++) {
        double start = fv_now_ms();
        for (size_t k = 0; k < LOADS; k++)
            sum += *(const volatile uint64_t *)(b->bytes + (size_t)order[k] * LINE);
        values[i] = one.value * (double)LOADS / (1e6 * (fv_now_ms() - start));
    }
    free(order);
    (void)sum;
    return fv_measure_best(SAMPLES, values, true);
}

/* The largest block, of those that have 3/4 of the bytes of the one before, that is read repeatedly
 * at KEPT of the rate of the last-level cache. The first one is as large as that cache is by what
 * the system reports; a program may have a part of it only. */
static fv_measure last_level_bytes(const block *b, fv_measure hit) {
    size_t size = (size_t)fv_cache_bytes();
    size = size < b->size ? size : b->size;
    while (size > RATE_BYTES / 16 && rate(b, size).value < KEPT * hit.value)
        size -= size / 4;
    return (fv_measure){.value = (double)size, .known = size > 0};
}

/* ---- all of it ---- */

static void measure(const fv_env *env, block *b, fv_caches *c, fv_measure out[FV_NMEASURES]) {
    size_t l1 = (size_t)c->l1_bytes, l2 = (size_t)c->l2_bytes;
    out[FV_MEASURE_l1_latency] = latency_of(b, l1 / 2);
    out[FV_MEASURE_l1_ways] = ways(b, out[FV_MEASURE_l1_latency].value);
    out[FV_MEASURE_l2_latency] = latency_of(b, l2 / 2);
    out[FV_MEASURE_memory_latency] = latency_of(b, b->size);
    out[FV_MEASURE_l3_latency] = latency_of(b, 2 * l2);
    out[FV_MEASURE_misses] = misses(b, 2 * l2, out[FV_MEASURE_l3_latency]);
    c->l3_bytes = last_level(b, c, out[FV_MEASURE_l3_latency], out[FV_MEASURE_memory_latency]);
    out[FV_MEASURE_l1_rate] = rate(b, l1 / 2);
    out[FV_MEASURE_l2_rate] = rate(b, l2 / 2);
    out[FV_MEASURE_l3_rate] = rate(b, 2 * l2);
    out[FV_MEASURE_last_level] = last_level_bytes(b, out[FV_MEASURE_l3_rate]);
    out[FV_MEASURE_memory_rate] = rate(b, b->size);
    out[FV_MEASURE_memory_rate_all] =
        env->parallel_for ? rate_of_threads(env, b) : out[FV_MEASURE_memory_rate];
}

bool fv_measure_caches(const fv_env *env, fv_caches *c, fv_measure out[FV_NMEASURES]) {
    block b = {.size = LEAST_BLOCK, .random = {1}};
    while (b.size < 4 * (size_t)c->l3_bytes && b.size < MOST_BLOCK)
        b.size *= 2;
    void *p = mmap(NULL, b.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
#ifdef MADV_HUGEPAGE
    madvise(p, b.size, MADV_HUGEPAGE);
#endif
    memset(p, 1, b.size); /* pages that were never written share one page of zeros */
    b.bytes = p;
    measure(env, &b, c, out);
    munmap(p, b.size);
    return true;
}
