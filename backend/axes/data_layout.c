/* data_layout.c - which axis of a value lies last in memory.
 *
 *     y[n, m, h, w] = sum k, c: x[n, c, h + k, w] * weight[m, c, k]      is stored as y[n, h, w, m]
 *
 * A convolution writes its channels last, so that they fill vectors whatever the size of the image: they
 * are columns of the constant factor, pixels are its rows. What is computed element by element from such
 * a value, or slides windows over it, follows. Parameters, what a kernel of its own reads and what is seen
 * through a reshape keep the order of their type; so do results, or they are copied. How a row is summed
 * follows from how it lies (order.c), so the choice is of the model alone, never of the target. */
#include <string.h>

#include "backend/axes/merge.h"
#include "backend/axes/split.h"
#include "backend/axes/sums.h"
#include "backend/lowering/access.h"
#include "backend/lowering/define.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/steps.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "ir/base/limits.h"
#include "ir/expr/unique.h"

enum { WIDE = 16,        /* columns that are worth it: the same for all targets, since row sums follow */
       MANY = 1 << 30 };

typedef struct fv_layout {
    bool fixed;    /* the axes lie in memory in the order of the type */
    uint32_t kept; /* axes that are not moved to the end there, as bits */
    bool returned; /* it is a result of the model */
    bool decided;
} fv_layout;

_Static_assert(FV_MAX_RANK <= 32, "fv_layout.kept has a bit for each axis");

static fv_layout *layout_of(fv_lowerer *l, fv_storage *s) {
    if (!s->layout)
        s->layout = FV_NEW(l->exprs, fv_layout, 1);
    return s->layout;
}

/* ---- who must keep the order of its type ---- */

static bool is_affine(const fv_expr *x) {
    switch (x->op) {
    case FV_X_CONST: case FV_X_DIM: case FV_X_VAR: return true;
    case FV_X_ADD: case FV_X_SUB: case FV_X_MUL: return is_affine(x->arg[0]) && is_affine(x->arg[1]);
    default: return false;
    }
}

/* Does x use a variable that indexes another axis of the load as well? */
static bool shares(const fv_expr *x, const fv_expr *load, int axis) {
    for (int i = 0; i < load->u.buf->rank && x->op == FV_X_VAR; i++)
        if (i != axis && fv_x_uses(load->arg[i], x->u.var))
            return true;
    for (int i = 0; i < x->n; i++)
        if (shares(x->arg[i], load, axis))
            return true;
    return false;
}

/* An axis of several that are one row seen as such, x[i floordiv 8, i mod 8], is not moved; nor is one that data
 * index. */
static void fix_reshaped(fv_lowerer *l, const fv_expr *x, fv_ptrmap *seen) {
    if (*fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_storage *s = fv_storage_loaded(l, x);
    for (int i = 0; i < x->n; i++) {
        if (s && i < x->u.buf->rank && !is_affine(x->arg[i]) &&
            (shares(x->arg[i], x, i) || fv_x_has_load(x->arg[i])))
            layout_of(l, s)->kept |= 1u << i;
        fix_reshaped(l, x->arg[i], seen);
    }
}

static void fix_uses(fv_lowerer *l, fv_op *op) {
    bool returns = op->def == &fv_return_def, own_kernel = fv_reads_memory(op) && !returns;
    fv_ptrmap seen = fv_ptrmap_in(l->exprs);
    for (int i = 0; (own_kernel || returns) && i < op->nin; i++)
        if (op->in[i]) {
            fv_storage *s = fv_storage_root(fv_storage_of(l, op->in[i]));
            fv_layout *layout = layout_of(l, s);
            *(returns && s->value == op->in[i] ? &layout->returned : &layout->fixed) = true;
        }
    for (int i = 0; i < op->nout; i++) {
        fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
        if (!s)
            continue;
        if (s->fate == FV_FATE_VIEW)
            layout_of(l, fv_storage_root(s))->fixed = true;
        else if (!s->def || fv_elem_is_packed(s->value->type->elem))
            layout_of(l, s)->fixed = true;
        else if (fv_storage_has_kernel(s))
            fix_reshaped(l, s->def->body, &seen);
    }
}

/* ---- choices ---- */

static int last_axis(const fv_definition *d) {
    int i = d->rank - 1;
    while (i > 0 && fv_dim_is_one(d->index[i]->dim))
        i--;
    return i;
}

static int64_t extent_of(const fv_var *v) {
    int64_t n = fv_typical_dim(v->dim);
    return n < 0 || n > MANY ? MANY : n;
}

/* What it takes to read factor x of a sum with neighbouring columns as neighbours: nothing, or a copy of it;
 * least of all where that is made beforehand. */
static int64_t cost_of_columns(fv_lowerer *l, const fv_definition *d, const fv_expr *sum, const fv_expr *x,
                               int column) {
    x = fv_x_stored(x);
    const fv_storage *s = fv_storage_loaded(l, x);
    if (s && s->value->kind == FV_VALUE_CONST)
        return extent_of(d->index[column]) < WIDE ? 0 : -1;
    if (s && fv_x_adds(x->arg[s->inner >= 0 ? s->inner : x->u.buf->rank - 1], d->index[column]))
        return 0;
    int64_t n = 1;
    for (int i = 0; i < d->rank && n < MANY; i++)
        n *= fv_x_uses(x, d->index[i]) ? extent_of(d->index[i]) : 1;
    for (int i = 0; i < sum->u.red.nvars && n < MANY; i++)
        n *= extent_of(sum->u.red.vars[i]);
    return n;
}

/* Which axis a sum of products best has as its columns; -1: d is no such sum. */
static int best_columns(fv_lowerer *l, const fv_definition *d) {
    fv_expr *sums[2];
    int best = -1, last = last_axis(d);
    int64_t least = 0;
    if (fv_x_reductions(d->body, sums, 2) != 1 || sums[0]->u.red.kind != FV_SUM ||
        sums[0]->arg[0]->op != FV_X_MUL)
        return -1;
    for (int i = d->rank; i-- > 0;) {
        const fv_expr *const *x = (const fv_expr *const *)sums[0]->arg[0]->arg;
        const fv_dim *n = d->index[i]->dim;
        bool in[2] = {fv_x_uses(x[0], d->index[i]), fv_x_uses(x[1], d->index[i])};
        if ((!in[0] && !in[1]) || (i != last && (!fv_dim_is_const(n) || n->value < WIDE)))
            continue;
        int64_t cost = cost_of_columns(l, d, sums[0], x[in[1]], i);
        if (in[0] && in[1]) { /* each channel by itself: weights are packed, the other must lie well */
            int64_t other = cost_of_columns(l, d, sums[0], x[0], i);
            bool groups = fv_group_size(sums[0], d->index[i]) >= WIDE; /* columns are those of one */
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

/* Counts, for each axis of d, the loads for which it runs along memory. */
static void count_runs(fv_lowerer *l, const fv_definition *d, const fv_expr *x, int *runs, int *moved,
                       fv_ptrmap *seen) {
    if (*fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_storage *s = fv_storage_loaded(l, x);
    if (s && s->value->kind != FV_VALUE_CONST && x->u.buf->rank > 1) {
        int inner = s->inner >= 0 ? s->inner : x->u.buf->rank - 1;
        for (int i = 0; i < d->rank; i++)
            if (fv_x_adds(x->arg[inner], d->index[i])) {
                runs[i]++;
                *moved += s->inner >= 0;
            }
    }
    for (int i = 0; i < x->n; i++)
        count_runs(l, d, x->arg[i], runs, moved, seen);
}

static int followed(fv_lowerer *l, const fv_definition *d) {
    int runs[FV_MAX_RANK] = {0}, moved = 0, best = last_axis(d);
    fv_ptrmap seen = fv_ptrmap_in(l->exprs);
    count_runs(l, d, d->body, runs, &moved, &seen);
    for (int i = 0; moved && i < d->rank; i++)
        if (runs[i] > runs[best])
            best = i;
    return best;
}

/* ---- definitions in terms of what lies where ---- */

/* Axis `inner` goes to the end. */
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

/* Is it a sum of products that are not squares? Contractions have the order of their tiles. */
static bool is_product_sum(const fv_expr *x) {
    return x->u.red.kind == FV_SUM && x->arg[0]->op == FV_X_MUL && x->arg[0]->arg[0] != x->arg[0]->arg[1];
}

/* x with another body, which reads what has been moved: the variable along which most of that lies comes last, so that its terms
 * are neighbours. */
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
    } else if (x->op == FV_X_REDUCE && x->u.red.nvars > 1 && args[0] != x->arg[0] && !is_product_sum(x))
        y = reduced_along(m->l->exprs, x, args[0]);
    else
        y = fv_x_with_args(m->l->exprs, x, args);
    *fv_ptrmap_at(&m->memo, x) = y;
    return y;
}

static fv_definition *in_order(fv_lowerer *l, fv_storage *s) {
    mover m = {.l = l, .memo = fv_ptrmap_in(l->exprs)};
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

/* ---- decisions ---- */

/* The axis of d that is best last in memory; *product: as columns of a contraction. */
static int best_axis(fv_lowerer *l, const fv_definition *d, bool *product) {
    int axis = best_columns(l, d);
    *product = axis >= 0;
    return *product ? axis : followed(l, d);
}

typedef struct turning {
    fv_lowerer *l;
    const fv_var *last; /* of the type */
    bool costly;        /* sums, or elementary functions */
    int across;         /* loads of what lies in another order: rows of the type run across that */
    fv_ptrmap seen;
} turning;

static void look_at(turning *t, const fv_expr *x) {
    if (!x->n || *fv_ptrmap_at(&t->seen, x))
        return;
    *fv_ptrmap_at(&t->seen, x) = (void *)(uintptr_t)x;
    const fv_storage *s = fv_storage_loaded(t->l, x);
    t->costly |= x->op == FV_X_REDUCE || fv_expr_op_is_math((fv_expr_op)x->op);
    t->across += s && s->inner >= 0 && fv_x_uses(x, t->last) && !fv_x_adds(x->arg[s->inner], t->last);
    for (int i = 0; i < x->n; i++)
        look_at(t, x->arg[i]);
}

/* Can the kernel of d write rows of the type in passing? Blocks are turned around for little work, on one load (schedule/transpose.c). */
static bool can_turn(fv_lowerer *l, const fv_definition *d) {
    turning t = {.l = l, .last = d->index[last_axis(d)], .seen = fv_ptrmap_in(l->exprs)};
    look_at(&t, d->body);
    return !t.costly && t.across <= 1;
}

/* The memory of a Concat is in the order that suits the first of its parts. A result of the model is moved, and
 * then copied, where its kernel could not write the rows of its type in passing. */
static void choose(fv_lowerer *l, fv_storage *s) {
    const fv_definition *d = s->def;
    fv_storage *home = fv_storage_home(s);
    fv_layout *layout = layout_of(l, home);
    layout->fixed |= home->value->kind == FV_VALUE_PARAM;
    if (!layout->fixed && !layout->decided && d->rank > 1) {
        bool product;
        int axis = best_axis(l, d, &product);
        fv_fact length = fv_d(d->index[axis]->dim);
        bool moves = axis != last_axis(d), stays = layout->returned && (product || can_turn(l, d));
        if (moves && stays)
            fv_declines(l, s->value, FV_WHY_layout_returned, length);
        else if (moves && layout->kept >> axis & 1)
            fv_declines(l, s->value, FV_WHY_layout_kept, length);
        else if (moves) {
            home->inner = axis;
            fv_takes(l, s->value, product ? FV_WHY_layout_columns : FV_WHY_layout_follows, length);
        }
        layout->decided = true;
    } else if (l->reasons && layout->fixed && d->rank > 1) { /* for who asks */
        int axis = best_columns(l, d);
        if (axis >= 0 && axis != last_axis(d))
            fv_declines(l, s->value, FV_WHY_layout_fixed, fv_d(d->index[axis]->dim));
    }
    s->inner = home->inner;
}

/* The axis of s that will be last in memory, as far as that is known before `choose`; -1: that of the type. */
static int moved_axis(fv_lowerer *l, fv_storage *s) {
    fv_storage *home = fv_storage_home(s);
    const fv_layout *layout = layout_of(l, home);
    bool product;
    if (layout->fixed || layout->decided || home->value->kind == FV_VALUE_PARAM || s->def->rank < 2)
        return home->inner;
    int axis = best_axis(l, s->def, &product);
    return axis == last_axis(s->def) || layout->kept >> axis & 1 ? -1 : axis;
}

static void take_sums_out(fv_lowerer *l, fv_op *op, fv_storage *s);

static void settle(fv_lowerer *l, fv_op *op, fv_storage *s) {
    take_sums_out(l, op, s);
    choose(l, s);
}

/* Sums that the kernel of s would take again for elements that share them become values of their own. */
static void take_sums_out(fv_lowerer *l, fv_op *op, fv_storage *s) {
    fv_expr *sum;
    int moved = s->inner = moved_axis(l, s);
    fv_definition *d = fv_x_reductions(s->def->body, &sum, 1) ? fv_merge_axes(l, fv_split_axes(l, in_order(l, s))) : NULL;
    s->inner = -1;
    if (!d || !fv_repeats_sums(l, d))
        return;
    int last = moved >= 0 && !fv_dim_is_one(s->def->index[moved]->dim) ? moved : last_axis(s->def);
    fv_take_sums_out(l, op, s, fv_map_vector(d) < 0 ? -1 : last, settle);
}

/* Results of the model that lie in another order are copied. */
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

/* Decides `inner`, and puts it into the definitions. */
bool fv_step_layout(fv_lowerer *l) {
    fv_op *first = l->func->body->first;
    bool any = false;
    for (fv_op *op = first; op; op = op->next)
        fix_uses(l, op);
    for (fv_op *op = first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && fv_storage_has_kernel(s))
                settle(l, op, s);
            any |= s && s->inner >= 0;
        }
    if (any && !copy_moved(l))
        return false;
    for (fv_op *op = first; any && op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && fv_storage_has_kernel(s))
                s->def = in_order(l, s);
        }
    return true;
}
