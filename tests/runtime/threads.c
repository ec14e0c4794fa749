/* threads.c - the number of threads of a pool, for affinities and cgroups that the test makes up.
 * The pool is compiled a second time, with a folder of the test as root and with system calls that
 * the test answers. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* cpus_allowed 0: the call fails */
static int cpus_allowed, cpus_online = 64, threads_left = 1 << 20;

static int fake_affinity(pid_t pid, size_t bytes, cpu_set_t *set) {
    (void)pid;
    (void)bytes;
    CPU_ZERO(set);
    for (int i = 0; i < cpus_allowed; i++)
        CPU_SET(3 * i, set);
    errno = EINVAL;
    return cpus_allowed ? 0 : -1;
}

static long fake_sysconf(int name) {
    return name == _SC_NPROCESSORS_ONLN ? cpus_online : -1;
}

static int fake_create(pthread_t *id, const pthread_attr_t *attributes, void *(*start)(void *),
                       void *arg) {
    return threads_left-- > 0 ? pthread_create(id, attributes, start, arg) : EAGAIN;
}

#define sched_getaffinity fake_affinity
#define sysconf           fake_sysconf
#define pthread_create    fake_create
#define fv_pool_new       made_up_new
#define fv_pool_free      made_up_free
#define fv_pool_size      made_up_size
#define fv_pool_env       made_up_env
#define FV_POOL_ROOT      "."
#include "runtime/pool.c"

/* ---- a system ---- */

static char folder[] = "/tmp/fovea-root-XXXXXX";

static void put(const char *path, const char *text) {
    char name[200], command[300];
    snprintf(name, sizeof name, ".%s", path);
    snprintf(command, sizeof command, "mkdir -p $(dirname %s)", name);
    cr_assert_eq(system(command), 0);
    FILE *f = fopen(name, "w");
    cr_assert(f, "%s", name);
    fputs(text, f);
    fclose(f);
}

static void begin(void) {
    cr_assert(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    cpus_allowed = 16;
}

static void end(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(threads, .init = begin, .fini = end);

static int takes(void) {
    fv_pool *p = fv_pool_new(0);
    cr_assert(p);
    int n = fv_pool_size(p);
    fv_pool_free(p);
    return n;
}

/* ---- affinity ---- */

Test(threads, affinity) {
    cr_expect_eq(takes(), 16, "no cgroup at all");
    cpus_allowed = 1;
    cr_expect_eq(takes(), 1);
    cpus_allowed = 3;
    cr_expect_eq(takes(), 3);
}

Test(threads, affinity_that_is_refused) {
    cpus_allowed = 0;
    cpus_online = 5;
    cr_expect_eq(takes(), 5, "those online");
    cpus_online = -1;
    cr_expect_eq(takes(), 1, "nobody knows");
}

/* ---- cgroups, version 2 ---- */

static void quota_v2(const char *max, int expected) {
    put("/proc/self/cgroup", "0::/user.slice/job\n");
    put("/sys/fs/cgroup/user.slice/job/cpu.max", max);
    cr_expect_eq(takes(), expected, "%s: %d, expected %d", max, takes(), expected);
}

Test(threads, quota_of_version_2) {
    quota_v2("50000 100000\n", 1); /* half a core */
    quota_v2("1000 100000\n", 1);
    quota_v2("100000 100000\n", 1);
    quota_v2("150000 100000\n", 2); /* one and a half */
    quota_v2("200000 100000\n", 2);
    quota_v2("250000 1000000\n", 1);
    quota_v2("max 100000\n", 16);
    quota_v2("300000\n", 3); /* the period has a default */
    quota_v2("9000000 100000\n", 16);
    cpus_allowed = 2;
    quota_v2("300000 100000\n", 2);
}

Test(threads, quota_of_nonsense) {
    quota_v2("", 16);
    quota_v2("0 0\n", 16);
    quota_v2("-1 100000\n", 16);
    quota_v2("none at all\n", 16);
    quota_v2("50000 0\n", 16);
}

/* The least of a group and those above it. */
Test(threads, quota_of_a_group_above) {
    put("/sys/fs/cgroup/user.slice/cpu.max", "200000 100000\n");
    quota_v2("max 100000\n", 2);
    quota_v2("400000 100000\n", 2);
    quota_v2("100000 100000\n", 1);
}

/* A container sees its own group as the root, whatever the path says. */
Test(threads, quota_of_a_container) {
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    cr_expect_eq(takes(), 1);
    put("/proc/self/cgroup", "0::/system.slice/docker-1234.scope\n");
    cr_expect_eq(takes(), 1);
    put("/proc/self/cgroup", "0::/../..\n");
    cr_expect_eq(takes(), 16, "nothing is known of what lies outside");
}

/* ---- version 1 ---- */

static void quota_v1(const char *quota, int expected) {
    put("/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", quota);
    put("/sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
    cr_expect_eq(takes(), expected, "%s: %d, expected %d", quota, takes(), expected);
}

Test(threads, quota_of_version_1) {
    put("/proc/self/cgroup", "5:cpuset:/\n4:cpu,cpuacct:/job\n1:name=systemd:/x\n0::/x\n");
    quota_v1("-1\n", 16);
    quota_v1("50000\n", 1);
    quota_v1("250000\n", 3);
    put("/proc/self/cgroup", "4:cpuset,cpu,cpuacct:/job\n");
    quota_v1("200000\n", 2);
    put("/proc/self/cgroup", "4:cpuset:/job\n3:cpuacct:/job\n");
    quota_v1("100000\n", 16);
}

Test(threads, files_of_nonsense) {
    put("/proc/self/cgroup", "");
    cr_expect_eq(takes(), 16);
    put("/proc/self/cgroup", "one\n:\n::\n0:\n0::");
    cr_expect_eq(takes(), 16);
    char long_line[9000] = "0::/";
    memset(long_line + 4, 'x', sizeof long_line - 5);
    put("/proc/self/cgroup", long_line);
    cr_expect_eq(takes(), 16);
}

/* ---- more threads than there are ---- */

enum { TASKS = 500 };
static _Atomic int hits[TASKS];

static void hit(void *arg, int64_t i) {
    (void)arg;
    atomic_fetch_add(&hits[i], 1);
}

static void all_are_done(fv_pool *p, int rounds) {
    fv_env env = fv_pool_env(p);
    memset((void *)hits, 0, sizeof hits);
    for (int r = 0; r < rounds; r++) {
        env.parallel_for(env.user, hit, NULL, TASKS);
        if (r % 8 == 0)
            usleep(200); /* they park */
    }
    for (int i = 0; i < TASKS; i++)
        cr_assert_eq(atomic_load(&hits[i]), rounds);
    fv_pool_free(p);
}

Test(threads, more_than_cpus, .timeout = 900) {
    cpus_allowed = 2;
    fv_pool *p = fv_pool_new(64);
    cr_expect_eq(fv_pool_size(p), 64);
    all_are_done(p, 200);
    cpus_allowed = 1;
    all_are_done(fv_pool_new(3), 200);
}

Test(threads, that_the_system_refuses, .timeout = 900) {
    for (int n = 0; n < 4; n++) {
        threads_left = n;
        fv_pool *p = fv_pool_new(8);
        cr_assert(p);
        cr_expect_eq(fv_pool_size(p), n + 1);
        if (n > 0)
            all_are_done(p, 20);
        else {
            cr_expect_null(fv_pool_env(p).parallel_for, "one thread");
            fv_pool_free(p);
        }
    }
}
