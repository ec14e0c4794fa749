/* fv.Order compared with a stable sort: lines of many lengths, known and unknown when the model is
 * compiled, with ties, NaN, infinities, both zeros and extreme integers, in orders that are easy
 * and hard for a selection; TopK along each axis. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/graph/parse.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"
#include "tests/sample.h"

TestSuite(order, .init = open_session, .fini = close_session);

enum { LINES = 2 };

typedef struct lines {
    const char *type;
    int64_t n, k;
    bool descending;
    int kind;     /* of the data: see `number` */
    int64_t most; /* the bound of n, if it is unknown */
} lines;

static fv_program *lower(const char *target, const char *text) {
    fv_module *m = fv_module_parse(session, text, NULL);
    fv_lower_options lo = {.target = fv_target_find(target)};
    fv_pipeline_options po = {.verify = true};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s\n%s", said(), text);
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s\n%s", said(), text);
    fv_program_expand(p);
    return p;
}

static void run(const fv_program *p, const int64_t *dims, const void *in, void *out) {
    size_t work;
    int64_t actual[16] = {0};
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert_eq(fv_interp_plan(interp, dims, &work, actual), FV_OK);
    int status = fv_interp_run(interp, dims, &in, &out, actual,
                               fv_alloc_aligned(arena, work + 64, 64), work, NULL);
    cr_assert_eq(status, FV_OK, "%s", fv_interp_fault(interp));
}

/* ---- data ---- */

static const char *const types[] = {"f32", "f64", "i64", "u64", "i32", "u32", "u8", "i8"};
enum { NTYPES = sizeof types / sizeof *types, KINDS = 6 };

/* Element i as an integer: any numbers; a few different ones, of which floats have both zeros;
 * equal ones, ascending and descending ones; and such with extremes among them. */
static int64_t number(const lines *t, int64_t line, int64_t i) {
    const uint64_t any =
        ((uint64_t)i * 2654435761u + (uint64_t)line * 40503u + 12345u) * 6364136223846793005u;
    switch (t->kind) {
    case 0: return (int64_t)(any >> 40) - (1 << 23);
    case 1: return any >> 63 ? (int64_t)(any >> 61 & 3) - 1 : INT64_MIN + (int64_t)(any >> 61 & 3);
    case 2: return -7;
    case 3: return i - t->n / 2;
    case 4: return t->n / 2 - i;
    default: return any >> 61 ? (int64_t)(any >> 50) : INT64_MIN + (int64_t)(any >> 60 & 3);
    }
}

/* Stores element i; returns its value. */
static long double fill(const lines *t, void *x, int64_t at, int64_t v) {
    const bool extreme = v < INT64_MIN + 4;
    const int which = extreme ? (int)(v - INT64_MIN) : 0;
    if (*t->type == 'f') {
        static const double special[] = {NAN, INFINITY, -INFINITY, -0.0};
        const double d = extreme ? special[which] : (double)v / 64;
        if (t->type[1] == '3')
            ((float *)x)[at] = (float)d;
        else
            ((double *)x)[at] = d;
        return t->type[1] == '3' ? (long double)(float)d : (long double)d;
    }
    static const int64_t special[] = {INT64_MIN, INT64_MAX, -1, 0};
    const int64_t whole = extreme ? special[which] : v;
#define STORE(name, ctype)                                                                         \
    if (!strcmp(t->type, name)) {                                                                  \
        ((ctype *)x)[at] = (ctype)whole;                                                           \
        return (long double)(ctype)whole;                                                          \
    }
    STORE("i64", int64_t)
    STORE("u64", uint64_t)
    STORE("i32", int32_t)
    STORE("u32", uint32_t)
    STORE("u8", uint8_t)
    STORE("i8", int8_t)
#undef STORE
    return 0;
}

/* ---- the reference ---- */

static bool precedes(const lines *t, long double a, long double b) {
    if (isnan(a) || isnan(b))
        return t->descending ? isnan(a) && !isnan(b) : !isnan(a);
    return t->descending ? a > b : a < b;
}

/* Sorts positions by merging sorted halves, which keeps the order of equal elements. */
static void sort(const lines *t, const long double *v, int64_t *at, int64_t *other, int64_t n) {
    if (n < 2)
        return;
    const int64_t half = n / 2;
    sort(t, v, at, other, half);
    sort(t, v, at + half, other, n - half);
    memcpy(other, at, (size_t)half * sizeof *at);
    for (int64_t i = 0, a = 0, b = half; a < half; i++) {
        const bool second = b < n && precedes(t, v[at[b]], v[other[a]]);
        at[i] = second ? at[b++] : other[a++];
    }
}

static void check(const fv_program *p, const int64_t *dims, const lines *t) {
    const size_t most = (size_t)(LINES * t->n) + 8;
    void *x = fv_alloc_aligned(arena, most * 8, 64);
    int64_t *y = FV_NEW(arena, int64_t, most), *at = FV_NEW(arena, int64_t, most),
            *other = FV_NEW(arena, int64_t, most);
    long double *v = FV_NEW(arena, long double, most);
    for (int64_t i = 0; i < LINES * t->n; i++)
        v[i] = fill(t, x, i, number(t, i / (t->n ? t->n : 1), i % (t->n ? t->n : 1)));
    run(p, dims, x, y);
    for (int64_t line = 0; line < LINES; line++) {
        for (int64_t i = 0; i < t->n; i++)
            at[i] = i;
        sort(t, v + line * t->n, at, other, t->n);
        for (int64_t i = 0; i < t->k; i++)
            cr_assert_eq(y[line * t->k + i], at[i],
                         "%s, %d of %d, kind %d, descending %d: line %d, place %d is %d, not %d",
                         t->type, (int)t->k, (int)t->n, t->kind, t->descending, (int)line, (int)i,
                         (int)y[line * t->k + i], (int)at[i]);
    }
}

static const char *text_of(const lines *t, bool known) {
    const char *n = known ? fv_printf(arena, "%lld", (long long)t->n) : "n",
               *k = known ? fv_printf(arena, "%lld", (long long)t->k) : "k";
    return fv_printf(arena,
                     "fovea-ir 1\nmodule \"m\"\n%sfunc @main(%%x: %s[%d, %s]) -> (%%y) {\n"
                     "  %%y = fv.Order(%%x) {descending = %d, dims = [%d, %s]}\n  return %%y\n}\n",
                     known ? "" : fv_printf(arena, "symbol n 0..%lld\n", (long long)t->most),
                     t->type, LINES, n, t->descending, LINES, known ? k : n);
}

/* ---- tests ---- */

/* The first few and many of short and long lines, of which blocks of 32 are whole or not. */
Test(order, known) {
    static const int64_t sizes[][2] = {
        {0, 0},      {1, 0},       {1, 1},     {2, 1},       {31, 31},   {32, 32},   {33, 7},
        {64, 33},    {100, 50},    {600, 1},   {600, 18},    {1023, 31}, {2000, 62}, {2000, 63},
        {2000, 999}, {2000, 2000}, {5000, 20}, {3000, 1000}, {20000, 3}};
    const int n = (int)(sizeof sizes / sizeof *sizes);
    for (int i = 0; i < n * NTYPES * 2; i++) {
        lines t = {.type = types[i % NTYPES],
                   .n = sizes[i / NTYPES / 2][0],
                   .k = sizes[i / NTYPES / 2][1],
                   .descending = i / NTYPES % 2};
        const char *text = text_of(&t, true);
        if (!sample_has(text, (size_t)i, 3, 20))
            continue;
        const fv_program *p = lower(i % 2 ? "x86-64-v4" : "x86-64-v3", text);
        for (t.kind = 0; t.kind < KINDS; t.kind++)
            check(p, NULL, &t);
    }
}

/* All elements of lines whose length only the run knows, with positions of 32 and of 64 bits; also
 * without vectors, by a heap. */
Test(order, unknown) {
    static const char *const targets[] = {"x86-64-v4", "x86-64-v2", "aarch64", "generic"};
    static const int64_t lengths[] = {0, 1, 2, 31, 33, 300, 1001};
    for (int i = 0; i < 4 * NTYPES; i++) {
        lines t = {.type = types[i / 4],
                   .descending = i % 3 == 0,
                   .most = (i + i / 4) % 2 ? FV_DIM_MAX : 100000};
        const fv_program *p = lower(targets[i % 4], text_of(&t, false));
        for (int l = 0; l < (int)(sizeof lengths / sizeof *lengths); l++)
            for (t.kind = 0; t.kind < KINDS; t.kind++) {
                t.n = t.k = lengths[l];
                check(p, &t.n, &t);
            }
    }
}
