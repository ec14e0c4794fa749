/* panels.c - operands of contractions, laid out in the order in which their kernel reads them.
 *
 * The factor b[.., k, j] that goes with the columns becomes panels of `width` columns,
 *     p[.., j / width, k, j % width]      0 beyond the last column
 * so that a register tile reads one panel from end to end. One layout serves all row counts. Panels
 * of constants are made here and replace the constant, or several that stand side by side; others
 * are made by a kernel in the run. Of several factors that one tile reads, a panel has `width`
 * columns of each, side by side for every k. */
#include "backend/schedule/contract/panels.h"

#include <string.h>

#include "backend/axes/products.h"
#include "backend/consumer/consumer.h"
#include "backend/lowering/access.h"
#include "backend/lowering/why.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/base/limits.h"
#include "ir/base/mapping.h"
#include "ir/expr/affine.h"
#include "ir/expr/fold.h"
#include "ir/expr/rewrite.h"

/* ---- affine indices ---- */

enum {
    MAX_LOOPS = 2 * FV_MAX_RANK,
    MAX_PIECES = 4,
    MOST_JOINED = 1 << 16 /* columns that are looked at one by one */
};

typedef struct affine {
    int64_t at; /* where all variables are 0 */
    int64_t by[MAX_LOOPS];
} affine;

static void add_scaled(affine *to, const affine *x, int n, int64_t k) {
    to->at += k * x->at;
    for (int i = 0; i < n; i++)
        to->by[i] += k * x->by[i];
}

/* x as an affine function of the variables. */
static bool affine_of(fv_dims *t, const fv_expr *x, int n, const fv_var *const *vars, affine *out) {
    fv_affine f = fv_affine_of(&(fv_affines){.dims = t}, x);
    bool is = fv_affine_is_of_vars(&f) && fv_dim_is_const(f.rest);
    *out = (affine){.at = is ? f.rest->value : 0};
    for (int i = 0; i < f.n && is; i++) {
        int k = 0;
        while (k < n && vars[k] != f.term[i].x->u.var)
            k++;
        is = k < n;
        if (is)
            out->by[k] = f.term[i].by->value;
    }
    return is;
}

/* Where in the buffer the load reads, in elements. */
static bool offset_of(fv_dims *t, const fv_expr *load, int n, const fv_var *const *vars,
                      affine *out) {
    const fv_buf *b = load->u.buf;
    int64_t stride = 1, extent;
    *out = (affine){0};
    for (int i = b->rank; i-- > 0;) {
        affine a;
        const fv_expr *e = b->extent[i];
        if (!affine_of(t, load->arg[i], n, vars, &a))
            return false;
        add_scaled(out, &a, n, stride);
        if (e->op == FV_X_DIM || !fv_x_is_int(e, &extent))
            return false;
        stride *= extent;
    }
    return true;
}

/* ---- panels of constants ---- */

/* One run of `columns` columns of every k: to[k.., r] = from[at + k.. + r * by], where k is
 * `stride` apart. */
typedef struct run {
    const uint8_t *from;
    uint8_t *to;
    int nk;
    const int64_t *count, *by; /* of each k */
    int64_t columns, stride, column_by;
} run;

#define COPY(type)                                                                                 \
    for (int64_t i = 0; i < count; i++)                                                            \
        for (int64_t r = 0; r < u->columns; r++)                                                   \
    memcpy(to + (i * u->stride + r) * (int64_t)sizeof(type),                                       \
           from + (i * by + r * u->column_by) * (int64_t)sizeof(type), sizeof(type))

static int64_t copy_run(const run *u, int k, int size, int64_t at, int64_t done) {
    if (k < u->nk - 1) {
        for (int64_t i = 0; i < u->count[k]; i++)
            done = copy_run(u, k + 1, size, at + i * u->by[k], done);
        return done;
    }
    const uint8_t *from = u->from + at * size;
    uint8_t *to = u->to + done * u->stride * size;
    int64_t count = u->count[k], by = u->by[k];
    switch (size) {
    case 1: COPY(uint8_t); break;
    case 2: COPY(uint16_t); break;
    case 4: COPY(uint32_t); break;
    default: COPY(uint64_t); break;
    }
    return done + count;
}

/* Columns from `first` to before `end` of a factor are of this constant. */
typedef struct piece {
    const fv_tensor *tensor;
    affine at; /* by outer axes, the column, axes of the sum */
    int64_t first, end;
} piece;

/* What is laid out, and how: equal ones are made once. */
typedef struct layout {
    int64_t columns;
    int width, nfactors, nouter, nk;
    int64_t count[MAX_LOOPS]; /* outer axes, then those of the sum */
    struct factor {
        /* more than one: of constants side by side, of which no copy is made but this */
        int npieces;
        piece of[MAX_PIECES]; /* in order of their columns; together all of them */
    } factor[FV_MAX_SUMS];
    const fv_tensor *made; /* NULL: not yet */
    fv_value *value;       /* that it is */
    struct layout *next;   /* whose first factor begins with the same tensor */
} layout;

static fv_elem elem_of(const layout *p) {
    return p->factor[0].of[0].tensor->elem;
}

/* The columns of a piece that are in this block, of all k. */
static void pack_block(const layout *p, const piece *f, int64_t at, int64_t block, uint8_t *to) {
    const int size = fv_elem_storage_bytes(f->tensor->elem);
    const int64_t from = block * p->width, first = f->first > from ? f->first : from;
    const int64_t end = f->end < from + p->width ? f->end : from + p->width,
                  column_by = f->at.by[p->nouter];
    if (first >= end)
        return;
    run u = {.from = f->tensor->data,
             .to = to + (first - from) * size,
             .nk = p->nk,
             .count = p->count + p->nouter,
             .by = f->at.by + p->nouter + 1,
             .columns = end - first,
             .stride = (int64_t)p->nfactors * p->width,
             .column_by = column_by};
    copy_run(&u, 0, size, at + first * column_by, 0);
}

static void pack_piece(const layout *p, const piece *f, int64_t outer, int64_t blocks,
                       int64_t depth, uint8_t *to) {
    const int size = fv_elem_storage_bytes(f->tensor->elem);
    int64_t at = f->at.at, rest = outer;
    for (int i = p->nouter; i-- > 0; rest /= p->count[i])
        at += rest % p->count[i] * f->at.by[i];
    for (int64_t b = f->first / p->width; b < blocks && b * p->width < f->end; b++)
        pack_block(p, f, at, b, to + (outer * blocks + b) * depth * p->nfactors * p->width * size);
}

static void pack_all(const layout *p, int64_t outers, int64_t blocks, int64_t depth, uint8_t *to) {
    const int size = fv_elem_storage_bytes(elem_of(p));
    for (int64_t o = 0; o < outers; o++)
        for (int f = 0; f < p->nfactors; f++)
            for (int i = 0; i < p->factor[f].npieces; i++)
                pack_piece(p, &p->factor[f].of[i], o, blocks, depth,
                           to + (int64_t)f * p->width * size);
}

static const fv_tensor *pack(fv_lowerer *l, const layout *p) {
    int64_t dims[MAX_LOOPS + 1], blocks = (p->columns + p->width - 1) / p->width, depth = 1,
                                 outers = 1;
    int rank = 0;
    fv_elem elem = elem_of(p);
    for (int i = 0; i < p->nouter; i++)
        outers *= dims[rank++] = p->count[i];
    dims[rank++] = blocks;
    for (int i = 0; i < p->nk; i++)
        depth *= dims[rank++] = p->count[p->nouter + i];
    dims[rank++] = (int64_t)p->nfactors * p->width;
    fv_tensor *t = FV_NEW(l->arena, fv_tensor, 1);
    int64_t *own = FV_NEW(l->arena, int64_t, rank);
    memcpy(own, dims, (size_t)rank * sizeof *own);
    *t = (fv_tensor){.elem = elem, .rank = rank, .dims = own};
    if (!fv_tensor_size(elem, rank, own, &t->count, &t->bytes))
        return NULL;
    if (l->options->look)
        return t;
    uint8_t *to = fv_alloc_aligned(l->arena, t->bytes + 1, FV_BUFFER_ALIGN);
    t->data = to;
    if (p->columns % p->width)
        memset(to, 0, t->bytes);
    pack_all(p, outers, blocks, depth, to);
    return t;
}

static bool const_dim(const fv_var *v, int64_t *n) {
    *n = v->dim->value;
    return fv_dim_is_const(v->dim);
}

static bool same_layout(const layout *a, const layout *b) {
    bool same = a->columns == b->columns && a->width == b->width && a->nfactors == b->nfactors &&
                a->nouter == b->nouter && a->nk == b->nk &&
                !memcmp(a->count, b->count, sizeof a->count);
    for (int i = 0; same && i < a->nfactors; i++) {
        same = a->factor[i].npieces == b->factor[i].npieces;
        for (int k = 0; same && k < a->factor[i].npieces; k++) {
            const piece *x = &a->factor[i].of[k], *y = &b->factor[i].of[k];
            same = x->tensor == y->tensor && x->first == y->first && x->end == y->end &&
                   !memcmp(&x->at, &y->at, sizeof(affine));
        }
    }
    return same;
}

/* The one that is equal: there is one from now on. */
static layout *layout_of(fv_lowerer *l, const layout *key) {
    layout **first = (layout **)fv_ptrmap_at(&l->layouts, key->factor[0].of[0].tensor);
    for (layout *p = *first; p; p = p->next)
        if (same_layout(p, key))
            return p;
    layout *p = FV_NEW(l->arena, layout, 1);
    *p = *key;
    p->next = *first;
    return *first = p;
}

/* A constant whose index is affine? */
static bool is_affine_constant(fv_dims *t, const fv_expr *load, int n, const fv_var *const *vars,
                               piece *f) {
    const fv_value *v = load->u.buf->value;
    if (!v || v->kind != FV_VALUE_CONST || fv_elem_is_packed(v->type->elem))
        return false;
    f->tensor = v->tensor;
    return offset_of(t, load, n, vars, &f->at);
}

typedef struct column_at {
    const fv_var *column;
    int64_t j;
} column_at;

static bool is_column(void *user, const fv_var *v, int64_t *value) {
    const column_at *at = user;
    *value = at->j;
    return v == at->column;
}

/* Which constant the column is of, where several stand side by side: `w[k, j] if j < 8 else v[k, j
 * - 8] if ...`. NULL: something else than the column decides that, or it is of none. */
static const fv_expr *piece_at(const fv_expr *x, const fv_var *column, int64_t j) {
    int64_t here;
    while (x->op == FV_X_GUARD) {
        int rank = x->u.buf->rank;
        if (!fv_x_value(x->arg[rank], is_column, &(column_at){column, j}, &here))
            return NULL;
        if (here)
            return x;
        x = x->arg[rank + 1];
    }
    return x->op == FV_X_LOAD ? x : NULL;
}

static bool find_pieces(fv_dims *t, const fv_expr *x, int n, const fv_var *const *vars,
                        const fv_var *column, struct factor *f) {
    const fv_expr *last = NULL;
    f->npieces = 0;
    if (column->dim->value > MOST_JOINED)
        return false;
    for (int64_t j = 0; j < column->dim->value; j++) {
        const fv_expr *at = piece_at(x, column, j);
        if (!at || (at != last && f->npieces == MAX_PIECES))
            return false;
        if (at != last) {
            f->of[f->npieces] = (piece){.first = j};
            if (!is_affine_constant(t, at, n, vars, &f->of[f->npieces]))
                return false;
            f->npieces++;
        }
        f->of[f->npieces - 1].end = j + 1;
        last = at;
    }
    return f->npieces > 0;
}

bool fv_is_joined_constant(const fv_expr *x, const fv_var *column) {
    x = fv_x_stored(x);
    if (x->op != FV_X_GUARD || !fv_dim_is_const(column->dim) || column->dim->value > MOST_JOINED)
        return false;
    const fv_expr *last = NULL;
    for (int64_t j = 0, n = 0; j < column->dim->value; j++) {
        const fv_expr *at = piece_at(x, column, j);
        if (!at || ((const fv_value *)at->u.buf->value)->kind != FV_VALUE_CONST ||
            (at != last && n++ == MAX_PIECES))
            return false;
        last = at;
    }
    return last;
}

/* Panels of constants whose indices are affine; NULL: they are not. */
static layout *constant_panels(fv_lowerer *l, int nfactors, fv_expr *const *loads, int nouter,
                               fv_var *const *outer, const fv_var *column, int nk,
                               fv_var *const *ks, int width) {
    layout key = {.width = width, .nfactors = nfactors, .nouter = nouter, .nk = nk};
    const fv_var *vars[MAX_LOOPS];
    if (nouter + nk + 1 > MAX_LOOPS || nk == 0 || !const_dim(column, &key.columns))
        return NULL;
    int n = 0;
    bool known = true;
    for (int i = 0; i < nouter; i++) {
        known &= const_dim(outer[i], &key.count[i]);
        vars[n++] = outer[i];
    }
    vars[n++] = column;
    for (int i = 0; i < nk; i++) {
        known &= const_dim(ks[i], &key.count[nouter + i]);
        vars[n++] = ks[i];
    }
    for (int i = 0; i < nfactors && known; i++)
        known = find_pieces(l->module->dims, loads[i], n, vars, column, &key.factor[i]);
    for (int i = 0; i < nfactors && known; i++)
        for (int k = 0; k < key.factor[i].npieces; k++)
            known &= key.factor[i].of[k].tensor->elem == elem_of(&key);
    if (!known)
        return NULL;
    layout *p = layout_of(l, &key);
    if (!p->made) {
        p->made = pack(l, p);
        for (int i = 0; i < nfactors; i++)
            for (int k = 0; k < p->factor[i].npieces; k++)
                fv_mapping_drop(l->session, p->factor[i].of[k].tensor->data,
                                p->factor[i].of[k].tensor->bytes);
    }
    return p->made ? p : NULL;
}

/* Column `at` of a panel of x, 0 beyond the last one and where not `here` (NULL: it is here). */
static fv_expr *column_of_panel(fv_lowerer *l, fv_expr *x, const fv_panels *p, fv_var *column,
                                fv_expr *at, fv_expr *here) {
    fv_arena *a = l->exprs;
    fv_expr *j =
        fv_x_bin(a, FV_X_ADD,
                 fv_x_bin(a, FV_X_MUL, fv_x_var(a, p->index[p->panel]), fv_x_int(a, p->width)), at);
    x = fv_x_replace_vars(a, x, 1, &column, &j);
    fv_expr *inside = here;
    if (!fv_dim_is_const(column->dim) || column->dim->value % p->width) {
        inside = fv_x_bin(a, FV_X_LT, j, fv_x_dim(a, column->dim));
        inside = here ? fv_x_bin(a, FV_X_AND, here, inside) : inside;
    }
    if (!inside)
        return x;
    fv_expr *guarded = fv_x_guard_all(a, x, inside);
    if (x->op == FV_X_LOAD)
        return guarded;
    return fv_x_select(a, inside, guarded, fv_x_zero(a, (fv_elem)x->type.elem));
}

/* An element of the panels, over their indices. */
static fv_expr *element_of_panel(fv_lowerer *l, int n, fv_expr *const *x, const fv_panels *p,
                                 fv_var *column, int rank) {
    fv_arena *a = l->exprs;
    fv_expr *c = fv_x_var(a, p->index[rank - 1]), *y = NULL;
    if (n == 1)
        return column_of_panel(l, x[0], p, column, c, NULL);
    for (int i = n; i-- > 0;) { /* of the factor whose columns those from i * width on are */
        fv_expr *first = fv_x_int(a, (int64_t)i * p->width),
                *end = fv_x_int(a, (int64_t)(i + 1) * p->width);
        fv_expr *here =
            fv_x_bin(a, FV_X_AND, fv_x_bin(a, FV_X_LE, first, c), fv_x_bin(a, FV_X_LT, c, end));
        fv_expr *own = column_of_panel(l, x[i], p, column, fv_x_bin(a, FV_X_SUB, c, first), here);
        y = y ? fv_x_select(a, here, own, y) : own;
    }
    return y;
}

bool fv_panels_fit(const fv_definition *d, const fv_expr *sum) {
    return d->rank + sum->u.red.nvars + 1 <= FV_MAX_RANK;
}

/* What is laid out of each factor: as it is stored, where all are of one type. */
static void stored_factors(int n, fv_expr *const *factors, fv_expr **x) {
    bool same = true;
    for (int i = 0; i < n; i++) {
        x[i] = (fv_expr *)fv_x_stored(factors[i]);
        same &= x[i]->type.elem == x[0]->type.elem;
    }
    for (int i = 0; i < n && !same; i++)
        x[i] = factors[i];
}

void fv_make_panels(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_expr *sum,
                    int nfactors, fv_expr *const *factors, int column, int width, fv_panels *p) {
    fv_expr *x[FV_MAX_SUMS] = {0}, *at[FV_MAX_RANK];
    int nk = sum->u.red.nvars, n = 0;
    stored_factors(nfactors, factors, x);
    for (int i = 0; i < d->rank; i++) {
        bool uses = false;
        for (int k = 0; k < nfactors; k++)
            uses |= fv_x_uses(x[k], d->index[i]);
        if (i != column && uses)
            p->index[n++] = d->index[i];
    }
    p->panel = n;
    p->width = width;
    const fv_dim *w = fv_dim_const(l->module->dims, width),
                 *all = fv_dim_const(l->module->dims, (int64_t)width * nfactors);
    p->index[n++] =
        fv_index_var(l->exprs, "panel", fv_dim_ceildiv(l->module->dims, d->index[column]->dim, w));
    for (int i = 0; i < nk; i++)
        p->index[n++] = sum->u.red.vars[i];
    p->index[n++] = fv_index_var(l->exprs, "c", all);
    for (int i = 0; i < n; i++)
        at[i] = fv_x_var(l->exprs, p->index[i]);
    fv_value *v = fv_new_value(l, fv_printf(l->exprs, "%s.panels", fv_operand_name(x[0], d)),
                               (fv_elem)x[0]->type.elem, n, p->index);
    layout *constant = constant_panels(l, nfactors, x, p->panel, p->index, d->index[column], nk,
                                       sum->u.red.vars, width);
    p->made_in_run = !constant;
    if (constant && constant->value) {
        v = constant->value;
    } else if (constant) {
        v->kind = FV_VALUE_CONST;
        v->tensor = constant->made;
        constant->value = v;
    } else {
        fv_takes(l, v, FV_WHY_operand_is_panels,
                 fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(x[0], d))), fv_v(d->value));
        fv_define_operand(l, op, v, p->index,
                          element_of_panel(l, nfactors, x, p, d->index[column], n), d);
    }
    p->value = v;
    p->load = fv_x_load(l->exprs, fv_value_buf(l->exprs, v), at);
    p->x = fv_x_as_stored(l->exprs, factors[0], x[0], p->load);
}
