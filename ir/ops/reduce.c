/* reduce.c - reductions over axes.
 *
 * All become fv.Reduce, which keeps the axes: axis i of extent e runs over e elements for each of
 * its dims outputs. Where the axes are known that is (dim, 1) for a reduced and (1, dim) for a kept
 * one; where they come from data, both are expressions of it, decided at run time. */

#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/definition.h"
#include "ir/dim/text.h"
#include "ir/expr/rewrite.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ir/ops/upgrade.h"

/* ---- fv.Reduce ---- */

static const fv_attr *dims_of(const fv_op *op, const char *name) {
    return fv_op_find_attr(op, name);
}

static bool infer_fv_reduce(fv_op *op) {
    const fv_type *t = fv_in_type(op, 0);
    const fv_attr *d = dims_of(op, "dims"), *e = dims_of(op, "extent");
    fv_string kind = fv_op_string(op, "kind");
    bool orders = kind.n == strlen("ReduceMax") && (!memcmp(kind.s, "ReduceMax", kind.n) || !memcmp(kind.s, "ReduceMin", kind.n));
    if (t->elem == FV_BOOL && !orders)
        return fv_op_error(op, "kind '%.*s' is not one of bool", (int)kind.n, kind.s);
    if (d->n != t->rank || e->n != t->rank)
        return fv_op_error(op, "has %d dims and %d extents for rank %d", d->n, e->n, t->rank);
    fv_module *m = fv_op_module(op);
    for (int i = 0; i < t->rank; i++) { /* one of the two is 1, the other one the operand's */
        const fv_dim *n = fv_dim_add(m->dims, d->u.dims[i], fv_dim_sub(m->dims, e->u.dims[i], fv_dim_const(m->dims, 1)));
        if (!fv_module_assume(m, n, t->dims[i], "dims of a reduction"))
            return fv_op_error(op, "axis %d has %s elements, expected %s", i, fv_dim_str(m->arena, t->dims[i]),
                               fv_dim_str(m->arena, n));
    }
    fv_infer_out(op, 0, t->elem, t->rank, d->u.dims);
    return true;
}

static bool is_one(const fv_dim *d) {
    return fv_dim_is_const(d) && d->value == 1;
}

static fv_expr *mul(fv_definer *d, fv_expr *a, fv_expr *b) {
    return fv_x_bin(d->arena, FV_X_MUL, a, b);
}

/* Is x finite? x - x is 0 then. */
static fv_expr *finite_or_zero(fv_definer *d, fv_expr *x) {
    fv_elem t = (fv_elem)x->type.elem;
    fv_expr *zero = fv_x_const(d->arena, t, 0);
    return fv_x_select(d->arena,
                       fv_x_bin(d->arena, FV_X_EQ, fv_x_bin(d->arena, FV_X_SUB, x, x), zero), x, zero);
}

typedef struct reduction {
    fv_definer *d;
    int nvars;
    fv_var *vars[FV_MAX_RANK];
    fv_expr *x;
} reduction;

static fv_expr *over(reduction *r, fv_reduce_kind kind, fv_expr *body) {
    return r->nvars ? fv_x_reduce(r->d->arena, kind, r->nvars, r->vars, body) : body;
}

/* Of all elements x, by variables of its own: it stands within another reduction over them. */
static fv_expr *largest(const reduction *r, fv_expr *x) {
    reduction own = {.d = r->d, .nvars = r->nvars};
    fv_expr *to[FV_MAX_RANK];
    for (int i = 0; i < r->nvars; i++) {
        own.vars[i] = fv_d_var(r->d, r->vars[i]->name, r->vars[i]->dim);
        to[i] = fv_x_var(r->d->arena, own.vars[i]);
    }
    return over(&own, FV_REDUCE_MAX, fv_x_replace_vars(r->d->arena, x, r->nvars, r->vars, to));
}

static fv_expr *count_of(reduction *r, fv_elem t) {
    fv_dims *dims = r->d->module->dims;
    const fv_dim *n = fv_dim_const(dims, 1);
    for (int i = 0; i < r->nvars; i++)
        n = fv_dim_mul(dims, n, r->vars[i]->dim);
    return fv_x_convert(r->d->arena, t, fv_x_dim(r->d->arena, n));
}

static fv_expr *reduce_by(reduction *r, const char *kind) {
    fv_arena *a = r->d->arena;
    fv_expr *x = r->x;
    fv_elem t = (fv_elem)x->type.elem;
    if (!strcmp(kind, "ReduceSum"))
        return over(r, FV_SUM, x);
    if (!strcmp(kind, "ReduceProd"))
        return over(r, FV_PROD, x);
    if (!strcmp(kind, "ReduceMax"))
        return over(r, FV_REDUCE_MAX, x);
    if (!strcmp(kind, "ReduceMin"))
        return over(r, FV_REDUCE_MIN, x);
    if (!strcmp(kind, "ReduceMean"))
        return fv_x_bin(a, FV_X_DIV, over(r, FV_SUM, x), count_of(r, t));
    if (!strcmp(kind, "ReduceL1"))
        return over(r, FV_SUM, fv_x_un(a, FV_X_ABS, x));
    if (!strcmp(kind, "ReduceSumSquare"))
        return over(r, FV_SUM, mul(r->d, x, x));
    /* the rest is of real numbers: integers go through f64 */
    fv_elem real = fv_elem_is_float(t) ? t : FV_F64;
    x = fv_x_convert(a, real, x);
    if (!strcmp(kind, "ReduceL2"))
        return fv_x_convert(a, t, fv_x_un(a, FV_X_SQRT, over(r, FV_SUM, mul(r->d, x, x))));
    if (!strcmp(kind, "ReduceLogSum"))
        return fv_x_convert(a, t, fv_x_un(a, FV_X_LOG, over(r, FV_SUM, x)));
    if (strcmp(kind, "ReduceLogSumExp"))
        return NULL;
    fv_expr *m = finite_or_zero(r->d, largest(r, x));
    fv_expr *s = over(r, FV_SUM, fv_x_un(a, FV_X_EXP, fv_x_bin(a, FV_X_SUB, x, m)));
    return fv_x_convert(a, t, fv_x_bin(a, FV_X_ADD, fv_x_un(a, FV_X_LOG, s), m));
}

static bool define_fv_reduce(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    const fv_attr *dims = dims_of(op, "dims"), *extent = dims_of(op, "extent");
    reduction r = {.d = d};
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < def->rank; i++) {
        fv_expr *out = fv_x_var(d->arena, def->index[i]);
        if (is_one(extent->u.dims[i])) {
            index[i] = out;
            continue;
        }
        fv_var *v = r.vars[r.nvars++] = fv_d_var(d, "k", extent->u.dims[i]);
        fv_expr *in = fv_x_var(d->arena, v);
        index[i] = is_one(dims->u.dims[i]) ? in : fv_x_bin(d->arena, FV_X_ADD, out, in);
    }
    r.x = fv_d_load(d, 0, index);
    fv_string kind = fv_op_string(op, "kind");
    def->body = reduce_by(&r, fv_strndup(d->arena, kind.s, kind.n));
    return def->body || fv_op_error(op, "kind '%.*s' is not known", (int)kind.n, kind.s);
}

/* ---- the standard's reductions ---- */

/* For each axis, 1 where it is reduced and 0 where it is kept: constants, or expressions of the
 * elements of `axes`. */
static bool reduced_axes(fv_op *op, const fv_dim **flags, int *count) {
    fv_dims *t = fv_op_module(op)->dims;
    int rank = fv_in_type(op, 0)->rank, n = 0;
    const fv_dim *const *axes = NULL;
    if (fv_op_in(op, 1) && !fv_elems(op, 1, &n, &axes))
        return fv_op_error(op, "the number of axes is not known");
    if (n > rank)
        return fv_op_error(op, "has %d axes for a tensor of rank %d", n, rank);
    bool all = n == 0 && !fv_op_int(op, "noop_with_empty_axes");
    *count = all ? rank : n;
    for (int i = 0; i < rank; i++)
        flags[i] = fv_dim_const(t, all);
    for (int k = 0; k < n; k++) {
        if (fv_dim_is_const(axes[k])) {
            int axis;
            if (!fv_infer_axis(op, axes[k]->value, rank, &axis))
                return false;
            flags[axis] = fv_dim_const(t, 1);
            continue;
        }
        for (int i = 0; i < rank; i++)
            flags[i] = fv_dim_max(t, flags[i],
                                  fv_dim_max(t, fv_dim_is(t, axes[k], i), fv_dim_is(t, axes[k], i - rank)));
    }
    for (int i = 0; i < rank; i++)
        flags[i] = fv_name_dim(op, "reduced", flags[i]);
    int known = 0;
    bool constant = true;
    for (int i = 0; i < rank; i++) {
        constant &= fv_dim_is_const(flags[i]);
        known += fv_dim_is_const(flags[i]) && flags[i]->value;
    }
    if (constant)
        *count = known;
    return true;
}

/* The dims of the result: all axes with 1 for reduced ones, or only the kept ones. Axis j of the
 * latter is the axis i that is kept and has j kept ones before it. */
static int result_dims(fv_op *op, const fv_dim *const *flags, int count, bool keep,
                       const fv_dim **dims) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *in = fv_in_type(op, 0);
    const fv_dim *one = fv_dim_const(t, 1), *zero = fv_dim_const(t, 0);
    if (keep) {
        for (int i = 0; i < in->rank; i++)
            dims[i] = fv_dim_select(t, flags[i], one, in->dims[i]);
        return in->rank;
    }
    int rank = in->rank - count;
    for (int j = 0; j < rank; j++) {
        const fv_dim *d = zero, *before = zero;
        for (int i = 0; i < in->rank; i++) {
            const fv_dim *kept = fv_dim_sub(t, one, flags[i]);
            const fv_dim *here = fv_dim_mul(t, kept, fv_dim_is(t, before, j));
            d = fv_dim_add(t, d, fv_dim_mul(t, here, in->dims[i]));
            before = fv_name_dim(op, "kept", fv_dim_add(t, before, kept));
        }
        dims[j] = fv_name_dim(op, "dim", d); /* the product of many such sums has more terms than memory */
    }
    return rank;
}

static bool infer_reduce_op(fv_op *op) {
    const fv_dim *flags[FV_MAX_RANK], *dims[FV_MAX_RANK];
    int count;
    if (!reduced_axes(op, flags, &count))
        return false;
    int rank = result_dims(op, flags, count, fv_op_int(op, "keepdims") != 0, dims);
    fv_infer_out(op, 0, fv_in_type(op, 0)->elem, rank, dims);
    return true;
}

static bool upgrade_reduce(fv_op *op, int version) {
    (void)version;
    return fv_upgrade_attr_to_ints(op, "axes", 1);
}

static bool decompose_reduce(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_dim *flags[FV_MAX_RANK], *dims[FV_MAX_RANK], *extent[FV_MAX_RANK];
    const fv_type *in = fv_in_type(op, 0), *out = op->out[0]->type;
    int count;
    if (!reduced_axes(op, flags, &count))
        return false;
    result_dims(op, flags, count, true, dims);
    for (int i = 0; i < in->rank; i++)
        extent[i] = fv_dim_select(t, flags[i], in->dims[i], fv_dim_const(t, 1));
    fv_attr attrs[3] = {fv_attr_string(w->module, "kind", op->def->name),
                        fv_attr_dims(w->module, "dims", in->rank, dims),
                        fv_attr_dims(w->module, "extent", in->rank, extent)};
    fv_value *y = fv_w_op(w, FV_OP_fv_Reduce, 1, op->in, 3, attrs);
    fv_w_result(w, 0, fv_w_reshape(w, y, out->rank, out->dims));
    return true;
}

#define VERSIONS(...) {__VA_ARGS__}
/* REDUCTION(name, versions, the last one with axes as attribute, types, doc) */
#define REDUCTION(nm, versions, last, set, text)                                                   \
    {.domain = "", .name = #nm, .id = FV_OP_##nm, .since = versions, .doc = text,                                    \
     .in = {{"data", "T"}, {"axes", "tensor(int64)", FV_OPTIONAL_OPERAND, .rank = FV_LIST}},       \
     .out = {{"reduced", "T"}},                                                                    \
     .attrs = {FV_A_INT("keepdims", 1), FV_A_INT("noop_with_empty_axes", 0),                       \
               {.name = "axes", .kind = FV_ATTR_INTS, .until = last}},                             \
     .types = {{"T", set}, {"tensor(int64)", FV_SET(I64)}},                                        \
     .infer = infer_reduce_op, .upgrade = upgrade_reduce, .decompose = decompose_reduce}
#define WIDE (FV_SET_FLOAT | FV_SET(I32) | FV_SET(I64) | FV_SET(U32) | FV_SET(U64))
#define ORDERED (WIDE | FV_SET(I8) | FV_SET(U8) | FV_SET(BOOL))

const fv_opdef fv_ops_reduce[] = {
    {.domain = "fv", .name = "Reduce", .id = FV_OP_fv_Reduce, .since = {1},
     .doc = "a reduction that keeps its axes: extent[i] elements for each of dims[i]",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("kind", STRING), FV_A_REQUIRED("dims", DIMS), FV_A_REQUIRED("extent", DIMS)},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}},
     .infer = infer_fv_reduce,
     .define = define_fv_reduce},
    REDUCTION(ReduceSum, VERSIONS(1, 11, 13), 11, WIDE,
              "sum over axes"),
    REDUCTION(ReduceMean, VERSIONS(1, 11, 13, 18), 13, WIDE,
              "mean over axes"),
    REDUCTION(ReduceMax, VERSIONS(1, 11, 12, 13, 18, 20), 13, ORDERED,
              "maximum over axes"),
    REDUCTION(ReduceMin, VERSIONS(1, 11, 12, 13, 18, 20), 13, ORDERED,
              "minimum over axes"),
    REDUCTION(ReduceProd, VERSIONS(1, 11, 13, 18), 13, WIDE,
              "product over axes"),
    REDUCTION(ReduceL1, VERSIONS(1, 11, 13, 18), 13, WIDE,
              "sum of magnitudes over axes"),
    REDUCTION(ReduceL2, VERSIONS(1, 11, 13, 18), 13, WIDE,
              "root of the sum of squares over axes"),
    REDUCTION(ReduceLogSum, VERSIONS(1, 11, 13, 18), 13, WIDE,
              "logarithm of the sum over axes"),
    REDUCTION(ReduceLogSumExp, VERSIONS(1, 11, 13, 18), 13, WIDE,
              "logarithm of the sum of exponentials over axes"),
    REDUCTION(ReduceSumSquare, VERSIONS(1, 11, 13, 18), 13, WIDE,
              "sum of squares over axes"),

    {0}};
