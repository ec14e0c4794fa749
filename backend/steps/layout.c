/* layout.c - the step layout: decides which axis of a value is contiguous in memory, that is,
 * stored last.
 *
 *     y[n, m, h, w] = sum k, c: x[n, c, h + k, w] * weight[m, c, k]      is stored as y[n, h, w, m]
 *
 * A convolution stores its channels last, so that they fill vectors whatever the size of the
 * image: channels are the columns of the contraction, pixels its rows. If there are few channels
 * and the rows of the image are long, it keeps the order of its type (may_be_columns). Values
 * computed from it element by element or by sliding windows use the same order. Parameters are
 * stored in the order of their type. So are results of the model, operands of ops with kernels of
 * their own, values seen through a reshape, and values summed along a short axis, if the kernel
 * that makes them can write that order at no cost; else a kernel copies them. The order of the
 * terms of a sum depends on the layout (order.c), so the layout depends on the model alone, never
 * on the target. */
#include <string.h>

#include "backend/axes/merge.h"
#include "backend/axes/split.h"
#include "backend/axes/sums.h"
#include "backend/lowering/access.h"
#include "backend/lowering/define.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/definition/bits.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/unique.h"
#include "ir/graph/infer.h"

enum { MANY = 1 << 30 };

typedef struct fv_axis_order {
    bool fixed; /* whether the value must be stored in the order of its type */
    /* whether a view, or an op with a kernel of its own, reads the value in the order of its
     * type */
    bool ordered;
    uint32_t kept; /* axes that readers do not want at the end, as bits */
    bool returned; /* whether it is a result of the model */
    bool copies;   /* the value is a Concat, with a copy of a value in the order of its type */
    bool decided;
    /* for a sum that was taken out of a definition: the variable of the axis that this definition
     * stores last; NULL: it was not taken out */
    const fv_var *along;
} fv_axis_order;

_Static_assert(FV_MAX_RANK <= 32, "fv_axis_order.kept has a bit for each axis");

static fv_axis_order *layout_of(fv_lowerer *l, fv_storage *s) {
    if (!s->layout)
        s->layout = FV_NEW(l->exprs, fv_axis_order, 1);
    return s->layout;
}

/* ---- which values must keep the order of their type ---- */

static bool is_affine(const fv_expr *x) {
    switch (x->op) {
    case FV_X_CONST:
    case FV_X_DIM:
    case FV_X_VAR: return true;
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MUL: return is_affine(x->arg[0]) && is_affine(x->arg[1]);
    default: return false;
    }
}

/* Does the index x of this axis use a variable that also occurs in the index of another axis of the
 * load? */
static bool shares(const fv_expr *x, const fv_expr *load, int axis) {
    for (int i = 0; i < load->u.buf->rank && x->op == FV_X_VAR; i++)
        if (i != axis && fv_x_uses(load->arg[i], x->u.var))
            return true;
    for (int i = 0; i < x->n; i++)
        if (shares(x->arg[i], load, axis))
            return true;
    return false;
}

static bool is_product_sum(const fv_expr *x);

typedef void keep_axis(void *user, fv_storage *s, int axis);

typedef struct keeping {
    fv_lowerer *l;
    const fv_definition *reader;
    keep_axis *keep;
    void *user;
    fv_ptrmap seen;
} keeping;

static int64_t extent_of(const fv_dim *dim) {
    int64_t n = fv_typical_dim(dim);
    return n < 0 || n > MANY ? MANY : n;
}

/* The last axis with more than one element, or the first one; -1: d is a scalar. */
static int last_axis(const fv_definition *d) {
    int i = d->rank - 1;
    while (i > 0 && fv_dim_is_one(d->index[i]->dim))
        i--;
    return i;
}

/* Does x depend on the index along the last axis of d? */
static bool uses_last(const fv_definition *d, const fv_expr *x) {
    return d->rank && fv_x_uses(x, d->index[last_axis(d)]);
}

static bool uses_index(const fv_definition *d, const fv_expr *x) {
    for (int i = 0; i < d->rank; i++)
        if (fv_x_uses(x, d->index[i]))
            return true;
    return false;
}

/* Does the sum along axis i of the load run across wide rows of the type, which are also rows of
 * the reader? False for a window, whose index along axis i also depends on the reader's element. */
static bool is_across(const fv_definition *reader, const fv_expr *load, const fv_type *type,
                      int i) {
    int64_t row = 1;
    for (int k = i + 1; k < type->rank && row < MANY; k++)
        row *= extent_of(type->dims[k]);
    return row >= FV_WIDE_AXIS && !uses_index(reader, load->arg[i]) && uses_last(reader, load);
}

/* Reports the axes of the values that x loads along which a short sum runs across rows. With
 * another axis last, vector operations compute such a sum for neighbouring elements at once. */
static void keep_summed(keeping *k, const fv_expr *x, const fv_var *along) {
    fv_storage *s = fv_storage_loaded(k->l, x);
    for (int i = 0; s && i < x->u.buf->rank; i++)
        if (fv_x_adds(x->arg[i], along) && is_across(k->reader, x, s->value->type, i))
            k->keep(k->user, s, i);
    for (int i = 0; i < x->n; i++)
        if (fv_x_uses(x->arg[i], along))
            keep_summed(k, x->arg[i], along);
}

static bool is_short_sum(const fv_expr *x) {
    return x->op == FV_X_REDUCE && x->u.red.nvars == 1 && !is_product_sum(x) &&
           fv_dim_is_const(x->u.red.vars[0]->dim) && x->u.red.vars[0]->dim->value <= FV_SHORT_SUM;
}

/* Reports axes that should not be moved to the end, of the values that x loads in the definition of
 * the reader: an axis that is one of several indexed by parts of one row, as in x[i floordiv 8, i
 * mod 8]; one that data index; and one along which a short sum runs across rows. */
static void keep_axes(keeping *k, const fv_expr *x) {
    if (*fv_ptrmap_at(&k->seen, x))
        return;
    *fv_ptrmap_at(&k->seen, x) = (void *)(uintptr_t)x;
    fv_storage *s = fv_storage_loaded(k->l, x);
    if (is_short_sum(x))
        keep_summed(k, x->arg[0], x->u.red.vars[0]);
    for (int i = 0; i < x->n; i++) {
        if (s && i < x->u.buf->rank && !is_affine(x->arg[i]) &&
            (shares(x->arg[i], x, i) || fv_x_has_load(x->arg[i])))
            k->keep(k->user, s, i);
        keep_axes(k, x->arg[i]);
    }
}

/* Returns the last axis of the tensor that has more than one element; 0 if none has, -1 for a
 * scalar. */
static int last_of(const fv_type *type) {
    int i = type->rank - 1;
    while (i > 0 && fv_dim_is_one(type->dims[i]))
        i--;
    return i;
}

/* Does d only copy, row by row, an input or a result of an op with a kernel of its own? */
static bool is_copy(fv_lowerer *l, const fv_definition *d) {
    const fv_expr *x = fv_x_stored(d->body);
    const fv_storage *s = x->op == FV_X_LOAD ? fv_storage_loaded(l, x) : NULL;
    if (!s || s->def || s->value->kind == FV_VALUE_CONST)
        return false;
    int last = last_of(s->value->type);
    return last >= 0 && d->rank && fv_x_adds(x->arg[last], d->index[last_axis(d)]);
}

static void note_kept(void *user, fv_storage *s, int axis) {
    layout_of(user, s)->kept |= 1u << axis;
}

static void keep_axes_of(fv_lowerer *l, const fv_definition *d) {
    keeping k = {.l = l,
                 .reader = d,
                 .keep = note_kept,
                 .user = l,
                 .seen = fv_ptrmap_in(l->current.scratch)};
    keep_axes(&k, d->body);
}

static void note_uses(fv_lowerer *l, fv_op *op) {
    bool returns = op->def == &fv_return_def;
    for (int i = 0; fv_reads_memory(op) && i < op->nin; i++) {
        fv_storage *s = op->in[i] ? fv_storage_root(fv_storage_of(l, op->in[i])) : NULL;
        if (!s)
            continue;
        fv_axis_order *layout = layout_of(l, s);
        if (returns && s->value == op->in[i])
            layout->returned = true;
        else if (returns || op->def->kernel)
            layout->ordered = true;
        else
            layout->fixed = true;
    }
    for (int i = 0; i < op->nout; i++) {
        fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
        if (!s)
            continue;
        if (s->fate == FV_FATE_VIEW)
            layout_of(l, fv_storage_root(s))->ordered = true;
        else if (!s->def || fv_elem_is_packed(s->value->type->elem))
            layout_of(l, s)->fixed = true;
        else if (fv_storage_has_kernel(s))
            keep_axes_of(l, s->def);
        if (s->fate == FV_FATE_PART && s->def)
            layout_of(l, fv_storage_home(s))->copies |= is_copy(l, s->def);
    }
}

/* ---- choices ---- */

/* Is each element of the factor loaded from constants or computed from them, as that of a
 * dequantized weight? */
static bool is_of_constants(const fv_expr *x) {
    if (x->op == FV_X_LOAD)
        return fv_x_is_constant(x);
    bool are = x->n > 0 && x->op != FV_X_GUARD && x->op != FV_X_REDUCE && x->op != FV_X_REQUIRE,
         any = false;
    for (int i = 0; i < x->n && are; i++) {
        are = x->arg[i]->op == FV_X_CONST || is_of_constants(x->arg[i]);
        any |= x->arg[i]->op != FV_X_CONST;
    }
    return are && any;
}

/* Returns the cost of reading factor x of a sum so that neighbouring columns are contiguous: 0 if
 * they are, else the number of elements to be copied. A factor of constants costs -1, less than
 * anything, if there are at least FV_WIDE_AXIS columns, since constants are packed before the run;
 * 0 if there are fewer. */
static int64_t cost_of_columns(fv_lowerer *l, const fv_definition *d, const fv_expr *sum,
                               const fv_expr *x, int column) {
    x = fv_x_stored(x);
    const fv_storage *s = fv_storage_loaded(l, x);
    if (is_of_constants(x))
        return extent_of(d->index[column]->dim) < FV_WIDE_AXIS ? 0 : -1;
    if (s && fv_x_adds(x->arg[s->inner >= 0 ? s->inner : x->u.buf->rank - 1], d->index[column]))
        return 0;
    int64_t n = 1;
    for (int i = 0; i < d->rank && n < MANY; i++)
        n *= fv_x_uses(x, d->index[i]) ? extent_of(d->index[i]->dim) : 1;
    for (int i = 0; i < sum->u.red.nvars && n < MANY; i++)
        n *= extent_of(sum->u.red.vars[i]->dim);
    return n;
}

/* Is factor x of the sum read in windows that move along the rows of its type by one element for
 * each element of d's rows? */
static bool slides(fv_lowerer *l, const fv_definition *d, const fv_expr *sum, const fv_expr *x) {
    const fv_storage *s = fv_storage_loaded(l, x = fv_x_stored(x));
    const fv_var *row = d->index[last_axis(d)];
    bool window = false;
    if (!s || !x->u.buf->rank || s->inner >= 0 || extent_of(row->dim) < FV_LONG_IMAGE_ROW)
        return false;
    const fv_expr *at = x->arg[x->u.buf->rank - 1];
    for (int i = 0; i < sum->u.red.nvars; i++)
        window |= fv_x_uses(at, sum->u.red.vars[i]) && !fv_dim_is_one(sum->u.red.vars[i]->dim);
    return window && fv_x_adds(at, row);
}

/* May the columns of the sum, which has the factors x[0] and x[1], be axis i of d? Few columns fill
 * one or two vectors only, so each term loads more than it multiplies: if the other factor is read
 * in windows along long rows, these are at least as fast as columns (convolutions of 16, 20 and 24
 * channels on images of 8 to 96 rows, measured with SSE, AVX2 and AVX-512). */
static bool may_be_columns(fv_lowerer *l, const fv_definition *d, const fv_expr *sum, int i) {
    const fv_expr *const *x = (const fv_expr *const *)sum->arg[0]->arg;
    const fv_dim *n = d->index[i]->dim;
    if (i == last_axis(d))
        return true;
    if (!fv_dim_is_const(n) || n->value < FV_WIDE_AXIS)
        return false;
    bool in[2] = {fv_x_uses(x[0], d->index[i]), fv_x_uses(x[1], d->index[i])};
    return in[0] == in[1] || !fv_elem_is_float((fv_elem)sum->type.elem) ||
           n->value >= FV_WIDE_CHANNELS || !slides(l, d, sum, x[in[0]]);
}

/* Returns the axis that is best for the columns of a sum of products; -1: d is no such sum. */
static int best_columns(fv_lowerer *l, const fv_definition *d) {
    fv_expr *sums[2];
    int best = -1;
    int64_t least = 0;
    if (fv_x_reductions(d->body, sums, 2) != 1 || sums[0]->u.red.kind != FV_SUM ||
        sums[0]->arg[0]->op != FV_X_MUL)
        return -1;
    for (int i = d->rank; i-- > 0;) {
        const fv_expr *const *x = (const fv_expr *const *)sums[0]->arg[0]->arg;
        bool in[2] = {fv_x_uses(x[0], d->index[i]), fv_x_uses(x[1], d->index[i])};
        if ((!in[0] && !in[1]) || !may_be_columns(l, d, sums[0], i))
            continue;
        int64_t cost = cost_of_columns(l, d, sums[0], x[in[1]], i);
        /* both factors depend on the columns, so each channel has a sum of its own: the weights are
         * packed, and the other factor must be contiguous */
        if (in[0] && in[1]) {
            int64_t other = cost_of_columns(l, d, sums[0], x[0], i);
            /* if one factor uses the axis in groups, columns of a group belong to the other
             * factor */
            bool groups = fv_group_size(sums[0], d->index[i]) >= FV_WIDE_AXIS;
            if (groups ? cost >= 0 && other >= 0 : cost + other != -1)
                continue;
            cost = -1;
        }
        if (best < 0 || 2 * cost < least) {
            best = i;
            least = cost;
        }
    }
    return best;
}

/* Does the last axis in memory differ from that of the operator in the model? It does for images of
 * convolutions in tiles, whose axes a Transpose restores, and if this step has moved an axis. */
static bool is_moved(const fv_storage *s) {
    const fv_value *v = s->value;
    return s->inner >= 0 ||
           (v->kind == FV_VALUE_RESULT && fv_op_is(v->def, FV_OP_fv_WinogradImage));
}

/* Adds to runs[i], for each axis i of d, the number of loads in x for which it runs along memory,
 * and to *moved the number of these whose values are moved. */
static void count_runs(fv_lowerer *l, const fv_definition *d, const fv_expr *x, int *runs,
                       int *moved, fv_ptrmap *seen) {
    if (*fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_storage *s = fv_storage_loaded(l, x);
    if (s && s->value->kind != FV_VALUE_CONST && x->u.buf->rank > 1) {
        int inner = s->inner >= 0 ? s->inner : x->u.buf->rank - 1;
        for (int i = 0; i < d->rank; i++)
            if (fv_x_adds(x->arg[inner], d->index[i])) {
                runs[i]++;
                *moved += is_moved(s);
            }
    }
    for (int i = 0; i < x->n; i++)
        count_runs(l, d, x->arg[i], runs, moved, seen);
}

static void find_sums(const fv_expr *x, bool *any, bool *of_products, fv_ptrmap *seen) {
    if (!x->n || *fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    *any |= x->op == FV_X_REDUCE;
    *of_products |= x->op == FV_X_REDUCE && is_product_sum(x);
    for (int i = 0; i < x->n; i++)
        find_sums(x->arg[i], any, of_products, seen);
}

/* Has d sums, but no sum of products? */
static bool sums_rows(fv_lowerer *l, const fv_definition *d) {
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
    bool any = false, of_products = false;
    find_sums(d->body, &any, &of_products, &seen);
    return any && !of_products;
}

/* Returns the axis of d to be stored last so that most loads are contiguous. It differs from the
 * last one only if a loaded value is stored in another order than that of its type, or if d has
 * sums and its loads run across the rows of the type. `along`: the axis to use if neither is so;
 * NULL: the last one. */
static int followed(fv_lowerer *l, const fv_definition *d, const fv_var *along) {
    int runs[FV_MAX_RANK] = {0}, moved = 0, best = last_axis(d);
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
    if (best < 0)
        return best;
    count_runs(l, d, d->body, runs, &moved, &seen);
    bool across = !moved && !runs[best] && sums_rows(l, d);
    bool follows = false;
    for (int i = 0; i < d->rank; i++)
        if (runs[i] > runs[best] &&
            (moved || (across && extent_of(d->index[i]->dim) >= FV_WIDE_AXIS))) {
            best = i;
            follows = true;
        }
    for (int i = 0; !moved && !follows && i < d->rank; i++)
        if (d->index[i] == along)
            best = i;
    return best;
}

/* ---- definitions with axes in the order of memory ---- */

static void move_last(void **items, int n, int inner) {
    void *x = items[inner];
    memmove(items + inner, items + inner + 1, (size_t)(n - inner - 1) * sizeof *items);
    items[n - 1] = x;
}

static fv_buf *moved_buf(fv_lowerer *l, const fv_buf *b, int inner) {
    fv_expr *extent[FV_MAX_RANK];
    memcpy(extent, b->extent, (size_t)b->rank * sizeof *extent);
    move_last((void **)extent, b->rank, inner);
    return fv_buf_seen(l->exprs, b, b->rank, extent);
}

typedef struct mover {
    fv_lowerer *l;
    fv_ptrmap memo;
} mover;

/* Is the reduction x a sum of products that are not squares? The schedules for contractions compute
 * such sums in the order of their tiles, whatever the factors are. (sums.c decides another
 * question: whether a sum is computed repeatedly.) */
static bool is_product_sum(const fv_expr *x) {
    return x->u.red.kind == FV_SUM && x->arg[0]->op == FV_X_MUL &&
           x->arg[0]->arg[0] != x->arg[0]->arg[1];
}

/* Returns x with that body, and with the variable along which most loads are contiguous as its last
 * one, so that terms are contiguous in memory. */
static fv_expr *reduced_along(fv_arena *a, const fv_expr *x, fv_expr *body) {
    fv_var *vars[FV_MAX_RANK];
    int n = x->u.red.nvars, best = n - 1, most = 0;
    for (int i = n; i-- > 0;) {
        fv_load_count along = {0};
        fv_x_count_loads(body, vars[i] = x->u.red.vars[i], &along);
        best = along.contiguous > most ? i : best;
        most = along.contiguous > most ? along.contiguous : most;
    }
    move_last((void **)vars, n, best);
    return fv_x_reduce_like(a, x, n, vars, body);
}

static fv_expr *moved(mover *m, fv_expr *x) {
    fv_storage *s = fv_storage_loaded(m->l, x);
    if (!x->n)
        return x;
    fv_expr *known = fv_ptrmap_get(&m->memo, x), *args[FV_MAX_RANK + 2], *y;
    if (known)
        return known;
    for (int i = 0; i < x->n; i++)
        args[i] = moved(m, x->arg[i]);
    if (s && s->inner >= 0) {
        fv_buf *b = moved_buf(m->l, x->u.buf, s->inner);
        move_last((void **)args, b->rank, s->inner);
        y = x->op == FV_X_LOAD ? fv_x_load(m->l->exprs, b, args)
                               : fv_x_guard(m->l->exprs, b, args, args[b->rank], args[b->rank + 1]);
    } else if (x->op == FV_X_REDUCE && x->u.red.nvars > 1 && !is_product_sum(x))
        y = reduced_along(m->l->exprs, x, args[0]);
    else
        y = fv_x_with_args(m->l->exprs, x, args);
    *fv_ptrmap_at(&m->memo, x) = y;
    return y;
}

static fv_definition *in_order(fv_lowerer *l, fv_storage *s) {
    mover m = {.l = l, .memo = fv_ptrmap_in(l->current.scratch)};
    fv_definition *d = FV_NEW(l->exprs, fv_definition, 1);
    *d = *s->def;
    d->index = FV_NEW(l->exprs, fv_var *, d->rank + 1);
    memcpy(d->index, s->def->index, (size_t)d->rank * sizeof *d->index);
    if (s->inner >= 0)
        move_last((void **)d->index, d->rank, s->inner);
    d->body = moved(&m, d->body);
    d->place = d->place ? moved(&m, (fv_expr *)d->place) : NULL;
    return d;
}

/* ---- the order that a definition prefers ---- */

/* Returns the axis of d that is best stored last; *product: whether it is best as the columns of a
 * contraction. */
static int best_axis(fv_lowerer *l, const fv_definition *d, const fv_var *along, bool *product) {
    int axis = best_columns(l, d);
    *product = axis >= 0;
    return *product ? axis : followed(l, d, along);
}

typedef struct turning {
    fv_lowerer *l;
    const fv_var *last; /* the last axis of the type */
    bool costly;        /* d has sums or elementary functions */
    /* loads of values in another order that run across rows of the type */
    int across;
    fv_ptrmap seen;
} turning;

static void look_at(turning *t, const fv_expr *x) {
    if (!x->n || *fv_ptrmap_at(&t->seen, x))
        return;
    *fv_ptrmap_at(&t->seen, x) = (void *)(uintptr_t)x;
    const fv_storage *s = fv_storage_loaded(t->l, x);
    t->costly |= x->op == FV_X_REDUCE || fv_expr_op_is_math((fv_expr_op)x->op);
    t->across +=
        s && s->inner >= 0 && fv_x_uses(x, t->last) && !fv_x_adds(x->arg[s->inner], t->last);
    for (int i = 0; i < x->n; i++)
        look_at(t, x->arg[i]);
}

/* Can the kernel of d write the rows of the type at no cost? It can if it does little work and has
 * at most one load that runs across these rows: the schedule transposes blocks in registers
 * (backend/schedule/rows/transpose.c). */
static bool can_turn(fv_lowerer *l, const fv_definition *d) {
    if (!d->rank)
        return true; /* a scalar has no rows */
    turning t = {.l = l, .last = d->index[last_axis(d)], .seen = fv_ptrmap_in(l->current.scratch)};
    look_at(&t, d->body);
    return !t.costly && t.across <= 1;
}

/* ---- copies for readers that need the order of the type ---- */

typedef struct copying {
    fv_lowerer *l;
    fv_storage *of;
    fv_buf *copy;
    bool kept; /* the reader being examined wants the axis elsewhere than at the end */
} copying;

static void find_kept(void *user, fv_storage *s, int axis) {
    copying *c = user;
    c->kept |= s == c->of && axis == s->inner;
}

static fv_expr *load_copy(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    const copying *c = w->user;
    return fv_storage_loaded(c->l, x) == c->of ? fv_x_load_like(w->arena, x, c->copy, args, args)
                                               : NULL;
}

static void read_copy(copying *c, fv_storage *reader) {
    keeping k = {.l = c->l,
                 .reader = reader->def,
                 .keep = find_kept,
                 .user = c,
                 .seen = fv_ptrmap_in(c->l->current.scratch)};
    c->kept = false;
    keep_axes(&k, reader->def->body);
    if (!c->kept)
        return;
    fv_x_rewriter w = {.arena = c->l->exprs,
                       .memo = fv_ptrmap_in(c->l->current.scratch),
                       .after = load_copy,
                       .user = c};
    fv_definition *d = FV_NEW(c->l->exprs, fv_definition, 1);
    *d = *reader->def;
    d->body = fv_x_rewrite(&w, d->body);
    d->place = d->place ? fv_x_rewrite(&w, (fv_expr *)d->place) : NULL;
    reader->def = d;
}

/* The result of `op` is stored in another order than that of its type: adds a copy in the type's
 * order, for readers that need that order. Those are ops with kernels of their own, results of the
 * model, views, and definitions that want the moved axis elsewhere than at the end (note_uses). */
static void copy_for_readers(fv_lowerer *l, fv_op *op, fv_storage *s) {
    fv_value *v = s->value;
    const char *name = v->name;
    fv_op *copy =
        fv_op_new(op->block, op->next, fv_op_def(FV_OP_fv_Copy), 1, &v, 1, &name, op->origin);
    /* that cannot fail, since every tensor can be copied */
    FV_HOLDS(l->session, fv_op_infer(copy) && fv_define_op(l, copy));
    fv_storage *copied = fv_storage_of(l, copy->out[0]);
    layout_of(l, copied)->fixed = true;
    fv_declines(l, copied->value, FV_WHY_layout_copied, fv_v(v));
    copying c = {.l = l, .of = s, .copy = fv_value_buf(l->exprs, copied->value)};
    for (fv_op *reader = copy->next; reader; reader = reader->next) {
        for (int i = 0; fv_reads_memory(reader) && i < reader->nin; i++)
            if (reader->in[i] == v)
                fv_op_set_in(reader, i, copied->value);
        for (int i = 0; i < reader->nout; i++) {
            fv_storage *r = reader->out[i] ? fv_storage_of(l, reader->out[i]) : NULL;
            if (r && r->fate == FV_FATE_VIEW && r->of == s)
                r->of = copied;
            else if (r && fv_storage_has_kernel(r))
                read_copy(&c, r);
        }
    }
}

/* ---- decisions ---- */

/* Which axis of s is to be stored last; -1: the last one of its type, or the choice has been made
 * before. */
typedef struct choice {
    int axis;
    bool product; /* the axis holds the columns of a contraction */
    bool stays;   /* the value is not moved after all, because readers want the order of the type */
    fv_why why;   /* the reason for that */
} choice;

static choice stay(choice c, fv_why why) {
    c.stays = true;
    c.why = why;
    return c;
}

/* Chooses the axis for s. A kernel of a contraction, or one that does little work, can write the
 * order of the type at no cost if readers need it; the results of other kernels are moved, and
 * copied for these readers. Values in the memory of a Concat are not copied for readers. */
static choice choice_of(fv_lowerer *l, fv_storage *s) {
    const fv_definition *d = s->def;
    const fv_storage *home = fv_storage_home(s);
    const fv_axis_order *layout = home->layout;
    choice none = {.axis = -1}, c = none;
    if (layout->decided || d->rank < 2)
        return none;
    c.axis = best_axis(l, d, layout->along, &c.product);
    if (c.axis == last_axis(d))
        return none;
    if (layout->fixed || home->value->kind == FV_VALUE_PARAM)
        return c.product ? stay(c, FV_WHY_layout_fixed) : none;
    bool passing = c.product || can_turn(l, d);
    if (layout->returned && passing)
        return stay(c, FV_WHY_layout_returned);
    if (layout->copies && passing && home != s)
        return stay(c, FV_WHY_layout_part);
    if (layout->kept >> c.axis & 1 && (passing || home != s))
        return stay(c, FV_WHY_layout_kept);
    if (layout->ordered && (passing || home != s))
        return c.product ? stay(c, FV_WHY_layout_fixed) : none;
    return c;
}

/* Settles the order of s. The first part of a Concat decides the order of its memory. */
static void choose(fv_lowerer *l, fv_op *op, fv_storage *s) {
    fv_storage *home = fv_storage_home(s);
    fv_axis_order *layout = layout_of(l, home);
    choice c = choice_of(l, s);
    fv_fact length = c.axis < 0 ? fv_n(0) : fv_d(s->def->index[c.axis]->dim);
    layout->decided = true;
    if (c.axis >= 0 && c.stays)
        fv_declines(l, s->value, c.why, length);
    else if (c.axis >= 0) {
        home->inner = c.axis;
        fv_takes(l, s->value, c.product ? FV_WHY_layout_columns : FV_WHY_layout_follows, length);
    }
    s->inner = home->inner;
    if (home == s && s->inner >= 0 && (layout->ordered || layout->kept >> s->inner & 1))
        copy_for_readers(l, op, s);
}

/* Returns the axis of s that will be stored last, as far as that is known before `choose`; -1: that
 * of the type. Taking a sum out of the definition may still change it, since a value is not read
 * across rows by a sum that is no longer in it. */
static int moved_axis(fv_lowerer *l, fv_storage *s) {
    layout_of(l, fv_storage_home(s)); /* creates the record that choice_of reads */
    choice c = choice_of(l, s);
    return c.axis < 0 ? fv_storage_home(s)->inner : c.stays ? -1 : c.axis;
}

static void take_sums_out(fv_lowerer *l, fv_op *op, fv_storage *s);

static void settle(fv_lowerer *l, fv_op *op, fv_storage *s) {
    take_sums_out(l, op, s);
    choose(l, op, s);
}

static void settle_part(fv_lowerer *l, fv_op *op, fv_storage *s, const fv_var *along) {
    layout_of(l, s)->along = along;
    settle(l, op, s);
}

/* Makes values of their own of the sums that the kernel of s would compute again for each of
 * several elements. */
static void take_sums_out(fv_lowerer *l, fv_op *op, fv_storage *s) {
    fv_expr *sum;
    int moved = s->inner = moved_axis(l, s);
    fv_definition *d = fv_x_reductions(s->def->body, &sum, 1)
                           ? fv_merge_axes(l, fv_split_axes(l, in_order(l, s)))
                           : NULL;
    s->inner = -1;
    if (!d || !fv_repeats_sums(l, d, fv_map_vector(d)))
        return;
    int last = moved >= 0 && !fv_dim_is_one(s->def->index[moved]->dim) ? moved : last_axis(s->def);
    fv_take_sums_out(l, op, s, fv_map_vector(d) < 0 ? -1 : last, settle_part);
}

/* Adds copies of results of the model that are stored in another order than that of their type. */
static bool copy_moved(fv_lowerer *l) {
    fv_op *ret = l->func->body->last;
    for (int i = 0; i < ret->nin; i++) {
        const fv_value *v = ret->in[i];
        if (fv_storage_of(l, v)->inner < 0)
            continue;
        if (!fv_copy_result(l, ret, i))
            return false;
        fv_declines(l, ret->in[i], FV_WHY_layout_copied, fv_v(v));
    }
    return true;
}

/* Decides `inner` of each value, and reorders the axes of the definitions accordingly. */
bool fv_step_layout(fv_lowerer *l) {
    fv_op *first = l->func->body->first;
    bool any = false;
    for (fv_op *op = first; op; op = op->next)
        note_uses(l, op);
    for (fv_op *op = first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && fv_storage_has_kernel(s))
                settle(l, op, s);
            any |= s && s->inner >= 0;
        }
    if (any && !copy_moved(l))
        return false;
    /* taking out sums may have added ops before `first` */
    for (fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && fv_storage_has_kernel(s))
                s->def = in_order(l, s);
        }
    return true;
}
