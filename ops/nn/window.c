/* window.c - reads the window of convolutions and pooling. */
#include "ops/nn/window.h"

#include <string.h>

#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"

bool fv_window_list(fv_op *op, const char *name, int n, int64_t otherwise, int64_t least,
                    int64_t *out) {
    int have;
    const int64_t *v = fv_op_ints(op, name, &have);
    if (v && have != n)
        return fv_op_error(op, "%s has %d entries, expected %d", name, have, n);
    for (int i = 0; i < n; i++) {
        out[i] = v ? v[i] : otherwise;
        if (out[i] < least || out[i] > INT32_MAX)
            return fv_op_error(op, "%s has entry %lld, expected %lld to %d", name,
                               (long long)out[i], (long long)least, INT32_MAX);
    }
    return true;
}

bool fv_window_auto_pad(fv_op *op, fv_auto_pad *out) {
    static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    fv_string mode = fv_op_string(op, "auto_pad");
    for (int i = 0; i < 4; i++)
        if (mode.n == strlen(names[i]) && !memcmp(mode.s, names[i], mode.n)) {
            *out = (fv_auto_pad)i;
            return true;
        }
    return fv_op_error(op, "auto_pad '%.*s' is not known", (int)mode.n, mode.s);
}

const fv_dim *fv_window_reach(fv_dims *t, const fv_window *w, int i) {
    const fv_dim *one = fv_dim_const(t, 1), *d = fv_dim_const(t, w->dilation[i]);
    return fv_dim_add(t, fv_dim_mul(t, fv_dim_sub(t, w->kernel[i], one), d), one);
}

/* SAME: the number of outputs is inputs / stride, rounded up; an odd element of padding is added on
 * one side. */
static void pad_same(fv_dims *t, fv_window *w, int i, const fv_dim *in, bool upper) {
    const fv_dim *s = fv_dim_const(t, w->stride[i]), *two = fv_dim_const(t, 2);
    const fv_dim *out = fv_dim_ceildiv(t, in, s);
    const fv_dim *need = fv_dim_add(t, fv_dim_mul(t, fv_dim_sub(t, out, fv_dim_const(t, 1)), s),
                                    fv_window_reach(t, w, i));
    const fv_dim *pad = fv_dim_max(t, fv_dim_const(t, 0), fv_dim_sub(t, need, in));
    const fv_dim *half = fv_dim_floordiv(t, pad, two), *rest = fv_dim_sub(t, pad, half);
    w->before[i] = upper ? half : rest;
    w->after[i] = upper ? rest : half;
}

/* The kernel has the dims of the weight, which kernel_shape, if present, must repeat. */
static bool read_kernel(fv_op *op, const fv_type *weight, fv_window *w) {
    fv_module *m = fv_op_module(op);
    int64_t shape[FV_MAX_RANK];
    bool stated = fv_op_find_attr(op, "kernel_shape") != NULL;
    if (!weight && !stated)
        return fv_op_error(op, "needs kernel_shape");
    if (!fv_window_list(op, "kernel_shape", w->n, 1, 1, shape))
        return false;
    for (int i = 0; i < w->n; i++) {
        const fv_dim *d = fv_dim_const(m->dims, shape[i]);
        w->kernel[i] = weight ? weight->dims[i + 2] : d;
        if (stated && !fv_module_assume(m, w->kernel[i], d, "kernel_shape"))
            return fv_op_error(op, "kernel_shape is %lld on axis %d, W has %s", (long long)shape[i],
                               i, fv_dim_str(m->arena, w->kernel[i]));
    }
    return true;
}

/* Only pools have ceil_mode. With VALID, the standard's formulas are the same in both modes. */
static fv_window_rounding read_rounding(const fv_op *op, fv_auto_pad mode) {
    if (!fv_opdef_attr(op->def, "ceil_mode"))
        return FV_WINDOW_FLOOR;
    return mode == FV_PAD_GIVEN && fv_op_int(op, "ceil_mode") ? FV_WINDOW_CEIL : FV_WINDOW_TRUNCATE;
}

bool fv_window_read(fv_op *op, const fv_type *x, const fv_type *weight, fv_window *w) {
    fv_dims *t = fv_op_module(op)->dims;
    int64_t pads[2 * FV_MAX_RANK];
    fv_auto_pad mode = FV_PAD_GIVEN;
    *w = (fv_window){.n = x->rank - 2};
    if (!fv_window_list(op, "strides", w->n, 1, 1, w->stride) ||
        !fv_window_list(op, "dilations", w->n, 1, 1, w->dilation) ||
        !fv_window_list(op, "pads", 2 * w->n, 0, 0, pads) || !read_kernel(op, weight, w) ||
        (fv_opdef_attr(op->def, "auto_pad") && !fv_window_auto_pad(op, &mode)))
        return false;
    w->rounding = read_rounding(op, mode);
    for (int i = 0; i < w->n; i++) {
        w->before[i] = fv_dim_const(t, mode == FV_PAD_GIVEN ? pads[i] : 0);
        w->after[i] = fv_dim_const(t, mode == FV_PAD_GIVEN ? pads[i + w->n] : 0);
        if (mode == FV_PAD_UPPER || mode == FV_PAD_LOWER)
            pad_same(t, w, i, x->dims[i + 2], mode == FV_PAD_UPPER);
    }
    return true;
}

/* The number of positions on an axis: room / stride + 1, rounded as the window states; 1 is added
 * before the rounding, so that proofs see that an extremum of such numbers is not negative. Windows
 * that would begin in the padding at the end do not count. */
static const fv_dim *positions(fv_dims *t, const fv_window *w, const fv_dim *room,
                               const fv_dim *begins, const fv_dim *s) {
    const fv_dim *all = fv_dim_add(t, room, s);
    const fv_dim *down = fv_dim_floordiv(t, all, s), *up = fv_dim_ceildiv(t, all, s);
    switch (w->rounding) {
    case FV_WINDOW_FLOOR: return down;
    case FV_WINDOW_TRUNCATE: return fv_dim_max(t, down, fv_dim_min(t, up, fv_dim_const(t, 1)));
    case FV_WINDOW_CEIL: return fv_dim_min(t, up, fv_dim_ceildiv(t, begins, s));
    }
    return down;
}

void fv_window_dims(fv_dims *t, const fv_window *w, const fv_type *x, const fv_dim **dims) {
    for (int i = 0; i < w->n; i++) {
        const fv_dim *s = fv_dim_const(t, w->stride[i]);
        const fv_dim *begins = fv_dim_add(t, x->dims[i + 2], w->before[i]);
        const fv_dim *room =
            fv_dim_sub(t, fv_dim_add(t, begins, w->after[i]), fv_window_reach(t, w, i));
        dims[i] = fv_dim_max(t, positions(t, w, room, begins, s), fv_dim_const(t, 0));
    }
}

int fv_window_attrs(fv_module *m, const fv_window *w, fv_attr *out) {
    out[0] = fv_attr_dims(m, "pads", w->n, w->before);
    out[1] = fv_attr_ints(m, "strides", w->n, w->stride);
    out[2] = fv_attr_ints(m, "dilations", w->n, w->dilation);
    return 3;
}

/* ---- channels in the last axis ---- */

const fv_type *fv_type_channels_first(fv_module *m, const fv_type *t) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dims[i] = t->dims[i == 0 ? 0 : i == 1 ? t->rank - 1 : i - 1];
    return fv_tensor_type(m->arena, t->elem, t->rank, dims);
}

fv_value *fv_w_channels_first(fv_rewriter *w, fv_value *x) {
    int perm[FV_MAX_RANK];
    for (int i = 0; x && i < x->type->rank; i++)
        perm[i] = i == 0 ? 0 : i == 1 ? x->type->rank - 1 : i - 1;
    return x ? fv_w_transpose(w, x, perm) : NULL;
}

fv_value *fv_w_channels_last(fv_rewriter *w, fv_value *x) {
    int perm[FV_MAX_RANK];
    for (int i = 0; x && i < x->type->rank; i++)
        perm[i] = i == 0 ? 0 : i == x->type->rank - 1 ? 1 : i + 1;
    return x ? fv_w_transpose(w, x, perm) : NULL;
}

void fv_infer_channels_last(fv_op *op) {
    const fv_type *t = op->out[0]->type;
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dims[i] = t->dims[i == 0 ? 0 : i == t->rank - 1 ? 1 : i + 1];
    fv_infer_out(op, 0, t->elem, t->rank, dims);
}
