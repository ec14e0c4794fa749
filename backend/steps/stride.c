/* stride.c - the step stride: rows that a product reads are stored further apart if they would be
 * in few sets of the first-level cache.
 *
 *     h[i, k] = relu(..)                     rows of 3072 floats, 12 kB apart: a multiple of 4 kB
 *     y[i, j] = sum k: h[i, k] * w[k, j]
 *  =>
 *     h[i, k] is stored at p[i, k]           rows of 3088 floats: a line further apart
 *     y[i, j] = sum k: p[i, k] * w[k, j]
 *
 * The value p is assembled of h alone. What follows a row of h in p is neither written nor read.
 * The step is for values that all readers load row by row; the rows of an input are where the
 * caller has stored them. No bit of a result depends on this step. */
#include "backend/axes/merge.h"
#include "backend/axes/split.h"
#include "backend/fuse/form.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/schedule/contract/contract.h"
#include "backend/steps/larger.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/definition/view.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/unique.h"
#include "ir/expr/visit.h"

/* A value whose rows a product reads from few sets of the first-level cache. */
typedef struct matrix {
    fv_storage *s;
    const fv_value *product;
    fv_competing by;       /* how `product` reads s; the member `load` is not used here */
    const fv_value *other; /* a reader that does not read s row by row; NULL: none */
    fv_buf *apart;         /* the buffer with space between rows; NULL: rows stay where they are */
    struct matrix *next;
} matrix;

typedef struct strider {
    fv_lowerer *l;
    fv_ptrmap matrices; /* storage -> its matrix */
    matrix *first;
    bool again; /* whether a matrix was given up */
} strider;

/* ---- products ---- */

/* Is the last axis of the load, whose axes are merged, the last one of s in memory? */
static bool is_last_axis(fv_lowerer *l, const fv_storage *s, const fv_expr *load) {
    const fv_type *t = s->value->type;
    return fv_buf_dim(l->module->dims, load->u.buf, load->u.buf->rank - 1) ==
           t->dims[fv_memory_axis(t->rank, s->inner, t->rank - 1)];
}

static void look_for_product(void *user, fv_storage *reader) {
    strider *p = user;
    fv_lowerer *l = p->l;
    fv_competing by;
    if (fv_form_of(l, reader->def) != FV_FORM_CONTRACT ||
        !fv_contract_competes(l, fv_merge_axes(l, fv_split_axes(l, reader->def)), &by))
        return;
    fv_storage *s = fv_storage_loaded(l, by.load);
    if (s->value->kind == FV_VALUE_CONST || fv_ptrmap_get(&p->matrices, s))
        return;
    matrix *m = FV_NEW(l->exprs, matrix, 1);
    *m = (matrix){.s = s, .product = reader->value, .by = by, .next = p->first};
    p->first = *fv_ptrmap_at(&p->matrices, s) = m;
    if (!is_last_axis(l, s, by.load))
        m->other = reader->value;
}

/* ---- where rows may be stored ---- */

static int64_t line_bytes(const fv_lowerer *l) {
    return fv_processor_of(l->target)->prefetch.line_bytes;
}

/* The extents of the value with space between its rows, in the order of memory. */
static void extents(fv_lowerer *l, const fv_storage *s, const fv_dim **extent) {
    const fv_definition *d = s->def;
    fv_dims *t = l->module->dims;
    int64_t space = line_bytes(l) / fv_elem_storage_bytes(s->value->type->elem);
    for (int i = 0; i < d->rank; i++)
        extent[i] = d->index[i]->dim;
    extent[d->rank - 1] = fv_dim_add(t, extent[d->rank - 1], fv_dim_const(t, space));
}

/* Does the kernel that computes s read it again, for another result? */
static bool is_read_by_own_kernel(fv_lowerer *l, const fv_storage *s) {
    const fv_op *op = s->value->def;
    for (int i = 0; i < op->nout; i++) {
        const fv_storage *other = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
        if (other && other->def && fv_storage_is_read_by(l, s, other->def))
            return true;
    }
    return false;
}

/* Has the value a kernel that may store it elsewhere, and is its memory read through its definition
 * only, and by other kernels? */
static bool may_move(fv_lowerer *l, const matrix *m) {
    const fv_storage *s = m->s;
    bool may = s->value->kind == FV_VALUE_RESULT && s->fate == FV_FATE_MEMORY && s->def &&
               s->def->rank == s->value->type->rank && fv_is_private(l, s->value) &&
               !is_read_by_own_kernel(l, s);
    return may || fv_declines(l, s->value, FV_WHY_stride_memory, fv_v(m->product));
}

/* A buffer of the value of s that has space between its rows. Readers are examined with this buffer
 * before a value with such memory is made. */
static fv_buf *spaced(fv_lowerer *l, const fv_storage *s) {
    const fv_dim *dims[FV_MAX_RANK];
    fv_expr *extent[FV_MAX_RANK];
    extents(l, s, dims);
    for (int i = 0; i < s->def->rank; i++)
        extent[i] = fv_x_dim(l->exprs, dims[i]);
    return fv_buf_seen(l->exprs, fv_value_buf(l->exprs, s->value), s->def->rank, extent);
}

/* ---- readers ---- */

static fv_expr *load_apart(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    const strider *p = w->user;
    const fv_storage *s = fv_storage_loaded(p->l, x);
    const matrix *m = s ? fv_ptrmap_get(&p->matrices, s) : NULL;
    if (!m || !m->apart)
        return NULL;
    int rank = m->apart->rank;
    return x->op == FV_X_LOAD ? fv_x_load(w->arena, m->apart, args)
                              : fv_x_guard(w->arena, m->apart, args, args[rank], args[rank + 1]);
}

static fv_definition *reading_apart(strider *p, const fv_definition *d) {
    fv_x_rewriter w = {.arena = p->l->exprs,
                       .memo = fv_ptrmap_in(p->l->current.scratch),
                       .after = load_apart,
                       .user = p};
    return fv_definition_rewritten(&w, d);
}

/* Is the last index of the load x a variable that takes each value of the last axis and is in no
 * other index of x? Then x reads the elements of one row as the variable changes. */
static bool is_by_row(fv_dims *t, const fv_expr *x) {
    int last = x->u.buf->rank - 1;
    const fv_expr *k = x->arg[last];
    bool is = k->op == FV_X_VAR && fv_buf_dim(t, x->u.buf, last) == k->u.var->dim;
    for (int i = 0; i < last && is; i++)
        is = !fv_x_uses(x->arg[i], k->u.var);
    return is;
}

/* Does `body` have a sum whose chains are along several variables, merged into one? */
static bool sums_over_rows(fv_arena *a, fv_expr *body) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(a, body); (x = fv_x_next(&v));)
        if (x->op == FV_X_REDUCE && x->u.red.along > 1)
            return true;
    return false;
}

static void give_up(strider *p, matrix *m, const fv_value *reader) {
    m->other = reader;
    m->apart = NULL;
    p->again = true;
}

/* Gives up the matrices that the reader does not load row by row; and all that it loads if space
 * between their rows would change the form of its definition or the order of its sums. */
static void look_at_reader(void *user, fv_storage *reader) {
    strider *p = user;
    fv_lowerer *l = p->l;
    const fv_expr *x;
    const fv_definition *apart = reading_apart(p, reader->def);
    if (apart->body == reader->def->body)
        return;
    fv_definition seen = *apart;
    fv_update_form(l, &seen);
    bool same =
        fv_form_same(seen.form, reader->def->form) && !sums_over_rows(l->exprs, reader->def->body);
    for (fv_x_visitor v = fv_x_visit(l->current.scratch, reader->def->body); (x = fv_x_next(&v));) {
        const fv_storage *s = fv_storage_loaded(l, x);
        matrix *m = s ? fv_ptrmap_get(&p->matrices, s) : NULL;
        if (m && m->apart && (!same || !is_by_row(l->module->dims, x)))
            give_up(p, m, reader->value);
    }
}

static void read_apart(void *user, fv_storage *reader) {
    reader->def = reading_apart(user, reader->def);
}

/* ---- the value with space between its rows ---- */

static void store_apart(fv_lowerer *l, matrix *m) {
    static const int64_t at[FV_MAX_RANK] = {0};
    fv_storage *s = m->s;
    const fv_dim *extent[FV_MAX_RANK];
    const char *name = fv_printf(l->exprs, "%s.apart", s->value->name);
    extents(l, s, extent);
    fv_op *op = fv_add_like(l, s, s->value->def->next, name, "Apart", 1, &s->value, extent);
    fv_storage *whole = fv_storage_of(l, op->out[0]);
    whole->fate = FV_FATE_ASSEMBLED;
    m->apart = fv_buf_in_memory(l, whole);
    fv_store_within(l, s, whole, m->apart, at);
    fv_takes(l, s->value, FV_WHY_strides, fv_n(line_bytes(l)), fv_v(whole->value), fv_n(m->by.rows),
             fv_v(m->product), fv_n(m->by.sets));
    fv_takes(l, whole->value, FV_WHY_stride_parts, fv_v(s->value));
}

bool fv_step_stride(fv_lowerer *l) {
    strider p = {.l = l, .matrices = fv_ptrmap_in(l->current.scratch)};
    bool any = false;
    fv_each_kernel(l, look_for_product, &p);
    for (matrix *m = p.first; m; m = m->next)
        m->apart = !m->other && may_move(l, m) ? spaced(l, m->s) : NULL;
    do {
        p.again = false;
        fv_each_kernel(l, look_at_reader, &p);
    } while (p.again);
    for (matrix *m = p.first; m; m = m->next) {
        if (m->other)
            fv_declines(l, m->s->value, FV_WHY_stride_read, fv_v(m->product), fv_v(m->other));
        else if (m->apart) {
            store_apart(l, m);
            any = true;
        }
    }
    if (any)
        fv_each_kernel(l, read_apart, &p);
    return true;
}
