#include "backend/fuse/substitute.h"

#include "backend/lowering/access.h"
#include "backend/lowering/storage.h"
#include "ir/expr/rewrite.h"

static fv_expr *scalar_constant(fv_lowerer *l, const fv_value *v) {
    if (v->kind != FV_VALUE_CONST || v->tensor->count != 1 || fv_elem_is_packed(v->type->elem))
        return NULL;
    fv_elem t = v->type->elem;
    if (t == FV_F32 || t == FV_F64)
        return fv_x_const(l->exprs, t, fv_tensor_float(v->tensor, 0));
    if (fv_elem_is_int(t) || t == FV_BOOL)
        return fv_x_const_int(l->exprs, t, fv_tensor_int(v->tensor, 0));
    return NULL;
}

/* The number for f32(x[]) or f64(x[]), where x is a constant of f16 or bf16 with one element; NULL:
 * the expression is another one. These types have no arithmetic, so the load of x itself cannot be
 * replaced by a number. */
static fv_expr *widened_constant(fv_lowerer *l, const fv_expr *x, fv_expr **args) {
    const fv_expr *from = x->op == FV_X_CONVERT ? args[0] : NULL;
    const fv_value *v = from && from->op == FV_X_LOAD ? from->u.buf->value : NULL;
    fv_elem to = (fv_elem)x->type.elem;
    if (!v || v->kind != FV_VALUE_CONST || v->tensor->count != 1 ||
        (to != FV_F32 && to != FV_F64) || (v->type->elem != FV_F16 && v->type->elem != FV_BF16))
        return NULL;
    return fv_x_const(l->exprs, to, fv_tensor_float(v->tensor, 0));
}

/* y for f32(f16(y)) and f32(bf16(y)), if the option --relax=f16-intermediates allows that
 * intermediate results are not rounded; NULL: it does not, or the expression is another one. */
static fv_expr *unrounded(const fv_lowerer *l, const fv_expr *x, fv_expr **args) {
    const fv_expr *narrow = x->op == FV_X_CONVERT && x->type.elem == FV_F32 ? args[0] : NULL;
    bool rounds = narrow && narrow->op == FV_X_CONVERT &&
                  (narrow->type.elem == FV_F16 || narrow->type.elem == FV_BF16) &&
                  narrow->arg[0]->type.elem == FV_F32;
    return rounds && l->options->relax & FV_RELAX_F16_INTERMEDIATES ? narrow->arg[0] : NULL;
}

typedef struct substituter {
    fv_lowerer *l;
    const fv_origin **origin;
} substituter;

/* The expression that computes the value loaded by x. */
static fv_expr *computed(const substituter *s, const fv_expr *x, const fv_storage *from,
                         fv_expr **args) {
    fv_arena *a = s->l->exprs;
    int rank = x->u.buf->rank;
    *s->origin = fv_origin_join(s->l->module, *s->origin, fv_storage_origin(s->l, from->value));
    fv_expr *y = fv_x_replace_vars(a, from->def->body, rank, from->def->index, args);
    y = fv_x_convert(a, from->value->type->elem, y);
    if (x->op == FV_X_LOAD)
        return y;
    return y->op == FV_X_LOAD
               ? fv_x_guard(a, y->u.buf, y->arg, args[rank], args[rank + 1])
               : fv_x_select(a, args[rank], fv_x_guard_all(a, y, args[rank]), args[rank + 1]);
}

static fv_expr *substitute(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    const substituter *s = r->user;
    const fv_value *v = x->op == FV_X_LOAD || x->op == FV_X_GUARD ? x->u.buf->value : NULL;
    if (!v) {
        fv_expr *y = unrounded(s->l, x, args);
        return y ? y : widened_constant(s->l, x, args);
    }
    fv_expr *constant = scalar_constant(s->l, v);
    const fv_storage *from = fv_storage_of(s->l, v);
    int rank = v->type->rank;
    if (constant)
        return x->op == FV_X_LOAD ? constant
                                  : fv_x_select(r->arena, args[rank], constant, args[rank + 1]);
    return from->fate == FV_FATE_SUBSTITUTED ? computed(s, x, from, args) : NULL;
}

fv_expr *fv_substitute(fv_lowerer *l, fv_expr *x, const fv_origin **origin) {
    substituter s = {l, origin};
    fv_x_rewriter r = {.arena = l->exprs,
                       .memo = fv_ptrmap_in(l->current.scratch),
                       .after = substitute,
                       .user = &s};
    return fv_x_rewrite(&r, x);
}
