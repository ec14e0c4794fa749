/* fourier.c - fv.FFT: Fourier transforms by small factors of the length, or by a convolution
 * (fourier.fvk describes the algorithms). */
#include "ops/spectral/fourier.h"

#include <math.h>
#include <string.h>

#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/dims.h"

extern const char *const fv_fourier_kernels; /* fourier.fvk */

enum {
    LEAST_FAST = 16,        /* shorter transforms are computed as sums */
    LEAST_FRAME = 512,      /* shorter frames are products with a matrix, */
    LEAST_EVEN_FRAME = 256, /* unless their rows and columns are whole vectors, */
    EVEN = 64,              /* that is, multiples of this */
    /* largest prime factor of a length that is not transformed by a convolution; fourier.fvk
     * contains the same number */
    LARGEST_FACTOR = 31,
    PLAN = 64, /* number of integers in a plan, of which the factors begin at FACTORS */
    FACTORS = 8,
    MOST_CONSTANT = 1 << 16, /* the run computes the tables of longer transforms */
};

bool fv_fourier_is_fast(const fv_dim *length) {
    return !fv_dim_is_const(length) || length->value >= LEAST_FAST;
}

void fv_unit_root(int64_t i, int64_t n, double *cosine, double *sine) {
    static const double half_pi = 1.57079632679489661923;
    int64_t quarter = (8 * i + n) / (2 * n); /* rounded to the nearest quarter */
    double angle = half_pi * (double)(4 * i - quarter * n) / (double)n, c = cos(angle),
           s = sin(angle);
    const double turned[4][2] = {{c, s}, {-s, c}, {-c, -s}, {s, -c}};
    *cosine = turned[quarter % 4][0];
    *sine = turned[quarter % 4][1];
}

/* ---- plans of lengths that are known ---- */

typedef struct plan {
    /* the number of elements that are transformed, and the size of the transforms that compute
     * it */
    int64_t n, size;
    int64_t rows, columns; /* the size is their product */
    bool convolved;
    /* of_rows: the number of factors that belong to the rows; these come first */
    int nfactors, of_rows;
    int64_t factor[PLAN - FACTORS];
} plan;

static int64_t without_small_factors(int64_t n) {
    for (int64_t d = 2; d <= LARGEST_FACTOR; d++)
        while (n % d == 0)
            n /= d;
    return n;
}

/* The least number of the form 2^k, 5/8 or 3/4 of 2^k that is at least `least`. */
static int64_t size_of_convolution(int64_t least) {
    int64_t two = 1;
    while (two < least)
        two *= 2;
    if (two >= 8 && two / 8 * 5 >= least)
        return two / 8 * 5;
    return two >= 4 && two / 4 * 3 >= least ? two / 4 * 3 : two;
}

static plan plan_of(int64_t n) {
    plan p = {.n = n, .size = n, .rows = 1, .convolved = without_small_factors(n) > 1};
    if (p.convolved)
        p.size = size_of_convolution(2 * n - 1);
    int64_t rest = p.size;
    for (int64_t d = LARGEST_FACTOR; d > 1; d--) /* primes and 4, the largest first */
        while (rest % d == 0 && (d <= 5 || d % 2)) {
            p.factor[p.nfactors++] = d;
            rest /= d;
        }
    while (p.rows * p.rows < p.size)
        p.rows *= p.factor[p.of_rows++];
    p.columns = p.size / p.rows;
    return p;
}

bool fv_fourier_beats_product(const fv_dim *length) {
    if (!fv_dim_is_const(length))
        return true;
    return length->value >= (length->value % EVEN ? LEAST_FRAME : LEAST_EVEN_FRAME);
}

/* ---- tables of lengths that are known ---- */

static fv_value *integers(fv_custom *c, const char *stem, int n, const int64_t *x) {
    const int64_t dims[1] = {n};
    fv_tensor *t = fv_tensor_new(c->module->arena, FV_I64, 1, dims);
    for (int i = 0; i < n; i++)
        fv_tensor_set_int(t, (size_t)i, x[i]);
    return fv_custom_const(c, stem, t);
}

static fv_value *plan_table(fv_custom *c, const plan *p) {
    int64_t x[PLAN] = {p->size, p->rows, p->columns, p->of_rows, p->nfactors, p->convolved, p->n};
    for (int i = 0; i < PLAN - FACTORS; i++)
        x[FACTORS + i] = i < p->nfactors ? p->factor[i] : 1;
    return integers(c, "plan", PLAN, x);
}

/* A constant table [2, n] of the numbers x; of zeros if x is NULL. */
static fv_value *pairs_table(fv_custom *c, fv_elem e, const char *stem, int64_t n,
                             const double *x) {
    const int64_t dims[2] = {2, n};
    fv_tensor *t = fv_tensor_new(c->module->arena, e, 2, dims);
    for (int64_t i = 0; x && i < 2 * n; i++)
        fv_tensor_set_float(t, (size_t)i, x[i]);
    return fv_custom_const(c, stem, t);
}

static double *turns(fv_arena *a, int64_t n) {
    double *x = FV_NEW(a, double, (size_t)(2 * n));
    for (int64_t i = 0; i < n; i++)
        fv_unit_root(i, n, &x[i], &x[n + i]);
    return x;
}

/* e^(i pi t^2 / n) */
static double *chirps(fv_arena *a, int64_t n) {
    double *x = FV_NEW(a, double, (size_t)(2 * n));
    for (int64_t t = 0; t < n; t++)
        fv_unit_root(t * t % (2 * n), 2 * n, &x[t], &x[n + t]);
    return x;
}

/* Computes the Fourier transform y of n numbers of x whose distance is `step`; `turn` is a table of
 * one turn in `steps` elements. */
static void transform(int64_t n, int64_t step, const double *x, double *y, double *scratch,
                      const double *turn, int64_t steps) {
    int64_t r = n % 2 == 0 ? 2 : n % 3 == 0 ? 3 : n % 5 == 0 ? 5 : n, m = n / r;
    if (n == 1) {
        memcpy(y, x, 2 * sizeof *y);
        return;
    }
    for (int64_t j = 0; j < r; j++)
        transform(m, step * r, x + 2 * step * j, scratch + 2 * m * j, y + 2 * m * j, turn, steps);
    for (int64_t k = 0; k < n; k++) {
        double re = 0, im = 0;
        for (int64_t j = 0; j < r; j++) {
            const double *z = scratch + 2 * (m * j + k % m);
            int64_t at = j * k % n * (steps / n);
            re += z[0] * turn[at] + z[1] * turn[steps + at];
            im += z[1] * turn[at] - z[0] * turn[steps + at];
        }
        y[2 * k] = re;
        y[2 * k + 1] = im;
    }
}

/* The spectrum of the chirps for a convolution, divided by its size. */
static fv_value *spectrum_table(fv_custom *c, fv_elem e, const plan *p, const double *chirp,
                                const double *turn) {
    int64_t m = p->size;
    double *x = FV_NEW(c->arena, double, (size_t)(2 * m)),
           *y = FV_NEW(c->arena, double, (size_t)(2 * m));
    for (int64_t t = 0; t < p->n; t++)
        for (int part = 0; part < 2; part++)
            x[2 * t + part] = x[2 * (t ? m - t : 0) + part] = chirp[part * p->n + t];
    transform(m, 1, x, y, FV_NEW(c->arena, double, (size_t)(2 * m)), turn, m);
    const int64_t dims[2] = {1, 2 * m};
    fv_tensor *t = fv_tensor_new(c->module->arena, e, 2, dims);
    for (int64_t i = 0; i < 2 * m; i++)
        fv_tensor_set_float(t, (size_t)i, y[i] / (double)m);
    return fv_custom_const(c, "spectrum", t);
}

/* ---- kernels ---- */

enum { INVERSE, HALF, SCALE, PARTS, PAIRS, MODE = 8 };
enum { BY_LENGTH = 1, BY_SIZE = 2 };

typedef struct tables {
    fv_value *plan, *turn, *chirp, *spectrum;
} tables;

/* The text of the kernels, for elements of type `e` and tables of type `table`. */
static const char *text_of(fv_arena *a, fv_elem e, fv_elem table) {
    char *text = FV_NEW(a, char, strlen(fv_fourier_kernels) + 1);
    strcpy(text, fv_fourier_kernels);
    for (char *at = text; (at = strpbrk(at, "f")); at++) {
        bool data = strncmp(at, "f32", 3) == 0;
        if (data || strncmp(at, "f64", 3) == 0)
            memcpy(at + 1, (data ? e : table) == FV_F32 ? "32" : "64", 2);
    }
    return text;
}

static void add_transform(fv_custom *c, fv_value *x, const tables *t, const int64_t *mode,
                          const fv_dim *room, fv_value *y) {
    fv_dims *d = c->module->dims;
    fv_elem e = x->type->elem;
    const fv_dim *tasks = fv_custom_tasks(c, x->type->dims[0]), *two = fv_dim_const(d, 2);
    fv_value *work = fv_custom_value(c, "work", e, 4, (const fv_dim *[]){tasks, two, two, room});
    fv_value *args[] = {
        x, t->plan, integers(c, "mode", MODE, mode), t->turn, t->chirp, t->spectrum, work, y};
    fv_custom_text(c, text_of(c->arena, e, t->turn->type->elem), "transform",
                   (int)(sizeof args / sizeof *args), args);
}

/* Tables of constants, shared by transforms of the same length and type. */
static tables known_tables(fv_custom *c, fv_elem e, int64_t n, int64_t *size) {
    plan p = plan_of(n);
    *size = p.size;
    tables **kept = (tables **)(void *)fv_custom_kept(
        c, fv_printf(c->arena, "fourier %s %lld", fv_elem_name(e), (long long)n));
    if (*kept)
        return **kept;
    double *turn = turns(c->arena, p.size), *chirp = p.convolved ? chirps(c->arena, n) : NULL;
    const int64_t none[2] = {1, 1};
    tables t = {.plan = plan_table(c, &p),
                .turn = pairs_table(c, e, "turn", p.size, turn),
                .chirp = pairs_table(c, e, "chirp", chirp ? n : 1, chirp),
                .spectrum = chirp ? spectrum_table(c, e, &p, chirp, turn)
                                  : fv_custom_const(c, "spectrum",
                                                    fv_tensor_new(c->module->arena, e, 2, none))};
    *kept = FV_NEW(c->arena, tables, 1);
    **kept = t;
    return t;
}

/* Tables that the run computes, in f64. `room` is 3 n, since the size of a convolution is less than
 * 8 / 3 n. */
static tables run_time_tables(fv_custom *c, const fv_dim *n, const fv_dim *room) {
    fv_dims *d = c->module->dims;
    const fv_dim *one = fv_dim_const(d, 1), *two = fv_dim_const(d, 2),
                 *longs = fv_dim_const(d, PLAN), *numbers = fv_dim_mul(d, two, room);
    const char *text = text_of(c->arena, FV_F64, FV_F64);
    const int64_t mode[MODE] = {[SCALE] = BY_SIZE, [PARTS] = 2, [PAIRS] = 2}, none[2] = {1, 1};
    tables t = {.plan = fv_custom_value(c, "plan", FV_I64, 1, &longs),
                .turn = fv_custom_value(c, "turn", FV_F64, 2, (const fv_dim *[]){two, room}),
                .chirp = fv_custom_value(c, "chirp", FV_F64, 2, (const fv_dim *[]){two, n}),
                .spectrum =
                    fv_custom_value(c, "spectrum", FV_F64, 2, (const fv_dim *[]){one, numbers})};
    tables inner = {
        .plan = fv_custom_value(c, "other", FV_I64, 1, &longs),
        .turn = t.turn,
        .chirp = t.chirp,
        .spectrum = fv_custom_const(c, "none", fv_tensor_new(c->module->arena, FV_F64, 2, none))};
    fv_value *wave = fv_custom_value(c, "wave", FV_F64, 2, (const fv_dim *[]){one, numbers});
    fv_custom_text(c, text, "plan", 3, (fv_value *[]){t.chirp, t.plan, inner.plan});
    fv_custom_text(c, text, "angles", 2, (fv_value *[]){t.plan, t.turn});
    fv_custom_text(c, text, "chirps", 3, (fv_value *[]){t.plan, t.chirp, wave});
    add_transform(c, wave, &inner, mode, room, t.spectrum);
    return t;
}

static bool kernel_fft(fv_custom *c, fv_op *op) {
    fv_dims *d = c->module->dims;
    const fv_dim *n = fv_op_find_attr(op, "length")->u.dims[0],
                 *room = fv_dim_mul(d, n, fv_dim_const(d, 3));
    bool inverse = fv_op_int(op, "inverse") != 0;
    const int64_t mode[MODE] = {inverse, fv_op_int(op, "half"), inverse ? BY_LENGTH : 0,
                                fv_op_int(op, "parts"), fv_op_int(op, "pairs")};
    tables t;
    if (fv_dim_is_const(n) && n->value <= MOST_CONSTANT) {
        int64_t size;
        t = known_tables(c, fv_in_type(op, 0)->elem, n->value, &size);
        room = fv_dim_const(d, size);
    } else {
        t = run_time_tables(c, n, room);
    }
    add_transform(c, op->in[0], &t, mode, room, op->out[0]);
    return true;
}

/* ---- fv.FFT ---- */

static const fv_dim *half_of(fv_dims *t, const fv_dim *n) {
    return fv_dim_add(t, fv_dim_floordiv(t, n, fv_dim_const(t, 2)), fv_dim_const(t, 1));
}

static bool infer_fft(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *length = fv_op_find_attr(op, "length");
    int64_t parts = fv_op_int(op, "parts"), pairs = fv_op_int(op, "pairs");
    if (length->n != 1 || length->u.dims[0]->hi < 1)
        return fv_op_error(op, "length is %s, expected one of at least 1",
                           length->n ? fv_dim_str(m->arena, length->u.dims[0]) : "missing");
    if (parts < 1 || parts > 2 || pairs < 1 || pairs > 2)
        return fv_op_error(op, "parts is %lld and pairs %lld, expected 1 or 2", (long long)parts,
                           (long long)pairs);
    if (fv_op_int(op, "half") && !fv_op_int(op, "inverse"))
        return fv_op_error(op, "half is for an inverse transform");
    const fv_dim *n = length->u.dims[0],
                 *count = fv_op_int(op, "onesided") ? half_of(m->dims, n) : n;
    const fv_dim *dims[2] = {x->dims[0], fv_dim_mul(m->dims, count, fv_dim_const(m->dims, pairs))};
    fv_infer_out(op, 0, x->elem, 2, dims);
    return true;
}

fv_value *fv_w_fourier(fv_rewriter *w, fv_value *x, const fv_fourier *f) {
    if (!x)
        return NULL;
    fv_module *m = w->module;
    fv_dims *t = m->dims;
    const fv_dim *count = f->onesided ? half_of(t, f->length) : f->length,
                 *pairs = fv_dim_const(t, f->pairs);
    const fv_dim *from[2] = {x->type->dims[0], fv_dim_mul(t, x->type->dims[1], x->type->dims[2])},
                 *to[3] = {from[0], count, pairs};
    fv_attr a[6] = {
        fv_attr_dims(m, "length", 1, &f->length), fv_attr_int(m, "parts", f->parts),
        fv_attr_int(m, "pairs", f->pairs),        fv_attr_int(m, "inverse", f->inverse),
        fv_attr_int(m, "half", f->half),          fv_attr_int(m, "onesided", f->onesided)};
    fv_value *rows = fv_w_reshape(w, x, 2, from);
    return fv_w_reshape(w, fv_w_op(w, FV_OP_fv_FFT, 1, &rows, 6, a), 3, to);
}

const fv_opdef fv_ops_fourier[] = {
    {.domain = "fv",
     .name = "FFT",
     .id = FV_OP_fv_FFT,
     .since = {1},
     .doc = "Fourier transforms of rows, by the factors of their length or by a convolution",
     .in = {{"X", "T", .rank = FV_RANK(2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("length", DIMS), FV_A_INT("parts", 1), FV_A_INT("pairs", 2),
               FV_A_INT("inverse", 0), FV_A_INT("half", 0), FV_A_INT("onesided", 0)},
     .types = {{"T", FV_SET(F32) | FV_SET(F64)}},
     .infer = infer_fft,
     .kernel = kernel_fft},

    {0}};
