/* definition.c - builds definitions: index variables, loads of operands. */
#include "ir/definition/definition.h"

#include <assert.h>

#include "ir/base/limits.h"
#include "ir/expr/unique.h"
#include "ir/graph/infer.h"

fv_buf *fv_value_buf(fv_arena *a, const fv_value *v) {
    fv_buf b = {.name = v->name, .elem = v->type->elem, .lanes = 1, .role = FV_BUF_IN, .value = v};
    fv_expr *extent[FV_MAX_RANK];
    for (int i = 0; i < v->type->rank; i++)
        extent[i] = fv_x_dim(a, v->type->dims[i]);
    return fv_buf_seen(a, &b, v->type->rank, extent);
}

fv_var *fv_index_var(fv_arena *a, const char *name, const fv_dim *extent) {
    fv_var *v = FV_NEW(a, fv_var, 1);
    v->name = name;
    v->type = fv_kt(FV_I64, 1);
    v->lo = 0;
    v->hi = extent->hi > 0 ? extent->hi - 1 : 0;
    v->dim = extent;
    return v;
}

fv_definition *fv_definition_rewritten(fv_x_rewriter *w, const fv_definition *d) {
    fv_definition *r = FV_NEW(w->arena, fv_definition, 1);
    *r = *d;
    r->body = fv_x_rewrite(w, d->body);
    return r;
}

int fv_definition_axis(const fv_definition *d, const fv_var *v) {
    int i = 0;
    while (i < d->rank && d->index[i] != v)
        i++;
    return i;
}

fv_var *fv_d_var(fv_definer *d, const char *name, const fv_dim *extent) {
    return fv_index_var(d->arena, name, extent);
}

fv_definition *fv_definition_new(fv_definer *d, int out) {
    static const char *const names[FV_MAX_RANK] = {
        "i0",  "i1",  "i2",  "i3",  "i4",  "i5",  "i6",  "i7",  "i8",  "i9",  "i10",
        "i11", "i12", "i13", "i14", "i15", "i16", "i17", "i18", "i19", "i20", "i21",
        "i22", "i23", "i24", "i25", "i26", "i27", "i28", "i29", "i30", "i31"};
    fv_definition *def = FV_NEW(d->arena, fv_definition, 1);
    def->value = d->op->out[out];
    def->rank = def->value->type->rank;
    def->index = FV_NEW(d->arena, fv_var *, def->rank + 1);
    for (int i = 0; i < def->rank; i++)
        def->index[i] = fv_d_var(d, names[i], def->value->type->dims[i]);
    d->out[out] = def;
    return def;
}

fv_expr *fv_d_broadcast(fv_definer *d, fv_var *v, const fv_dim *dim) {
    fv_expr *i = fv_x_var(d->arena, v);
    if (fv_module_equal(d->module, v->dim, dim))
        return i;
    if (fv_dim_is_const(dim) || dim->hi <= 1)
        return dim->hi <= 1 ? fv_x_int(d->arena, 0) : i;
    if (dim->lo > 1)
        return i;
    return fv_x_select(d->arena,
                       fv_x_bin(d->arena, FV_X_EQ, fv_x_dim(d->arena, dim), fv_x_int(d->arena, 1)),
                       fv_x_int(d->arena, 0), i);
}

/* ---- loads ---- */

static fv_expr *to_arith(fv_definer *d, fv_expr *x) {
    return fv_x_convert(d->arena, fv_elem_arith((fv_elem)x->type.elem), x);
}

static fv_buf *operand_buf(fv_definer *d, int in) {
    fv_value *v = fv_op_in(d->op, in);
    FV_HOLDS(fv_arena_session(d->arena), v);
    return fv_value_buf(d->arena, v);
}

fv_expr *fv_d_load(fv_definer *d, int in, fv_expr *const *index) {
    return to_arith(d, fv_x_load(d->arena, operand_buf(d, in), index));
}

const fv_dim *fv_d_last(fv_dims *t, const fv_var *v) {
    const fv_dim *n = v->dim;
    if (n->kind == FV_DIM_MAX_)
        for (int i = 0; i < 2; i++)
            if (fv_dim_is_const(n->arg[i]) && n->arg[i]->value == 0)
                n = n->arg[1 - i];
    return fv_dim_sub(t, n, fv_dim_const(t, 1));
}

const fv_dim *fv_x_bound(fv_dims *t, const fv_expr *x, bool most) {
    const fv_dim *a, *b;
    int64_t c;
    if (fv_x_is_int(x, &c))
        return fv_dim_const(t, c);
    switch (x->op) {
    case FV_X_DIM: return x->u.dim;
    case FV_X_VAR:
        return !x->u.var->dim ? NULL : most ? fv_d_last(t, x->u.var) : fv_dim_const(t, 0);
    case FV_X_ADD:
    case FV_X_SUB:
        a = fv_x_bound(t, x->arg[0], most);
        b = fv_x_bound(t, x->arg[1], most == (x->op == FV_X_ADD));
        return !a || !b ? NULL : x->op == FV_X_ADD ? fv_dim_add(t, a, b) : fv_dim_sub(t, a, b);
    case FV_X_MUL:
        a = fv_x_is_int(x->arg[1], &c) && c >= 0 ? fv_x_bound(t, x->arg[0], most) : NULL;
        return a ? fv_dim_mul(t, a, fv_dim_const(t, c)) : NULL;
    default: return NULL;
    }
}

/* Is index x proved to be inside [0, dim), so that no check is needed? */
static bool surely_inside(fv_definer *d, const fv_expr *x, const fv_dim *dim) {
    fv_dims *t = d->module->dims;
    if (x->op == FV_X_VAR && x->u.var->dim && fv_module_equal(d->module, x->u.var->dim, dim))
        return true;
    const fv_dim *least = fv_x_bound(t, x, false), *most = fv_x_bound(t, x, true);
    return least && most && least->lo >= 0 &&
           fv_dim_at_most(t, fv_dim_add(t, most, fv_dim_const(t, 1)), dim);
}

/* The condition that the indices of operand `in` are in range, over all axes where that is not
 * proved; NULL: it is proved for all. */
static fv_expr *inside(fv_definer *d, int in, fv_expr *const *index) {
    const fv_type *t = fv_in_type(d->op, in);
    fv_arena *a = d->arena;
    fv_expr *all = NULL;
    for (int i = 0; i < t->rank; i++) {
        if (surely_inside(d, index[i], t->dims[i]))
            continue;
        fv_expr *c = fv_x_bin(a, FV_X_AND, fv_x_bin(a, FV_X_LE, fv_x_int(a, 0), index[i]),
                              fv_x_bin(a, FV_X_LT, index[i], fv_x_dim(a, t->dims[i])));
        if (t->dims[i]->hi == 0)
            c = fv_x_const_int(a, FV_BOOL, 0);
        all = all ? fv_x_bin(a, FV_X_AND, all, c) : c;
    }
    return all;
}

fv_expr *fv_d_load_stored(fv_definer *d, int in, fv_expr *const *index, fv_expr *cond) {
    fv_buf *b = operand_buf(d, in);
    return cond ? fv_x_guard(d->arena, b, index, cond, fv_x_zero(d->arena, b->elem))
                : fv_x_load(d->arena, b, index);
}

/* A load that is performed only if c holds (c NULL: always), and otherwise has the value
 * `otherwise`. The alternative of a guard has the type of the load; so for a storage type a select
 * chooses `otherwise`, which has the arithmetic type. */
static fv_expr *guarded(fv_definer *d, int in, fv_expr *const *index, fv_expr *c,
                        fv_expr *otherwise) {
    fv_buf *b = operand_buf(d, in);
    if (!c)
        return fv_d_load(d, in, index);
    if (fv_elem_arith(b->elem) == b->elem)
        return fv_x_guard(d->arena, b, index, c, otherwise);
    return fv_x_select(d->arena, c, to_arith(d, fv_d_load_stored(d, in, index, c)), otherwise);
}

fv_expr *fv_d_load_else(fv_definer *d, int in, fv_expr *const *index, fv_expr *otherwise) {
    return guarded(d, in, index, inside(d, in, index), otherwise);
}

fv_expr *fv_d_load_checked(fv_definer *d, int in, fv_expr *const *index) {
    fv_expr *c = inside(d, in, index);
    fv_elem arith = fv_elem_arith(fv_in_type(d->op, in)->elem);
    return guarded(d, in, index, c ? fv_x_un(d->arena, FV_X_REQUIRE, c) : NULL,
                   fv_x_zero(d->arena, arith));
}

fv_expr *fv_d_elementwise(fv_definer *d, int in, const fv_definition *out) {
    const fv_type *t = fv_in_type(d->op, in);
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        index[i] = fv_d_broadcast(d, out->index[out->rank - t->rank + i], t->dims[i]);
    return fv_d_load(d, in, index);
}
