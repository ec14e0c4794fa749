/* conv.c - convolution. The standard's Conv becomes fv.Conv, whose padding is explicit. */
#include "ir/ops/ops.h"

#include <string.h>

#include "ir/limits.h"

/* Geometry of a window that slides over the axes from 2 on: strides, dilations and padding before
 * and after each, as dims (automatic padding depends on the input's). */
typedef struct window {
    int n;
    int64_t stride[FV_MAX_RANK], dilation[FV_MAX_RANK];
    const fv_dim *kernel[FV_MAX_RANK], *before[FV_MAX_RANK], *after[FV_MAX_RANK];
} window;

static bool read_list(fv_op *op, const char *name, int n, int64_t otherwise, int64_t least,
                      int64_t *out) {
    int have;
    const int64_t *v = fv_op_ints(op, name, &have);
    if (v && have != n)
        return fv_op_error(op, "%s has %d entries, expected %d", name, have, n);
    for (int i = 0; i < n; i++) {
        out[i] = v ? v[i] : otherwise;
        if (out[i] < least || out[i] > INT32_MAX)
            return fv_op_error(op, "%s has entry %lld, expected at least %lld", name,
                               (long long)out[i], (long long)least);
    }
    return true;
}

/* The window of the kernel covers (k - 1) * dilation + 1 elements. */
static const fv_dim *covered(fv_dims *t, const window *w, int i) {
    const fv_dim *one = fv_dim_const(t, 1);
    return fv_dim_add(t, fv_dim_mul(t, fv_dim_sub(t, w->kernel[i], one), fv_dim_const(t, w->dilation[i])),
                      one);
}

/* SAME: as many outputs as inputs / stride, rounded up; what is odd goes to one side. */
static void pad_same(fv_dims *t, window *w, int i, const fv_dim *in, bool upper) {
    const fv_dim *s = fv_dim_const(t, w->stride[i]), *two = fv_dim_const(t, 2);
    const fv_dim *out = fv_dim_ceildiv(t, in, s);
    const fv_dim *need = fv_dim_add(t, fv_dim_mul(t, fv_dim_sub(t, out, fv_dim_const(t, 1)), s),
                                    covered(t, w, i));
    const fv_dim *pad = fv_dim_max(t, fv_dim_const(t, 0), fv_dim_sub(t, need, in));
    const fv_dim *half = fv_dim_floordiv(t, pad, two), *rest = fv_dim_sub(t, pad, half);
    w->before[i] = upper ? half : rest;
    w->after[i] = upper ? rest : half;
}

static bool read_window(fv_op *op, window *w) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0), *k = fv_in_type(op, 1);
    int64_t pads[2 * FV_MAX_RANK], shape[FV_MAX_RANK];
    w->n = x->rank - 2;
    if (x->rank < 3 || k->rank != x->rank)
        return fv_op_error(op, "X has rank %d and W rank %d, need equal ones of at least 3", x->rank,
                           k->rank);
    if (!read_list(op, "strides", w->n, 1, 1, w->stride) ||
        !read_list(op, "dilations", w->n, 1, 1, w->dilation) ||
        !read_list(op, "pads", 2 * w->n, 0, 0, pads) ||
        !read_list(op, "kernel_shape", w->n, 0, 0, shape))
        return false;
    fv_string mode = fv_op_string(op, "auto_pad", "NOTSET");
    bool upper = mode.n == 10 && !memcmp(mode.s, "SAME_UPPER", 10);
    bool lower = mode.n == 10 && !memcmp(mode.s, "SAME_LOWER", 10);
    bool valid = mode.n == 5 && !memcmp(mode.s, "VALID", 5);
    if (!upper && !lower && !valid && !(mode.n == 6 && !memcmp(mode.s, "NOTSET", 6)))
        return fv_op_error(op, "auto_pad '%.*s' is not known", (int)mode.n, mode.s);
    for (int i = 0; i < w->n; i++) {
        w->kernel[i] = k->dims[i + 2];
        if (shape[i] && !fv_module_assume(fv_op_module(op), w->kernel[i], fv_dim_const(t, shape[i]),
                                          "kernel_shape"))
            return fv_op_error(op, "kernel_shape is %lld on axis %d, W has %s", (long long)shape[i], i,
                               fv_dim_str(fv_op_module(op)->arena, w->kernel[i]));
        w->before[i] = fv_dim_const(t, valid ? 0 : pads[i]);
        w->after[i] = fv_dim_const(t, valid ? 0 : pads[i + w->n]);
        if (upper || lower)
            pad_same(t, w, i, x->dims[i + 2], upper);
    }
    return true;
}

static bool infer_conv(fv_op *op) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, 0), *k = fv_in_type(op, 1);
    window w;
    int64_t group = fv_op_int(op, "group", 1);
    if (!read_window(op, &w))
        return false;
    if (group < 1)
        return fv_op_error(op, "group is %lld, expected at least 1", (long long)group);
    const fv_dim *channels = fv_dim_mul(t, k->dims[1], fv_dim_const(t, group));
    if (!fv_module_assume(m, x->dims[1], channels, "channels of a convolution"))
        return fv_op_error(op, "X has %s channels, W and group need %s", fv_dim_str(m->arena, x->dims[1]),
                           fv_dim_str(m->arena, channels));
    if (fv_dim_is_const(k->dims[0]) && k->dims[0]->value % group)
        return fv_op_error(op, "%lld output channels do not divide into %lld groups",
                           (long long)k->dims[0]->value, (long long)group);
    const fv_dim *dims[FV_MAX_RANK] = {x->dims[0], k->dims[0]};
    for (int i = 0; i < w.n; i++) {
        const fv_dim *padded = fv_dim_add(t, x->dims[i + 2], fv_dim_add(t, w.before[i], w.after[i]));
        const fv_dim *room = fv_dim_sub(t, padded, covered(t, &w, i));
        dims[i + 2] = fv_dim_add(t, fv_dim_floordiv(t, room, fv_dim_const(t, w.stride[i])),
                                 fv_dim_const(t, 1));
        dims[i + 2] = fv_dim_max(t, dims[i + 2], fv_dim_const(t, 0));
    }
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return true;
}

static bool expand_conv(fv_rewriter *w, fv_op *op) {
    window win;
    const fv_type *out = op->out[0]->type;
    if (!read_window(op, &win))
        return false;
    fv_attr a[5] = {fv_attr_dims(w->module, "pads", win.n, win.before),
                    fv_attr_ints(w->module, "strides", win.n, win.stride),
                    fv_attr_ints(w->module, "dilations", win.n, win.dilation),
                    fv_attr_int(w->module, "group", fv_op_int(op, "group", 1)),
                    fv_attr_dims(w->module, "dims", out->rank, out->dims)};
    fv_value *in[3] = {op->in[0], op->in[1], fv_op_in(op, 2)};
    fv_w_result(w, 0, fv_w_op(w, "fv.Conv", in[2] ? 3 : 2, in, 5, a));
    return true;
}

static bool infer_fv_conv(fv_op *op) {
    const fv_attr *d = fv_op_find_attr(op, "dims");
    const fv_type *t = fv_in_type(op, 0);
    if (d->n != t->rank)
        return fv_op_error(op, "has %d dims for rank %d", d->n, t->rank);
    fv_infer_out(op, 0, t->elem, d->n, d->u.dims);
    return true;
}

const fv_opdef fv_ops_conv[] = {
    {.domain = "fv", .name = "Conv", .since = {1},
     .doc = "convolution with explicit padding before each axis; zero outside",
     .in = {{"X", "T"}, {"W", "T"}, {"B", "T", FV_OPTIONAL_OPERAND}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("pads", DIMS), FV_A_REQUIRED("strides", INTS),
               FV_A_REQUIRED("dilations", INTS), FV_A_INT("group", 1), FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_fv_conv,
     .formula = "g = select(group == 1, 0, m floordiv (dim(Y, 1) floordiv group) * dim(W, 1)); "
                "s = sum c, k..: (X[n, g + c, o.. * strides.. + k.. * dilations.. - pads..] else 0) "
                "* W[m, c, k..]; "
                "Y[n, m, o..] = select(has(B), s + B[m], s)"},
    {.domain = "", .name = "Conv", .since = {1, 11, 22},
     .doc = "convolution",
     .in = {{"X", "T"}, {"W", "T"}, {"B", "T", FV_OPTIONAL_OPERAND}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("auto_pad", "NOTSET"),
               FV_A_OPTIONAL("dilations", INTS),
               FV_A_INT("group", 1),
               FV_A_OPTIONAL("kernel_shape", INTS),
               FV_A_OPTIONAL("pads", INTS),
               FV_A_OPTIONAL("strides", INTS)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_conv,
     .expand = expand_conv},

    {0}};
