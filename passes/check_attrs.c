/* check_attrs.c - see check_attrs.h. */
#include "passes/check_attrs.h"

#include <string.h>

static int shape_like(const fv_type *t, const fv_dim **dims) {
    for (int i = 0; i < t->rank; i++)
        dims[i] = t->dims[i];
    return t->rank;
}

static void draw_perm(const fv_attr_drawing *k, fv_op *op, fv_elem result) {
    (void)result;
    int64_t perm[FV_MAX_RANK];
    int n = op->in[0]->type->rank;
    for (int i = 0; i < n; i++)
        perm[i] = i;
    for (int i = n; i-- > 1;) {
        int other = fv_random_below(k->r, i + 1);
        int64_t swap = perm[i];
        perm[i] = perm[other];
        perm[other] = swap;
    }
    fv_op_set_ints(op, "perm", n, perm);
}

/* Draws the dims of a reshape: unchanged, all merged into one axis, with one more axis of 1, or
 * with two axes merged. */
static void draw_reshape(const fv_attr_drawing *k, fv_op *op, fv_elem result) {
    (void)result;
    const fv_type *t = op->in[0]->type;
    const fv_dim *dims[FV_MAX_RANK + 1];
    fv_dims *table = k->m->dims;
    int n = shape_like(t, dims), how = fv_random_below(k->r, 5);
    if (how == 0) {
        dims[0] = fv_dim_product(table, t->rank, t->dims);
        n = 1;
    } else if (how == 1) {
        dims[n++] = fv_dim_const(table, 1);
    } else if (how == 2 && n > 1) {
        dims[n - 2] = fv_dim_mul(table, dims[n - 2], dims[n - 1]);
        n--;
    }
    fv_op_set_dims(op, "dims", n, dims);
}

static void draw_expand(const fv_attr_drawing *k, fv_op *op, fv_elem result) {
    (void)result;
    const fv_dim *dims[FV_MAX_RANK + 1];
    int more = fv_random_below(k->r, 2), n = shape_like(op->in[0]->type, dims + more);
    bool same = fv_random_one_in(k->r, 2);
    if (more)
        dims[0] = k->dim(k->user);
    for (int i = more; i < n + more && !same; i++)
        if (fv_dim_is_const(dims[i]) && dims[i]->value == 1)
            dims[i] = k->dim(k->user);
    fv_op_set_dims(op, "dims", same ? n : n + more, same ? dims + more : dims);
}

static void draw_slice(const fv_attr_drawing *k, fv_op *op, fv_elem result) {
    (void)result;
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK];
    fv_dims *t = k->m->dims;
    int n = shape_like(op->in[0]->type, dims);
    for (int i = 0; i < n; i++) {
        bool whole = !fv_dim_is_const(dims[i]) || !dims[i]->value || fv_random_one_in(k->r, 2);
        int64_t from = whole ? 0 : fv_random_below(k->r, (int)dims[i]->value);
        start[i] = fv_dim_const(t, from);
        step[i] = fv_dim_const(t, 1);
        if (!whole)
            dims[i] = fv_dim_const(t, dims[i]->value - from);
    }
    fv_op_set_dims(op, "start", n, start);
    fv_op_set_dims(op, "step", n, step);
    fv_op_set_dims(op, "dims", n, dims);
}

/* Draws 0 or 1 elements before and after those of each axis. */
static void draw_pad(const fv_attr_drawing *k, fv_op *op, fv_elem result) {
    (void)result;
    const fv_dim *begin[FV_MAX_RANK], *dims[FV_MAX_RANK];
    fv_dims *t = k->m->dims;
    int n = shape_like(op->in[0]->type, dims);
    for (int i = 0; i < n; i++) {
        begin[i] = fv_dim_const(t, fv_random_below(k->r, 2));
        dims[i] = fv_dim_add(t, dims[i], fv_dim_const(t, fv_random_below(k->r, 2)));
        dims[i] = fv_dim_add(t, dims[i], begin[i]);
    }
    fv_op_set_dims(op, "begin", n, begin);
    fv_op_set_dims(op, "dims", n, dims);
}

/* Draws one of several ways to resize an axis to twice or three times its length. */
static void draw_resample(const fv_attr_drawing *k, fv_op *op, fv_elem result) {
    (void)result;
    static const char *const positions[] = {"half_pixel", "asymmetric", "align_corners"};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor"};
    const fv_dim *dims[FV_MAX_RANK], *taps = fv_dim_const(k->m->dims, 0);
    int n = shape_like(op->in[0]->type, dims), axis = n ? fv_random_below(k->r, n) : 0;
    const fv_dim *scale[] = {fv_dim_const(k->m->dims, 2 + fv_random_below(k->r, 2)),
                             fv_dim_const(k->m->dims, 1)};
    if (n)
        dims[axis] = fv_dim_mul(k->m->dims, dims[axis], scale[0]);
    fv_op_set_int(op, "axis", axis);
    fv_op_set_dims(op, "dims", n, dims);
    fv_op_set_dims(op, "taps", 1, &taps);
    fv_op_set_dims(op, "scale", 2, scale);
    fv_op_set_string(op, "nearest_mode", nearest[fv_random_below(k->r, 3)]);
    fv_op_set_string(op, "coordinate_transformation_mode", positions[fv_random_below(k->r, 3)]);
}

static void draw_split(const fv_attr_drawing *k, fv_op *op, fv_elem result) {
    (void)result;
    int rank = op->in[0]->type->rank;
    fv_op_set_int(op, "axis", rank ? fv_random_below(k->r, rank) : 0);
    fv_op_set_int(op, "num_outputs", op->nout);
}

/* Draws the padding, strides and dilations of a window that slides over operand 0, and dims of the
 * result in which each window reads an element: those of operand 0, or only one position. The
 * result has `channels` channels. */
static void draw_window(const fv_attr_drawing *k, fv_op *op, const fv_dim *channels) {
    const fv_type *x = op->in[0]->type;
    const fv_dim *pads[FV_MAX_RANK], *dims[FV_MAX_RANK];
    int64_t strides[FV_MAX_RANK], dilations[FV_MAX_RANK];
    bool one = fv_random_one_in(k->r, 4);
    int n = x->rank - 2;
    for (int i = 0; i < n; i++) {
        const fv_dim *all = x->dims[i + 2];
        int pad = fv_random_below(k->r, 2);
        pads[i] = fv_dim_const(k->m->dims, pad);
        dilations[i] = pad ? 1 : 1 + fv_random_below(k->r, 2);
        strides[i] = one && fv_dim_is_const(all) && all->value ? 2 : 1;
        dims[i + 2] = strides[i] == 1 ? all : fv_dim_const(k->m->dims, 1);
    }
    dims[0] = x->dims[0];
    dims[1] = channels;
    fv_op_set_dims(op, "pads", n, pads);
    fv_op_set_ints(op, "strides", n, strides);
    fv_op_set_ints(op, "dilations", n, dilations);
    fv_op_set_dims(op, "dims", x->rank, dims);
}

static void draw_conv(const fv_attr_drawing *k, fv_op *op, fv_elem result) {
    (void)result;
    const fv_type *filter = op->in[1]->type;
    if (op->in[0]->type->rank > 2 && filter->rank > 0)
        draw_window(k, op, filter->dims[0]);
    fv_op_set_int(op, "group", 1);
}

static void draw_pool(const fv_attr_drawing *k, fv_op *op, fv_elem result) {
    (void)result;
    const fv_dim *kernel[FV_MAX_RANK];
    int n = op->in[0]->type->rank - 2;
    for (int i = 0; i < n; i++)
        kernel[i] = fv_dim_const(k->m->dims, 2);
    if (n > 0) {
        draw_window(k, op, op->in[0]->type->dims[1]);
        fv_op_set_dims(op, "kernel", n, kernel);
    }
}

/* Draws a window, and which elements of it are counted: those of the image, or of its padding,
 * too. */
static void draw_average_pool(const fv_attr_drawing *k, fv_op *op, fv_elem result) {
    const fv_type *x = op->in[0]->type;
    const fv_dim *lo[FV_MAX_RANK], *hi[FV_MAX_RANK];
    const bool padding = fv_random_one_in(k->r, 2);
    const int n = x->rank - 2;
    draw_pool(k, op, result);
    for (int i = 0; i < n; i++) {
        const fv_dim *pad = fv_op_find_attr(op, "pads")->u.dims[i],
                     *zero = fv_dim_const(k->m->dims, 0);
        lo[i] = padding ? fv_dim_sub(k->m->dims, zero, pad) : zero;
        hi[i] = padding ? fv_dim_add(k->m->dims, x->dims[i + 2], pad) : x->dims[i + 2];
    }
    if (n > 0) {
        fv_op_set_dims(op, "lo", n, lo);
        fv_op_set_dims(op, "hi", n, hi);
    }
}

static void draw_to(const fv_attr_drawing *k, fv_op *op, fv_elem result) {
    (void)k;
    fv_op_set_int(op, "to", result);
}

static const struct {
    const char *op;
    void (*draw)(const fv_attr_drawing *k, fv_op *op, fv_elem result);
} drawers[] = {{"Transpose", draw_perm},
               {"fv.Reshape", draw_reshape},
               {"fv.Expand", draw_expand},
               {"fv.Slice", draw_slice},
               {"Cast", draw_to},
               {"fv.Quantize", draw_to},
               {"fv.Conv", draw_conv},
               {"fv.MaxPool", draw_pool},
               {"fv.AveragePool", draw_average_pool},
               {"fv.QuantizedAveragePool", draw_average_pool},
               {"Split", draw_split},
               {"fv.Pad", draw_pad},
               {"fv.Resample", draw_resample}};

bool fv_draw_attrs(const fv_attr_drawing *k, fv_op *op, const char *name, fv_elem result) {
    for (size_t i = 0; i < sizeof drawers / sizeof *drawers; i++)
        if (!strcmp(drawers[i].op, name)) {
            drawers[i].draw(k, op, result);
            return true;
        }
    return false;
}
