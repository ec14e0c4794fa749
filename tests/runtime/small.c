/* small.c - logs, statuses, arrays, the pool. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/internal.h"
#include "runtime/pool.h"
#include "runtime/table_members.h"

Test(log, collects_lines) {
    fv_log *l = fv_log_new();
    cr_expect_str_eq(fv_log_text(l), "");
    fv_log_add(l, "one %d", 1);
    char longer[5000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    fv_log_add(l, "%s", longer);
    cr_expect_eq(strncmp(fv_log_text(l), "one 1\nxxx", 9), 0);
    cr_expect_eq(strlen(fv_log_text(l)), 6 + 5000);
    fv_log_clear(l);
    cr_expect_str_eq(fv_log_text(l), "");
    fv_log_free(l);
    fv_log_add(NULL, "silence");
    cr_expect_str_eq(fv_log_text(NULL), "");
    fv_log_free(NULL);
}

typedef struct heard {
    int n, severity;
    char text[40];
    fv_log *clears; /* the log that is cleared by each message; NULL: none */
} heard;

static void hear(void *user, int severity, const char *text) {
    heard *h = user;
    h->n++;
    h->severity = severity;
    snprintf(h->text, sizeof h->text, "%s", text);
    fv_log_clear(h->clears);
}

Test(log, severities_of_lines) {
    fv_log *l = fv_log_new();
    fv_log_say(l, FV_LOG_NOTE, "error: in a name\nand a line");
    fv_log_say(l, FV_LOG_WARNING, "two");
    fv_log_add(l, "three");
    for (int i = 0; i < 3; i++)
        cr_expect_eq(fv_log_severity(l, (size_t)i), i);
    cr_expect_eq(fv_log_severity(l, 3), -1);
    fv_log_clear(l);
    cr_expect_eq(fv_log_severity(l, 0), -1);
    cr_expect_eq(fv_log_severity(NULL, 0), -1);
    fv_log_free(l);
}

Test(log, passes_messages_on) {
    fv_log *l = fv_log_new();
    heard h = {0};
    fv_log_add(l, "nobody hears this");
    fv_log_watch(l, hear, &h);
    fv_log_clear(l);
    fv_log_add(l, "error: a\nb");
    cr_expect(h.n == 1 && h.severity == FV_LOG_ERROR);
    cr_expect_str_eq(h.text, "error: a\\nb");
    fv_log_say(l, FV_LOG_NOTE, "m.onnx: note: %d", 2);
    cr_expect(h.n == 2 && h.severity == FV_LOG_NOTE);
    cr_expect_str_eq(h.text, "m.onnx: note: 2");
    cr_expect_str_eq(fv_log_text(l), "error: a\\nb\nm.onnx: note: 2\n");
    h.clears = l;
    fv_log_say(l, FV_LOG_WARNING, "warning: 3");
    cr_expect(h.n == 3 && h.severity == FV_LOG_WARNING);
    cr_expect_str_eq(fv_log_text(l), "");
    fv_log_add(l, "%s", "");
    cr_expect(h.n == 4 && !*h.text);
    cr_expect_eq(fv_log_count(l), 5);
    fv_log_watch(l, NULL, NULL);
    fv_log_add(l, "nobody hears this");
    cr_expect_eq(h.n, 4);
    fv_log_free(l);
    fv_log_watch(NULL, hear, &h);
    cr_expect_eq(fv_log_count(NULL), 0);
}

/* A function that clears the log does not change what is reported. */
Test(log, of_a_failed_run) {
    fv_log *l = fv_log_new();
    fv_artifact *a = (fv_artifact *)&l;
    heard h = {.clears = l};
    fv_log_watch(l, hear, &h);
    cr_expect_eq(fv_load("/nowhere/at/all.so", l, &a), FV_BAD_FILE);
    cr_expect(h.n == 1 && h.severity == FV_LOG_ERROR);
    cr_expect_eq(fv_artifact_run(NULL, NULL, NULL, NULL, l), FV_BAD_ARGUMENT);
    cr_expect_eq(h.n, 2);
    cr_expect_str_eq(h.text, "error: argument 'artifact' is NULL");
    fv_log_free(l);
}

Test(status, has_name_and_text) {
    for (int s = FV_OK; s <= FV_INTERNAL; s++) {
        cr_expect_eq(strncmp(fv_status_name(s), "FV_", 3), 0);
        cr_expect_neq(*fv_status_text(s), 0);
    }
    cr_expect_str_eq(fv_status_name(1000), "unknown status");
}

static size_t bytes(int32_t type, int rank, int64_t a, int64_t b) {
    fv_array x = {.type = type, .rank = rank, .dims = {a, b}};
    return fv_array_bytes(&x);
}

Test(array, bytes) {
    cr_expect_eq(bytes(1, 2, 3, 5), 60);
    cr_expect_eq(bytes(1, 0, 0, 0), 4);
    cr_expect_eq(bytes(11, 1, 0, 0), 0);
    cr_expect_eq(bytes(22, 1, 3, 0), 2, "two elements of i4 a byte");
    cr_expect_eq(bytes(25, 1, 5, 0), 2, "four elements of u2 a byte");
    cr_expect_eq(bytes(8, 1, 3, 0), SIZE_MAX, "strings have no size");
    cr_expect_eq(bytes(99, 1, 3, 0), SIZE_MAX);
    cr_expect_eq(bytes(1, 2, INT64_MAX, 2), SIZE_MAX);
    cr_expect_eq(bytes(1, 1, -1, 0), SIZE_MAX);
    cr_expect_eq(bytes(1, FV_ARRAY_RANK + 1, 1, 1), SIZE_MAX);
}

Test(array, text) {
    fv_array x = {.type = 16, .rank = 2, .dims = {3, 4}};
    char text[100], small[6];
    cr_expect_str_eq(fv_array_text(&x, text, sizeof text), "bf16[3, 4]");
    cr_expect_str_eq(fv_array_text(&x, small, sizeof small), "bf16[");
}

enum { TASKS = 10000 };
static _Atomic int hits[TASKS];

static void hit(void *arg, int64_t i) {
    atomic_fetch_add((_Atomic int *)arg + i, 1);
}

Test(pool, each_task_once) {
    fv_pool *p = fv_pool_new(4);
    cr_expect(fv_pool_size(p) >= 1 && fv_pool_size(p) <= 4);
    fv_env env = fv_pool_env(p);
    for (int round = 0; round < 20; round++)
        env.parallel_for(env.user, hit, hits, TASKS);
    for (int i = 0; i < TASKS; i++)
        cr_assert_eq(atomic_load(&hits[i]), 20);
    env.parallel_for(env.user, hit, hits, 0);
    env.parallel_for(env.user, hit, hits, 1);
    cr_expect_eq(atomic_load(&hits[0]), 21);
    fv_pool_free(p);
}

static void wait_a_little(void *arg, int64_t i) {
    usleep((useconds_t)(i % 3 * 40));
    hit(arg, i);
}

/* Threads park when a region takes long, and others find it closed: nobody is waited for in
 * vain. */
Test(pool, regions_of_all_lengths, .timeout = 900) {
    fv_pool *p = fv_pool_new(3);
    fv_env env = fv_pool_env(p);
    for (int round = 0; round < 300; round++) {
        env.parallel_for(env.user, round % 2 ? hit : wait_a_little, hits, 1 + round % 7);
        if (round % 50 == 0)
            usleep(2000);
    }
    int sum = 0, expected = 0;
    for (int round = 0; round < 300; round++)
        expected += 1 + round % 7;
    for (int i = 0; i < 7; i++)
        sum += atomic_load(&hits[i]);
    cr_expect_eq(sum, expected);
    fv_pool_free(p);
}

static _Atomic int begun;
static pthread_t who[2];

/* Waits for the other task, at most a second, since a single thread executes both if there is one
 * CPU. */
static void meet(void *arg, int64_t i) {
    (void)arg;
    who[i] = pthread_self();
    atomic_fetch_add(&begun, 1);
    for (int k = 0; k < 1000 && atomic_load(&begun) < 2; k++)
        usleep(1000);
}

/* What a thread has in its caches from the region before is what it takes in the next one. */
Test(pool, each_thread_has_its_part, .timeout = 900) {
    fv_pool *p = fv_pool_new(2);
    fv_env env = fv_pool_env(p);
    for (int round = 0; round < 20; round++) {
        atomic_store(&begun, 0);
        env.parallel_for(env.user, meet, NULL, 2);
        cr_assert(pthread_equal(who[0], pthread_self()), "the caller has the first");
    }
    fv_pool_free(p);
}

static size_t size_of(fv_member_kind kind) {
    switch (kind) {
    case FV_MEMBER_NUMBER:
    case FV_MEMBER_SIZE: return sizeof(int32_t);
    case FV_MEMBER_WIDE:
    case FV_MEMBER_SUM: return sizeof(int64_t);
    case FV_MEMBER_TEXT:
    case FV_MEMBER_MAYBE:
    case FV_MEMBER_TEXTS:
    case FV_MEMBER_LIST:
    case FV_MEMBER_CODE: break;
    }
    return sizeof(void *);
}

/* Checks that the members are in order, with no gaps except for alignment, up to the end, so that
 * none is missing. */
static void expect_whole(const fv_structure *s) {
    size_t at = 0, align = 1;
    for (int i = 0; i < s->n; i++) {
        const fv_member *m = &s->members[i];
        size_t n = size_of(m->kind);
        at = (at + n - 1) / n * n;
        cr_expect_eq(m->at, at, "%s.%s", s->type, m->name);
        at += n;
        align = n > align ? n : align;
        if (m->of)
            expect_whole(m->of);
    }
    cr_expect_eq((at + align - 1) / align * align, s->size, "%s", s->type);
}

Test(table, lists_all_members) {
    expect_whole(&fv_model_structure);
}
