/* test_random.c - random kernels: every consumer, on every target that it can run, must give the
 * bits of the plain evaluator.
 *
 * FV_SEED chooses another sequence, FV_ROUNDS another length. A kernel that fails is reduced to the
 * smallest kernel of its seed that still fails, and printed. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/consumer/protocol.h"
#include "backend/expand/expand.h"
#include "ir/base/diag.h"
#include "ir/base/limits.h"
#include "ir/kernel/confine.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/print.h"
#include "ir/kernel/verify.h"
#include "tests/consumers/consumers.h"
#include "tests/consumers/eval.h"
#include "tests/consumers/gen.h"
#include "tests/sample.h"

enum { MAX_BATCH = 16, MARGIN = 64, LARGEST = 4000 };

/* One kernel with its data. Every piece of memory has margins whose bytes must not change. */
typedef struct subject {
    uint64_t seed;
    gen_options options;
    fv_kernel *kernel;
    int64_t dims[3];
    fv_span *before, *expected, *actual; /* per parameter */
    int status;                          /* of the evaluator */
} subject;

typedef struct batch {
    fv_session *session;
    fv_arena *arena;
    const fv_target *target;
    subject subjects[MAX_BATCH];
    int n;
    int64_t dims[3];
    int round;
    bool quiet;
} batch;

/* ---- memory with margins ---- */

static fv_span span_new(fv_arena *a, size_t bytes) {
    unsigned char *p = fv_alloc_aligned(a, bytes + 2 * MARGIN, 64);
    memset(p, 0xee, bytes + 2 * MARGIN);
    return (fv_span){p + MARGIN, bytes};
}

static fv_span span_copy(fv_arena *a, fv_span s) {
    fv_span copy = span_new(a, s.bytes);
    memcpy(copy.data, s.data, s.bytes);
    return copy;
}

static bool margins_hold(fv_span s) {
    const unsigned char *p = s.data;
    for (int i = 1; i <= MARGIN; i++)
        if (p[-i] != 0xee || p[s.bytes + (size_t)i - 1] != 0xee)
            return false;
    return true;
}

/* ---- making subjects ---- */

static int64_t extent_value(const subject *s, const fv_expr *x) {
    return x->op == FV_X_CONST ? x->u.i : s->dims[x->u.var->name[1] - '0'];
}

static size_t buffer_bytes(const subject *s, const fv_buf *b) {
    size_t n = (size_t)fv_elem_storage_bytes(b->elem);
    for (int i = 0; i < b->rank; i++)
        n *= (size_t)extent_value(s, b->extent[i]);
    return n;
}

static bool small_enough(const subject *s) {
    for (int i = 0; i < s->kernel->nbufs; i++)
        if (buffer_bytes(s, s->kernel->bufs[i]) > LARGEST)
            return false;
    return true;
}

/* Dims that vectors of any width do not divide, and 0 and 1. */
static void choose_dims(rng *r, int64_t *dims) {
    static const int values[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 32, 33};
    for (int i = 0; i < 3; i++)
        dims[i] = rng_chance(r, 4) ? 0 : values[rng_below(r, 14)];
}

static void make_subject(const batch *b, subject *s) {
    rng r = {s->seed};
    s->kernel = gen_kernel(b->arena, &r, &s->options, fv_printf(b->arena, "k_%" PRIx64, s->seed));
    memcpy(s->dims, b->dims, sizeof s->dims);
    int n = s->kernel->nbufs;
    s->before = FV_NEW(b->arena, fv_span, n);
    s->expected = FV_NEW(b->arena, fv_span, n);
    s->actual = FV_NEW(b->arena, fv_span, n);
    if (!small_enough(s))
        return;
    for (int i = 0; i < n; i++) {
        s->before[i] = span_new(b->arena, buffer_bytes(s, s->kernel->bufs[i]));
        gen_data(&r, s->kernel->bufs[i]->elem, s->before[i].data, s->before[i].bytes);
        s->expected[i] = span_copy(b->arena, s->before[i]);
    }
}

/* ---- running and comparing ---- */

static void complain(const batch *b, const subject *s, const char *who, const char *what) {
    if (b->quiet)
        return;
    fv_text t = {.arena = b->arena};
    fv_kernel_print(&t, s->kernel);
    fprintf(stderr, "\n%s for %s: %s\nn0 = %" PRId64 ", n1 = %" PRId64 ", n2 = %" PRId64 "\n%s\n",
            who, b->target->name, what, s->dims[0], s->dims[1], s->dims[2], t.s);
}

static bool same_results(const batch *b, const subject *s, const char *who) {
    for (int i = 0; i < s->kernel->nbufs; i++) {
        const fv_buf *buf = s->kernel->bufs[i];
        size_t at = 0, size = (size_t)fv_elem_storage_bytes(buf->elem);
        if (!margins_hold(s->actual[i])) {
            complain(b, s, who, fv_printf(b->arena, "%s: bytes beside it changed", buf->name));
            return false;
        }
        if (same_elements(buf->elem, s->expected[i].data, s->actual[i].data, s->actual[i].bytes,
                          &at))
            continue;
        uint64_t expected = 0, actual = 0;
        memcpy(&expected, (char *)s->expected[i].data + at * size, size);
        memcpy(&actual, (char *)s->actual[i].data + at * size, size);
        complain(b, s, who,
                 fv_printf(b->arena, "%s: element %zu is %" PRIx64 ", expected %" PRIx64, buf->name,
                           at, actual, expected));
        return false;
    }
    return true;
}

/* Tasks from the last to the first, and on threads. */
static void backwards(void *user, void (*task)(void *, int64_t), void *arg, int64_t n) {
    (void)user;
    while (n > 0)
        task(arg, --n);
}

typedef struct worker {
    void (*task)(void *, int64_t);
    void *arg;
    int64_t first, n;
} worker;

static void *every_third(void *arg) {
    worker *w = arg;
    for (int64_t i = w->first; i < w->n; i += 3)
        w->task(w->arg, i);
    return NULL;
}

static void three_threads(void *user, void (*task)(void *, int64_t), void *arg, int64_t n) {
    pthread_t threads[3];
    worker workers[3];
    (void)user;
    for (int i = 0; i < 3; i++) {
        workers[i] = (worker){task, arg, i, n};
        pthread_create(&threads[i], NULL, every_third, &workers[i]);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

/* The status that the program should return; *ran: how many kernels run before it does. */
static int expected_status(const batch *b, int *ran) {
    for (int i = 0; i < b->n; i++)
        if (b->subjects[i].status != FV_OK) {
            *ran = i;
            return b->subjects[i].status;
        }
    *ran = b->n;
    return FV_OK;
}

static bool run_once(batch *b, const consumer *c, opened *o, const fv_program *p,
                     const fv_env *env) {
    const void **inputs = FV_NEW(b->arena, const void *, p->ninputs);
    void **outputs = FV_NEW(b->arena, void *, p->noutputs);
    int in = 0, out = 0, ran;
    for (int k = 0; k < b->n; k++) {
        subject *s = &b->subjects[k];
        for (int i = 0; i < s->kernel->nbufs; i++) {
            s->actual[i] = span_copy(b->arena, s->before[i]);
            if (s->kernel->bufs[i]->role == FV_BUF_IN)
                inputs[in++] = s->actual[i].data;
            else
                outputs[out++] = s->actual[i].data;
        }
    }
    int64_t dims[3];
    for (int i = 0; i < p->symbols.n; i++)
        dims[i] = b->dims[p->symbols.all[i]->name[1] - '0'];
    int status = o->run(o, dims, inputs, outputs, NULL, NULL, 0, env);
    int expected = expected_status(b, &ran);
    bool good = status == expected;
    if (!good)
        complain(b, &b->subjects[0], c->name,
                 fv_printf(b->arena, "status %d, expected %d; %s", status, expected,
                           o->fault(o) ? o->fault(o) : ""));
    for (int i = 0; i < ran && good; i++)
        good = same_results(b, &b->subjects[i], c->name);
    return good;
}

static bool run_consumer(batch *b, const consumer *c, const fv_program *p) {
    opened *o = c->open(b->arena, p);
    if (!o) {
        complain(b, &b->subjects[0], c->name, "does not open it");
        return false;
    }
    fv_env turned = {.size = sizeof turned, .parallel_for = backwards};
    fv_env threads = {.size = sizeof threads, .parallel_for = three_threads};
    bool good = run_once(b, c, o, p, NULL) && run_once(b, c, o, p, &turned) &&
                run_once(b, c, o, p, &threads);
    o->close(o);
    return good;
}

static bool evaluate(batch *b) {
    eval_options o = {b->session, b->target->single.fma32, b->target->single.fma64};
    for (int i = 0; i < b->n; i++) {
        subject *s = &b->subjects[i];
        s->status = eval_kernel(&o, s->kernel, s->dims, s->expected);
        if (s->status != FV_OK && s->status != FV_BAD_INDEX) {
            complain(b, s, "evaluator", "an index outside");
            return false;
        }
    }
    return true;
}

static void show_messages(const batch *b) {
    for (const fv_message *m = fv_messages(b->session); m && !b->quiet; m = m->next)
        fprintf(stderr, "%s\n", fv_message_str(b->arena, m));
}

/* The kernel that runs: with the option `confined` a copy that fv_kernel_confine has rewritten,
 * otherwise the kernel itself. NULL: fv_kernel_confine refuses the kernel. */
static fv_kernel *what_runs(const batch *b, const subject *s) {
    fv_text t = {.arena = b->arena};
    if (!s->options.confined)
        return s->kernel;
    fv_kernel_print(&t, s->kernel);
    fv_kernel *k = fv_kernel_parse(b->arena, t.s);
    return k && fv_kernel_confine(b->session, k, FV_MAX_CONFINED_ITERATIONS) ? k : NULL;
}

static bool check_batch(batch *b) {
    fv_kernel *kernels[MAX_BATCH];
    for (int i = 0; i < b->n; i++) {
        subject *s = &b->subjects[i];
        make_subject(b, s);
        if (!small_enough(s)) { /* leave it out: dims are common to the batch */
            b->subjects[i--] = b->subjects[--b->n];
            continue;
        }
        if (!fv_kernel_verify(b->session, s->kernel)) {
            complain(b, s, "verifier", "the generated kernel is not legal");
            return false;
        }
    }
    if (b->n == 0)
        return true;
    if (!evaluate(b))
        return false;
    for (int i = 0; i < b->n; i++) {
        fv_kernel *k = what_runs(b, &b->subjects[i]);
        if (!k) {
            complain(b, &b->subjects[i], "confine", "refused");
            return false;
        }
        kernels[i] = fv_kernel_expand(b->arena, k, b->target);
    }
    fv_program *p = program_of(b->arena, b->target, b->n, kernels);
    fv_program_protocol(p);
    if (!fv_program_verify(b->session, p)) {
        complain(b, &b->subjects[0], "verifier", "the expanded program is not legal");
        return false;
    }
    bool runs_here = fv_target_runs_here(b->target);
    for (const consumer *c = consumers(); c->name; c++)
        if ((runs_here || !c->native) && b->round % c->every == 0 && !run_consumer(b, c, p))
            return false;
    return true;
}

/* A batch from seeds; the memory of all of it goes when it is done. */
static bool check_seeds(const fv_target *t, int round, const subject *subjects, int n,
                        const int64_t *dims, bool quiet) {
    fv_session *session = fv_session_new();
    batch b = {.session = session,
               .arena = fv_arena_new(session),
               .target = t,
               .n = n,
               .round = round,
               .quiet = quiet};
    memcpy(b.subjects, subjects, (size_t)n * sizeof *subjects);
    memcpy(b.dims, dims, sizeof b.dims);
    bool good = check_batch(&b);
    if (!good)
        show_messages(&b);
    fv_session_free(session);
    return good;
}

/* Prints the smallest kernel of a failing batch that still fails alone. */
static void reduce(const fv_target *t, int round, const subject *subjects, int n,
                   const int64_t *dims) {
    for (int i = 0; i < n; i++)
        for (int size = 1; size <= subjects[i].options.size; size++) {
            subject s = subjects[i];
            s.options.size = size;
            if (!check_seeds(t, round, &s, 1, dims, true)) {
                check_seeds(t, round, &s, 1, dims, false);
                return;
            }
        }
    check_seeds(t, round, subjects, n, dims, false); /* only together */
}

static void check_target(const char *name, int rounds, const gen_options *options) {
    const fv_target *t = fv_target_find(name);
    cr_assert(t, "target %s is not known", name);
    uint64_t seed = sample_seed(1);
    rng r = {seed * 0x9e3779b97f4a7c15u};
    rounds = (int)sample_rounds((uint64_t)rounds, (uint64_t)(rounds + 3) / 4);
    for (int i = 0; i < rounds; i++) {
        subject subjects[MAX_BATCH];
        int64_t dims[3];
        int n = 8;
        memset(subjects, 0, sizeof subjects);
        choose_dims(&r, dims);
        for (int k = 0; k < n; k++) {
            subjects[k].seed = rng_next(&r);
            subjects[k].options = *options;
            subjects[k].options.require = k == n - 1 && rng_chance(&r, 30);
        }
        if (check_seeds(t, i, subjects, n, dims, true))
            continue;
        fprintf(stderr, "FV_SEED=%" PRIu64 ", round %d:\n", seed, i);
        reduce(t, i, subjects, n, dims);
        cr_assert_fail("target %s, FV_SEED=%" PRIu64 ", round %d", name, seed, i);
    }
}

/* ---- tests ---- */

static const gen_options plain = {.serial = true, .size = 40};
static const gen_options full = {.size = 40};
static const gen_options confined = {.size = 40, .confined = true};
static const gen_options with_math = {.size = 25, .math = true};

Test(random, serial) {
    check_target("x86-64-v3", 4, &plain);
}
Test(random, serial_without_fma) {
    check_target("generic", 4, &plain);
}
Test(random, generic) {
    check_target("generic", 4, &full);
}
Test(random, x86_64_v2) {
    check_target("x86-64-v2", 4, &full);
}
Test(random, x86_64_v3) {
    check_target("x86-64-v3", 6, &full);
}
Test(random, x86_64_v4) {
    check_target("x86-64-v4", 6, &full);
}
Test(random, aarch64) {
    check_target("aarch64", 30, &full);
}
Test(random, cortex_m4) {
    check_target("cortex-m4", 30, &full);
}
Test(random, cortex_m55) {
    check_target("cortex-m55", 30, &full);
}
Test(random, confined) {
    check_target("x86-64-v3", 4, &confined);
}
Test(random, confined_without_fma) {
    check_target("generic", 4, &confined);
}
Test(random, math_with_fma) {
    check_target("x86-64-v3", 3, &with_math);
}
Test(random, math_without_fma) {
    check_target("generic", 3, &with_math);
}
