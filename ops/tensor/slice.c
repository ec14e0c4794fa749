/* slice.c - operators that take parts of axes: all become fv.Slice, whose starts, steps and dims
 * are dims. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/upgrade.h"
#include "ops/tensor/moved.h"

/* ---- Slice ---- */

typedef struct cut { /* for each axis */
    bool run_time;   /* whether axes or steps are known in the run only */
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK];
} cut;

static bool beyond(const fv_dim *e) {
    return fv_dim_is_const(e) && e->value > FV_DIM_MAX;
}

static bool before(const fv_dim *e) {
    return fv_dim_is_const(e) && e->value < -FV_DIM_MAX;
}

/* For positive steps: [max(start, 0), min(end, n)), where negative numbers count from the end. */
static void cut_forward(fv_dims *t, cut *c, int i, const fv_dim *n, const fv_dim *start,
                        const fv_dim *end, int64_t step) {
    const fv_dim *zero = fv_dim_const(t, 0);
    start = beyond(start)   ? n
            : before(start) ? zero
                            : fv_dim_max(t, fv_dim_wrap(t, start, n), zero);
    end = beyond(end) ? n : before(end) ? zero : fv_dim_min(t, fv_dim_wrap(t, end, n), n);
    c->start[i] = start;
    c->step[i] = fv_dim_const(t, step);
    c->dims[i] = fv_dim_max(t, fv_dim_ceildiv(t, fv_dim_sub(t, end, start), c->step[i]), zero);
}

/* For negative steps: from min(start, n - 1) down to max(end, -1) + 1. */
static void cut_backward(fv_dims *t, cut *c, int i, const fv_dim *n, const fv_dim *start,
                         const fv_dim *end, int64_t step) {
    const fv_dim *zero = fv_dim_const(t, 0), *minus1 = fv_dim_const(t, -1);
    const fv_dim *last = fv_dim_add(t, n, minus1);
    start = before(start)   ? zero
            : beyond(start) ? last
                            : fv_dim_max(t, fv_dim_wrap(t, start, n), zero);
    start = fv_dim_min(t, start, last);
    end = beyond(end) ? last : before(end) ? minus1 : fv_dim_max(t, fv_dim_wrap(t, end, n), minus1);
    c->start[i] = start;
    c->step[i] = fv_dim_const(t, step);
    c->dims[i] =
        fv_dim_max(t, fv_dim_ceildiv(t, fv_dim_sub(t, start, end), fv_dim_const(t, -step)), zero);
}

static bool cut_axes(fv_op *op, cut *c, int n, const int *axes, const fv_dim *const *starts,
                     const fv_dim *const *ends, const fv_dim *const *steps) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    for (int i = 0; i < n; i++) {
        int64_t step = steps ? steps[i]->value : 1;
        if (!step)
            return fv_op_error(op, "step %d is 0", i);
        if (step < -FV_DIM_MAX) /* such a step takes at most one element anyway */
            step = -FV_DIM_MAX;
        (step > 0 ? cut_forward : cut_backward)(t, c, axes[i], x->dims[axes[i]], starts[i], ends[i],
                                                step);
    }
    return true;
}

/* Are there lists of which only the run knows how long they are? They are as long as each other. */
static bool has_open_lists(const fv_op *op) {
    for (int i = 1; i < op->nin; i++)
        if (op->in[i] && !fv_dim_is_const(fv_in_type(op, i)->dims[0]))
            return true;
    return false;
}

static bool find_cut(fv_op *op, cut *c) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *starts, *const *ends, *const *steps = NULL;
    int n, axes[FV_MAX_RANK];
    bool constant = true;
    for (int i = 0; i < x->rank; i++) {
        c->start[i] = fv_dim_const(t, 0);
        c->step[i] = fv_dim_const(t, 1);
        c->dims[i] = x->dims[i];
        axes[i] = i;
    }
    c->run_time = has_open_lists(op);
    if (c->run_time)
        return true;
    if (!fv_int_operand(op, 1, &n, &starts) || !fv_int_operand(op, 2, &n, &ends))
        return false;
    if (fv_op_in(op, 3) && !fv_axes_operand(op, 3, x->rank, &n, axes, &constant))
        return false;
    if (fv_op_in(op, 4) && !fv_int_operand(op, 4, &n, &steps))
        return false;
    if (n > x->rank)
        return fv_op_error(op, "has %d starts for a tensor of rank %d", n, x->rank);
    c->run_time = !constant || (steps && !fv_dims_are_const(n, steps));
    return c->run_time || cut_axes(op, c, n, axes, starts, ends, steps);
}

/* Computes the elements of a part of a small integer tensor. */
static void slice_elems(fv_op *op, const cut *c) {
    int n;
    const fv_dim *const *from, *to[FV_MAX_ELEMS];
    if (c->run_time || fv_in_type(op, 0)->rank != 1 || !fv_dim_is_const(c->start[0]) ||
        !fv_dim_is_const(c->dims[0]) || !fv_known_elems(op, 0, &n, &from))
        return;
    int64_t count = c->dims[0]->value, start = c->start[0]->value, step = c->step[0]->value;
    for (int64_t i = 0; i < count; i++)
        to[i] = from[start + i * step];
    fv_set_elems(op->out[0], (int)count, to);
}

bool fv_slice_source(fv_op *slice, int64_t *index) {
    cut c;
    if (!find_cut(slice, &c) || c.run_time)
        return false;
    for (int i = 0; i < fv_in_type(slice, 0)->rank; i++) {
        if (!fv_dim_is_const(c.start[i]))
            return false;
        index[i] = c.start[i]->value + index[i] * c.step[i]->value;
    }
    return true;
}

static bool infer_slice(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    cut c;
    if (!find_cut(op, &c))
        return false;
    for (int i = 0; i < x->rank && c.run_time; i++)
        c.dims[i] = NULL;
    fv_infer_run_time(op, 0, x->elem, x->rank, c.dims);
    slice_elems(op, &c);
    return true;
}

/* Binds the symbols for starts, steps and dims of a slice that depends on data. */
static void bind_cut(fv_rewriter *w, fv_op *op, cut *c) {
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    fv_dims *t = w->module->dims;
    const fv_dim *all[3 * FV_MAX_RANK];
    int r = x->rank;
    fv_attr a = fv_attr_dims(w->module, "dims", r, x->dims);
    for (int i = 0; i < r; i++) {
        const char *stem = fv_printf(w->module->arena, "%s_start%d", op->out[0]->name, i);
        all[i] = c->start[i] = fv_dim_fresh(t, stem, -1, FV_DIM_MAX, true);
        stem = fv_printf(w->module->arena, "%s_step%d", op->out[0]->name, i);
        all[r + i] = c->step[i] = fv_dim_fresh(t, stem, -FV_DIM_MAX, FV_DIM_MAX, true);
        all[2 * r + i] = c->dims[i] = y->dims[i];
    }
    fv_value *v = fv_w_op(w, FV_OP_fv_SliceBounds, op->nin - 1, op->in + 1, 1, &a);
    fv_w_bind(w, v, 3 * r, all);
}

static bool decompose_slice(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    cut c;
    if (!find_cut(op, &c))
        return false;
    if (c.run_time)
        bind_cut(w, op, &c);
    fv_w_result(w, 0, fv_w_slice(w, op->in[0], c.start, c.step, y->dims));
    return true;
}

/* Before opset 10 all operands were attributes. */
static bool upgrade_slice(fv_op *op, int version) {
    return version >= 10 ||
           (fv_upgrade_attr_to_ints(op, "starts", 1) && fv_upgrade_attr_to_ints(op, "ends", 2) &&
            fv_upgrade_attr_to_ints(op, "axes", 3));
}

/* ---- fv.SliceBounds: starts, steps and dims of a Slice by data ---- */

static bool infer_slice_bounds(fv_op *op) {
    const fv_attr *dims = fv_op_find_attr(op, "dims");
    fv_module *m = fv_op_module(op);
    const fv_dim *n = fv_dim_const(m->dims, 3 * dims->n), *count = fv_in_type(op, 0)->dims[0];
    fv_infer_out(op, 0, FV_I64, 1, &n);
    for (int i = 1; i < op->nin; i++)
        if (op->in[i] &&
            !fv_module_assume(m, fv_in_type(op, i)->dims[0], count, "bounds of a slice"))
            return fv_op_error(op, "has %s starts, '%s' has %s", fv_dim_str(m->arena, count),
                               op->def->in[i].name,
                               fv_dim_str(m->arena, fv_in_type(op, i)->dims[0]));
    return true;
}

/* The axis that the elements at k of the lists are about. */
static fv_expr *axis_at(fv_definer *d, fv_expr *k, int rank) {
    return fv_op_in(d->op, 2) ? fv_d_wrap(d, fv_d_int(d, 2, k), fv_x_int(d->arena, rank)) : k;
}

/* The element of operand `in` for this axis, or `otherwise` if the axis is not sliced. */
static fv_expr *for_axis(fv_definer *d, int in, fv_expr *axis, int rank, fv_expr *otherwise) {
    fv_arena *a = d->arena;
    if (!fv_op_in(d->op, in))
        return otherwise;
    fv_var *k = fv_d_var(d, "k", fv_in_type(d->op, 0)->dims[0]);
    fv_expr *at = fv_x_var(a, k);
    fv_expr *mine = fv_x_bin(a, FV_X_EQ, axis_at(d, at, rank), axis);
    fv_expr *sum =
        fv_x_reduce(a, FV_SUM, 1, &k, fv_x_select(a, mine, fv_d_int(d, in, at), fv_x_int(a, 0)));
    return fv_x_select(a, fv_x_reduce(a, FV_ANY, 1, &k, mine), sum, otherwise);
}

/* Is each listed axis one of a tensor of that rank, and `axis` listed at most once? If the length
 * of the lists is known, these are relations between dims instead. */
static fv_expr *are_axes(fv_definer *d, fv_expr *axis, int rank) {
    fv_arena *a = d->arena;
    fv_var *k = fv_d_var(d, "k", fv_in_type(d->op, 0)->dims[0]);
    fv_var *n = fv_d_var(d, "n", fv_in_type(d->op, 0)->dims[0]);
    fv_expr *at = axis_at(d, fv_x_var(a, k), rank), *zero = fv_x_int(a, 0);
    fv_expr *outside = fv_x_bin(a, FV_X_OR, fv_x_bin(a, FV_X_LT, at, zero),
                                fv_x_bin(a, FV_X_LE, fv_x_int(a, rank), at));
    fv_expr *here = fv_x_bin(a, FV_X_EQ, axis_at(d, fv_x_var(a, n), rank), axis);
    fv_expr *times =
        fv_x_reduce(a, FV_SUM, 1, &n, fv_x_select(a, here, fv_x_int(a, 1), fv_x_int(a, 0)));
    return fv_x_bin(a, FV_X_AND, fv_x_un(a, FV_X_NOT, fv_x_reduce(a, FV_ANY, 1, &k, outside)),
                    fv_x_bin(a, FV_X_LE, times, fv_x_int(a, 1)));
}

static fv_expr *clamp(fv_arena *a, fv_expr *x, fv_expr *lo, fv_expr *hi) {
    return fv_x_bin(a, FV_X_MIN, fv_x_bin(a, FV_X_MAX, x, lo), hi);
}

/* Defines the starts, then steps, then dims of all axes as one vector. */
static bool define_slice_bounds(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    const fv_attr *dims = fv_op_find_attr(op, "dims");
    fv_expr *rank = fv_x_int(a, dims->n), *zero = fv_x_int(a, 0), *one = fv_x_int(a, 1);
    fv_expr *i = fv_x_var(a, def->index[0]), *axis = fv_x_bin(a, FV_X_FLOORMOD, i, rank);
    fv_expr *n = fv_d_pick_dim(d, axis, dims->n, dims->u.dims);
    fv_expr *last = fv_x_bin(a, FV_X_SUB, n, one);
    fv_expr *step = for_axis(d, 3, axis, dims->n, one);
    fv_expr *legal = fv_x_bin(a, FV_X_NE, step, zero);
    if (!fv_dim_is_const(fv_in_type(op, 0)->dims[0]))
        legal = fv_x_bin(a, FV_X_AND, legal, are_axes(d, axis, dims->n));
    legal = fv_x_un(a, FV_X_REQUIRE, legal);
    step = fv_x_select(a, legal, step, one);
    /* a step of the size of any axis takes one element, as longer ones do, which could wrap */
    step = clamp(a, step, fv_x_int(a, -FV_DIM_MAX), fv_x_int(a, FV_DIM_MAX));
    fv_expr *back = fv_x_bin(a, FV_X_LT, step, zero);
    fv_expr *start = fv_d_wrap(d, for_axis(d, 0, axis, dims->n, zero), n);
    fv_expr *end = fv_d_wrap(d, for_axis(d, 1, axis, dims->n, n), n);
    start = clamp(a, start, zero, fv_x_select(a, back, last, n));
    end = clamp(a, end, fv_x_select(a, back, fv_x_int(a, -1), zero), fv_x_select(a, back, last, n));
    fv_expr *span =
        fv_x_select(a, back, fv_x_bin(a, FV_X_SUB, start, end), fv_x_bin(a, FV_X_SUB, end, start));
    fv_expr *size = fv_x_bin(a, FV_X_MAX, step, fv_x_un(a, FV_X_NEG, step));
    fv_expr *up = fv_x_bin(a, FV_X_ADD, fv_x_bin(a, FV_X_SUB, span, one), size);
    fv_expr *count = fv_x_bin(a, FV_X_MAX, zero, fv_x_bin(a, FV_X_FLOORDIV, up, size));
    fv_expr *what[3] = {start, step, count};
    def->body = fv_d_pick(d, fv_x_bin(a, FV_X_FLOORDIV, i, rank), 3, what);
    return true;
}

/* ---- Split ---- */

/* Computes the sizes of the parts; false after a diagnostic. */
static bool part_sizes(fv_op *op, const fv_dim *size, const fv_dim **parts) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_dim *const *e, *sum = fv_dim_const(t, 0);
    int n = op->nout, given;
    if (fv_op_in(op, 1)) {
        if (!fv_int_operand(op, 1, &given, &e))
            return false;
        for (int i = 0; i < n; i++) {
            sum = fv_dim_add(t, sum, parts[i] = e[i]);
            if (!fv_module_require(m, fv_dim_max(t, e[i], fv_dim_const(t, 0)), e[i],
                                   "part of a Split",
                                   fv_printf(m->arena, "0 <= %s", fv_dim_str(m->arena, e[i]))))
                return fv_op_error(op, "part %d has %s", i, fv_dim_str(m->arena, e[i]));
        }
        return fv_module_assume(m, sum, size, "parts of a Split") ||
               fv_op_error(op, "parts add up to %s, the axis has %s", fv_dim_str(m->arena, sum),
                           fv_dim_str(m->arena, size));
    }
    const fv_dim *count = fv_dim_const(t, n), *part = fv_dim_quotient(t, size, count);
    bool uneven = fv_op_int_or(op, "num_outputs", 0) > 0;
    if (!part)
        part = uneven ? fv_dim_ceildiv(t, size, count) : fv_dim_floordiv(t, size, count);
    if (!uneven && !fv_module_assume(m, fv_dim_mul(t, part, count), size, "equal parts of a Split"))
        return fv_op_error(op, "cannot split %s into %d equal parts", fv_dim_str(m->arena, size),
                           n);
    const fv_dim *left = size;
    for (int i = 0; i < n; i++) {
        parts[i] = uneven ? fv_dim_max(t, fv_dim_min(t, part, left), fv_dim_const(t, 0)) : part;
        left = fv_dim_sub(t, left, part);
    }
    return true;
}

static void split_elems(fv_op *op, const fv_dim *const *parts) {
    int n, at = 0;
    const fv_dim *const *e;
    if (fv_in_type(op, 0)->rank != 1 || !fv_known_elems(op, 0, &n, &e))
        return;
    for (int i = 0; i < op->nout && fv_dim_is_const(parts[i]); i++) {
        int count = (int)parts[i]->value;
        if (count < 0 || at + count > n)
            return;
        if (op->out[i])
            fv_set_elems(op->out[i], count, e + at);
        at += count;
    }
}

static bool infer_split(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_arena *a = fv_op_module(op)->arena;
    const fv_dim **parts = FV_NEW(a, const fv_dim *, op->nout + 1);
    const fv_dim *dims[FV_MAX_RANK];
    int axis;
    int64_t count = fv_op_int_or(op, "num_outputs", op->nout);
    if (count != op->nout)
        return fv_op_error(op, "num_outputs is %lld, but it has %d results", (long long)count,
                           op->nout);
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis) ||
        !part_sizes(op, x->dims[axis], parts))
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    for (int i = 0; i < op->nout; i++) {
        dims[axis] = parts[i];
        fv_infer_out(op, i, x->elem, x->rank, dims);
    }
    split_elems(op, parts);
    return true;
}

static bool decompose_split(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_dims *t = w->module->dims;
    const fv_dim **parts = FV_NEW(w->module->arena, const fv_dim *, op->nout + 1);
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK];
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis) ||
        !part_sizes(op, x->dims[axis], parts))
        return false;
    for (int i = 0; i < x->rank; i++) {
        start[i] = fv_dim_const(t, 0);
        step[i] = fv_dim_const(t, 1);
    }
    for (int i = 0; i < op->nout; i++) {
        if (op->out[i])
            fv_w_result(w, i, fv_w_slice(w, op->in[0], start, step, op->out[i]->type->dims));
        start[axis] = fv_dim_add(t, start[axis], parts[i]);
    }
    return true;
}

/* Before opset 13 the sizes were an attribute; in opset 1 they could be an input of any type. */
static bool upgrade_split(fv_op *op, int version) {
    if (version >= 13)
        return true;
    if (version == 1 && fv_op_in(op, 1)) {
        fv_rewriter w = fv_rewriter_at(op);
        fv_value *v = fv_w_cast(&w, op->in[1], FV_I64);
        if (!v)
            return false;
        fv_op_set_in(op, 1, v);
    }
    return fv_upgrade_attr_to_ints(op, "split", 1);
}

/* ---- UnfoldTensor ---- */

static bool infer_unfold(fv_op *op) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK], *one = fv_dim_const(t, 1);
    int64_t n = fv_op_int(op, "size"), step = fv_op_int(op, "step");
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "dim"), x->rank, &axis))
        return false;
    if (n < 1 || n > FV_DIM_MAX || step < 1 || step > FV_DIM_MAX)
        return fv_op_error(op, "size is %lld and step %lld, expected at least 1", (long long)n,
                           (long long)step);
    if (x->rank == FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", x->rank + 1, FV_MAX_RANK);
    const fv_dim *size = fv_dim_const(t, n), *have = x->dims[axis];
    if (!fv_module_require(m, fv_dim_max(t, have, size), have, "slices of UnfoldTensor",
                           fv_printf(m->arena, "%s <= %s", fv_dim_str(m->arena, size),
                                     fv_dim_str(m->arena, have))))
        return fv_op_error(op, "axis %d has %s elements, size is %lld", axis,
                           fv_dim_str(m->arena, have), (long long)n);
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    dims[axis] =
        fv_dim_add(t, fv_dim_floordiv(t, fv_dim_sub(t, have, size), fv_dim_const(t, step)), one);
    dims[x->rank] = size;
    fv_infer_out(op, 0, x->elem, x->rank + 1, dims);
    return true;
}

static bool define_unfold(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *index[FV_MAX_RANK];
    int axis, rank = def->rank - 1;
    if (!fv_infer_axis(op, fv_op_int(op, "dim"), rank, &axis))
        return false;
    for (int i = 0; i < rank; i++)
        index[i] = fv_x_var(a, def->index[i]);
    fv_expr *start = fv_x_bin(a, FV_X_MUL, index[axis], fv_x_int(a, fv_op_int(op, "step")));
    index[axis] = fv_x_bin(a, FV_X_ADD, start, fv_x_var(a, def->index[rank]));
    def->body = fv_d_load(d, 0, index);
    return true;
}

const fv_opdef fv_ops_slice[] = {
    {.domain = "fv",
     .name = "SliceBounds",
     .id = FV_OP_fv_SliceBounds,
     .since = {1},
     .doc = "starts, steps and dims of a slice, which are data, of a tensor of `dims`",
     .in = {{"starts", "T", .rank = FV_RANK(1)},
            {"ends", "T", .rank = FV_RANK(1)},
            {"axes", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)},
            {"steps", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET(I32) | FV_SET(I64)}, {"T1", FV_SET(I64)}},
     .infer = infer_slice_bounds,
     .define = define_slice_bounds},
    {.domain = "",
     .name = "Slice",
     .id = FV_OP_Slice,
     .since = {1, 10, 11, 13},
     .doc = "elements start, start + step, ... before end of each axis",
     .in = {{"data", "T"},
            {"starts", "Tind", .rank = FV_FIRST_AXES("data")},
            {"ends", "Tind", .rank = FV_FIRST_AXES("data")},
            {"axes", "Tind", FV_OPTIONAL_OPERAND, .rank = FV_FIRST_AXES("data")},
            {"steps", "Tind", FV_OPTIONAL_OPERAND, .rank = FV_FIRST_AXES("data")}},
     .out = {{"output", "T"}},
     .attrs = {{.name = "axes", .kind = FV_ATTR_INTS, .until = 1},
               {.name = "ends", .kind = FV_ATTR_INTS, .until = 1},
               {.name = "starts", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_MOVED}, {"Tind", FV_SET(I32) | FV_SET(I64)}},
     .infer = infer_slice,
     .decompose = decompose_slice,
     .upgrade = upgrade_slice},
    {.domain = "",
     .name = "DynamicSlice",
     .since = {1},
     .experimental = true,
     .doc = "elements start, start + 1, ... before end of each axis",
     .in = {{"data", "T"},
            {"starts", "Tind", .rank = FV_FIRST_AXES("data")},
            {"ends", "Tind", .rank = FV_FIRST_AXES("data")},
            {"axes", "Tind", FV_OPTIONAL_OPERAND, .rank = FV_FIRST_AXES("data")}},
     .out = {{"output", "T"}},
     .types = {{"T", FV_SET_MOVED}, {"Tind", FV_SET(I32) | FV_SET(I64)}},
     .infer = infer_slice,
     .decompose = decompose_slice},
    {.domain = "",
     .name = "Split",
     .id = FV_OP_Split,
     .since = {1, 2, 11, 13, 18},
     .doc = "parts of an axis: of the given sizes, or equal ones, the last perhaps smaller",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)},
            {"split", "S", FV_OPTIONAL_OPERAND, .rank = FV_LIST_OF(FV_RESULTS_LENGTH)}},
     .out = {{"outputs", "T", FV_VARIADIC, 1}},
     .attrs = {FV_A_INT("axis", 0),
               FV_A_OPTIONAL("num_outputs", INT),
               {.name = "split", .kind = FV_ATTR_INTS, .until = 11}},
     .types = {{"T", FV_SET_MOVED}, {"S", FV_SET(I64)}},
     .infer = infer_split,
     .decompose = decompose_split,
     .upgrade = upgrade_split,
     .moved = 1},
    {.domain = "com.microsoft",
     .name = "UnfoldTensor",
     .since = {1},
     .doc = "all slices of `size` elements along axis `dim` that begin at multiples of a step; the "
            "elements of each are along a new last axis",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("dim", -1), FV_A_REQUIRED("size", INT), FV_A_INT("step", 1)},
     .types = {{"T", FV_SET_DATA}},
     .infer = infer_unfold,
     .define = define_unfold},

    {0}};
