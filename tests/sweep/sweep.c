/* sweep.c - how far generated code is from the truth: all f32 arguments of every function of one
 * argument, on targets with and without fma.
 *
 *   sweep [FUNC] [--stride N] [--target T] [--f64 [--count N]]
 *
 * Each function becomes a kernel that the JIT compiles for the target; what it gives for every
 * stride-th of the 2^32 arguments (and, always, for those around powers of two) is compared with
 * functions of the C library of higher precision; conversions to narrow floats with the exact
 * rounding. --f64 draws random arguments instead. Prints the largest error in ulp and where it is;
 * exits with 1 above 2 ulp (f64: 4). */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/llvm/llvm.h"
#include "ir/base/diag.h"
#include "ir/base/random.h"
#include "ir/kernel/parse.h"
#include "tests/sweep/subject.h"

enum { CHUNK = 1 << 16, THREADS = 2, MAX_TARGETS = 3 };

typedef struct options {
    const char *only, *target;
    uint64_t stride, count;
    bool f64;
} options;

typedef struct worst {
    double error;
    uint64_t at; /* bits of the argument */
} worst;

/* One function on its targets. */
typedef struct job {
    const options *o;
    const subject *s;
    const narrow *exact; /* of a conversion */
    int ntargets;
    const fv_model *model[MAX_TARGETS];
    worst worst[MAX_TARGETS];
    uint64_t chunks;
    _Atomic uint64_t next;
    pthread_mutex_t lock;
} job;

/* ---- generated code ---- */

static const char *program_text(fv_arena *a, const subject *s, bool f64, const char *target) {
    const char *from = f64 ? "f64" : "f32", *to = s->wide ? from : fv_elem_name(s->to);
    return fv_printf(a,
                     "fovea-program 1\nname sweep\ntarget \"%s\"\nplan {\n}\nworkspace 0\n"
                     "buffer x: %s[%d] input 0\nbuffer y: %s[%d] output 0\n"
                     "input x = \"x\" as x: %s[%d] extents [%d]\n"
                     "output y = \"y\" as y: %s[%d] extents [%d]\n"
                     "kernel k(X: %s[%d], out Y: %s[%d]) {\n"
                     "  vector i < %d {\n    Y[i] = %s(X[i])\n  }\n}\n"
                     "run {\n  launch k(x, y)\n}\n",
                     target, from, CHUNK, to, CHUNK, from, CHUNK, CHUNK, to, CHUNK, CHUNK, from,
                     CHUNK, to, CHUNK, CHUNK, s->name);
}

static fv_jit *compile(fv_session *session, const subject *s, bool f64, const char *target) {
    fv_arena *a = fv_arena_new(session);
    fv_program *p = fv_program_parse(a, program_text(a, s, f64, target), NULL);
    fv_llvm_options o = {.level = 2};
    if (p)
        fv_program_expand(p);
    fv_jit *j = p ? fv_jit_new(session, p, &o) : NULL;
    for (const fv_message *m = j ? NULL : fv_messages(session); m; m = m->next)
        fprintf(stderr, "%s: %s\n", s->name, fv_message_str(a, m));
    return j;
}

/* ---- arguments ---- */

static uint64_t mixed(uint64_t x) {
    return fv_random_next(&(fv_random){x});
}

/* The arguments of the first chunk are near powers of two, zeros, infinities and NaN. */
static uint32_t argument_f32(const options *o, uint64_t chunk, uint32_t i) {
    static const uint32_t tails[] = {0, 1, 0x20000, 0x3ffff};
    if (chunk == 0)
        return (i >> 2) << 18 | tails[i & 3];
    return (uint32_t)(((chunk - 1) * CHUNK + i) * o->stride);
}

/* Half of them uniform in their bits, half between 2^-30 and 2^10 in magnitude. */
static uint64_t argument_f64(uint64_t chunk, uint32_t i) {
    static const uint64_t tails[] = {0, 1, UINT64_C(1) << 48, (UINT64_C(1) << 49) - 1};
    if (chunk == 0)
        return (uint64_t)(i >> 2 & 0x3fff) << 50 | tails[i & 3];
    uint64_t r = mixed(chunk * CHUNK + i), exponent = 1023 - 30 + mixed(r) % 40;
    return i & 1 ? r : (r & ~(UINT64_C(0x7ff) << 52)) | exponent << 52;
}

/* ---- comparing ---- */

typedef struct buffers {
    union {
        uint32_t x32[CHUNK];
        float f32[CHUNK];
        uint64_t x64[CHUNK];
        double f64[CHUNK];
    } in;
    union {
        float f32[CHUNK];
        double f64[CHUNK];
        uint16_t u16[CHUNK];
        uint8_t u8[CHUNK];
    } out[MAX_TARGETS];
} buffers;

static void note(worst *w, double error, uint64_t at) {
    if (error > w->error)
        *w = (worst){error, at};
}

static void compare_f32(const job *j, const buffers *b, worst *w) {
    for (int i = 0; i < CHUNK; i++) {
        double x = (double)b->in.f32[i], want = j->s->wide(x);
        double least = j->s->of_argument ? fabs(x) : 0;
        for (int t = 0; t < j->ntargets; t++)
            note(&w[t], error_f32(b->out[t].f32[i], want, least), b->in.x32[i]);
    }
}

static void compare_f64(const job *j, const buffers *b, worst *w) {
    for (int i = 0; i < CHUNK; i++) {
        long double x = (long double)b->in.f64[i], want = j->s->wider(x);
        long double least = j->s->of_argument ? fabsl(x) : 0;
        for (int t = 0; t < j->ntargets; t++)
            note(&w[t], error_f64(b->out[t].f64[i], want, least), b->in.x64[i]);
    }
}

static void compare_narrow(const job *j, const buffers *b, worst *w) {
    bool wide = fv_elem_bits(j->s->to) > 8;
    int last = 0;
    for (int i = 0; i < CHUNK; i++) {
        unsigned want = narrow_of(j->exact, b->in.f32[i], &last);
        for (int t = 0; t < j->ntargets; t++) {
            unsigned got = wide ? b->out[t].u16[i] : b->out[t].u8[i];
            if (!narrow_same(j->exact, got, want))
                note(&w[t], INFINITY, b->in.x32[i]);
        }
    }
}

static void *work(void *arg) {
    job *j = arg;
    buffers *b = aligned_alloc(64, sizeof *b);
    worst w[MAX_TARGETS] = {0};
    for (uint64_t c; b && (c = atomic_fetch_add(&j->next, 1)) < j->chunks;) {
        for (uint32_t i = 0; i < CHUNK; i++)
            if (j->o->f64)
                b->in.x64[i] = argument_f64(c, i);
            else
                b->in.x32[i] = argument_f32(j->o, c, i);
        for (int t = 0; t < j->ntargets; t++)
            if (j->model[t]->run(NULL, (const void *[]){&b->in}, (void *[]){&b->out[t]}, NULL, NULL,
                                 0, NULL) != FV_OK)
                w[t].error = INFINITY;
        (j->exact ? compare_narrow : j->o->f64 ? compare_f64 : compare_f32)(j, b, w);
    }
    pthread_mutex_lock(&j->lock);
    for (int t = 0; t < j->ntargets; t++)
        note(&j->worst[t], b ? w[t].error : INFINITY, w[t].at);
    pthread_mutex_unlock(&j->lock);
    free(b);
    return NULL;
}

static void run_job(job *j) {
    pthread_t threads[THREADS];
    bool started[THREADS];
    pthread_mutex_init(&j->lock, NULL);
    for (int i = 0; i < THREADS; i++)
        started[i] = i > 0 && pthread_create(&threads[i], NULL, work, j) == 0;
    work(j);
    for (int i = 0; i < THREADS; i++)
        if (started[i])
            pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&j->lock);
}

/* ---- the table ---- */

static void print_cell(const job *j, const worst *w) {
    double x;
    float f;
    uint32_t low = (uint32_t)w->at;
    memcpy(&f, &low, sizeof f);
    memcpy(&x, &w->at, sizeof x);
    if (!j->o->f64)
        x = (double)f;
    if (w->error == 0)
        printf(" exact | |");
    else if (isinf(w->error))
        printf(" wrong | %a |", x);
    else
        printf(" %.3f | %a |", w->error, x);
}

static bool sweep(const options *o, const subject *s, const char *const *targets, int n) {
    fv_session *session = fv_session_new();
    fv_jit *jits[MAX_TARGETS] = {0};
    narrow *exact = s->wide ? NULL : narrow_new(s->to, s->saturates);
    job j = {.o = o, .s = s, .exact = exact, .ntargets = n};
    j.chunks =
        1 + (o->f64 ? o->count / CHUNK : ((UINT64_C(1) << 32) / o->stride + CHUNK - 1) / CHUNK);
    bool ok = true;
    for (int t = 0; t < n && ok; t++)
        if ((ok = (jits[t] = compile(session, s, o->f64, targets[t])) != NULL))
            j.model[t] = fv_jit_model(jits[t]);
    if (ok) {
        run_job(&j);
        printf("| %s |", s->name);
        for (int t = 0; t < n; t++) {
            print_cell(&j, &j.worst[t]);
            ok &= j.worst[t].error <= (o->f64 ? 4 : 2);
        }
        printf("%s\n", ok ? "" : " TOO LARGE");
        fflush(stdout);
    }
    for (int t = 0; t < n; t++)
        if (jits[t])
            fv_jit_free(jits[t]);
    if (exact)
        narrow_free(exact);
    fv_session_free(session);
    return ok;
}

/* ---- the command ---- */

static bool read_number(const char *text, uint64_t *out) {
    char *end;
    *out = text ? strtoull(text, &end, 10) : 0;
    return text && !*end && *out > 0;
}

static bool read_options(int argc, char **argv, options *o) {
    *o = (options){.stride = 1, .count = 4000000};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--stride") && read_number(argv[i + 1], &o->stride))
            i++;
        else if (!strcmp(argv[i], "--count") && read_number(argv[i + 1], &o->count))
            i++;
        else if (!strcmp(argv[i], "--target") && argv[i + 1])
            o->target = argv[++i];
        else if (!strcmp(argv[i], "--f64"))
            o->f64 = true;
        else if (argv[i][0] != '-' && !o->only)
            o->only = argv[i];
        else
            return false;
    }
    return true;
}

/* With fma and vectors, with vectors, with neither. */
static int choose_targets(const options *o, const char **out) {
    static const char *const wanted[MAX_TARGETS] = {"x86-64-v3", "x86-64-v2", "generic"};
    int n = 0;
    if (o->target)
        out[n++] = o->target;
    for (int i = 0; i < MAX_TARGETS && !o->target; i++)
        if (fv_target_runs_here(fv_target_find(wanted[i])))
            out[n++] = wanted[i];
    return n;
}

static void print_head(const options *o, const char *const *targets, int n) {
    printf("| %s |", o->f64 ? "f64" : "f32");
    for (int t = 0; t < n; t++)
        printf(" %s | at |", targets[t]);
    printf("\n| --- |");
    for (int t = 0; t < n; t++)
        printf(" ---: | --- |");
    printf("\n");
}

int main(int argc, char **argv) {
    options o;
    const char *targets[MAX_TARGETS];
    if (!read_options(argc, argv, &o)) {
        fprintf(stderr, "usage: sweep [FUNC] [--stride N] [--target T] [--f64 [--count N]]\n");
        return 2;
    }
    if (o.target && !(fv_target_find(o.target) && fv_target_runs_here(fv_target_find(o.target)))) {
        fprintf(stderr, "sweep: this machine cannot run code for '%s'\n", o.target);
        return 2;
    }
    if (subject_missing()) {
        fprintf(stderr, "sweep: no reference for '%s'; tests/sweep/subject.c has the table\n",
                subject_missing());
        return 1;
    }
    int n = choose_targets(&o, targets), done = 0;
    bool ok = true;
    print_head(&o, targets, n);
    for (const subject *s = subjects(); s->name; s++)
        if ((!o.only || !strcmp(o.only, s->name)) && (s->wide || !o.f64)) {
            ok &= sweep(&o, s, targets, n);
            done++;
        }
    if (!done)
        fprintf(stderr, "sweep: no function '%s'\n", o.only);
    return ok && done ? 0 : 1;
}
