/* check.c - see check.h. */
#include "ir/expr/check.h"

static bool is_lanes(int64_t n) {
    return n >= 1 && n <= 64 && (n & (n - 1)) == 0;
}

static bool same_type(fv_ktype a, fv_ktype b) {
    return a.elem == b.elem && a.lanes == b.lanes;
}

/* Checks an operation whose arguments all have one type, by its entry in expr.def. */
static const char *operator_problem(fv_arena *a, const fv_expr *x) {
    const fv_expr_info *info = fv_expr_op_info((fv_expr_op)x->op);
    if (x->n != info->nargs)
        return fv_printf(a, "%s has %d arguments, needs %d", info->id, x->n, info->nargs);
    for (int i = 1; i < x->n; i++)
        if (!same_type(x->arg[i]->type, x->arg[0]->type))
            return fv_printf(a, "the arguments of %s differ in type", info->id);
    if (!fv_x_allows((fv_expr_op)x->op, (fv_elem)x->arg[0]->type.elem))
        return fv_printf(a, "%s does not take %s", info->id,
                         fv_elem_name((fv_elem)x->arg[0]->type.elem));
    fv_ktype expected = x->arg[0]->type;
    if (info->result == FV_XR_BOOL)
        expected.elem = FV_BOOL;
    return same_type(x->type, expected) ? NULL : fv_printf(a, "%s has the wrong type", info->id);
}

/* Checks a sum of products of 16 bytes: its factors are loads, so that a target without an
 * instruction for it can load their words one by one. */
static const char *dot16_problem(fv_arena *a, const fv_expr *x) {
    const fv_ktype sum = fv_kt(FV_I32, 1),
                   bytes = fv_kt(fv_dot16_elem((fv_expr_op)x->op), FV_DOT16);
    bool ok = x->n == 3 && same_type(x->type, sum) && same_type(x->arg[2]->type, sum);
    for (int i = 0; i < 2 && ok; i++)
        ok = x->arg[i]->op == FV_X_LOAD && same_type(x->arg[i]->type, bytes);
    return ok ? NULL
              : fv_printf(a, "%s takes two loads of %d elements of %s, and an i32",
                          fv_expr_op_info((fv_expr_op)x->op)->text, FV_DOT16,
                          fv_elem_name((fv_elem)bytes.elem));
}

static const char *select_problem(const fv_expr *x) {
    bool ok = x->n == 3 && x->arg[0]->type.elem == FV_BOOL &&
              x->arg[0]->type.lanes == x->type.lanes && same_type(x->arg[1]->type, x->type) &&
              same_type(x->arg[2]->type, x->type);
    return ok ? NULL : "select has arguments of the wrong types";
}

static const char *cast_problem(fv_arena *a, const fv_expr *x) {
    fv_ktype from = x->n == 1 ? x->arg[0]->type : x->type;
    fv_elem to = (fv_elem)x->type.elem;
    bool same = x->op == FV_X_BITCAST ? x->type.lanes * fv_elem_storage_bytes(to) ==
                                            from.lanes * fv_elem_storage_bytes((fv_elem)from.elem)
                                      : x->type.lanes == from.lanes;
    bool ok = x->n == 1 && same && fv_x_can_cast((fv_expr_op)x->op, from, to);
    return ok ? NULL
              : fv_printf(a, "%s from %s to %s", fv_expr_op_info((fv_expr_op)x->op)->id,
                          x->n ? fv_elem_name((fv_elem)x->arg[0]->type.elem) : "?",
                          fv_elem_name((fv_elem)x->type.elem));
}

static const char *blocks_problem(fv_arena *a, const fv_expr *x) {
    bool ok = x->n == 2 && same_type(x->arg[0]->type, x->type) &&
              same_type(x->arg[1]->type, x->type) && is_lanes(x->u.i) && x->u.i < x->type.lanes;
    return ok ? NULL
              : fv_printf(a, "%s has arguments or blocks of the wrong size",
                          fv_expr_op_info((fv_expr_op)x->op)->id);
}

/* Is x a sum, of a known and even number of terms, of products of bf16 converted to f32? */
static bool sums_words(const fv_expr *x) {
    const fv_expr *body = x->arg[0];
    bool even = false,
         is = x->u.red.kind == FV_SUM && x->type.elem == FV_F32 && body->op == FV_X_MUL;
    for (int i = 0; i < 2 && is; i++)
        is = body->arg[i]->op == FV_X_CONVERT && body->arg[i]->arg[0]->type.elem == FV_BF16;
    for (int i = 0; i < x->u.red.nvars && is; i++) {
        const fv_dim *n = x->u.red.vars[i]->dim;
        is = n && fv_dim_is_const(n);
        even |= is && n->value % 2 == 0;
    }
    return is && even;
}

/* Checks a reduction: its type is that of its body, its kind exists for that type, and its order
 * for that kind. */
static const char *reduce_problem(fv_arena *a, const fv_expr *x) {
    bool is_bool = x->type.elem == FV_BOOL,
         extreme = x->u.red.kind == FV_REDUCE_MIN || x->u.red.kind == FV_REDUCE_MAX;
    bool logical = x->u.red.kind == FV_ANY || x->u.red.kind == FV_ALL;
    if (x->n != 1 || !same_type(x->type, x->arg[0]->type) || x->type.lanes != 1)
        return "a reduction has the wrong type";
    if ((logical && !is_bool) || (is_bool && !logical && !extreme) ||
        fv_elem_is_storage((fv_elem)x->type.elem))
        return fv_printf(a, "a reduction of this kind does not take %s",
                         fv_elem_name((fv_elem)x->type.elem));
    if (x->u.red.order != FV_ORDER_OPEN && !fv_x_is_ordered(x))
        return "chains and parts are of sums and products of floats: others are the same in any "
               "order";
    if (x->u.red.order == FV_ORDER_CHAINS &&
        (x->u.red.along < 1 || x->u.red.along > x->u.red.nvars))
        return fv_printf(a, "chains along %d of %d variables", x->u.red.along, x->u.red.nvars);
    if (x->u.red.order == FV_ORDER_PARTS && x->u.red.kind != FV_SUM)
        return "parts are of sums";
    if (fv_x_adds_words(x) && !sums_words(x))
        return x->u.red.order == FV_ORDER_PAIRS
                   ? "pairs are of sums of an even number of products of bf16"
                   : "tiles are of sums of an even number of products of bf16";
    return NULL;
}

const char *fv_x_problem(fv_arena *a, const fv_expr *x) {
    if (!is_lanes(x->type.lanes))
        return fv_printf(a, "%d lanes", x->type.lanes);
    switch ((fv_expr_op)x->op) {
    case FV_X_CONST:
        return x->type.lanes == 1 && !fv_elem_is_storage((fv_elem)x->type.elem)
                   ? NULL
                   : "a constant is no scalar of an arithmetic type";
    case FV_X_VAR:
        return same_type(x->type, x->u.var->type)
                   ? NULL
                   : fv_printf(a, "'%s' is used with another type", x->u.var->name);
    case FV_X_DIM: return same_type(x->type, fv_kt(FV_I64, 1)) ? NULL : "a dim is no i64";
    /* the verifiers of kernels and definitions check loads */
    case FV_X_LOAD:
    case FV_X_GUARD: return NULL;
    case FV_X_SELECT: return select_problem(x);
    case FV_X_CONVERT:
    case FV_X_CONVSAT:
    case FV_X_BITCAST: return cast_problem(a, x);
    case FV_X_SPLAT:
    case FV_X_RAMP:
        return x->n == 1 && x->arg[0]->type.lanes == 1 && x->arg[0]->type.elem == x->type.elem
                   ? NULL
                   : fv_printf(a, "%s of the wrong type", fv_expr_op_info((fv_expr_op)x->op)->text);
    case FV_X_EVEN:
    case FV_X_ODD: return blocks_problem(a, x);
    case FV_X_DOT16_I8_I8:
    case FV_X_DOT16_U8_U8: return dot16_problem(a, x);
    case FV_X_REDUCE: return reduce_problem(a, x);
    default: return operator_problem(a, x);
    }
}
