/* panels.c - operands of contractions, laid out in the order in which their kernel reads them.
 *
 * The factor b[.., k, j] that goes with the columns becomes panels of `width` columns,
 *     p[.., j / width, k, j % width]      0 beyond the last column
 * so that a register tile reads one panel from end to end. One layout serves all row counts. Panels of
 * constants are made here and replace the constant; others are made by a kernel in the run. */
#include "backend/schedule/panels.h"

#include <string.h>

#include "backend/consumer/consumer.h"
#include "backend/lowering/access.h"
#include "backend/lowering/why.h"
#include "backend/schedule/precompute.h"
#include "ir/base/limits.h"
#include "ir/base/mapping.h"
#include "ir/expr/rewrite.h"

/* ---- affine indices ---- */

enum { MAX_LOOPS = 2 * FV_MAX_RANK };

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
static bool affine_of(const fv_expr *x, int n, const fv_var *const *vars, affine *out) {
    affine a = {0}, b = {0};
    *out = (affine){0};
    switch (x->op) {
    case FV_X_CONST: out->at = x->u.i; return true;
    case FV_X_DIM:
        out->at = x->u.dim->value;
        return fv_dim_is_const(x->u.dim);
    case FV_X_VAR:
        for (int i = 0; i < n; i++)
            if (vars[i] == x->u.var) {
                out->by[i] = 1;
                return true;
            }
        return false;
    case FV_X_NEG:
    case FV_X_ADD:
    case FV_X_SUB:
        if (!affine_of(x->arg[0], n, vars, &a) || (x->n > 1 && !affine_of(x->arg[1], n, vars, &b)))
            return false;
        add_scaled(out, &a, n, x->op == FV_X_NEG ? -1 : 1);
        add_scaled(out, &b, n, x->op == FV_X_SUB ? -1 : 1);
        return true;
    case FV_X_MUL:
        for (int i = 0; i < 2; i++)
            if (affine_of(x->arg[i], 0, NULL, &a) && affine_of(x->arg[1 - i], n, vars, &b)) {
                add_scaled(out, &b, n, a.at);
                return true;
            }
        return false;
    default: return false;
    }
}

/* Where in the buffer the load reads, in elements. */
static bool offset_of(const fv_expr *load, int n, const fv_var *const *vars, affine *out) {
    const fv_buf *b = load->u.buf;
    int64_t stride = 1, extent;
    *out = (affine){0};
    for (int i = b->rank; i-- > 0;) {
        affine a;
        const fv_expr *e = b->extent[i];
        if (!affine_of(load->arg[i], n, vars, &a))
            return false;
        add_scaled(out, &a, n, stride);
        if (e->op == FV_X_DIM || !fv_x_is_int(e, &extent))
            return false;
        stride *= extent;
    }
    return true;
}

/* ---- panels of constants ---- */

/* One run of `width` columns of every k: to[k.., r] = from[at + k.. + r * by]. */
typedef struct run {
    const uint8_t *from;
    uint8_t *to;
    int nk;
    const int64_t *count, *by; /* of each k */
    int64_t columns, width, column_by;
} run;

#define COPY(type)                                                                                \
    for (int64_t i = 0; i < count; i++)                                                           \
        for (int64_t r = 0; r < u->columns; r++)                                                  \
            memcpy(to + (i * u->width + r) * (int64_t)sizeof(type),                               \
                   from + (i * by + r * u->column_by) * (int64_t)sizeof(type), sizeof(type))

static int64_t copy_run(const run *u, int k, int size, int64_t at, int64_t done) {
    if (k < u->nk - 1) {
        for (int64_t i = 0; i < u->count[k]; i++)
            done = copy_run(u, k + 1, size, at + i * u->by[k], done);
        return done;
    }
    const uint8_t *from = u->from + at * size;
    uint8_t *to = u->to + done * u->width * size;
    int64_t count = u->count[k], by = u->by[k];
    switch (size) {
    case 1: COPY(uint8_t); break;
    case 2: COPY(uint16_t); break;
    case 4: COPY(uint32_t); break;
    default: COPY(uint64_t); break;
    }
    return done + count;
}

static const fv_tensor *pack(fv_lowerer *l, const fv_tensor *t, const affine *a, int nouter,
                             const int64_t *outer, int nk, const int64_t *k, int64_t columns,
                             int width) {
    int64_t dims[MAX_LOOPS], blocks = (columns + width - 1) / width, depth = 1, outers = 1;
    int rank = 0, size = fv_elem_storage_bytes(t->elem);
    for (int i = 0; i < nouter; i++)
        outers *= dims[rank++] = outer[i];
    dims[rank++] = blocks;
    for (int i = 0; i < nk; i++)
        depth *= dims[rank++] = k[i];
    dims[rank++] = width;
    fv_tensor *p = FV_NEW(l->arena, fv_tensor, 1);
    int64_t *own = FV_NEW(l->arena, int64_t, rank);
    memcpy(own, dims, (size_t)rank * sizeof *own);
    *p = (fv_tensor){.elem = t->elem, .rank = rank, .dims = own};
    if (!fv_tensor_size(t->elem, rank, own, &p->count, &p->bytes))
        return NULL;
    if (l->options->look)
        return p;
    uint8_t *to = fv_alloc_aligned(l->arena, p->bytes + 1, FV_BUFFER_ALIGN);
    p->data = to;
    const int64_t column_by = a->by[nouter];
    for (int64_t o = 0; o < outers; o++) {
        int64_t at = a->at, rest = o;
        for (int i = nouter; i-- > 0; rest /= outer[i])
            at += rest % outer[i] * a->by[i];
        for (int64_t b = 0; b < blocks; b++) {
            int64_t n = columns - b * width < width ? columns - b * width : width;
            run u = {.from = t->data, .to = to + (o * blocks + b) * depth * width * size, .nk = nk,
                     .count = k, .by = a->by + nouter + 1, .columns = n, .width = width,
                     .column_by = column_by};
            if (n < width)
                memset(u.to, 0, (size_t)(depth * width * size));
            copy_run(&u, 0, size, at + b * width * column_by, 0);
        }
    }
    return p;
}

static bool const_dim(const fv_var *v, int64_t *n) {
    *n = v->dim->value;
    return fv_dim_is_const(v->dim);
}

/* What is laid out, and how: equal ones are made once. */
typedef struct layout {
    const fv_tensor *tensor;
    int64_t at, columns;
    int width, nouter, n;
    int64_t by[MAX_LOOPS], count[MAX_LOOPS]; /* count: 0 of the columns */
    const fv_tensor *made; /* NULL: not yet */
    fv_value *value;       /* that it is */
    struct layout *next;   /* of the same tensor */
} layout;

/* The one that is equal: there is one from now on. */
static layout *layout_of(fv_lowerer *l, const layout *key) {
    layout **first = (layout **)fv_ptrmap_at(&l->layouts, key->tensor);
    for (layout *p = *first; p; p = p->next)
        if (p->at == key->at && p->columns == key->columns && p->width == key->width && p->nouter == key->nouter &&
            p->n == key->n && !memcmp(p->by, key->by, sizeof p->by) && !memcmp(p->count, key->count, sizeof p->count))
            return p;
    layout *p = FV_NEW(l->arena, layout, 1);
    *p = *key;
    p->next = *first;
    return *first = p;
}

/* Panels of a constant whose index is affine; NULL: it is not. */
static layout *constant_panels(fv_lowerer *l, const fv_expr *load, int nouter, fv_var *const *outer, const fv_var *column, int nk,
                               fv_var *const *ks, int width) {
    const fv_value *v = load->op == FV_X_LOAD ? load->u.buf->value : NULL;
    const fv_var *vars[MAX_LOOPS];
    int64_t on[MAX_LOOPS], kn[MAX_LOOPS], columns;
    affine a;
    if (!v || v->kind != FV_VALUE_CONST || fv_elem_is_packed(v->type->elem) ||
        nouter + nk + 1 > MAX_LOOPS || nk == 0 || !const_dim(column, &columns))
        return NULL;
    int n = 0;
    bool known = true;
    for (int i = 0; i < nouter; i++) {
        known &= const_dim(outer[i], &on[i]);
        vars[n++] = outer[i];
    }
    vars[n++] = column;
    for (int i = 0; i < nk; i++) {
        known &= const_dim(ks[i], &kn[i]);
        vars[n++] = ks[i];
    }
    if (!known || !offset_of(load, n, vars, &a))
        return NULL;
    layout key = {.tensor = v->tensor, .at = a.at, .columns = columns, .width = width, .nouter = nouter, .n = n};
    for (int i = 0; i < n; i++) {
        key.by[i] = a.by[i];
        key.count[i] = i < nouter ? on[i] : i == nouter ? 0 : kn[i - nouter - 1];
    }
    layout *p = layout_of(l, &key);
    if (!p->made) {
        p->made = pack(l, v->tensor, &a, nouter, on, nk, kn, columns, width);
        fv_mapping_drop(l->session, v->tensor->data, v->tensor->bytes);
    }
    return p->made ? p : NULL;
}

/* Column j of the panels, 0 beyond the last one. */
static fv_expr *column_of_panel(fv_lowerer *l, fv_expr *x, const fv_panels *p, fv_var *column, int rank,
                                int width) {
    fv_arena *a = l->exprs;
    fv_expr *j = fv_x_bin(a, FV_X_ADD,
                          fv_x_bin(a, FV_X_MUL, fv_x_var(a, p->index[p->panel]), fv_x_int(a, width)),
                          fv_x_var(a, p->index[rank - 1]));
    x = fv_x_replace_vars(a, x, 1, &column, &j);
    if (fv_dim_is_const(column->dim) && column->dim->value % width == 0)
        return x;
    fv_expr *inside = fv_x_bin(a, FV_X_LT, j, fv_x_dim(a, column->dim));
    fv_expr *guarded = fv_x_guard_all(a, x, inside);
    if (x->op == FV_X_LOAD)
        return guarded;
    return fv_x_select(a, inside, guarded, fv_x_zero(a, (fv_elem)x->type.elem));
}

bool fv_panels_fit(const fv_definition *d, const fv_expr *sum) { return d->rank + sum->u.red.nvars + 1 <= FV_MAX_RANK; }

void fv_make_panels(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_expr *sum, fv_expr *factor, int column, int width,
                    fv_panels *p) {
    fv_expr *x = (fv_expr *)fv_x_stored(factor), *at[FV_MAX_RANK];
    int nk = sum->u.red.nvars, n = 0;
    for (int i = 0; i < d->rank; i++)
        if (i != column && fv_x_uses(x, d->index[i]))
            p->index[n++] = d->index[i];
    p->panel = n;
    const fv_dim *w = fv_dim_const(l->module->dims, width);
    p->index[n++] = fv_index_var(l->exprs, "panel", fv_dim_ceildiv(l->module->dims, d->index[column]->dim, w));
    for (int i = 0; i < nk; i++)
        p->index[n++] = sum->u.red.vars[i];
    p->index[n++] = fv_index_var(l->exprs, "c", w);
    for (int i = 0; i < n; i++)
        at[i] = fv_x_var(l->exprs, p->index[i]);
    fv_value *v = fv_new_value(l, fv_printf(l->exprs, "%s.panels", fv_operand_name(x, d)),
                            (fv_elem)x->type.elem, n, p->index);
    layout *constant = constant_panels(l, x, p->panel, p->index, d->index[column], nk, sum->u.red.vars, width);
    p->made_in_run = !constant;
    if (constant && constant->value) {
        v = constant->value;
    } else if (constant) {
        v->kind = FV_VALUE_CONST;
        v->tensor = constant->made;
        constant->value = v;
    } else {
        fv_takes(l, v, FV_WHY_operand_is_panels, fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(x, d))), fv_v(d->value));
        fv_define_operand(l, op, v, p->index, column_of_panel(l, x, p, d->index[column], n, width), d);
    }
    p->value = v;
    p->load = fv_x_load(l->exprs, fv_value_buf(l->exprs, v), at);
    p->x = fv_x_as_stored(l->exprs, factor, x, p->load);
}

