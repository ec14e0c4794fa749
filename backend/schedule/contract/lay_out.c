/* lay_out.c - stores constants in the layout in which a kernel reads them.
 *
 * If the index of a load is affine in the variables of the axes, the load is a copy between two
 * orders of the same elements, which fv_layout_copy performs. Equal copies are made once. */
#include "backend/schedule/contract/lay_out.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/contents.h"
#include "ir/base/mapping.h"
#include "ir/definition/definitions.h"
#include "ir/expr/affine.h"
#include "ir/expr/fold.h"

/* ---- affine indices ---- */

typedef struct affine {
    int64_t at; /* the number of the element for which all variables are 0 */
    int64_t by[FV_MAX_RANK];
} affine;

static void add_scaled(affine *to, const affine *x, int n, int64_t k) {
    to->at += k * x->at;
    for (int i = 0; i < n; i++)
        to->by[i] += k * x->by[i];
}

/* Sets *out to x as an affine function of the n variables; false: it is not affine. */
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

/* Sets *out to the offset of the element that the load reads, as an affine function of the n
 * variables; false: it is not affine, or an extent is not known. */
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

/* ---- constants that are side by side ---- */

/* The load of the constant that contains column j: `w[k, j] if j < 8 else v[k, j - 8] if ...`.
 * NULL: a condition depends on something else than the column, or no constant contains it. */
static const fv_expr *piece_at(const fv_expr *x, const fv_var *column, int64_t j) {
    int64_t here;
    while (x->op == FV_X_GUARD) {
        int rank = x->u.buf->rank;
        if (!fv_x_value_at(x->arg[rank], column, j, &here))
            return NULL;
        if (here)
            return x;
        x = x->arg[rank + 1];
    }
    return x->op == FV_X_LOAD ? x : NULL;
}

static bool is_constant(const fv_expr *load) {
    const fv_value *v = load->u.buf->value;
    return v && v->kind == FV_VALUE_CONST;
}

bool fv_is_joined_constant(const fv_expr *x, const fv_var *column) {
    x = fv_x_stored(x);
    if (x->op != FV_X_GUARD || !fv_dim_is_const(column->dim) || column->dim->value > FV_MOST_JOINED)
        return false;
    const fv_expr *last = NULL;
    for (int64_t j = 0, n = 0; j < column->dim->value; j++) {
        const fv_expr *at = piece_at(x, column, j);
        if (!at || !is_constant(at) || (at != last && n++ == FV_MOST_FACTORS_PIECES))
            return false;
        last = at;
    }
    return last;
}

/* ---- pieces ---- */

/* Sets the distances in the source between elements for consecutive values of each level. */
static void set_steps(const fv_layout *l, const fv_layout_vars *v, const affine *at,
                      fv_layout_source *s) {
    for (int i = 0; i < l->nlevels; i++) {
        const fv_layout_level *level = &l->level[i];
        int64_t block = v->block[level->axis];
        s->by[i] = level->divisor % block ? 0 : at->by[level->axis] * (level->divisor / block);
    }
    for (int i = 0; i < l->rank; i++) {
        s->from[i] = 0;
        s->to[i] = l->axis[i].extent;
    }
}

/* Adds a piece for a load to *to; false: its index is not affine, it does not load a constant, or
 * there are too many pieces. */
static bool add_piece(fv_lowerer *l, fv_laid_out *to, const fv_layout_vars *v,
                      const fv_expr *load) {
    affine at;
    if (to->npieces == FV_MOST_PIECES || !is_constant(load) ||
        !offset_of(l->module->dims, load, to->layout.rank, v->var, &at))
        return false;
    struct fv_layout_piece *p = &to->piece[to->npieces++];
    memset(p, 0, sizeof *p);
    p->tensor = ((const fv_value *)load->u.buf->value)->tensor;
    p->from.data = p->tensor->data;
    p->from.packed = fv_elem_is_packed(p->tensor->elem) ? fv_elem_bits(p->tensor->elem) : 0;
    p->from.at = at.at;
    set_steps(&to->layout, v, &at, &p->from);
    return true;
}

static bool add_columns(fv_lowerer *l, fv_laid_out *to, const fv_layout_vars *v, const fv_expr *x) {
    const fv_var *column = v->var[v->column];
    const fv_expr *last = NULL;
    int first = to->npieces;
    if (to->layout.axis[v->column].extent > FV_MOST_JOINED)
        return false;
    for (int64_t j = 0; j < to->layout.axis[v->column].extent; j++) {
        const fv_expr *at = piece_at(x, column, j);
        if (!at || (at != last && to->npieces - first == FV_MOST_FACTORS_PIECES))
            return false;
        if (at != last) {
            if (!add_piece(l, to, v, at))
                return false;
            to->piece[to->npieces - 1].from.from[v->column] = j;
        }
        to->piece[to->npieces - 1].from.to[v->column] = j + 1;
        last = at;
    }
    return to->npieces > first;
}

bool fv_lay_out_add(fv_lowerer *l, fv_laid_out *to, const fv_layout_vars *v, const fv_expr *x,
                    int factor_axis, int64_t factor) {
    int first = to->npieces;
    bool known = x->op == FV_X_GUARD ? add_columns(l, to, v, x)
                                     : x->op == FV_X_LOAD && add_piece(l, to, v, x);
    for (int i = first; i < to->npieces && known; i++) {
        if (factor_axis >= 0) {
            to->piece[i].from.from[factor_axis] = factor;
            to->piece[i].from.to[factor_axis] = factor + 1;
        }
        known = to->piece[i].tensor->elem == to->elem;
    }
    return known;
}

/* ---- sums ---- */

/* Loops over the elements of a constant: those of a sum around those of the axes of its result. */
typedef struct sum_loops {
    const fv_tensor *from;
    int n; /* loops; the first ones are of the sum */
    int64_t extent[2 * FV_MAX_RANK], by[2 * FV_MAX_RANK], to[2 * FV_MAX_RANK];
    uint32_t *sums;
} sum_loops;

static uint32_t byte_at(const fv_tensor *t, int64_t at) {
    return t->elem == FV_U8 ? ((const uint8_t *)t->data)[at]
                            : (uint32_t)((const int8_t *)t->data)[at];
}

static void add_elements(const sum_loops *s, int i, int64_t at, int64_t to) {
    for (int64_t x = 0; x < s->extent[i]; x++, at += s->by[i], to += s->to[i])
        if (i == s->n - 1)
            s->sums[to] += byte_at(s->from, at);
        else
            add_elements(s, i + 1, at, to);
}

bool fv_sum_constant(fv_lowerer *l, fv_value *v, const fv_expr *x, fv_var *const *axes, int nk,
                     fv_var *const *k, int32_t by) {
    const fv_var *vars[2 * FV_MAX_RANK];
    int rank = v->type->rank;
    affine at;
    int64_t count = 1;
    sum_loops s = {.n = nk + rank};
    if (nk + rank > FV_MAX_RANK || !is_constant(x))
        return false;
    for (int i = 0; i < s.n; i++)
        vars[i] = i < nk ? k[i] : axes[i - nk];
    if (!offset_of(l->module->dims, x, s.n, vars, &at))
        return false;
    for (int i = s.n; i-- > 0;) {
        s.extent[i] = vars[i]->dim->value;
        s.by[i] = at.by[i];
        s.to[i] = i < nk ? 0 : count;
        count *= i < nk ? 1 : s.extent[i];
    }
    s.from = ((const fv_value *)x->u.buf->value)->tensor;
    fv_tensor *t = fv_tensor_new(l->host.kept, FV_I32, rank, s.extent + nk);
    if (!t)
        return false;
    s.sums = (uint32_t *)t->data;
    if (l->options->weights != FV_WEIGHTS_LEFT_OUT) {
        FV_HOLDS(l->session, s.from->data || !s.from->count); /* it is not in panels */
        add_elements(&s, 0, at.at, 0);
    }
    for (int64_t i = 0; i < count; i++)
        s.sums[i] *= (uint32_t)by;
    v->tensor = t;
    v->kind = FV_VALUE_CONST;
    return true;
}

/* ---- one for all that are equal ---- */

static bool is_same(const fv_laid_out *a, const fv_laid_out *b) {
    bool same = fv_layout_equal(&a->layout, &b->layout) && a->stored == b->stored &&
                a->npieces == b->npieces && !a->within == !b->within &&
                a->within_at == b->within_at;
    for (int i = 0; same && i < a->npieces; i++)
        same = a->piece[i].tensor == b->piece[i].tensor &&
               !memcmp(&a->piece[i].from, &b->piece[i].from, sizeof a->piece[i].from);
    return same && (!a->within || is_same(a->within, b->within));
}

fv_laid_out *fv_laid_out_find(fv_lowerer *l, const fv_laid_out *key) {
    fv_laid_out **first = (fv_laid_out **)fv_ptrmap_at(&l->added.layouts, key->piece[0].tensor);
    for (fv_laid_out *p = *first; p; p = p->next)
        if (is_same(p, key))
            return p;
    fv_laid_out *p = FV_NEW(l->arena, fv_laid_out, 1);
    *p = *key;
    p->next = *first;
    return *first = p;
}

/* A constant in a layout, with what is needed to store it after lowering has freed its memory. */
typedef struct copies {
    fv_session *session;
    fv_layout layout;
    size_t at; /* the byte of the memory from which on it is stored */
    const struct copies *within;
    int n;
    struct copy {
        fv_layout_source from;
        size_t bytes; /* of the tensor at from.data */
    } all[];
} copies;

/* Stores a constant, and the one within it. The pages that were read are given back. */
static void store(void *user, void *room) {
    for (const copies *c = user; c; c = c->within) {
        for (int i = 0; i < c->n; i++)
            fv_layout_copy(&c->layout, &c->all[i].from, (uint8_t *)room + c->at);
        for (int i = 0; i < c->n; i++)
            fv_mapping_drop(c->session, c->all[i].from.data, c->all[i].bytes);
    }
}

/* The copies that store `from` in a memory of `room` bytes, from byte `at` on. */
static copies *copies_of(fv_lowerer *l, const fv_laid_out *from, size_t at, size_t room) {
    size_t bytes;
    bool known = fv_layout_bytes(&from->layout, &bytes);
    FV_HOLDS(l->session, known && at <= room && bytes <= room - at);
    copies *c = fv_alloc(l->host.kept, 1, sizeof *c + (size_t)from->npieces * sizeof(struct copy));
    *c = (copies){.session = l->session, .layout = from->layout, .at = at, .n = from->npieces};
    /* names and companions are in the memory of lowering, which may be freed before the copies */
    c->layout.name = NULL;
    c->layout.companion = NULL;
    for (int i = 0; i < c->layout.rank; i++)
        c->layout.axis[i].name = "";
    for (int i = 0; i < from->npieces; i++) {
        FV_HOLDS(l->session, from->piece[i].from.data || !from->piece[i].tensor->bytes);
        c->all[i] = (struct copy){from->piece[i].from, from->piece[i].tensor->bytes};
    }
    return c;
}

/* Does the memory of a piece belong to lowering, which frees it? */
static bool is_of_lowering(const fv_lowerer *l, const fv_laid_out *x) {
    bool found = x->within && is_of_lowering(l, x->within);
    for (int i = 0; i < x->npieces && !found; i++)
        found = fv_lowering_has(l, x->piece[i].from.data);
    return found;
}

/* The contents of the constant, which are stored when they are first read, or at once if they
 * consist of what lowering has made. */
static fv_contents *contents_of(fv_lowerer *l, const fv_laid_out *x, size_t bytes) {
    copies *c = copies_of(l, x, 0, bytes);
    c->within = x->within ? copies_of(l, x->within, x->within_at, bytes) : NULL;
    return fv_contents_new(l, bytes, store, c, is_of_lowering(l, x));
}

bool fv_lay_out_make(fv_lowerer *l, fv_laid_out *to, fv_value *as) {
    int64_t dims[FV_MAX_RANK];
    fv_tensor *t = FV_NEW(l->arena, fv_tensor, 1);
    for (int i = 0; i < as->type->rank; i++)
        dims[i] = as->type->dims[i]->value;
    int64_t *own = FV_NEW(l->arena, int64_t, as->type->rank);
    memcpy(own, dims, (size_t)as->type->rank * sizeof *own);
    *t = (fv_tensor){.elem = as->type->elem, .rank = as->type->rank, .dims = own};
    if (!fv_tensor_size(t->elem, t->rank, own, &t->count, &t->bytes))
        return false;
    if (l->options->weights != FV_WEIGHTS_LEFT_OUT)
        *fv_ptrmap_at(&l->added.contents, t) = contents_of(l, to, t->bytes);
    as->kind = FV_VALUE_CONST;
    as->tensor = t;
    to->value = as;
    const fv_watch *watch = l->options->watch;
    if (watch && watch->laid_out)
        watch->laid_out(watch->user, as->name, &to->layout);
    return true;
}
