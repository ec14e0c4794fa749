/* test_denormals.c - what `flush-denormals` leaves: no denormal weight in a product, no sum that
 * differs from that of the weights as they were by more than rounding, and the same bits in sums
 * without denormal weights. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/base/random.h"
#include "ir/base/text.h"
#include "passes/denormals.h"
#include "passes/passes.h"
#include "tests/passes/support.h"

enum { ROWS = 6, TERMS = 24, COLUMNS = 12 };

/* Kinds of columns, by what magnitudes their elements have. */
typedef enum { NORMAL, MIXED, TINY, DENORMAL, NKINDS } kind;

/* A number of the type of random sign: of magnitude 1, or denormal, or between. */
static double random_weight(fv_random *r, kind k, bool f64) {
    const int least = f64 ? -1022 : -126;
    double unit = 1 + (double)fv_random_below(r, 1000) / 1000;
    int exponent = k == NORMAL || (k == MIXED && fv_random_below(r, 2))
                       ? -(int)fv_random_below(r, 4)
                   : k == TINY ? least + 10 - (int)fv_random_below(r, 20)
                               : least - 1 - (int)fv_random_below(r, 20);
    double w = ldexp(fv_random_below(r, 2) ? unit : -unit, exponent);
    return f64 ? w : (float)w;
}

static kind kind_of(int column) {
    return (kind)(column % NKINDS);
}

typedef struct sums {
    double w[TERMS][COLUMNS], x[ROWS][TERMS];
    fv_tensor *weight, *input;
} sums;

/* Weights, and inputs whose magnitudes are around `unit`. */
static void draw(sums *s, uint64_t seed, bool f64, double unit) {
    fv_random r = {seed};
    fv_elem e = f64 ? FV_F64 : FV_F32;
    s->weight = fv_tensor_new(arena, e, 2, (int64_t[]){TERMS, COLUMNS});
    s->input = fv_tensor_new(arena, e, 2, (int64_t[]){ROWS, TERMS});
    for (int i = 0; i < TERMS * COLUMNS; i++) {
        double w = random_weight(&r, kind_of(i % COLUMNS), f64);
        fv_tensor_set_float(s->weight, (size_t)i, w);
        s->w[i / COLUMNS][i % COLUMNS] = w;
    }
    for (int i = 0; i < ROWS * TERMS; i++) {
        fv_tensor_set_float(s->input, (size_t)i, unit * random_weight(&r, NORMAL, f64));
        s->x[i / TERMS][i % TERMS] = fv_tensor_float(s->input, (size_t)i);
    }
}

/* x w, with weights as a constant of a graph on which these passes have run. */
static fv_tensor *product(const sums *s, const char *const *passes, fv_denormals *left) {
    const char *type = s->weight->elem == FV_F64 ? "f64" : "f32";
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "const @w: %s[%d, %d] = [", type, TERMS, COLUMNS);
    for (size_t i = 0; i < s->weight->count; i++)
        fv_text_printf(&t, "%s%.17g", i ? ", " : "", fv_tensor_float(s->weight, i));
    fv_text_printf(&t,
                   "]\nfunc @main(%%x: %s[%d, %d]) -> (%%y) {\n  %%y = MatMul(%%x, @w)\n"
                   "  return %%y\n}\n",
                   type, ROWS, TERMS);
    fv_module *m = module_of(t.s);
    cr_assert(fv_run_passes(m, passes, NULL), "%s", said());
    fv_denormals_find(m, false, left);
    fv_lower_options o = {.target = fv_target_find("x86-64-v3")};
    fv_program *p = fv_lower(m, &o);
    cr_assert(p, "%s", said());
    fv_program_expand(p);
    fv_interp *interp = fv_interp_new(p->arena, p);
    fv_tensor *y = fv_tensor_new(arena, s->weight->elem, 2, (int64_t[]){ROWS, COLUMNS});
    const void *in[] = {s->input->data};
    void *out[] = {(void *)(uintptr_t)y->data};
    size_t bytes = 0;
    cr_assert_eq(fv_interp_plan(interp, NULL, &bytes, NULL), 0);
    void *work = fv_alloc_aligned(arena, bytes + 64, 64);
    cr_assert_eq(fv_interp_run(interp, NULL, in, out, NULL, work, bytes, NULL), 0);
    fv_arena_free(p->arena);
    return y;
}

/* The bound of a chain of n fused multiply-adds, n u times the sum of the absolute values of its
 * terms (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), and the rounding of a
 * denormal result. */
static void check_element(const sums *s, const fv_tensor *y, int i, int j) {
    const bool f64 = y->elem == FV_F64;
    const double u = f64 ? 0x1p-53 : 0x1p-24, least = f64 ? 0x1p-1074 : 0x1p-149;
    long double sum = 0, all = 0;
    for (int k = 0; k < TERMS; k++) {
        long double term = (long double)s->x[i][k] * (long double)s->w[k][j];
        sum += term;
        all += fabsl(term);
    }
    double got = fv_tensor_float(y, (size_t)(i * COLUMNS + j));
    cr_expect(fabsl((long double)got - sum) <= TERMS * u * all + least,
              "row %d, column %d: %.17g, expected %.17Lg, within %.3Lg", i, j, got, sum,
              TERMS * u * all);
}

static void check(uint64_t seed, bool f64, double unit) {
    static const char *const flush[] = {"legalise", "flush-denormals", "remove-dead", NULL},
                             *const stay[] = {"legalise", "remove-dead", NULL};
    sums s;
    fv_denormals before, after;
    draw(&s, seed, f64, unit);
    const fv_tensor *y = product(&s, flush, &after), *same = product(&s, stay, &before);
    cr_expect(before.n > 0 && after.n == 0, "%zu denormal weights, then %zu", before.n, after.n);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++) {
            size_t at = (size_t)(i * COLUMNS + j);
            check_element(&s, y, i, j);
            if (kind_of(j) == NORMAL)
                cr_expect_eq(fv_tensor_float(y, at), fv_tensor_float(same, at));
        }
}

Test(denormals, sums_keep_their_bound, .init = open_session, .fini = close_session) {
    static const double units[] = {1, 1e-6, 1e6, 1e30};
    for (uint64_t seed = 1; seed <= 10; seed++)
        for (int i = 0; i < 4; i++) {
            check(seed, false, units[i]);
            check(seed, true, units[i]);
        }
}

/* Large inputs multiply the weights of a tiny column, which therefore must not be lost. */
Test(denormals, columns_do_not_overflow, .init = open_session, .fini = close_session) {
    for (uint64_t seed = 1; seed <= 10; seed++)
        check(seed, false, 0x1p120);
}

/* Counting by words: all numbers around the limits, of each type, at an odd address, and more of
 * them than a counter of 16 bits holds. */
Test(denormals, are_counted, .init = open_session, .fini = close_session) {
    static const struct {
        fv_elem e;
        double least, smallest;
    } types[] = {{FV_F32, 0x1p-126, 0x1p-149},
                 {FV_BF16, 0x1p-126, 0x1p-133},
                 {FV_F64, 0x1p-1022, 0x1p-1074},
                 {FV_F16, 0x1p-14, 0x1p-24}};
    enum { N = 70000 };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const double of[] = {0,
                             -0.0,
                             types[i].smallest,
                             -types[i].smallest,
                             types[i].least - types[i].smallest,
                             types[i].smallest - types[i].least,
                             types[i].least,
                             -types[i].least,
                             1,
                             INFINITY,
                             -INFINITY,
                             NAN};
        fv_tensor *t = fv_tensor_new(arena, types[i].e, 1, (int64_t[]){N});
        size_t expected = 0;
        for (size_t k = 0; k < N; k++) {
            size_t at = k < 1000 ? k % 12 : 2 + k % 4;
            fv_tensor_set_float(t, k, of[at]);
            expected += types[i].e != FV_F16 && at >= 2 && at < 6;
        }
        cr_expect_eq(fv_denormal_count(session, t), expected, "%s", fv_elem_name(types[i].e));
        char *odd = fv_alloc_aligned(arena, t->bytes + 1, 64);
        fv_tensor moved = *t;
        moved.data = (char *)memcpy(odd + 1, t->data, t->bytes);
        cr_expect_eq(fv_denormal_count(session, &moved), expected);
    }
}
