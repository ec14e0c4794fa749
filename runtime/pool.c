/* pool.c - a pool of threads that park between parallel regions and never spin.
 *
 * Tasks are numbered by the problem; threads take the next number from a counter, so uneven cores
 * balance. The caller takes part. One region at a time: a second caller waits for the first. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "internal.h"

struct fv_pool {
    pthread_mutex_t lock, region;
    pthread_cond_t work, done;
    int threads;          /* the caller included */
    int started;
    pthread_t *ids;
    unsigned generation;  /* of the region that is going on */
    int busy, stop;
    void (*task)(void *, int64_t);
    void *arg;
    int64_t n;
    _Atomic int64_t next;
    fv_pool *other;       /* in a list */
    int wanted;           /* threads that it was made for */
};

/* Cores that a cgroup grants, rounded up; a large number where it grants all. */
static int cgroup_cores(void) {
    long long quota = -1, period = 100000;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (f) {
        if (fscanf(f, "%lld %lld", &quota, &period) != 2)
            quota = -1;
        fclose(f);
    } else if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r"))) {
        if (fscanf(f, "%lld", &quota) != 1)
            quota = -1;
        fclose(f);
        if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r"))) {
            if (fscanf(f, "%lld", &period) != 1)
                period = 100000;
            fclose(f);
        }
    }
    if (quota <= 0 || period <= 0)
        return 1 << 20;
    long long cores = (quota + period - 1) / period;
    return cores < 1 ? 1 : cores > (1 << 20) ? 1 << 20 : (int)cores;
}

static int usable_cores(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) ? (int)sysconf(_SC_NPROCESSORS_ONLN)
                                                   : CPU_COUNT(&set);
    int limit = cgroup_cores();
    return n < 1 ? 1 : n < limit ? n : limit;
}

static void take_tasks(fv_pool *p) {
    for (;;) {
        int64_t i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (i >= p->n)
            return;
        p->task(p->arg, i);
    }
}

/* Round to nearest, denormals as they are: whatever the thread that made this one has set. */
static void set_arithmetic(void) {
#if defined(__SSE__)
    _mm_setcsr(0x1f80);
#elif defined(__aarch64__)
    uint64_t zero = 0;
    __asm__ volatile("msr fpcr, %0" : : "r"(zero));
#endif
}

static void *worker(void *arg) {
    fv_pool *p = arg;
    set_arithmetic();
    unsigned seen = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && p->generation == seen)
            pthread_cond_wait(&p->work, &p->lock);
        if (p->stop)
            break;
        seen = p->generation;
        pthread_mutex_unlock(&p->lock);
        take_tasks(p);
        pthread_mutex_lock(&p->lock);
        if (!--p->busy)
            pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

fv_pool *fv_pool_new(int threads) {
    fv_pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->wanted = threads;
    p->threads = threads > 0 ? (threads < 1024 ? threads : 1024) : usable_cores();
    p->ids = calloc((size_t)p->threads, sizeof *p->ids);
    if (!p->ids) {
        free(p);
        return NULL;
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->region, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    for (int i = 0; i < p->threads - 1; i++) {
        if (pthread_create(&p->ids[i], NULL, worker, p))
            break; /* fewer threads than wished for do the same work */
        p->started++;
    }
    p->threads = p->started + 1;
    return p;
}

void fv_pool_free(fv_pool *p) {
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = 1;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->started; i++)
        pthread_join(p->ids[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->region);
    free(p->ids);
    free(p);
}

fv_pool *fv_pool_of(fv_pool **list, int threads) {
    for (fv_pool *p = *list; p; p = p->other)
        if (p->wanted == threads)
            return p;
    fv_pool *p = fv_pool_new(threads);
    if (p) {
        p->other = *list;
        *list = p;
    }
    return p;
}

void fv_pools_free(fv_pool *list) {
    while (list) {
        fv_pool *next = list->other;
        fv_pool_free(list);
        list = next;
    }
}

int fv_pool_size(const fv_pool *p) {
    return p->threads;
}

void fv_pool_parallel_for(void *pool, void (*task)(void *arg, int64_t i), void *arg, int64_t n) {
    fv_pool *p = pool;
    if (n <= 1 || p->threads == 1) {
        for (int64_t i = 0; i < n; i++)
            task(arg, i);
        return;
    }
    pthread_mutex_lock(&p->region);
    pthread_mutex_lock(&p->lock);
    p->task = task;
    p->arg = arg;
    p->n = n;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    p->busy = p->started;
    p->generation++;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    take_tasks(p);
    pthread_mutex_lock(&p->lock);
    while (p->busy)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_unlock(&p->region);
}
