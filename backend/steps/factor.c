/* factor.c - the step `factor`: moves zero points and scales out of sums of products of integers.
 *
 *     y[i, j] = sum k: (i32(a[i, k]) - za) * (i32(w[k, j]) - zw[j])          k < n
 *  =>
 *     r[i] = sum k: i32(a[i, k])
 *     c[j] = sum k: i32(w[k, j])
 *     y[i, j] = (sum k: i32(a[i, k]) * i32(w[k, j])) - zw[j] * r[i] - za * c[j] + n * za * zw[j]
 *
 * The factors are then stored elements of 8 bits; the differences had 32 bits, and had to be stored
 * or computed again for each product. Sums of constants are computed here. Integers wrap, so both
 * sides have the same bits. Floats are not changed, because the two sides would round differently.
 *
 * When the step runs, each operator has a definition of its own, so factors are found through the
 * definitions of the values that a product loads. If a factor is padded with zeros, as in a
 * convolution, it is padded with the zero point instead:
 *
 *     (i32(x[p]) - i32(z) if inside else 0)   is   i32(x[p] if inside else z) - i32(z) */
#include <stdlib.h>
#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/define.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/base/mapping.h"
#include "ir/catalogue/op.h"
#include "ir/expr/affine.h"
#include "ir/expr/rewrite.h"
#include "ir/type/tensor.h"

enum {
    MAX_DEPTH = 12
}; /* largest nesting of operations, and of definitions of loaded values, that linear_of examines */

/* The sum that is rewritten, in the definition of the only result of an op. */
typedef struct field {
    fv_lowerer *l;
    fv_op *op;
    const fv_definition *d;
    const fv_expr *sum;
    /* the origin of the op, and of the values whose definitions were used */
    const fv_origin *origin;
} field;

/* An integer expression `by * core + rest`, where only `core` depends on the variables of the sum.
 * core NULL: it does not depend on them. by NULL: 1. rest NULL: 0. */
typedef struct linear {
    fv_expr *by, *core, *rest;
    const fv_origin *origin; /* the origin of the values whose definitions were used; NULL: none */
} linear;

/* ---- arithmetic in which NULL is 0, or 1 ---- */

static fv_expr *plus(fv_arena *a, fv_expr *x, fv_expr *y) {
    return !x ? y : !y ? x : fv_x_bin(a, FV_X_ADD, x, y);
}

static fv_expr *minus(fv_arena *a, fv_expr *x, fv_expr *y) {
    return !y ? x : !x ? fv_x_un(a, FV_X_NEG, y) : fv_x_bin(a, FV_X_SUB, x, y);
}

/* The product x * y; an operand that is NULL counts as 1. */
static fv_expr *times(fv_arena *a, fv_expr *x, fv_expr *y) {
    return !x ? y : !y ? x : fv_x_bin(a, FV_X_MUL, x, y);
}

/* The sum y + x * by, as a difference if `by` is negative. */
static fv_expr *plus_times(fv_arena *a, fv_expr *y, fv_expr *x, fv_expr *by) {
    if (by->op == FV_X_NEG)
        return fv_x_bin(a, FV_X_SUB, y, fv_x_bin(a, FV_X_MUL, x, by->arg[0]));
    return fv_x_bin(a, FV_X_ADD, y, fv_x_bin(a, FV_X_MUL, x, by));
}

/* The product x * y, in which two negations cancel. */
static fv_expr *product_of(fv_arena *a, fv_expr *x, fv_expr *y) {
    bool both = x->op == FV_X_NEG && y->op == FV_X_NEG;
    return both ? fv_x_bin(a, FV_X_MUL, x->arg[0], y->arg[0]) : fv_x_bin(a, FV_X_MUL, x, y);
}

/* ---- a factor as by * core + rest ---- */

static const fv_origin *joined(const field *f, const fv_origin *x, const fv_origin *y) {
    return !x ? y : !y ? x : fv_origin_join(f->l->module, x, y);
}

static linear linear_of(const field *f, fv_expr *x, int depth);

static bool depends(const field *f, const fv_expr *x) {
    for (int i = 0; i < f->sum->u.red.nvars; i++)
        if (fv_x_uses(x, f->sum->u.red.vars[i]))
            return true;
    return false;
}

static linear core_only(fv_expr *x) {
    return (linear){.core = x};
}

static linear linear_sum(const field *f, fv_expr *x, int depth) {
    fv_arena *a = f->l->exprs;
    linear p = linear_of(f, x->arg[0], depth), q = linear_of(f, x->arg[1], depth);
    bool subtract = x->op == FV_X_SUB;
    if (p.core && q.core)
        return core_only(x);
    p.rest = subtract ? minus(a, p.rest, q.rest) : plus(a, p.rest, q.rest);
    if (q.core) {
        p.core = q.core;
        p.by = subtract
                   ? fv_x_un(a, FV_X_NEG, q.by ? q.by : fv_x_const_int(a, (fv_elem)x->type.elem, 1))
                   : q.by;
    }
    p.origin = joined(f, p.origin, q.origin);
    return p;
}

static linear linear_product(const field *f, fv_expr *x, int depth) {
    fv_arena *a = f->l->exprs;
    bool second = depends(f, x->arg[1]);
    if (second && depends(f, x->arg[0]))
        return core_only(x);
    linear p = linear_of(f, x->arg[second], depth);
    fv_expr *scale = x->arg[!second];
    p.by = times(a, p.by, scale);
    p.rest = p.rest ? times(a, p.rest, scale) : NULL;
    return p;
}

/* The definition of the value that x loads, with the indices of x; NULL: the value has no
 * definition, as an input or a constant, or its definition contains a reduction or a check of an
 * index, or belongs to another block. */
static fv_expr *looked_into(const field *f, const fv_expr *x, const fv_origin **origin) {
    const fv_storage *s = fv_storage_loaded(f->l, x);
    const fv_value *v = s ? s->value : NULL;
    if (!v || v->kind != FV_VALUE_RESULT || !s->def || v->type->elem != (fv_elem)x->type.elem ||
        (fv_elem)s->def->body->type.elem != v->type->elem || v->def->block != f->op->block)
        return NULL;
    if (fv_x_has(s->def->body, FV_HAS_REDUCE) || fv_x_has(s->def->body, FV_HAS_REQUIRE))
        return NULL;
    *origin = fv_storage_origin(f->l, v);
    return fv_x_replace_vars(f->l->exprs, s->def->body, s->def->rank, s->def->index, x->arg);
}

static bool is_narrow(const fv_expr *core) {
    const fv_expr *stored = core->op == FV_X_CONVERT ? core->arg[0] : core;
    return (stored->op == FV_X_LOAD || stored->op == FV_X_GUARD) &&
           fv_elem_is_int((fv_elem)stored->type.elem) &&
           fv_elem_bits((fv_elem)stored->type.elem) < fv_elem_bits((fv_elem)core->type.elem);
}

static linear linear_load(const field *f, fv_expr *x, int depth) {
    const fv_origin *origin = NULL;
    fv_expr *body = looked_into(f, x, &origin);
    if (!body)
        return core_only(x);
    linear p = linear_of(f, body, depth);
    if (p.core && !is_narrow(p.core))
        return core_only(x);
    p.origin = joined(f, origin, p.origin);
    return p;
}

/* A single constant that z loads, as one of the stored type; NULL: it is something else, or the
 * type does not have it. */
static fv_expr *constant_of(const field *f, const fv_expr *z, fv_elem stored) {
    const fv_value *v = z->op == FV_X_LOAD ? z->u.buf->value : NULL;
    if (!v || v->kind != FV_VALUE_CONST || v->tensor->count != 1 || !v->tensor->data ||
        fv_elem_is_storage(stored))
        return NULL;
    int64_t value = fv_tensor_int(v->tensor, 0);
    fv_expr *x = fv_x_const_int(f->l->exprs, stored, value);
    return x->u.i == value ? x : NULL;
}

/* The value z of type `stored` if x is `-i32(z)`; NULL: x is something else. The conversion may be
 * in x, in the definition of the value that x loads, or done already in a constant that x loads. */
static fv_expr *negated_zero_point(const field *f, const fv_expr *x, fv_elem stored) {
    const fv_origin *origin;
    if (x->op != FV_X_NEG)
        return NULL;
    fv_expr *z = x->arg[0], *body = z->op == FV_X_LOAD ? looked_into(f, z, &origin) : NULL;
    z = body ? body : z;
    bool is = z->op == FV_X_CONVERT && (fv_elem)z->arg[0]->type.elem == stored;
    return is ? z->arg[0] : constant_of(f, z, stored);
}

/* The number of elements of the definition that share x, or a sum of it, for dims of typical
 * size. */
static double shared_by(const field *f, const fv_expr *x) {
    double n = 1;
    for (int i = 0; i < f->d->rank; i++)
        if (!fv_x_uses(x, f->d->index[i])) {
            int64_t size = fv_typical_dim(f->d->index[i]->dim);
            n *= size < 0 ? 1e9 : (double)size;
        }
    return n;
}

/* The guard x, `v if c else 0` where v is i32(q) - i32(z), as a linear expression with the core
 * `i32(q if c else z)`; if v has another form, x itself is the core. */
static linear linear_guard(const field *f, fv_expr *x, int depth) {
    fv_arena *a = f->l->exprs;
    const fv_buf *b = x->u.buf;
    fv_expr *condition = x->arg[b->rank], *otherwise = x->arg[b->rank + 1];
    int64_t zero = 1;
    linear p = linear_load(f, fv_x_load(a, x->u.buf, x->arg), depth);
    fv_expr *load = p.core && p.core->op == FV_X_CONVERT ? p.core->arg[0] : NULL;
    if (otherwise->op == FV_X_CONST)
        zero = otherwise->u.i;
    if (!load || load->op != FV_X_LOAD || p.by || zero)
        return core_only(x);
    fv_expr *z = p.rest ? negated_zero_point(f, p.rest, (fv_elem)load->type.elem)
                        : fv_x_zero(a, (fv_elem)load->type.elem);
    if (!z)
        return core_only(x);
    p.core =
        fv_x_convert(a, (fv_elem)x->type.elem, fv_x_guard(a, load->u.buf, load->arg, condition, z));
    return p;
}

static linear linear_of(const field *f, fv_expr *x, int depth) {
    linear p;
    if (!depends(f, x))
        return (linear){.rest = x};
    if (depth == MAX_DEPTH)
        return core_only(x);
    switch ((fv_expr_op)x->op) {
    case FV_X_ADD:
    case FV_X_SUB: return linear_sum(f, x, depth + 1);
    case FV_X_MUL: return linear_product(f, x, depth + 1);
    case FV_X_NEG:
        p = linear_of(f, x->arg[0], depth + 1);
        p.by = fv_x_un(f->l->exprs, FV_X_NEG,
                       p.by ? p.by : fv_x_const_int(f->l->exprs, (fv_elem)x->type.elem, 1));
        p.rest = p.rest ? fv_x_un(f->l->exprs, FV_X_NEG, p.rest) : NULL;
        return p;
    case FV_X_LOAD: return linear_load(f, x, depth + 1);
    case FV_X_GUARD: return linear_guard(f, x, depth + 1);
    default: return core_only(x);
    }
}

/* ---- sums of constants ---- */

enum { MAX_LOOPS = 2 * FV_MAX_RANK };

/* Loops over the elements of a constant, first those over axes of the result: the variable, the
 * number of iterations and the stride of each loop; `at`: the offset of the first element. */
typedef struct walk {
    int n, naxes;
    const fv_var *var[MAX_LOOPS];
    int64_t count[MAX_LOOPS], by[MAX_LOOPS], at;
} walk;

static bool add_loop(walk *w, const fv_var *v) {
    if (w->n == MAX_LOOPS || !fv_dim_is_const(v->dim))
        return false;
    w->var[w->n] = v;
    w->count[w->n++] = v->dim->value;
    return true;
}

static bool add_index(walk *w, fv_dims *t, const fv_expr *index, int64_t stride) {
    fv_affine x = fv_affine_of(&(fv_affines){.dims = t}, index);
    if (!fv_affine_is_of_vars(&x) || !fv_dim_is_const(x.rest))
        return false;
    w->at += stride * x.rest->value;
    for (int i = 0; i < x.n; i++) {
        int k = 0;
        while (k < w->n && w->var[k] != x.term[i].x->u.var)
            k++;
        if (k == w->n || !fv_dim_is_const(x.term[i].by))
            return false;
        w->by[k] += stride * x.term[i].by->value;
    }
    return true;
}

/* The constant that the core loads, if its indices are affine in the n variables `axes` and in the
 * variables of the sum; sets *w to the loops over its elements. NULL: the core is something else,
 * or an extent is not known. */
static const fv_tensor *constant_walk(const field *f, const fv_expr *core, int n,
                                      fv_var *const *axes, walk *w) {
    const fv_expr *load = fv_x_stored(core);
    const fv_value *v = load->op == FV_X_LOAD ? load->u.buf->value : NULL;
    if (!v || v->kind != FV_VALUE_CONST || !v->tensor->data)
        return NULL;
    *w = (walk){.naxes = n};
    for (int i = 0; i < n; i++)
        if (!add_loop(w, axes[i]))
            return NULL;
    for (int i = 0; i < f->sum->u.red.nvars; i++)
        if (!add_loop(w, f->sum->u.red.vars[i]))
            return NULL;
    int64_t stride = 1;
    for (int i = v->tensor->rank; i-- > 0; stride *= v->tensor->dims[i])
        if (!add_index(w, f->l->module->dims, load->arg[i], stride))
            return NULL;
    return v->tensor;
}

/* A run of elements of a constant, `by` apart. */
typedef struct run {
    int64_t n, by;
    bool of_results; /* each belongs to another result; otherwise all belong to the same one */
} run;

#define ADD_RUN(type)                                                                              \
    do {                                                                                           \
        const type *x = (const type *)t->data + at;                                                \
        if (r->of_results)                                                                         \
            for (int64_t j = 0; j < n; j++)                                                        \
                total[j] += (uint64_t)(int64_t)x[j * by];                                          \
        else                                                                                       \
            for (int64_t j = 0; j < n; j++)                                                        \
                sum += (uint64_t)(int64_t)x[j * by];                                               \
    } while (0)

/* Adds the run of elements from number `at` on to total[j], or all of them to *total. */
static void add_run(const fv_tensor *t, int64_t at, const run *r, uint64_t *restrict total) {
    const int64_t n = r->n, by = r->by;
    uint64_t sum = 0;
    switch (t->elem) {
    case FV_I8: ADD_RUN(int8_t); break;
    case FV_U8: ADD_RUN(uint8_t); break;
    case FV_I16: ADD_RUN(int16_t); break;
    case FV_I32: ADD_RUN(int32_t); break;
    default:
        for (int64_t j = 0; j < n; j++)
            total[r->of_results ? j : 0] += (uint64_t)fv_tensor_int(t, (size_t)(at + j * by));
        break;
    }
    total[0] += sum;
}

/* Adds up the elements for all values of the loops from number k to before `end`. */
static void add_loops(const walk *w, const fv_tensor *t, int k, int end, int64_t at, const run *r,
                      uint64_t *total) {
    if (k == end)
        add_run(t, at, r, total);
    else
        for (int64_t i = 0; i < w->count[k]; i++)
            add_loops(w, t, k + 1, end, at + i * w->by[k], r, total);
}

/* The results are computed in rows along their last axis if elements of neighbouring results are
 * closer in memory than neighbouring elements of one sum. */
static fv_value *constant_sum(const field *f, const walk *w, const fv_tensor *t, fv_elem elem,
                              const char *name) {
    fv_module *m = f->l->module;
    fv_tensor *r = fv_tensor_new(m->arena, elem, w->naxes, w->count);
    if (!r)
        return NULL;
    const int last = w->naxes - 1, inner = w->n - 1;
    const bool rows = last >= 0 && (inner == last || llabs(w->by[last]) < llabs(w->by[inner]));
    const int along = rows ? last : inner, end = rows ? w->n : inner;
    const run one = {w->count[along], w->by[along], rows};
    const size_t n = rows ? (size_t)one.n : 1;
    uint64_t *total = FV_NEW(f->l->current.scratch, uint64_t, n);
    for (size_t i = 0; i < r->count; i += n) {
        int64_t at = w->at, rest = (int64_t)i;
        for (int k = w->naxes; k-- > 0; rest /= w->count[k])
            at += rest % w->count[k] * w->by[k];
        memset(total, 0, n * sizeof *total);
        add_loops(w, t, w->naxes, end, at, &one, total);
        for (size_t j = 0; j < n; j++)
            fv_tensor_set_int(r, i + j, (int64_t)total[j]);
    }
    fv_mapping_drop(m->session, t->data, t->bytes); /* it is read again when it is laid out */
    return fv_const_new(m, name, r);
}

/* ---- sums of one factor ---- */

/* Sets `axes` to the axes of the definition on which x depends; returns their number. */
static int axes_of(const field *f, const fv_expr *x, fv_var **axes) {
    int n = 0;
    for (int i = 0; i < f->d->rank; i++)
        if (fv_x_uses(x, f->d->index[i]))
            axes[n++] = f->d->index[i];
    return n;
}

static bool is_constant(const field *f, const fv_expr *core) {
    fv_var *axes[FV_MAX_RANK];
    walk w;
    int n = axes_of(f, core, axes);
    return constant_walk(f, core, n, axes, &w) != NULL;
}

/* A new op before that of the definition, whose operands are the values that x loads. */
static fv_op *define_op(const field *f, const fv_expr *x, int nout, const char *const *names) {
    int nin;
    fv_value **in = fv_values_loaded(f->l, x, &nin);
    fv_op *op = fv_op_new(f->op->block, f->op, &fv_define_def, nin, in, nout, names, f->origin);
    fv_op_set_string(op, "op", fv_op_stem(f->op));
    return op;
}

/* Defines a value with the n axes `axes`, each element of which is x. */
static fv_value *define_value(const field *f, const fv_expr *x, const char *name, int n,
                              fv_var *const *axes) {
    fv_arena *a = f->l->exprs;
    const fv_dim *dims[FV_MAX_RANK];
    fv_expr *to[FV_MAX_RANK];
    fv_definition *d = FV_NEW(a, fv_definition, 1);
    fv_op *op = define_op(f, x, 1, &name);
    d->rank = n;
    d->index = FV_NEW(a, fv_var *, n + 1);
    for (int i = 0; i < n; i++) {
        dims[i] = axes[i]->dim;
        d->index[i] = fv_index_var(a, axes[i]->name, axes[i]->dim);
        to[i] = fv_x_var(a, d->index[i]);
    }
    d->body = fv_x_replace_vars(a, x, n, axes, to);
    d->value = op->out[0];
    op->out[0]->type = fv_tensor_type(f->l->module->arena, (fv_elem)x->type.elem, n, dims);
    fv_storage_of(f->l, op->out[0])->def = d;
    fv_takes(f->l, op->out[0], FV_WHY_factor_sum, fv_v(f->d->value));
    return op->out[0];
}

/* The number of terms of the sum, wrapped to its type. */
static fv_expr *number_of_terms(const field *f) {
    fv_arena *a = f->l->exprs;
    fv_expr *n = fv_x_int(a, 1);
    for (int i = 0; i < f->sum->u.red.nvars; i++)
        n = fv_x_bin(a, FV_X_MUL, n, fv_x_dim(a, f->sum->u.red.vars[i]->dim));
    return fv_x_convert(a, (fv_elem)f->sum->type.elem, n);
}

/* The sum of a core over the variables of the sum, as a load of a new value. An op of its own
 * computes that value at run time, or it is a constant computed here. If the core is by * c + rest
 * with a constant c, returns by * (sum of c) + (number of terms) * rest. */
static fv_expr *core_sum(const field *f, fv_expr *core, const char *what) {
    fv_arena *a = f->l->exprs;
    fv_var *axes[FV_MAX_RANK];
    fv_expr *index[FV_MAX_RANK];
    walk w;
    int n = axes_of(f, core, axes);
    const char *name = fv_printf(a, "%s.%s", f->d->value->name, what);
    const fv_tensor *t = constant_walk(f, core, n, axes, &w);
    linear p = t ? core_only(core) : linear_of(f, core, 0);
    if (p.core != core && p.core && is_constant(f, p.core)) {
        fv_expr *y = times(a, core_sum(f, p.core, what), p.by);
        return p.rest ? plus_times(a, y, number_of_terms(f), p.rest) : y;
    }
    fv_value *v = t ? constant_sum(f, &w, t, (fv_elem)core->type.elem, name) : NULL;
    if (!v)
        v = define_value(f, fv_x_reduce(a, FV_SUM, f->sum->u.red.nvars, f->sum->u.red.vars, core),
                         name, n, axes);
    for (int i = 0; i < n; i++)
        index[i] = fv_x_var(a, axes[i]);
    return fv_x_load(a, fv_value_buf(a, v), index);
}

/* ---- a sum of products ---- */

/* Whether it pays to move the rest of the factor q out of the sum, which needs a sum of the core of
 * the other factor p. If p is computed at run time, the sum of its core takes as long as one of the
 * sums of products that share it. */
static bool pays(const field *f, const linear *p, const linear *q) {
    double share = shared_by(f, p->core);
    return !q->rest || is_constant(f, p->core) || share >= (double)f->l->speed->factor_share ||
           fv_declines(f->l, f->d->value, FV_WHY_factor_few, fv_n((int64_t)share),
                       fv_n(f->l->speed->factor_share));
}

/* The sum of (p.by * p.core + p.rest) * (q.by * q.core + q.rest), multiplied out. */
static fv_expr *expanded_sum(const field *f, const linear *p, const linear *q) {
    fv_arena *a = f->l->exprs;
    fv_expr *product = fv_x_bin(a, FV_X_MUL, p->core, q->core);
    fv_expr *y = fv_x_reduce_like(a, f->sum, f->sum->u.red.nvars, f->sum->u.red.vars, product);
    y = times(a, times(a, y, p->by), q->by);
    if (q->rest)
        y = plus_times(a, y, times(a, core_sum(f, p->core, "rows"), p->by), q->rest);
    if (p->rest)
        y = plus_times(a, y, times(a, core_sum(f, q->core, "columns"), q->by), p->rest);
    if (p->rest && q->rest)
        y = plus_times(a, y, number_of_terms(f), product_of(a, p->rest, q->rest));
    return y;
}

/* Keeps a factor unchanged if the sum that its rest needs does not pay. */
static void keep_whole(const field *f, fv_expr *const *factor, linear *p, linear *q) {
    if (!pays(f, p, q))
        *q = core_only(factor[1]);
    if (!pays(f, q, p))
        *p = core_only(factor[0]);
}

/* Is the factor more than its core (see `linear`), and the core an element of fewer bits? Then it
 * pays to multiply cores. */
static bool gains(const linear *p, const fv_expr *factor) {
    return p->core != factor && is_narrow(p->core);
}

/* Factor i, in which variables of the sum that have a single value, as those of a window of one
 * pixel, are 0. A zero point would seem to depend on them. */
static fv_expr *factor_of(const field *f, int i) {
    fv_expr *x = f->sum->arg[0]->arg[i], *zero = fv_x_int(f->l->exprs, 0);
    for (int k = 0; k < f->sum->u.red.nvars; k++)
        if (fv_dim_is_one(f->sum->u.red.vars[k]->dim))
            x = fv_x_replace_vars(f->l->exprs, x, 1, &f->sum->u.red.vars[k], &zero);
    return x;
}

/* The sum f->sum with the rests of its factors moved out (see `linear`); NULL: it stays. */
static fv_expr *taken_apart(field *f) {
    fv_expr *const factor[2] = {factor_of(f, 0), factor_of(f, 1)};
    linear p = linear_of(f, factor[0], 0), q = linear_of(f, factor[1], 0);
    if (!p.core || !q.core || p.core == q.core || !(gains(&p, factor[0]) || gains(&q, factor[1])))
        return NULL;
    keep_whole(f, factor, &p, &q);
    if (!gains(&p, factor[0]) && !gains(&q, factor[1]))
        return NULL;
    f->origin = joined(f, f->origin, p.origin);
    f->origin = joined(f, f->origin, q.origin);
    return expanded_sum(f, &p, &q);
}

/* The first outermost reduction of the definition, if it is a sum of products of integers;
 * otherwise NULL. */
static const fv_expr *integer_products(const fv_definition *d) {
    fv_expr *sum;
    if (!d || !fv_x_has(d->body, FV_HAS_REDUCE) || fv_x_reductions(d->body, &sum, 1) != 1)
        return NULL;
    return sum->u.red.kind == FV_SUM && fv_elem_is_int((fv_elem)sum->type.elem) &&
                   sum->arg[0]->op == FV_X_MUL && !fv_x_has(sum->arg[0], FV_HAS_REDUCE)
               ? sum
               : NULL;
}

/* ---- ops ---- */

/* Erases the op if nothing reads its results, then those that only it read. */
static void erase_unread(fv_op *op) {
    fv_value *in[FV_MAX_OUT];
    int n = 0;
    if (op->erased || op->def->has_effect || op->nin > FV_MAX_OUT)
        return;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && op->out[i]->nuses)
            return;
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] && op->in[i]->kind == FV_VALUE_RESULT)
            in[n++] = op->in[i];
    fv_op_erase(op);
    for (int i = 0; i < n; i++) {
        bool again = false; /* an operand that occurs twice was erased at its first occurrence */
        for (int k = 0; k < i; k++)
            again |= in[k]->def == in[i]->def;
        if (!again)
            erase_unread(in[i]->def);
    }
}

typedef struct replacement {
    const fv_expr *sum;
    fv_expr *by;
} replacement;

static fv_expr *replace(fv_x_rewriter *w, fv_expr *x) {
    const replacement *r = w->user;
    return x == r->sum ? r->by : NULL;
}

/* Replaces the sum in the definition of f->op by `sum`; the operands of the op become the values
 * that the new definition loads. */
static void redefine(field *f, fv_expr *sum) {
    fv_lowerer *l = f->l;
    replacement r = {f->sum, sum};
    fv_x_rewriter w = {
        .arena = l->exprs, .memo = fv_ptrmap_in(l->current.scratch), .before = replace, .user = &r};
    fv_definition *d = FV_NEW(l->exprs, fv_definition, 1);
    *d = *f->d;
    d->body = fv_x_rewrite(&w, f->d->body);
    fv_op *op = define_op(f, d->body, 0, NULL), *old = f->op;
    fv_value *v = old->out[0];
    fv_op_take_result(op, v);
    fv_storage_of(l, v)->def = d;
    *fv_ptrmap_at(&l->known.origins, v) = (void *)(uintptr_t)f->origin;
    erase_unread(old);
}

static void factor_op(fv_lowerer *l, fv_op *op) {
    const fv_storage *s = op->nout == 1 && op->out[0] ? fv_storage_of(l, op->out[0]) : NULL;
    const fv_expr *sum = s ? integer_products(s->def) : NULL;
    if (!sum)
        return;
    field f = {l, op, s->def, sum, fv_storage_origin(l, s->value)};
    fv_expr *y = taken_apart(&f);
    if (!y)
        return;
    fv_takes(l, s->value, FV_WHY_factored);
    redefine(&f, y);
}

/* ---- why quantized tensors are computed with as floats ---- */

/* The fv.Dequantize that computes v, perhaps with a conversion to narrower floats; NULL: there is
 * none. */
static const fv_op *dequantize_of(const fv_value *v) {
    if (v->kind == FV_VALUE_RESULT && fv_op_is(v->def, FV_OP_Cast))
        v = v->def->in[0];
    bool is = v->kind == FV_VALUE_RESULT && fv_op_is(v->def, FV_OP_fv_Dequantize);
    return is ? v->def : NULL;
}

/* Is the scale of the fv.Dequantize a constant, and either one number or, if the second factor of
 * the product is dequantized, numbers along one axis? */
static bool has_fit_scale(const fv_op *dequantize, bool second) {
    const fv_value *s = dequantize->in[1];
    int most = 0;
    for (int i = 0; i < s->type->rank; i++)
        most += !fv_dim_is_one(s->type->dims[i]);
    return s->kind == FV_VALUE_CONST && (most == 0 || (second && most == 1));
}

/* Records why a product of quantized tensors is computed with floats. The rules of
 * passes/integers.rules decide which products are computed with integers. */
static void tell_product_of_floats(fv_lowerer *l, const fv_op *op) {
    const fv_value *y = op->out[0];
    const fv_op *a = dequantize_of(op->in[0]), *b = dequantize_of(op->in[1]);
    if (!a && !b)
        return;
    int bits[2] = {a ? fv_elem_bits(a->in[0]->type->elem) : 0,
                   b ? fv_elem_bits(b->in[0]->type->elem) : 0};
    int wide = bits[0] <= 8;
    if (!a || !b)
        fv_declines(l, y, FV_WHY_factor_one, fv_v(op->in[a ? 1 : 0]));
    else if (bits[0] > 8 || bits[1] > 8)
        fv_declines(l, y, FV_WHY_factor_wide, fv_v(op->in[wide]), fv_n(bits[wide]));
    else if (b->in[0]->kind != FV_VALUE_CONST)
        fv_declines(l, y, FV_WHY_factor_run);
    else if (y->type->elem != FV_F32)
        fv_declines(l, y, FV_WHY_factor_off);
    else if (!has_fit_scale(a, false) || !has_fit_scale(b, true))
        fv_declines(l, y, FV_WHY_factor_scale, fv_v(op->in[has_fit_scale(a, false)]));
    else
        fv_declines(l, y, FV_WHY_factor_off);
}

/* Does the op only move or convert elements? It does if it takes strings, too. */
static bool moves_elements(const fv_op *op) {
    return op->def->types[0].name && (op->def->types[0].set >> FV_STRING & 1);
}

static bool is_quantized_in_run(const fv_value *v) {
    const fv_op *dequantize = dequantize_of(v);
    return dequantize && dequantize->in[0]->kind != FV_VALUE_CONST &&
           fv_elem_bits(dequantize->in[0]->type->elem) <= 16;
}

/* Records for an op other than a product that it reads a quantized tensor and computes with
 * floats. */
static void tell_other_floats(fv_lowerer *l, const fv_op *op) {
    int i = 0;
    while (i < op->nin && !(op->in[i] && is_quantized_in_run(op->in[i])))
        i++;
    if (i < op->nin && op->nout && op->out[0] && !moves_elements(op))
        fv_declines(l, op->out[0], FV_WHY_factor_op, fv_v(op->in[i]), fv_s(op->def->name));
}

static void tell_floats(fv_lowerer *l, const fv_op *op) {
    if (fv_op_is(op, FV_OP_fv_MatMul) || fv_op_is(op, FV_OP_fv_Conv))
        tell_product_of_floats(l, op);
    else
        tell_other_floats(l, op);
}

bool fv_step_factor(fv_lowerer *l) {
    for (fv_op *op = l->func->body->first, *next; op; op = next) {
        next = op->next;
        tell_floats(l, op);
        factor_op(l, op);
    }
    return true;
}
