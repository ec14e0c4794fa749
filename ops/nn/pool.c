/* pool.c - pooling: over sliding windows, over all positions, over neighbouring channels.
 *
 * Sliding windows become an fv. op whose padding is explicit. Its definition is
 *   Y[n, c, o..] = max k.. < kernel..: X[n, c, o.. * strides.. + k.. * dilations.. - pads..] else
 *     -inf
 * or similar; along a long kernel, k begins at the first tap inside of the image. AveragePool
 * divides by the number of elements inside, a product over the axes of numbers in closed form. */
#include "ir/definition/definition.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ops/nn/window.h"

#include <float.h>
#include <math.h>

static bool infer_pool(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    fv_window w;
    if (!fv_window_read(op, x, NULL, &w))
        return false;
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    fv_window_dims(fv_op_module(op)->dims, &w, x, dims + 2);
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    fv_infer_out(op, 1, FV_I64, x->rank, dims);
    return true;
}

static bool infer_max_pool(fv_op *op) {
    int64_t order = fv_op_int(op, "storage_order");
    return infer_pool(op) &&
           (order == 0 || order == 1 ||
            fv_op_error(op, "storage_order is %lld, expected 0 or 1", (long long)order));
}

/* Reads the window, and returns it as attributes: pads, strides, dilations, kernel, dims. */
static bool pool_attrs(fv_rewriter *w, fv_op *op, fv_window *win, fv_attr *a, int *n) {
    const fv_type *y = op->out[0]->type;
    if (!fv_window_read(op, fv_in_type(op, 0), NULL, win))
        return false;
    *n = fv_window_attrs(w->module, win, a);
    a[(*n)++] = fv_attr_dims(w->module, "kernel", win->n, win->kernel);
    a[(*n)++] = fv_attr_dims(w->module, "dims", y->rank, y->dims);
    return true;
}

static bool infer_fv_pool(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *d = fv_op_find_attr(op, "dims");
    static const char *const lists[] = {"pads", "strides", "dilations", "kernel", "lo", "hi"};
    for (int i = 0; i < 6; i++) {
        const fv_attr *a = fv_op_find_attr(op, lists[i]);
        if (a && a->n != x->rank - 2)
            return fv_op_error(op, "%s has %d entries for rank %d", lists[i], a->n, x->rank);
    }
    if (d->n != x->rank)
        return fv_op_error(op, "has %d dims for rank %d", d->n, x->rank);
    const fv_type *y = fv_op_is(op, FV_OP_fv_MaxPoolIndices) ? fv_in_type(op, 1) : NULL;
    fv_module *m = fv_op_module(op);
    for (int i = 0; i < d->n; i++)
        if ((i < 2 && !fv_module_assume(m, d->u.dims[i], x->dims[i], "dims of a pool")) ||
            (y && !fv_module_assume(m, d->u.dims[i], y->dims[i], "dims of a pool")))
            return fv_op_error(op, "has %s on axis %d, an input has %s",
                               fv_dim_str(m->arena, d->u.dims[i]), i,
                               fv_dim_str(m->arena, (y ? y : x)->dims[i]));
    fv_elem e = fv_op_is(op, FV_OP_fv_MaxPoolIndices)         ? FV_I64
                : fv_op_is(op, FV_OP_fv_QuantizedAveragePool) ? FV_F32
                                                              : x->elem;
    fv_infer_out(op, 0, e, d->n, d->u.dims);
    return true;
}

static bool infer_masked(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *masked = fv_in_type(op, 1);
    if (masked->rank != x->rank - 1)
        return fv_op_error(op, "input 'masked' has rank %d, expected %d", masked->rank,
                           x->rank - 1);
    for (int i = 1; i < masked->rank; i++)
        if (!fv_module_assume(m, masked->dims[i], x->dims[i + 1], "a mask for each element"))
            return fv_op_error(op, "axis %d has %s in X, %s in masked", i + 1,
                               fv_dim_str(m->arena, x->dims[i + 1]),
                               fv_dim_str(m->arena, masked->dims[i]));
    return infer_fv_pool(op);
}

/* ---- MaxPool ---- */

static bool decompose_max_pool(fv_rewriter *w, fv_op *op) {
    fv_window win;
    fv_attr a[6];
    int n;
    if (!pool_attrs(w, op, &win, a, &n))
        return false;
    fv_value *in[2] = {op->in[0], fv_w_op(w, FV_OP_fv_MaxPool, 1, op->in, n, a)};
    if (op->nout > 1 && op->out[1]) {
        a[n++] = fv_attr_int(w->module, "storage_order", fv_op_int(op, "storage_order"));
        fv_w_result(w, 1, fv_w_op(w, FV_OP_fv_MaxPoolIndices, 2, in, n, a));
    }
    fv_w_result(w, 0, in[1]);
    return true;
}

/* ONNX Runtime's operator, whose channels are the last axis. */
static bool infer_nhwc_max_pool(fv_op *op) {
    const fv_type *x = fv_type_channels_first(fv_op_module(op), fv_in_type(op, 0));
    const fv_dim *dims[FV_MAX_RANK] = {x->dims[0], x->dims[1]};
    fv_window w;
    if (!fv_window_read(op, x, NULL, &w))
        return false;
    fv_window_dims(fv_op_module(op)->dims, &w, x, dims + 2);
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    fv_infer_channels_last(op);
    return true;
}

static bool decompose_nhwc_max_pool(fv_rewriter *w, fv_op *op) {
    fv_value *x = fv_w_channels_first(w, op->in[0]);
    fv_op *pool = fv_w_op_n(w, FV_OP_MaxPool, 1, &x, op->nattrs, op->attrs, 1);
    fv_w_result(w, 0, pool ? fv_w_channels_last(w, pool->out[0]) : NULL);
    return true;
}

static fv_expr *add(fv_arena *a, fv_expr *x, fv_expr *y) {
    return fv_x_bin(a, FV_X_ADD, x, y);
}

static fv_expr *sub(fv_arena *a, fv_expr *x, fv_expr *y) {
    return fv_x_bin(a, FV_X_SUB, x, y);
}

static fv_expr *mul(fv_arena *a, fv_expr *x, fv_expr *y) {
    return fv_x_bin(a, FV_X_MUL, x, y);
}

/* The first position along axis i of an output's window, which may be in the padding. */
static fv_expr *window_start(fv_definer *d, const fv_definition *def, int i) {
    fv_arena *a = d->arena;
    fv_expr *o = fv_x_var(a, def->index[i + 2]);
    fv_expr *s = fv_x_int(a, fv_op_find_attr(d->op, "strides")->u.ints[i]);
    return sub(a, mul(a, o, s), fv_x_dim(a, fv_op_find_attr(d->op, "pads")->u.dims[i]));
}

/* The variables of a reduction over the windows of the first operand. */
typedef struct taps {
    int n; /* number of axes along which the window slides */
    fv_var *k[FV_MAX_RANK];
    /* indices of the element of a tap, which may be outside of the image */
    fv_expr *index[FV_MAX_RANK];
    fv_expr *within; /* condition that it is a tap of the window; NULL: always true */
} taps;

/* For a kernel longer than this along an axis, the reduction runs over taps that can be inside of
 * the image only. For shorter ones, an outside tap costs less than computing the first inside tap,
 * and sums have all terms that the standard defines. */
enum { LONG_KERNEL = 64 };

/* The first tap of a long kernel that is not before the image: the least k with start + k * step >=
 * 0. */
static fv_expr *first_inside(fv_arena *a, fv_expr *start, int64_t step) {
    fv_expr *before =
        fv_x_bin(a, FV_X_FLOORDIV, sub(a, fv_x_int(a, step - 1), start), fv_x_int(a, step));
    return fv_x_bin(a, FV_X_MAX, fv_x_int(a, 0), before);
}

/* Adds the taps along axis i. At most size / step taps, rounded up, are inside of the image, so the
 * loop is no longer than that, however large the kernel is. */
static void taps_along(fv_definer *d, const fv_definition *def, int i, taps *w) {
    fv_dims *t = d->module->dims;
    fv_arena *a = d->arena;
    const fv_dim *kernel = fv_op_find_attr(d->op, "kernel")->u.dims[i];
    int64_t step = fv_op_find_attr(d->op, "dilations")->u.ints[i];
    const fv_dim *most =
        fv_dim_ceildiv(t, fv_in_type(d->op, 0)->dims[i + 2], fv_dim_const(t, step));
    bool clipped = kernel->hi > LONG_KERNEL && !fv_dim_at_most(t, kernel, most);
    w->k[i] = fv_d_var(d, "k", clipped ? fv_dim_min(t, kernel, most) : kernel);
    fv_expr *tap = fv_x_var(a, w->k[i]), *o = fv_x_var(a, def->index[i + 2]);
    if (clipped) {
        tap = add(a, first_inside(a, window_start(d, def, i), step), tap);
        fv_expr *in = fv_x_bin(a, FV_X_LT, tap, fv_x_dim(a, kernel));
        w->within = w->within ? fv_x_bin(a, FV_X_AND, w->within, in) : in;
    }
    fv_expr *at = add(a, mul(a, o, fv_x_int(a, fv_op_find_attr(d->op, "strides")->u.ints[i])),
                      mul(a, tap, fv_x_int(a, step)));
    w->index[i + 2] = sub(a, at, fv_x_dim(a, fv_op_find_attr(d->op, "pads")->u.dims[i]));
}

static taps taps_of(fv_definer *d, const fv_definition *def) {
    taps w = {.n = def->rank - 2};
    for (int i = 0; i < 2; i++) {
        def->index[i]->name = i ? "c" : "n";
        w.index[i] = fv_x_var(d->arena, def->index[i]);
    }
    for (int i = 0; i < w.n; i++) {
        def->index[i + 2]->name = w.n > 1 ? fv_printf(d->arena, "o%d", i) : "o";
        taps_along(d, def, i, &w);
    }
    return w;
}

/* The element of a tap, or `otherwise` if it is outside. */
static fv_expr *element(fv_definer *d, const taps *w, fv_expr *otherwise) {
    fv_expr *x = fv_d_load_else(d, 0, w->index, otherwise);
    return w->within ? fv_x_select(d->arena, w->within, x, otherwise) : x;
}

static bool define_max_pool(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    taps w = taps_of(d, def);
    fv_expr *lowest = fv_x_const(d->arena, fv_elem_arith(fv_in_type(op, 0)->elem), -INFINITY);
    def->body = fv_x_reduce(d->arena, FV_REDUCE_MAX, w.n, w.k, element(d, &w, lowest));
    return true;
}

/* The position of index[2], index[3], ... in one image, in row-major order or (order 1) with the
 * first axis fastest. */
static fv_expr *position(fv_arena *a, const fv_type *x, fv_expr *const *index, bool order) {
    fv_expr *at = fv_x_int(a, 0);
    for (int i = 2; i < x->rank; i++) {
        int k = order ? x->rank + 1 - i : i;
        at = add(a, mul(a, at, fv_x_dim(a, x->dims[k])), index[k]);
    }
    return at;
}

/* The position of the maximum: of equal ones the first in row-major order, also of NaNs; -1 if the
 * window is only padding. */
static bool define_max_pool_indices(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    const fv_type *x = fv_in_type(op, 0);
    taps w = taps_of(d, def);
    fv_expr **index = w.index, *out[FV_MAX_RANK], *hit = w.within;
    for (int i = 0; i < x->rank; i++)
        out[i] = fv_x_var(a, def->index[i]);
    for (int i = 2; i < x->rank; i++) {
        fv_expr *in = fv_x_bin(a, FV_X_AND, fv_x_bin(a, FV_X_LE, fv_x_int(a, 0), index[i]),
                               fv_x_bin(a, FV_X_LT, index[i], fv_x_dim(a, x->dims[i])));
        hit = hit ? fv_x_bin(a, FV_X_AND, hit, in) : in;
    }
    fv_expr *e = fv_d_load_else(d, 0, index, fv_x_zero(a, fv_elem_arith(x->elem)));
    fv_expr *same = fv_x_bin(a, FV_X_OR, fv_x_bin(a, FV_X_EQ, e, fv_d_load(d, 1, out)),
                             fv_x_bin(a, FV_X_NE, e, e));
    fv_expr *none = fv_x_int(a, INT64_MAX);
    fv_expr *at =
        fv_x_select(a, fv_x_bin(a, FV_X_AND, hit, same), position(a, x, index, false), none);
    fv_expr *first = fv_x_reduce(a, FV_REDUCE_MIN, w.n, w.k, at), *rest = first;
    fv_expr *image = add(a, mul(a, out[0], fv_x_dim(a, x->dims[1])), out[1]);
    if (fv_op_int(op, "storage_order")) {
        for (int i = x->rank; i-- > 2;) {
            fv_expr *size = fv_x_dim(a, x->dims[i]);
            index[i] = fv_x_bin(a, FV_X_FLOORMOD, rest, size);
            rest = fv_x_bin(a, FV_X_FLOORDIV, rest, size);
        }
        rest = position(a, x, index, true);
    }
    fv_expr *size = fv_x_dim(a, fv_dim_product(d->module->dims, x->rank - 2, x->dims + 2));
    def->body = fv_x_select(a, fv_x_bin(a, FV_X_EQ, first, none), fv_x_int(a, -1),
                            add(a, mul(a, image, size), rest));
    return true;
}

/* ---- MaxpoolWithMask: each row of a window is read only up to the first masked element ---- */

static bool infer_masked_pool(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *mask = fv_in_type(op, 1);
    for (int i = 2; i < x->rank; i++)
        if (!fv_module_assume(m, mask->dims[i], x->dims[i], "a mask for each element"))
            return fv_op_error(op, "axis %d has %s in X, %s in the mask", i,
                               fv_dim_str(m->arena, x->dims[i]),
                               fv_dim_str(m->arena, mask->dims[i]));
    return infer_pool(op);
}

static bool infer_last_masked(fv_op *op) {
    fv_infer_out(op, 0, FV_I64, fv_in_type(op, 0)->rank, fv_in_type(op, 0)->dims);
    return true;
}

/* Batch and channels of all masks become one axis: masks are used cyclically. */
static bool decompose_masked_pool(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_type *mask = fv_in_type(op, 1);
    const fv_dim *dims[FV_MAX_RANK];
    fv_window win;
    fv_attr a[6], first = fv_attr_int(w->module, "first", mask->rank > 3);
    int n;
    if (!pool_attrs(w, op, &win, a, &n))
        return false;
    dims[0] = fv_dim_mul(t, mask->dims[0], mask->dims[1]);
    for (int i = 2; i < mask->rank; i++)
        dims[i - 1] = mask->dims[i];
    fv_value *flat = fv_w_reshape(w, op->in[1], mask->rank - 1, dims);
    fv_value *in[2] = {op->in[0], fv_w_op(w, FV_OP_fv_LastMasked, 1, &flat, 1, &first)};
    fv_w_result(w, 0, fv_w_op(w, FV_OP_fv_MaskedMaxPool, 2, in, n, a));
    return true;
}

/* For each element i, the last j <= i whose mask is 0, else -1. The very first element may count as
 * not masked. */
static bool define_last_masked(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    int last = def->rank - 1;
    fv_expr *index[FV_MAX_RANK], *place = fv_x_int(a, 0);
    fv_var *j = fv_d_var(d, "j", def->index[last]->dim);
    for (int i = 0; i < last; i++) {
        index[i] = fv_x_var(a, def->index[i]);
        place = i ? add(a, place, index[i]) : place;
    }
    index[last] = fv_x_var(a, j);
    fv_expr *masked = fv_x_bin(a, FV_X_EQ, fv_d_load(d, 0, index), fv_x_const_int(a, FV_I32, 0));
    masked = fv_x_bin(a, FV_X_AND, masked,
                      fv_x_bin(a, FV_X_LE, index[last], fv_x_var(a, def->index[last])));
    if (fv_op_int(op, "first"))
        masked = fv_x_bin(a, FV_X_AND, masked,
                          fv_x_bin(a, FV_X_LT, fv_x_int(a, 0), add(a, place, index[last])));
    def->body =
        fv_x_reduce(a, FV_REDUCE_MAX, 1, &j, fv_x_select(a, masked, index[last], fv_x_int(a, -1)));
    return true;
}

/* A tap counts if the last masked element of its row, up to the tap, is before the window. */
static bool define_masked_max_pool(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    const fv_type *x = fv_in_type(op, 0), *masked = fv_in_type(op, 1);
    taps w = taps_of(d, def);
    fv_expr *at[FV_MAX_RANK],
        *channel = add(a, mul(a, w.index[0], fv_x_dim(a, x->dims[1])), w.index[1]);
    at[0] = fv_x_bin(a, FV_X_FLOORMOD, channel, fv_x_dim(a, masked->dims[0]));
    for (int i = 2; i < x->rank; i++)
        at[i - 1] = w.index[i];
    fv_expr *lowest = fv_x_const(a, FV_F32, -(double)FLT_MAX), *e = element(d, &w, lowest);
    fv_expr *start = fv_x_bin(a, FV_X_MAX, fv_x_int(a, 0), window_start(d, def, x->rank - 3));
    fv_expr *seen = fv_x_bin(a, FV_X_LT, fv_d_load_else(d, 1, at, fv_x_int(a, INT64_MAX)), start);
    seen = fv_x_bin(a, FV_X_AND, seen, fv_x_bin(a, FV_X_LT, lowest, e)); /* also false for NaN */
    def->body = fv_x_reduce(a, FV_REDUCE_MAX, w.n, w.k, fv_x_select(a, seen, e, lowest));
    return true;
}

/* ---- AveragePool ---- */

static bool decompose_average_pool(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *lo[FV_MAX_RANK], *hi[FV_MAX_RANK];
    bool with_padding = fv_op_int(op, "count_include_pad") != 0;
    fv_window win;
    fv_attr a[8];
    int n;
    if (!pool_attrs(w, op, &win, a, &n))
        return false;
    for (int i = 0; i < win.n; i++) {
        lo[i] =
            with_padding ? fv_dim_sub(t, fv_dim_const(t, 0), win.before[i]) : fv_dim_const(t, 0);
        hi[i] = with_padding ? fv_dim_add(t, x->dims[i + 2], win.after[i]) : x->dims[i + 2];
    }
    a[n++] = fv_attr_dims(w->module, "lo", win.n, lo);
    a[n++] = fv_attr_dims(w->module, "hi", win.n, hi);
    fv_w_result(w, 0, fv_w_op(w, FV_OP_fv_AveragePool, 1, op->in, n, a));
    return true;
}

/* Indices from lo to hi - 1 along an axis of an image. */
typedef struct range {
    const fv_dim *lo, *hi;
} range;

/* Whether every tap of every window along axis i is in the range. */
static bool is_whole(fv_op *op, int i, range r) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *one = fv_dim_const(t, 1), *out = op->out[0]->type->dims[i + 2];
    const fv_dim *stride = fv_dim_const(t, fv_op_find_attr(op, "strides")->u.ints[i]);
    const fv_dim *dilation = fv_dim_const(t, fv_op_find_attr(op, "dilations")->u.ints[i]);
    const fv_dim *first = fv_dim_sub(t, fv_dim_const(t, 0), fv_op_find_attr(op, "pads")->u.dims[i]);
    const fv_dim *k = fv_dim_sub(t, fv_op_find_attr(op, "kernel")->u.dims[i], one);
    const fv_dim *last = fv_dim_add(t, fv_dim_mul(t, fv_dim_sub(t, out, one), stride),
                                    fv_dim_add(t, first, fv_dim_mul(t, k, dilation)));
    return fv_dim_at_most(t, r.lo, first) && fv_dim_at_most(t, fv_dim_add(t, last, one), r.hi);
}

/* The number of k < kernel with lo <= start + k * dilation < hi: those below hi minus those below
 * lo. */
static fv_expr *count_inside(fv_definer *d, const fv_definition *def, int i, range r) {
    fv_arena *a = d->arena;
    fv_expr *start = window_start(d, def, i), *below[2], *zero = fv_x_int(a, 0);
    const fv_dim *kernel = fv_op_find_attr(d->op, "kernel")->u.dims[i];
    int64_t step = fv_op_find_attr(d->op, "dilations")->u.ints[i];
    if (is_whole(d->op, i, r))
        return fv_x_dim(a, kernel);
    for (int k = 0; k < 2; k++) {
        fv_expr *room = add(a, sub(a, fv_x_dim(a, k ? r.hi : r.lo), start), fv_x_int(a, step - 1));
        fv_expr *n = fv_x_bin(a, FV_X_FLOORDIV, room, fv_x_int(a, step));
        below[k] = fv_x_bin(a, FV_X_MIN, fv_x_bin(a, FV_X_MAX, n, zero), fv_x_dim(a, kernel));
    }
    return sub(a, below[1], below[0]);
}

/* The number of elements of a window that are counted: those with indices from `lo` to `hi`. */
static fv_expr *counted(fv_definer *d, const fv_definition *def, int n) {
    fv_expr *count = fv_x_int(d->arena, 1);
    for (int i = 0; i < n; i++) {
        const range r = {fv_op_find_attr(d->op, "lo")->u.dims[i],
                         fv_op_find_attr(d->op, "hi")->u.dims[i]};
        count = mul(d->arena, count, count_inside(d, def, i, r));
    }
    return count;
}

static bool define_average_pool(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_elem e = fv_elem_arith(fv_in_type(op, 0)->elem);
    taps w = taps_of(d, def);
    fv_expr *count = counted(d, def, w.n);
    fv_expr *sum = fv_x_reduce(a, FV_SUM, w.n, w.k, element(d, &w, fv_x_zero(a, e)));
    def->body = fv_x_bin(a, FV_X_DIV, sum, fv_x_convert(a, e, count));
    return true;
}

/* The mean of what a window has of a dequantized image, from the sum of its integers:
 *     Y[n, c, o..] = f32((sum k..: i32(X[..])) - zero * inside) * (scale / f32(count))
 * `inside` elements of the window are in the image, and `count` of them are counted. */
static bool define_quantized_average_pool(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    const fv_type *x = fv_in_type(op, 0);
    fv_definition *def = fv_definition_new(d, 0);
    taps w = taps_of(d, def);
    fv_expr *none[1] = {NULL}, *zero = fv_op_in(op, 2) ? fv_d_load(d, 2, none) : NULL;
    fv_expr *inside = fv_x_int(a, 1), *count = counted(d, def, w.n);
    for (int i = 0; i < w.n; i++) {
        const range image = {fv_dim_const(d->module->dims, 0), x->dims[i + 2]};
        inside = mul(a, inside, count_inside(d, def, i, image));
    }
    fv_expr *e = fv_x_convert(a, FV_I32, element(d, &w, fv_x_zero(a, fv_elem_arith(x->elem))));
    fv_expr *sum = fv_x_reduce(a, FV_SUM, w.n, w.k, e);
    if (zero)
        sum = sub(a, sum, mul(a, fv_x_convert(a, FV_I32, zero), fv_x_convert(a, FV_I32, inside)));
    fv_expr *scale = fv_x_bin(a, FV_X_DIV, fv_d_load(d, 1, none), fv_x_convert(a, FV_F32, count));
    def->body = mul(a, fv_x_convert(a, FV_F32, sum), scale);
    return true;
}

/* ---- LpPool, GlobalLpPool ---- */

/* p was a float in version 1, so it need not be an integer. */
static bool upgrade_p(fv_op *op, int version) {
    const fv_attr *p = fv_op_find_attr(op, "p");
    if (version > 1 || !p)
        return true;
    fv_op_set_float(op, "exponent", p->u.f);
    fv_op_drop_attr(op, "p");
    return true;
}

static fv_attr exponent(fv_rewriter *w, const fv_op *op) {
    return fv_attr_float(w->module, "p", fv_op_float_or(op, "exponent", (float)fv_op_int(op, "p")));
}

static bool decompose_lp_pool(fv_rewriter *w, fv_op *op) {
    fv_window win;
    fv_attr a[6];
    int n;
    if (!pool_attrs(w, op, &win, a, &n))
        return false;
    a[n++] = exponent(w, op);
    fv_w_result(w, 0, fv_w_op(w, FV_OP_fv_LpPool, 1, op->in, n, a));
    return true;
}

/* |x| to the power p, and the inverse function. */
static fv_expr *power(fv_arena *a, fv_expr *x, double p) {
    fv_expr *size = fv_x_un(a, FV_X_ABS, x);
    return p == 1   ? size
           : p == 2 ? mul(a, x, x)
                    : fv_x_bin(a, FV_X_POW, size, fv_x_const(a, (fv_elem)x->type.elem, p));
}

static fv_expr *root(fv_arena *a, fv_expr *x, double p) {
    fv_elem e = (fv_elem)x->type.elem;
    return p == 1   ? x
           : p == 2 ? fv_x_un(a, FV_X_SQRT, x)
                    : fv_x_bin(a, FV_X_POW, x, fv_x_const(a, e, 1 / p));
}

static bool define_lp_pool(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    double p = (double)fv_op_float(op, "p");
    taps w = taps_of(d, def);
    fv_expr *x = element(d, &w, fv_x_zero(a, fv_elem_arith(fv_in_type(op, 0)->elem)));
    def->body = root(a, fv_x_reduce(a, FV_SUM, w.n, w.k, power(a, x, p)), p);
    return true;
}

static bool decompose_global_lp_pool(fv_rewriter *w, fv_op *op) {
    fv_attr a = exponent(w, op);
    fv_w_result(w, 0, fv_w_op(w, FV_OP_fv_GlobalLpPool, 1, op->in, 1, &a));
    return true;
}

/* ---- over all positions ---- */

/* A result of type e with one element for each channel. */
static bool infer_channels(fv_op *op, fv_elem e) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        dims[i] = i < 2 ? x->dims[i] : fv_dim_const(fv_op_module(op)->dims, 1);
    fv_infer_out(op, 0, e, x->rank, dims);
    return true;
}

static bool infer_global(fv_op *op) {
    return infer_channels(op, fv_in_type(op, 0)->elem);
}

static bool infer_global_sum(fv_op *op) {
    return infer_channels(op, FV_I32);
}

static bool infer_lrn(fv_op *op) {
    if (fv_op_int(op, "size") < 1)
        return fv_op_error(op, "size is %lld, expected at least 1",
                           (long long)fv_op_int(op, "size"));
    fv_infer_like(op, 0, 0);
    return true;
}

#define MAX_TYPES (FV_SET_FLOAT | FV_SET(I8) | FV_SET(U8))
/* the standard's text rounds down */
#define WINDOWS_TRUNCATED                                                                          \
    "The number of windows is truncated: one that exceeds the padded input by less than the "      \
    "stride counts, as in the standard's inference of shapes."
#define WINDOW                                                                                     \
    FV_A_REQUIRED("pads", DIMS), FV_A_REQUIRED("strides", INTS), FV_A_REQUIRED("dilations", INTS), \
        FV_A_REQUIRED("kernel", DIMS), FV_A_REQUIRED("dims", DIMS)

const fv_opdef fv_ops_pool[] = {
    {.domain = "fv",
     .name = "MaxPool",
     .id = FV_OP_fv_MaxPool,
     .since = {1},
     .doc = "the largest element of each window, with explicit padding before each axis",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)}},
     .out = {{"Y", "T"}},
     .attrs = {WINDOW},
     .types = {{"T", MAX_TYPES}},
     .infer = infer_fv_pool,
     .define = define_max_pool},
    {.domain = "com.microsoft",
     .name = "NhwcMaxPool",
     .since = {1},
     .doc = "MaxPool of an input whose channels are the last axis",
     .in = {{"x", "T", .rank = FV_RANK_FROM(3)}},
     .out = {{"y", "T"}},
     .attrs = {FV_A_STRING("auto_pad", "NOTSET"), FV_A_INT("ceil_mode", 0),
               FV_A_OPTIONAL("dilations", INTS), FV_A_REQUIRED("kernel_shape", INTS),
               FV_A_OPTIONAL("pads", INTS), FV_A_OPTIONAL("strides", INTS)},
     .types = {{"T", MAX_TYPES}},
     .infer = infer_nhwc_max_pool,
     .decompose = decompose_nhwc_max_pool},
    {.domain = "fv",
     .name = "LastMasked",
     .id = FV_OP_fv_LastMasked,
     .since = {1},
     .doc = "for each element of a row, the index of the last element up to it that is 0; -1 if "
            "there is none",
     .in = {{"M", "T", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "I"}},
     .attrs = {FV_A_INT("first", 0)},
     .types = {{"T", FV_SET(I32)}, {"I", FV_SET(I64)}},
     .infer = infer_last_masked,
     .define = define_last_masked},
    {.domain = "fv",
     .name = "MaskedMaxPool",
     .id = FV_OP_fv_MaskedMaxPool,
     .since = {1},
     .doc = "the largest element of each window, where each row of the window is read up to its "
            "first masked element only",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)}, {"masked", "I", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "T"}},
     .attrs = {WINDOW},
     .types = {{"T", FV_SET(F32)}, {"I", FV_SET(I64)}},
     .infer = infer_masked,
     .define = define_masked_max_pool},
    {.domain = "com.microsoft",
     .name = "MaxpoolWithMask",
     .since = {1},
     .doc = "MaxPool in which rows of windows end before their first element with mask 0; masks "
            "are used cyclically by the channels",
     .in = {{"X", "T", .rank = FV_RANKS(3, 5)}, {"M", "I", .rank = FV_RANK_AS("X")}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("auto_pad", "NOTSET"), FV_A_REQUIRED("kernel_shape", INTS),
               FV_A_OPTIONAL("pads", INTS), FV_A_INT("storage_order", 0),
               FV_A_OPTIONAL("strides", INTS)},
     .types = {{"T", FV_SET(F32)}, {"I", FV_SET(I32)}},
     .infer = infer_masked_pool,
     .decompose = decompose_masked_pool},
    {.domain = "fv",
     .name = "MaxPoolIndices",
     .id = FV_OP_fv_MaxPoolIndices,
     .since = {1},
     .doc = "the index in X of the largest element Y of each window",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)}, {"Y", "T", .rank = FV_RANK_AS("X")}},
     .out = {{"Indices", "I"}},
     .attrs = {WINDOW, FV_A_INT("storage_order", 0)},
     .types = {{"T", MAX_TYPES}, {"I", FV_SET(I64)}},
     .infer = infer_fv_pool,
     .define = define_max_pool_indices},
    {.domain = "",
     .name = "MaxPool",
     .id = FV_OP_MaxPool,
     .since = {1, 8, 10, 11, 12, 22},
     .doc = "the largest element of each window",
     .departs = WINDOWS_TRUNCATED,
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)}},
     .out = {{"Y", "T"}, {"Indices", "I", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_STRING("auto_pad", "NOTSET"), FV_A_INT("ceil_mode", 0),
               FV_A_OPTIONAL("dilations", INTS), FV_A_REQUIRED("kernel_shape", INTS),
               FV_A_OPTIONAL("pads", INTS), FV_A_INT("storage_order", 0),
               FV_A_OPTIONAL("strides", INTS)},
     .types = {{"T", MAX_TYPES}, {"I", FV_SET(I64)}},
     .infer = infer_max_pool,
     .decompose = decompose_max_pool},
    {.domain = "fv",
     .name = "AveragePool",
     .id = FV_OP_fv_AveragePool,
     .since = {1},
     .doc =
         "the mean of each window, zero outside; elements with indices from lo to hi are counted",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)}},
     .out = {{"Y", "T"}},
     .attrs = {WINDOW, FV_A_REQUIRED("lo", DIMS), FV_A_REQUIRED("hi", DIMS)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_fv_pool,
     .define = define_average_pool},
    {.domain = "fv",
     .name = "QuantizedAveragePool",
     .id = FV_OP_fv_QuantizedAveragePool,
     .since = {1},
     .doc = "the mean of each window of (X - zero) * scale, whose integers are added; 0 outside; "
            "elements with indices from lo "
            "to hi are counted",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)},
            {"scale", "F", .rank = FV_RANK(0)},
            {"zero", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(0)}},
     .out = {{"Y", "F"}},
     .attrs = {WINDOW, FV_A_REQUIRED("lo", DIMS), FV_A_REQUIRED("hi", DIMS)},
     .types = {{"T", FV_SET(U8) | FV_SET(I8)}, {"F", FV_SET(F32)}},
     .infer = infer_fv_pool,
     .define = define_quantized_average_pool},
    {.domain = "",
     .name = "AveragePool",
     .id = FV_OP_AveragePool,
     .since = {1, 7, 10, 11, 19, 22},
     .doc = "the mean of each window",
     .departs = WINDOWS_TRUNCATED,
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("auto_pad", "NOTSET"), FV_A_INT("ceil_mode", 0),
               FV_A_INT("count_include_pad", 0), FV_A_OPTIONAL("dilations", INTS),
               FV_A_REQUIRED("kernel_shape", INTS), FV_A_OPTIONAL("pads", INTS),
               FV_A_OPTIONAL("strides", INTS)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_pool,
     .decompose = decompose_average_pool},
    {.domain = "fv",
     .name = "LpPool",
     .id = FV_OP_fv_LpPool,
     .since = {1},
     .doc = "the p-norm of each window, zero outside",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)}},
     .out = {{"Y", "T"}},
     .attrs = {WINDOW, FV_A_FLOAT("p", 2)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_fv_pool,
     .define = define_lp_pool},
    {.domain = "",
     .name = "LpPool",
     .id = FV_OP_LpPool,
     .since = {1, 2, 11, 18, 22},
     .doc = "the p-norm of each window",
     .departs = WINDOWS_TRUNCATED,
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("auto_pad", "NOTSET"),
               FV_A_INT("ceil_mode", 0),
               FV_A_OPTIONAL("dilations", INTS),
               FV_A_REQUIRED("kernel_shape", INTS),
               FV_A_INT("p", 2),
               FV_A_OPTIONAL("pads", INTS),
               FV_A_OPTIONAL("strides", INTS),
               FV_A_OPTIONAL("exponent", FLOAT), /* an attribute of Fovea: p of version 1 */
               {.name = "p", .kind = FV_ATTR_FLOAT, .until = 1},
               {.name = "kernel_shape", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_pool,
     .upgrade = upgrade_p,
     .decompose = decompose_lp_pool},
    {.domain = "",
     .name = "GlobalAveragePool",
     .id = FV_OP_GlobalAveragePool,
     .since = {1, 22},
     .doc = "the mean of each channel",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_global,
     .formula = "Y[n, c, o..] = (sum r..: X[n, c, r..]) / T(size(X, 2))"},
    {.domain = "fv",
     .name = "GlobalSumPool",
     .id = FV_OP_fv_GlobalSumPool,
     .since = {1},
     .doc = "the sum of each channel of integers of 8 bits, as i32",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "I"}},
     .types = {{"T", FV_SET(U8) | FV_SET(I8)}, {"I", FV_SET(I32)}},
     .infer = infer_global_sum,
     .formula = "Y[n, c, o..] = sum r..: i32(X[n, c, r..])"},
    {.domain = "",
     .name = "GlobalMaxPool",
     .since = {1, 22},
     .doc = "the largest element of each channel",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_global,
     .formula = "Y[n, c, o..] = max r..: X[n, c, r..]"},
    {.domain = "fv",
     .name = "GlobalLpPool",
     .id = FV_OP_fv_GlobalLpPool,
     .since = {1},
     .doc = "the p-norm of each channel",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("p", 2)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_global,
     .formula = "s = sum r..: select(p == 1, abs(X[n, c, r..]), select(p == 2, X[n, c, r..] * X[n, "
                "c, r..], "
                "pow(abs(X[n, c, r..]), p))); "
                "Y[n, c, o..] = select(p == 1, s, select(p == 2, sqrt(s), pow(s, 1 / p)))"},
    {.domain = "",
     .name = "GlobalLpPool",
     .id = FV_OP_GlobalLpPool,
     .since = {1, 2, 22},
     .doc = "the p-norm of each channel",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("p", 2),
               FV_A_OPTIONAL("exponent", FLOAT), /* an attribute of Fovea: p of version 1 */
               {.name = "p", .kind = FV_ATTR_FLOAT, .until = 1}},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_global,
     .upgrade = upgrade_p,
     .decompose = decompose_global_lp_pool},
    {.domain = "",
     .name = "LRN",
     .since = {1, 13},
     .doc = "x / (bias + alpha / size * s)^beta, s: the sum of squares of "
            "`size` neighbouring channels",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 0.0001f), FV_A_FLOAT("beta", 0.75f), FV_A_FLOAT("bias", 1.0f),
               FV_A_REQUIRED("size", INT)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_lrn,
     /* size 2 C - 1 reaches all C channels from each of them */
     .formula = "s = sum k < min(size, 2 * dim(X, 1) - 1): (X[n, c + k - (count(k) - 1) floordiv "
                "2, r..] else 0) "
                "* (X[n, c + k - (count(k) - 1) floordiv 2, r..] else 0); "
                "Y[n, c, r..] = X[n, c, r..] / pow(bias + alpha / size * s, beta)"},

    {0}};
