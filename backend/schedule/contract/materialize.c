/* materialize.c - computes factors of contractions in a kernel of their own if they are more than a
 * load.
 *
 *     x[n, o * s + k - p, c] where 0 <= o * s + k - p < size, else 0
 *  =>  dense[n, o * s + k, c]
 *
 * where dense[n, i, c] = x[n, i - p, c] if 0 <= i - p < size, else 0. Each element is thus computed
 * once, and not for every filter tap or column. The axes of the copy are the sums of variables that
 * occur in indices, the *bases* (o * s + k above). If that makes the copy larger than one axis for
 * each variable would, the variables are the axes. */
#include "backend/schedule/contract/materialize.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/base/divisor.h"
#include "ir/base/limits.h"
#include "ir/expr/affine.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/unique.h"

typedef struct base { /* an axis of the copy, whose index is the sum of by * var */
    int n;
    struct {
        fv_var *var;
        int64_t by;
    } term[FV_MAX_RANK];
    fv_var *index;
    const fv_dim *low; /* the least value of that sum, which is element 0 */
} base;

typedef struct bases {
    fv_lowerer *l;
    fv_var *free[2 * FV_MAX_RANK]; /* the variables of the definition and of the sum */
    int nfree;
    base *list;
    int n, cap;
    bool apart; /* whether each variable has an axis of its own */
    bool full;  /* whether the copy would need more axes than a value can have */
} bases;

/* ---- sums of variables ---- */

static bool is_free(const bases *b, const fv_var *v) {
    for (int i = 0; i < b->nfree; i++)
        if (b->free[i] == v)
            return true;
    return false;
}

/* Writes x as *s, a sum of multiples of free variables, plus *rest; false: x has another form. */
static bool split(const bases *b, const fv_expr *x, base *s, const fv_dim **rest) {
    if (x->type.elem != FV_I64)
        return false;
    fv_affine f = fv_affine_of(&(fv_affines){.dims = b->l->module->dims}, x);
    bool is = fv_affine_is_of_vars(&f);
    for (int i = 0; i < f.n && is; i++) {
        fv_var *v = f.term[i].x->u.var;
        int64_t by = f.term[i].by->value;
        is = is_free(b, v) && by <= INT32_MAX && by >= -INT32_MAX;
        s->term[s->n].var = v;
        s->term[s->n++].by = by;
    }
    *rest = f.rest;
    return is;
}

/* Divides the factors of the sum *s by their greatest common divisor, with the sign of the first
 * factor, and returns the divisor. */
static int64_t reduce(base *s) {
    int64_t g = 0;
    for (int i = 0; i < s->n; i++)
        g = fv_common_divisor(g, s->term[i].by);
    if (s->term[0].by < 0)
        g = -g;
    for (int i = 0; i < s->n; i++)
        s->term[i].by /= g;
    return g;
}

static bool same_sum(const base *a, const base *b) {
    bool same = a->n == b->n;
    for (int i = 0; same && i < a->n; i++) {
        int k = 0;
        while (k < b->n && b->term[k].var != a->term[i].var)
            k++;
        same = k < b->n && a->term[i].by == b->term[k].by;
    }
    return same;
}

/* The axis of the copy for a reduced sum, which is added if it is new; NULL: there are too many
 * axes. If the factor reads a value along this sum without a condition, the axis has at most as
 * many elements as that value has, since its extent is computed like the bounds of indices
 * (fv_d_last). */
static base *axis_of(bases *b, const base *s) {
    fv_dims *t = b->l->module->dims;
    for (int i = 0; i < b->n; i++)
        if (same_sum(&b->list[i], s))
            return &b->list[i];
    if (b->n == FV_MAX_RANK)
        return NULL;
    base x = *s;
    const fv_dim *extent = fv_dim_const(t, 1);
    x.low = fv_dim_const(t, 0);
    for (int i = 0; i < x.n; i++) {
        const fv_dim *last = fv_d_last(t, x.term[i].var);
        const fv_dim *reach = fv_dim_mul(t, last, fv_dim_const(t, x.term[i].by));
        if (x.term[i].by < 0)
            x.low = fv_dim_add(t, x.low, reach);
        extent = x.term[i].by < 0 ? fv_dim_sub(t, extent, reach) : fv_dim_add(t, extent, reach);
    }
    x.index = fv_index_var(b->l->exprs, fv_printf(b->l->exprs, "i%d", b->n),
                           fv_dim_max(t, extent, fv_dim_const(t, 0)));
    FV_PUSH(b->l->exprs, b->list, b->n, b->cap, x);
    return &b->list[b->n - 1];
}

/* ---- over the axes of the copy ---- */

/* Replaces a sum of variables by the variable of its axis. */
static fv_expr *over_axis(fv_x_rewriter *r, fv_expr *x) {
    bases *b = r->user;
    fv_arena *a = r->arena;
    const fv_dim *rest;
    base s = {0};
    if ((b->apart && x->op != FV_X_VAR) || !split(b, x, &s, &rest) || !s.n)
        return NULL;
    int64_t by = reduce(&s);
    const base *axis = axis_of(b, &s);
    b->full |= !axis;
    if (!axis)
        return x;
    fv_expr *i = fv_x_bin(a, FV_X_ADD, fv_x_var(a, axis->index), fv_x_dim(a, axis->low));
    return fv_x_bin(a, FV_X_ADD, fv_x_bin(a, FV_X_MUL, i, fv_x_int(a, by)), fv_x_dim(a, rest));
}

/* x as an expression over the axes of the copy, which are added as they occur; NULL: there are too
 * many. */
static fv_expr *over_axes(bases *b, const fv_expr *x) {
    fv_x_rewriter r = {.arena = b->l->exprs,
                       .memo = fv_ptrmap_in(b->l->current.scratch),
                       .before = over_axis,
                       .user = b};
    fv_expr *y = fv_x_rewrite(&r, x);
    return b->full ? NULL : y;
}

static fv_expr *index_of(fv_arena *a, const base *s) {
    fv_expr *sum = NULL;
    for (int i = 0; i < s->n; i++) {
        fv_expr *x = fv_x_var(a, s->term[i].var);
        if (s->term[i].by != 1)
            x = fv_x_bin(a, FV_X_MUL, x, fv_x_int(a, s->term[i].by));
        sum = sum ? fv_x_bin(a, FV_X_ADD, sum, x) : x;
    }
    return s->low->kind == FV_DIM_CONST && !s->low->value
               ? sum
               : fv_x_bin(a, FV_X_SUB, sum, fv_x_dim(a, s->low));
}

static double elements(const bases *b) {
    double n = 1;
    for (int i = 0; i < b->n; i++)
        n *= (double)fv_typical_dim(b->list[i].index->dim);
    return n;
}

static bases begin(fv_lowerer *l, const fv_definition *d, const fv_expr *sum) {
    bases b = {.l = l};
    for (int i = 0; i < d->rank; i++)
        b.free[b.nfree++] = d->index[i];
    for (int i = 0; i < sum->u.red.nvars && b.nfree < 2 * FV_MAX_RANK; i++)
        b.free[b.nfree++] = sum->u.red.vars[i];
    return b;
}

/* Moves the axis along which `last` runs to the end. */
static void put_last(bases *b, const fv_var *last) {
    for (int i = 0; i < b->n - 1 && last; i++)
        for (int k = 0; k < b->list[i].n; k++)
            if (b->list[i].term[k].var == last && b->list[i].term[k].by == 1) {
                base x = b->list[i];
                memmove(b->list + i, b->list + i + 1, (size_t)(b->n - i - 1) * sizeof x);
                b->list[b->n - 1] = x;
                return;
            }
}

/* Orders the axes that are axes of d as in d, whatever order the factor has. Rows of the copy can
 * then be merged to one axis if the rows of the result can. */
static void order_as(bases *b, const fv_definition *d) {
    int next = 0;
    for (int i = 0; i < d->rank; i++)
        for (int k = 0; k < b->n; k++) {
            if (b->list[k].n != 1 || b->list[k].term[0].var != d->index[i])
                continue;
            while (fv_definition_axis(d, b->list[next].term[0].var) == d->rank)
                next++;
            base x = b->list[k];
            b->list[k] = b->list[next];
            b->list[next++] = x;
            break;
        }
}

/* A key under which equal copies with the same space between their rows are found: a reduction of
 * the copy over its axes, which does not depend on the names of variables. */
static const void *key_of(fv_arena *a, const fv_dense *c) {
    fv_expr *x = fv_x_convert(a, fv_elem_arith((fv_elem)c->copy->type.elem), c->copy);
    x = fv_x_reduce(a, FV_REDUCE_MAX, c->n, c->index, x);
    return c->space ? fv_x_bin(a, FV_X_ADD, fv_x_convert(a, FV_I64, x), fv_x_int(a, c->space)) : x;
}

/* Finds the axes of x's copy, and *copy, x over these axes: sums of variables if a window slides
 * over x (*window; the copy then has fewer elements than the variables have values), otherwise the
 * variables. False: there are no axes, or too many. */
static bool find_axes(bases *b, fv_expr *x, fv_expr **copy, bool *window) {
    bases together = *b, apart = *b;
    apart.apart = true;
    fv_expr *over[2] = {over_axes(&together, x), over_axes(&apart, x)};
    *window = over[0] && over[1] && elements(&together) < elements(&apart);
    *b = *window ? together : apart;
    *copy = over[!*window];
    return *copy && b->n;
}

/* The part of the factor that the copy contains: elements in the type in which they are stored.
 * Integers and narrow floats of the factor with the rows, which a tile repeats in all lanes of a
 * vector, are copied in the type of the sum, since one instruction loads and repeats 32 bits, and
 * narrower elements take three: integers of 8 bits if they are copied anyway (64 to 32 channels of
 * 14 x 14, 3 x 3: 0.104 ms instead of 0.161), f16 always ([128, 384] x [384, 1536]: 0.72 of
 * the time, with that of the copy). Microcontrollers convert an integer while they load it, and
 * have little memory. */
static fv_expr *copied_part(const fv_target *t, fv_expr *factor, fv_dense_of of) {
    fv_expr *x = (fv_expr *)fv_x_stored(factor);
    bool converted = of != FV_DENSE_WINDOWS && x->op != FV_X_LOAD && t->kind == FV_TARGET_SERVER &&
                     fv_elem_is_int((fv_elem)factor->type.elem);
    converted |= of == FV_DENSE_WIDENED && fv_elem_is_storage((fv_elem)x->type.elem) &&
                 fv_elem_is_float((fv_elem)x->type.elem);
    return converted ? factor : x;
}

/* Orders the axes, and describes the copy in *dense. */
static void describe(bases *b, const fv_definition *d, fv_expr *factor, bool window,
                     const fv_var *last, fv_dense *dense) {
    if (!window)
        order_as(b, d);
    put_last(b, last);
    dense->factor = factor;
    dense->n = b->n;
    for (int i = 0; i < b->n; i++) {
        dense->index[i] = b->list[i].index;
        dense->at[i] = index_of(b->l->exprs, &b->list[i]);
    }
}

bool fv_choose_dense(fv_lowerer *l, const fv_definition *d, const fv_expr *sum, fv_expr *factor,
                     fv_dense_of of, const fv_var *last, fv_dense *dense) {
    fv_expr *x = copied_part(l->target, factor, of);
    bases b = begin(l, d, sum);
    bool window;
    if (x->op == FV_X_LOAD || !find_axes(&b, x, &dense->copy, &window))
        return false;
    if (of == FV_DENSE_WINDOWS && !window)
        return fv_declines(l, d->value, FV_WHY_operand_no_window,
                           fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(x, d))));
    describe(&b, d, factor, window, last, dense);
    dense->stored = x;
    dense->space = 0;
    return true;
}

bool fv_choose_copy(fv_lowerer *l, const fv_definition *d, const fv_expr *sum, fv_expr *x,
                    const fv_var *k, bool slides, fv_dense *copy) {
    bases b = begin(l, d, sum);
    bool window;
    if (!find_axes(&b, x, &copy->copy, &window))
        return false;
    describe(&b, d, x, window, k, copy);
    copy->stored = x;
    copy->space = 0;
    const base *last = &b.list[b.n - 1];
    int uses = 0;
    for (int i = 0; i < b.n; i++)
        uses += fv_x_uses(copy->at[i], k);
    return uses == 1 && (last->n == 1 || slides) && fv_x_adds(copy->at[b.n - 1], k);
}

bool fv_dense_runs_along(const fv_dense *c, const fv_var *v) {
    int uses = 0;
    for (int i = 0; i < c->n; i++)
        uses += fv_x_uses(c->at[i], v);
    return uses == 1 && fv_x_adds(c->at[c->n - 1], v);
}

/* Has the kernel of the copy v store its rows with that space after each of them. */
static void add_space(fv_lowerer *l, fv_value *v, int64_t space) {
    fv_definition *d = fv_storage_of(l, v)->def;
    const fv_dim *dims[FV_MAX_RANK];
    fv_expr *at[FV_MAX_RANK];
    for (int i = 0; i < d->rank; i++) {
        dims[i] = d->index[i]->dim;
        at[i] = fv_x_var(l->exprs, d->index[i]);
    }
    fv_dims *t = l->module->dims;
    dims[d->rank - 1] = fv_dim_add(t, dims[d->rank - 1], fv_dim_const(t, space));
    v->type = fv_tensor_type(l->exprs, v->type->elem, d->rank, dims);
    d->place = fv_x_load(l->exprs, fv_value_buf(l->exprs, v), at);
    fv_takes(l, v, FV_WHY_operand_spaced, fv_n(space * fv_elem_storage_bytes(v->type->elem)));
}

fv_value *fv_place_copy(fv_lowerer *l, fv_op *op, const fv_definition *d, const char *what,
                        const fv_dense *c) {
    fv_fact name = fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(c->stored, d)));
    const void *key = key_of(l->exprs, c);
    fv_value *v = fv_ptrmap_get(&l->added.copies, key);
    if (v && v->type->elem == (fv_elem)c->copy->type.elem)
        return v;
    v = fv_precompute(l, op, d, what, c->n, c->index, c->copy);
    *fv_ptrmap_at(&l->added.copies, key) = v;
    fv_takes(l, v, FV_WHY_operand_is_dense, name, fv_v(d->value));
    if (c->space)
        add_space(l, v, c->space);
    return v;
}

fv_expr *fv_place_dense(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_dense *c) {
    fv_fact name = fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(c->stored, d)));
    const fv_expr *load = fv_x_stored(c->stored);
    if (load->op == FV_X_LOAD && load->type.elem != c->copy->type.elem)
        fv_takes(l, d->value, FV_WHY_operand_widened, name,
                 fv_s(fv_elem_name((fv_elem)load->type.elem)),
                 fv_s(fv_elem_name((fv_elem)c->copy->type.elem)));
    else if (load->op != FV_X_LOAD)
        fv_takes(l, d->value, FV_WHY_operand_dense, name, fv_n(c->n));
    fv_value *v = fv_place_copy(l, op, d, "dense", c);
    return fv_x_as_stored(l->exprs, c->factor, c->stored,
                          fv_x_load(l->exprs, fv_value_buf(l->exprs, v), c->at));
}
