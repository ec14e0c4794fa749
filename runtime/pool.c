/* pool.c - a pool of threads for parallel regions.
 *
 * A region has numbered tasks. Each thread has a share of them, the same part in every region, so
 * that values that one region computes and the next one reads, and weights that each run reads,
 * stay in that thread's caches. A thread that has finished its share takes tasks from the shares of
 * others, which balances cores of different speed. (Affinity scheduling: Markatos and LeBlanc,
 * Supercomputing 1992.)
 *
 * The caller takes part. A region is open while tasks may be left; threads that come late find it
 * closed, and nothing waits for them. One region runs at a time; callers that wait for it take part
 * too, so that all callers make progress and none occupies a CPU by waiting. Between regions a
 * thread polls for the next one for a fraction of a millisecond, then parks.
 * (Generated C contains a copy of this file with names of its own.) */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef _WIN32
#include <malloc.h>
#include <windows.h>
#endif

#include "pool.h"

/* How long a waiting thread polls before it parks, in microseconds. Threads finish a region at
 * different times and a wake-up takes about 10, so with 5 instead of 200 a run with two threads
 * takes up to 1.3 times as long. A thread that shares a CPU with the one it waits for must not
 * poll. */
#define FV_POOL_SPIN_US        200
#define FV_POOL_SHARED_SPIN_US 5

#ifndef FV_POOL_ROOT
/* the folder that contains /proc and /sys, so that tests can provide others */
#define FV_POOL_ROOT ""
#endif

/* fields of `state`: the region's number, whether it is open, how many threads are inside */
#define INSIDE UINT64_C(0xffff)
#define OPEN   UINT64_C(0x10000)
#define NUMBER UINT64_C(0x20000) /* the higher bits */

/* A thread's share of the tasks: how many of them are taken. Shares are adjacent in memory: a
 * region that lasts a microsecond would be slowed down by each additional cache line that comes
 * from another core. */
typedef struct share {
    int64_t taken;
    fv_pool *pool;
} share;

/* The tasks of a parallel region. */
typedef struct region_tasks {
    void (*task)(void *arg, int64_t i);
    void *arg;
    /* each share has `each` tasks, and each of the first `more` shares has one more */
    int64_t n, each, more;
    uintptr_t owner; /* the thread whose region is running; 0: none */
} region_tasks;

struct fv_pool {
    pthread_mutex_t region; /* held while a parallel region is running */
    pthread_mutex_t lock;   /* guards the parked threads */
    pthread_cond_t work, done;
    /* cpus: the number of CPUs that these threads may run on */
    int threads, cpus, stop, parked, waiting;
    pid_t process;   /* that has started the threads; a process forked from it has none of them */
    int64_t spin_us; /* how long a waiting thread polls */
    pthread_t *ids;
    share *shares; /* the first one is the caller's */
    uint64_t state;
    region_tasks tasks;
};

/* ---- how many threads ---- */

static double quota_of(const char *quota_file, const char *period_file) {
    char quota[64] = "", period[64] = "100000";
    FILE *f = fopen(quota_file, "r");
    if (!f)
        return 0;
    int got = period_file ? fscanf(f, "%63s", quota) : fscanf(f, "%63s %63s", quota, period);
    fclose(f);
    if (period_file && (f = fopen(period_file, "r"))) {
        if (fscanf(f, "%63s", period) != 1)
            got = 0;
        fclose(f);
    }
    double q = atof(quota), p = atof(period);
    return got < 1 || q <= 0 || p <= 0 ? 0 : q / p;
}

/* The least CPU quota of a cgroup and its ancestors, as far as they are visible; 0: none. */
static double least_quota(const char *root, const char *path, int v2) {
    char folder[4096], quota[4200], period[4200];
    double least = 0;
    if (strstr(path, "/..") ||
        snprintf(folder, sizeof folder, "%s%s", root, path) >= (int)sizeof folder)
        return 0;
    for (;;) {
        snprintf(quota, sizeof quota, "%s/%s", folder, v2 ? "cpu.max" : "cpu.cfs_quota_us");
        snprintf(period, sizeof period, "%s/cpu.cfs_period_us", folder);
        double q = quota_of(quota, v2 ? NULL : period);
        if (q > 0 && (least <= 0 || q < least))
            least = q;
        char *slash = strrchr(folder, '/');
        if (!slash || strlen(folder) <= strlen(root))
            return least;
        *slash = 0;
    }
}

/* Whether a list such as "cpu,cpuacct" contains "cpu". */
static int controls_cpu(const char *list) {
    for (; *list; list += strcspn(list, ","), list += *list == ',')
        if (strcspn(list, ",") == 3 && !strncmp(list, "cpu", 3))
            return 1;
    return 0;
}

static double cgroup_quota(void) {
    char line[4096];
    double least = 0;
    FILE *f = fopen(FV_POOL_ROOT "/proc/self/cgroup", "r");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':'),
             *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = 0;
        controllers++;
        double q = 0;
        if (!*controllers)
            q = least_quota(FV_POOL_ROOT "/sys/fs/cgroup", path, 1);
        else if (controls_cpu(controllers))
            q = least_quota(FV_POOL_ROOT "/sys/fs/cgroup/cpu", path, 0);
        if (q > 0 && (least <= 0 || q < least))
            least = q;
    }
    if (f)
        fclose(f);
    return least;
}

/* The number of CPUs by affinity; if that cannot be determined (a mask of more than 1024 CPUs), the
 * number of CPUs that are online. */
static int usable_cpus(void) {
#ifdef _WIN32
    DWORD_PTR own, all;
    long n = GetProcessAffinityMask(GetCurrentProcess(), &own, &all)
                 ? __builtin_popcountll((unsigned long long)own)
                 : 1;
#else
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                         : sysconf(_SC_NPROCESSORS_ONLN);
#endif
    return n < 1 ? 1 : n > 1024 ? 1024 : (int)n;
}

/* A fraction of a CPU in the quota counts as one more thread: it works as long as it may, and the
 * others take the rest of its share. */
static int usable_threads(void) {
    int n = usable_cpus();
    double quota = cgroup_quota();
    if (quota > 0 && quota < (double)n)
        n = (int)quota + (quota > (double)(int)quota);
    return n;
}

/* ---- waiting ---- */

static uint64_t state_of(const fv_pool *p) {
    return __atomic_load_n(&p->state, __ATOMIC_SEQ_CST);
}

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Polls for a while until (state & mask) differs from `value`, or, with until_equal, is equal to
 * it. Zero if that did not happen. */
static int spin(const fv_pool *p, uint64_t mask, uint64_t value, int until_equal) {
    int64_t end = 0;
    for (;;) {
        for (int i = 0; i < 32; i++) {
            if (((state_of(p) & mask) == value) == until_equal)
                return 1;
            relax();
        }
        int64_t now = nanoseconds();
        if (!end)
            end = now + p->spin_us * 1000;
        else if (now > end)
            return 0;
    }
}

/* ---- regions ---- */

static void deal_tasks(fv_pool *p) {
    p->tasks.each = p->tasks.n / p->threads;
    p->tasks.more = p->tasks.n % p->threads;
    for (int i = 0; i < p->threads; i++)
        p->shares[i].taken = 0;
}

/* Takes half of what is left of the share at a time: neighbouring tasks, which read the same data,
 * run on one thread, and all threads finish at about the same time. */
static void take_from(const fv_pool *p, share *s) {
    int64_t number = s - p->shares, n = p->tasks.each + (number < p->tasks.more);
    int64_t first = number * p->tasks.each + (number < p->tasks.more ? number : p->tasks.more);
    int64_t i = __atomic_load_n(&s->taken, __ATOMIC_RELAXED);
    while (i < n) {
        int64_t end = i + (n - i) / 2 + 1;
        if (!__atomic_compare_exchange_n(&s->taken, &i, end, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            continue;
        for (; i < end; i++)
            p->tasks.task(p->tasks.arg, first + i);
        i = __atomic_load_n(&s->taken, __ATOMIC_RELAXED);
    }
}

/* Runs tasks of its own share first, then of the shares of the threads after it. */
static void take_tasks(fv_pool *p, const share *own) {
    int first = (int)(own - p->shares);
    for (int i = 0; i < p->threads; i++)
        take_from(p, &p->shares[(first + i) % p->threads]);
}

/* Sets rounding to nearest and no flushing of denormals, which a thread may have inherited
 * otherwise. */
static void set_arithmetic(void) {
#if defined(__SSE__)
    __builtin_ia32_ldmxcsr(0x1f80);
#elif defined(__aarch64__)
    uint64_t zero = 0;
    __asm__ volatile("msr fpcr, %0" : : "r"(zero));
#elif defined(__riscv_flen)
    __asm__ volatile("fscsr zero");
#endif
}

/* Takes part in the region if it is still open. Returns the region's number. */
static uint64_t enter(fv_pool *p, const share *own) {
    uint64_t s = state_of(p);
    while (s & OPEN)
        if (__atomic_compare_exchange_n(&p->state, &s, s + 1, 0, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            take_tasks(p, own);
            uint64_t left = __atomic_sub_fetch(&p->state, 1, __ATOMIC_SEQ_CST);
            if (!(left & INSIDE) && __atomic_load_n(&p->waiting, __ATOMIC_SEQ_CST)) {
                pthread_mutex_lock(&p->lock);
                pthread_cond_signal(&p->done);
                pthread_mutex_unlock(&p->lock);
            }
            break;
        }
    return s / NUMBER;
}

static void *worker(void *arg) {
    const share *own = arg;
    fv_pool *p = own->pool;
    uint64_t seen = 0;
    set_arithmetic();
    for (;;) {
        if (!spin(p, ~(NUMBER - 1), seen * NUMBER, 0)) {
            pthread_mutex_lock(&p->lock);
            __atomic_add_fetch(&p->parked, 1, __ATOMIC_SEQ_CST);
            while (!p->stop && state_of(p) / NUMBER == seen)
                pthread_cond_wait(&p->work, &p->lock);
            __atomic_sub_fetch(&p->parked, 1, __ATOMIC_SEQ_CST);
            int stop = p->stop;
            pthread_mutex_unlock(&p->lock);
            if (stop)
                return NULL;
        }
        seen = enter(p, own);
    }
}

/* Wakes at most as many threads as there are tasks, or CPUs to run on, since more threads would
 * only compete for CPUs. */
static void wake(fv_pool *p) {
    int most = p->tasks.n < p->threads ? (int)p->tasks.n : p->threads;
    if (most > p->cpus)
        most = p->cpus;
    if (most == p->threads)
        pthread_cond_broadcast(&p->work);
    else
        for (int i = 1; i < most; i++)
            pthread_cond_signal(&p->work);
}

/* Locks the pool for a region. While the regions of other callers are running, takes part in them,
 * from the share on that the pool's threads come to last. */
static void begin_region(fv_pool *p) {
    uint64_t seen = UINT64_MAX;
    int64_t end = 0;
    while (pthread_mutex_trylock(&p->region)) {
        if (state_of(p) / NUMBER != seen)
            seen = enter(p, &p->shares[p->threads - 1]);
        for (int i = 0; i < 32 && state_of(p) / NUMBER == seen; i++)
            relax();
        int64_t now = nanoseconds();
        if (!end)
            end = now + p->spin_us * 1000;
        else if (now > end) {
            pthread_mutex_lock(&p->region);
            return;
        }
    }
}

static void parallel_for(void *user, void (*task)(void *arg, int64_t i), void *arg, int64_t n) {
    fv_pool *p = user;
    uintptr_t self = (uintptr_t)pthread_self();
    /* a task of this thread's own region runs another region */
    int nested = __atomic_load_n(&p->tasks.owner, __ATOMIC_RELAXED) == self;
    if (n <= 1 || p->threads == 1 || nested) {
        for (int64_t i = 0; i < n; i++)
            task(arg, i);
        return;
    }
    begin_region(p);
    __atomic_store_n(&p->tasks.owner, self, __ATOMIC_RELAXED);
    p->tasks.task = task;
    p->tasks.arg = arg;
    p->tasks.n = n;
    deal_tasks(p);
    __atomic_store_n(&p->state, (state_of(p) / NUMBER + 1) * NUMBER | OPEN, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&p->parked, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&p->lock);
        wake(p);
        pthread_mutex_unlock(&p->lock);
    }
    take_tasks(p, p->shares);
    __atomic_and_fetch(&p->state, ~OPEN, __ATOMIC_SEQ_CST);
    if (!spin(p, INSIDE, 0, 1)) {
        pthread_mutex_lock(&p->lock);
        __atomic_store_n(&p->waiting, 1, __ATOMIC_SEQ_CST);
        while (state_of(p) & INSIDE)
            pthread_cond_wait(&p->done, &p->lock);
        __atomic_store_n(&p->waiting, 0, __ATOMIC_SEQ_CST);
        pthread_mutex_unlock(&p->lock);
    }
    __atomic_store_n(&p->tasks.owner, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&p->region);
}

/* ---- the pool ---- */

fv_pool *fv_pool_new(int threads) {
    fv_pool *p = threads < 0 ? NULL : calloc(1, sizeof *p);
    if (!p)
        return NULL;
    if (threads == 0)
        threads = usable_threads();
    if (threads > 1024)
        threads = 1024;
    p->ids = calloc((size_t)threads, sizeof *p->ids);
    p->shares = calloc((size_t)threads, sizeof *p->shares);
    if (!p->ids || !p->shares) {
        free(p->shares);
        free(p->ids);
        free(p);
        return NULL;
    }
    for (int i = 0; i < threads; i++)
        p->shares[i].pool = p;
    pthread_mutex_init(&p->region, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    p->process = getpid();
    p->cpus = usable_cpus();
    p->spin_us = threads > p->cpus ? FV_POOL_SHARED_SPIN_US : FV_POOL_SPIN_US;
    p->threads = 1;
    while (p->threads < threads &&
           pthread_create(&p->ids[p->threads], NULL, worker, &p->shares[p->threads]) == 0)
        p->threads++; /* a pool with fewer threads than requested does the same work */
    return p;
}

static void end_threads(fv_pool *p) {
    pthread_mutex_lock(&p->lock);
    p->stop = 1;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i < p->threads; i++)
        pthread_join(p->ids[i], NULL);
}

void fv_pool_free(fv_pool *p) {
    if (!p)
        return;
    if (p->process == getpid()) {
        end_threads(p);
        pthread_cond_destroy(&p->work);
        pthread_cond_destroy(&p->done);
        pthread_mutex_destroy(&p->lock);
        pthread_mutex_destroy(&p->region);
    }
    free(p->shares);
    free(p->ids);
    free(p);
}

int fv_pool_size(const fv_pool *p) {
    return p ? p->threads : usable_threads();
}

static void *allocate(void *user, size_t bytes) {
    (void)user;
#ifdef _WIN32
    return _aligned_malloc(bytes ? bytes : 1, 64);
#else
    void *p = NULL;
    return posix_memalign(&p, 64, bytes ? bytes : 1) == 0 ? p : NULL;
#endif
}

static void release(void *user, void *p) {
    (void)user;
#ifdef _WIN32
    _aligned_free(p);
#else
    free(p);
#endif
}

fv_env fv_pool_env(fv_pool *p) {
    fv_env env = {0};
    env.size = sizeof env;
    env.user = p;
    env.parallel_for = p && p->threads > 1 ? parallel_for : NULL;
    env.alloc = allocate;
    env.free = release;
    return env;
}
