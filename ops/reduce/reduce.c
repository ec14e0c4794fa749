/* reduce.c - reductions over axes.
 *
 * All become fv.Reduce, which keeps the axes: along axis i, each of dims[i] outputs reduces
 * extent[i] elements. For a known axis, dims and extent are 1 and the dim if it is reduced, and
 * the dim and 1 if it is kept; for axes that are data, both are expressions over symbols. If even
 * their number is not known, there is a symbol for each axis that states whether it is reduced, and
 * the run binds it. */

#include "ops/reduce/reduce.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/definition.h"
#include "ir/dim/text.h"
#include "ir/expr/rewrite.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ops/common/assemble.h"
#include "ops/common/dims.h"
#include "ops/common/upgrade.h"

/* ---- fv.Reduce ---- */

static const fv_attr *dims_of(const fv_op *op, const char *name) {
    return fv_op_find_attr(op, name);
}

static bool infer_fv_reduce(fv_op *op) {
    const fv_type *t = fv_in_type(op, 0);
    const fv_attr *d = dims_of(op, "dims"), *e = dims_of(op, "extent");
    fv_string kind = fv_op_string(op, "kind");
    bool orders = kind.n == strlen("ReduceMax") &&
                  (!memcmp(kind.s, "ReduceMax", kind.n) || !memcmp(kind.s, "ReduceMin", kind.n));
    if (t->elem == FV_BOOL && !orders)
        return fv_op_error(op, "kind '%.*s' is not one of bool", (int)kind.n, kind.s);
    if (d->n != t->rank || e->n != t->rank)
        return fv_op_error(op, "has %d dims and %d extents for rank %d", d->n, e->n, t->rank);
    fv_module *m = fv_op_module(op);
    /* one of the two is 1, the other one is the dim of the operand */
    for (int i = 0; i < t->rank; i++) {
        const fv_dim *n = fv_dim_add(m->dims, d->u.dims[i],
                                     fv_dim_sub(m->dims, e->u.dims[i], fv_dim_const(m->dims, 1)));
        if (!fv_module_assume(m, n, t->dims[i], "dims of a reduction"))
            return fv_op_error(op, "axis %d has %s elements, expected %s", i,
                               fv_dim_str(m->arena, t->dims[i]), fv_dim_str(m->arena, n));
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

/* x if it is finite, that is, if x - x is 0; else 0. */
static fv_expr *finite_or_zero(fv_definer *d, fv_expr *x) {
    fv_elem t = (fv_elem)x->type.elem;
    fv_expr *zero = fv_x_const(d->arena, t, 0);
    return fv_x_select(
        d->arena, fv_x_bin(d->arena, FV_X_EQ, fv_x_bin(d->arena, FV_X_SUB, x, x), zero), x, zero);
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

/* The maximum of x over all elements, with variables of its own, since it is nested in another
 * reduction over them. */
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
    /* the other kinds are of real numbers: integers are converted to f64 */
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

static bool decompose_reduce(fv_rewriter *w, fv_op *op);

static const char *axes_of_rank(const fv_op *op) {
    return fv_printf(fv_op_module(op)->arena, "axes of a tensor of rank %d",
                     fv_in_type(op, 0)->rank);
}

/* Without keepdims, an axis that is listed twice would leave more axes than their number suggests;
 * the run checks that there is none. */
static bool require_distinct(fv_op *op, const fv_dim *const *flags, int rank, int n) {
    fv_module *m = fv_op_module(op);
    const fv_dim *sum = fv_dim_const(m->dims, 0);
    for (int i = 0; i < rank; i++)
        sum = fv_dim_add(m->dims, sum, flags[i]);
    return fv_module_require(m, sum, fv_dim_const(m->dims, n), axes_of_rank(op),
                             "without keepdims no axis is there twice") ||
           fv_op_error(op, "an axis is there twice, without keepdims");
}

/* For each axis, 1 if it is reduced and 0 if it is kept: constants, or expressions over the
 * elements of `axes`. */
static bool reduced_axes(fv_op *op, const fv_dim **flags, int *count) {
    fv_dims *t = fv_op_module(op)->dims;
    int rank = fv_in_type(op, 0)->rank, n = 0;
    const fv_dim *const *axes = NULL;
    if (fv_op_in(op, 1) && !fv_int_operand(op, 1, &n, &axes))
        return false;
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
        if (!fv_require_axis(op, axes[k], rank))
            return false;
        for (int i = 0; i < rank; i++)
            flags[i] = fv_dim_max(
                t, flags[i],
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
    return constant || n == 1 || fv_op_int(op, "keepdims") || require_distinct(op, flags, rank, n);
}

/* The dims of the result: all axes with 1 for reduced ones, or only the kept ones. In the latter
 * case axis j is the kept axis i that has j kept axes before it. */
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
        /* names the dim, since the product of several such sums would have too many terms */
        dims[j] = fv_name_dim(op, "dim", d);
    }
    return rank;
}

/* ---- axes of which only the run knows how many there are ---- */

bool fv_has_open_axes(const fv_op *op) {
    const fv_type *t = fv_in_type(op, 1);
    return op->def->decompose == decompose_reduce && t && t->rank == 1 &&
           !fv_dim_is_const(t->dims[0]);
}

/* A hint for the user if the number of axes is not known. */
static const char *fix_hint(const fv_op *op) {
    const fv_dim *d = fv_in_type(op, 1)->dims[0];
    return d->kind == FV_DIM_SYMBOL && !d->from_data
               ? fv_printf(fv_op_module(op)->arena, ", and --dim %s=N fixes it",
                           fv_dim_str(fv_op_module(op)->arena, d))
               : "";
}

static bool keeps_dims(const fv_op *op) {
    return fv_op_int(op, "keepdims") != 0;
}

/* Without keepdims the number of axes determines the rank of the result. If rank is 0, all axes
 * must be listed; an empty list means all axes. */
bool fv_fix_axes(fv_op *op, int rank) {
    const fv_type *in = fv_in_type(op, 0);
    bool all = rank == 0 && !fv_op_int(op, "noop_with_empty_axes");
    if (rank > in->rank || (rank && rank == in->rank && !fv_op_int(op, "noop_with_empty_axes")))
        return fv_op_error(
            op, "no axes reduce a tensor of rank %d to one of rank %d, as it is declared or used",
            in->rank, rank);
    if (!all)
        return fv_fix_length(op, 1, in->rank - rank);
    op->out[0]->type = fv_tensor_type(fv_op_module(op)->arena, in->elem, 0, NULL);
    return true;
}

static bool infer_open(fv_op *op) {
    const fv_type *in = fv_in_type(op, 0), *said = op->out[0]->type;
    const fv_dim *dims[FV_MAX_RANK] = {NULL};
    if (!keeps_dims(op) && in->rank && !(said && said->kind == FV_TENSOR && said->rank == 0))
        return fv_op_error(op,
                           "input 'axes' is %s, and without keepdims its length decides the rank "
                           "of the result; a declared shape of the "
                           "result determines it%s",
                           fv_type_str(fv_op_module(op)->arena, fv_in_type(op, 1)), fix_hint(op));
    fv_infer_run_time(op, 0, in->elem, keeps_dims(op) ? in->rank : 0, dims);
    return true;
}

/* For each axis 1 if it is reduced, else 0: the number of its occurrences in the list, counted from
 * the start or the end, and at most 1. */
static fv_value *open_flags(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    int rank = fv_in_type(op, 0)->rank;
    const fv_dim *m = fv_in_type(op, 1)->dims[0], *row[2] = {fv_dim_const(t, 1), m},
                 *ends[2] = {fv_dim_const(t, rank), fv_dim_const(t, 1)};
    const fv_dim *first[FV_MAX_RANK], *last[FV_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        first[i] = fv_dim_const(t, i);
        last[i] = fv_dim_const(t, i - rank);
    }
    fv_value *axes = fv_w_reshape(w, op->in[1], 2, row);
    fv_value *from_start =
        FV_W2(w, FV_OP_Equal, axes, fv_w_reshape(w, fv_w_ints(w, FV_I64, 1, rank, first), 2, ends));
    fv_value *from_end =
        FV_W2(w, FV_OP_Equal, axes, fv_w_reshape(w, fv_w_ints(w, FV_I64, 1, rank, last), 2, ends));
    fv_value *is = fv_w_cast(w, FV_W2(w, FV_OP_Or, from_start, from_end), FV_I64);
    fv_value *times = is ? fv_w_reduce(w, FV_OP_ReduceSum, is, 1) : NULL;
    if (!times)
        return NULL;
    times = fv_w_flat(w, times);
    const fv_dim *found = fv_w_bound(w, "axes", 0, fv_w_reduce(w, FV_OP_ReduceSum, times, 0));
    if (!found ||
        !fv_module_require(w->module, found, m, fv_op_why(op, axes_of_rank(op)),
                           fv_printf(w->module->arena, "each is one of %d to %d", -rank, rank - 1)))
        return NULL;
    fv_value *flags = FV_W2(w, FV_OP_Min, times, fv_w_int(w, FV_I64, 1));
    const fv_dim *none = fv_dim_is(t, m, 0);
    return fv_op_int(op, "noop_with_empty_axes")
               ? flags
               : FV_W2(w, FV_OP_Max, flags, fv_w_ints(w, FV_I64, 0, 1, &none));
}

static bool decompose_open(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_type *in = fv_in_type(op, 0), *out = op->out[0]->type;
    const fv_dim *one = fv_dim_const(t, 1), *dims[FV_MAX_RANK], *extent[FV_MAX_RANK];
    bool all = !keeps_dims(op);
    fv_value *flags = open_flags(w, op);
    for (int i = 0; i < in->rank; i++) {
        dims[i] = all ? one : out->dims[i];
        extent[i] = all ? in->dims[i] : fv_dim_sub(t, fv_dim_add(t, in->dims[i], one), dims[i]);
    }
    if (all) { /* no axis remains */
        fv_w_bind(w, flags, in->rank, dims);
    } else {
        fv_value *is = flags ? fv_w_cast(w, flags, FV_BOOL) : NULL;
        fv_w_bind(w,
                  FV_W3(w, FV_OP_Where, is, fv_w_int(w, FV_I64, 1),
                        fv_w_ints(w, FV_I64, 1, in->rank, in->dims)),
                  in->rank, dims);
    }
    fv_attr attrs[3] = {fv_attr_string(w->module, "kind", op->def->name),
                        fv_attr_dims(w->module, "dims", in->rank, dims),
                        fv_attr_dims(w->module, "extent", in->rank, extent)};
    fv_value *y = fv_w_op(w, FV_OP_fv_Reduce, 1, op->in, 3, attrs);
    fv_w_result(w, 0, y ? fv_w_reshape(w, y, out->rank, out->dims) : NULL);
    return !w->failed && flags;
}

static bool infer_reduce_op(fv_op *op) {
    const fv_dim *flags[FV_MAX_RANK], *dims[FV_MAX_RANK];
    int count;
    if (fv_in_type(op, 0)->rank == 0 && fv_has_open_axes(op) && !fv_fix_length(op, 1, 0))
        return false;
    if (fv_has_open_axes(op))
        return infer_open(op);
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
    if (fv_has_open_axes(op))
        return decompose_open(w, op);
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
/* REDUCTION(name, versions, last version with axes as an attribute, types, doc) */
#define REDUCTION(nm, versions, last, set, text)                                                   \
    {.domain = "",                                                                                 \
     .name = #nm,                                                                                  \
     .id = FV_OP_##nm,                                                                             \
     .since = versions,                                                                            \
     .doc = text,                                                                                  \
     .in = {{"data", "T"}, {"axes", "tensor(int64)", FV_OPTIONAL_OPERAND, .rank = FV_LIST}},       \
     .out = {{"reduced", "T"}},                                                                    \
     .attrs = {FV_A_INT("keepdims", 1),                                                            \
               FV_A_INT("noop_with_empty_axes", 0),                                                \
               {.name = "axes", .kind = FV_ATTR_INTS, .until = last}},                             \
     .types = {{"T", set}, {"tensor(int64)", FV_SET(I64)}},                                        \
     .infer = infer_reduce_op,                                                                     \
     .upgrade = upgrade_reduce,                                                                    \
     .decompose = decompose_reduce}
#define WIDE    (FV_SET_FLOAT | FV_SET(I32) | FV_SET(I64) | FV_SET(U32) | FV_SET(U64))
#define ORDERED (WIDE | FV_SET(I8) | FV_SET(U8) | FV_SET(BOOL))

const fv_opdef fv_ops_reduce[] = {
    {.domain = "fv",
     .name = "Reduce",
     .id = FV_OP_fv_Reduce,
     .since = {1},
     .doc = "a reduction that keeps its axes: along axis i, dims[i] outputs, each of extent[i] "
            "elements",
     .in = {{"X", "T"}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("kind", STRING), FV_A_REQUIRED("dims", DIMS),
               FV_A_REQUIRED("extent", DIMS)},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}},
     .infer = infer_fv_reduce,
     .define = define_fv_reduce},
    REDUCTION(ReduceSum, VERSIONS(1, 11, 13), 11, WIDE, "sum over axes"),
    REDUCTION(ReduceMean, VERSIONS(1, 11, 13, 18), 13, WIDE, "mean over axes"),
    REDUCTION(ReduceMax, VERSIONS(1, 11, 12, 13, 18, 20), 13, ORDERED, "maximum over axes"),
    REDUCTION(ReduceMin, VERSIONS(1, 11, 12, 13, 18, 20), 13, ORDERED, "minimum over axes"),
    REDUCTION(ReduceProd, VERSIONS(1, 11, 13, 18), 13, WIDE, "product over axes"),
    REDUCTION(ReduceL1, VERSIONS(1, 11, 13, 18), 13, WIDE, "sum of magnitudes over axes"),
    REDUCTION(ReduceL2, VERSIONS(1, 11, 13, 18), 13, WIDE, "root of the sum of squares over axes"),
    REDUCTION(ReduceLogSum, VERSIONS(1, 11, 13, 18), 13, WIDE, "logarithm of the sum over axes"),
    REDUCTION(ReduceLogSumExp, VERSIONS(1, 11, 13, 18), 13, WIDE,
              "logarithm of the sum of exponentials over axes"),
    REDUCTION(ReduceSumSquare, VERSIONS(1, 11, 13, 18), 13, WIDE, "sum of squares over axes"),

    {0}};
