/* conv.c - convolution and its transpose. The standard's Conv is expanded to fv.Conv, whose padding
 * is explicit, and ConvTranspose to fv.ConvProducts and fv.ConvTranspose, or, if each output
 * channel has one channel of X, to fv.ConvPhases and fv.Interleave. */
#include "ops/nn/conv.h"

#include <string.h>

#include "ir/base/divisor.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/dims.h"
#include "ops/elementwise/named_activation.h"
#include "ops/nn/window.h"

bool fv_infer_conv(fv_op *op, const fv_type *x, const fv_type *k, fv_elem e) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    fv_window w;
    int64_t group = fv_op_int(op, "group");
    if (!fv_window_read(op, x, k, &w))
        return false;
    if (group < 1)
        return fv_op_error(op, "group is %lld, expected at least 1", (long long)group);
    const fv_dim *channels = fv_dim_mul(t, k->dims[1], fv_dim_const(t, group));
    if (!fv_module_assume(m, x->dims[1], channels, "channels of a convolution"))
        return fv_op_error(op, "X has %s channels, W and group need %s",
                           fv_dim_str(m->arena, x->dims[1]), fv_dim_str(m->arena, channels));
    if (fv_dim_is_const(k->dims[0]) && k->dims[0]->value % group)
        return fv_op_error(op, "%lld output channels do not divide into %lld groups",
                           (long long)k->dims[0]->value, (long long)group);
    const fv_dim *dims[FV_MAX_RANK] = {x->dims[0], k->dims[0]};
    fv_window_dims(t, &w, x, dims + 2);
    fv_infer_out(op, 0, e, x->rank, dims);
    return true;
}

static bool infer_conv(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *w = fv_in_type(op, 1);
    return fv_infer_conv(op, x, w, x->elem) &&
           (!fv_op_in(op, 2) || fv_infer_per_channel(op, 2, w->dims[0]));
}

fv_value *fv_w_conv(fv_rewriter *w, fv_op *op, const fv_type *y, fv_value *x, fv_value *weight,
                    fv_value *bias) {
    fv_window win;
    fv_attr a[5];
    if (!x || !weight || !fv_window_read(op, x->type, weight->type, &win))
        return NULL;
    int n = fv_window_attrs(w->module, &win, a);
    a[n++] = fv_attr_int(w->module, "group", fv_op_int(op, "group"));
    a[n++] = fv_attr_dims(w->module, "dims", y->rank, y->dims);
    fv_value *in[3] = {x, weight, bias};
    return fv_w_op(w, FV_OP_fv_Conv, bias ? 3 : 2, in, n, a);
}

static bool decompose_conv(fv_rewriter *w, fv_op *op) {
    fv_w_result(w, 0, fv_w_conv(w, op, op->out[0]->type, op->in[0], op->in[1], fv_op_in(op, 2)));
    return true;
}

static bool infer_dims(fv_op *op, int rank) {
    const fv_attr *d = fv_op_find_attr(op, "dims");
    if (d->n != rank)
        return fv_op_error(op, "has %d dims, expected %d", d->n, rank);
    fv_infer_out(op, 0, fv_in_type(op, 0)->elem, d->n, d->u.dims);
    return true;
}

static bool infer_fv_conv(fv_op *op) {
    return infer_dims(op, fv_in_type(op, 0)->rank) &&
           (!fv_op_in(op, 2) || fv_infer_per_channel(op, 2, fv_in_type(op, 1)->dims[0]));
}

/* Infers Z[n, i.., m, k..]: positions i of X, channels m and taps k of W. */
static bool infer_products(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *w = fv_in_type(op, 1);
    const fv_dim *group = fv_dim_const(m->dims, fv_op_int(op, "group"));
    int n = x->rank - 2;
    if (!fv_module_assume(m, x->dims[1], w->dims[0], "channels of a convolution"))
        return fv_op_error(op, "X and W differ in channels");
    if (!infer_dims(op, 2 * n + 2))
        return false;
    const fv_dim *const *z = op->out[0]->type->dims;
    bool fits = fv_module_assume(m, z[0], x->dims[0], "dims of Z") &&
                fv_module_assume(m, z[n + 1], fv_dim_mul(m->dims, w->dims[1], group), "dims of Z");
    for (int i = 0; i < n; i++)
        fits = fits && fv_module_assume(m, z[i + 1], x->dims[i + 2], "dims of Z") &&
               fv_module_assume(m, z[n + 2 + i], w->dims[i + 2], "dims of Z");
    return fits || fv_op_error(op, "dims are not those of X and W");
}

static bool infer_sums(fv_op *op) {
    return infer_dims(op, fv_in_type(op, 0)->rank / 2 + 1);
}

/* ---- ConvTranspose ---- */

static bool has_pads_operand(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_ConvTransposeWithDynamicPads);
}

static int bias_operand(const fv_op *op) {
    return has_pads_operand(op) ? 3 : 2;
}

/* If the padding is an operand, replaces that of the window by it. */
static bool pads_of_operand(fv_op *op, fv_auto_pad mode, fv_window *w) {
    int n;
    const fv_dim *const *pads;
    if (!has_pads_operand(op) || !fv_op_in(op, 2))
        return true;
    if (mode != FV_PAD_GIVEN)
        return fv_op_error(op, "has Pads, and auto_pad is not NOTSET");
    if (!fv_int_operand(op, 2, &n, &pads))
        return false;
    for (int i = 0; i < w->n; i++) {
        if (pads[i]->hi < 0 || pads[w->n + i]->hi < 0)
            return fv_op_error(op, "a pad of axis %d is negative", i);
        w->before[i] = pads[i];
        w->after[i] = pads[w->n + i];
    }
    return true;
}

/* Sets the dims of the result, and the padding before each axis, which may depend on them. */
static bool transposed_window(fv_op *op, fv_window *w, const fv_dim **dims) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *zero = fv_dim_const(t, 0), *one = fv_dim_const(t, 1), *two = fv_dim_const(t, 2);
    int64_t extra[FV_MAX_RANK];
    int n;
    fv_auto_pad mode = FV_PAD_GIVEN;
    const int64_t *shape = fv_op_ints(op, "output_shape", &n);
    if (!fv_window_read(op, x, fv_in_type(op, 1), w) || !fv_window_auto_pad(op, &mode) ||
        !fv_window_list(op, "output_padding", w->n, 0, 0, extra) || !pads_of_operand(op, mode, w))
        return false;
    if (shape && n == x->rank) /* the shape includes batch and channels */
        shape += 2;
    else if (shape && n != w->n)
        return fv_op_error(op, "output_shape has %d entries, expected %d", n, w->n);
    for (int i = 0; i < w->n; i++) {
        const fv_dim *in = x->dims[i + 2], *s = fv_dim_const(t, w->stride[i]);
        const fv_dim *full =
            fv_dim_add(t, fv_dim_mul(t, s, fv_dim_sub(t, in, one)), fv_window_reach(t, w, i));
        full = fv_dim_add(t, full, fv_dim_const(t, extra[i]));
        if (!shape && mode != FV_PAD_UPPER && mode != FV_PAD_LOWER) {
            dims[i] = fv_dim_sub(t, full, fv_dim_add(t, w->before[i], w->after[i]));
            dims[i] = fv_dim_max(t, dims[i], zero);
            continue;
        }
        dims[i] = shape ? fv_dim_const(t, shape[i]) : fv_dim_mul(t, in, s);
        if (dims[i]->hi < 0)
            return fv_op_error(op, "output_shape has %lld on axis %d", (long long)shape[i], i);
        const fv_dim *pad = fv_dim_max(t, zero, fv_dim_sub(t, full, dims[i]));
        w->before[i] = fv_dim_floordiv(t, pad, two);
        if (mode != FV_PAD_UPPER)
            w->before[i] = fv_dim_sub(t, pad, w->before[i]);
    }
    return true;
}

static bool infer_conv_transpose(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *k = fv_in_type(op, 1);
    int64_t group = fv_op_int(op, "group");
    const fv_dim *dims[FV_MAX_RANK];
    fv_window w;
    if (!transposed_window(op, &w, dims + 2))
        return false;
    if (group < 1)
        return fv_op_error(op, "group is %lld, expected at least 1", (long long)group);
    if (!fv_module_assume(m, x->dims[1], k->dims[0], "channels of a convolution"))
        return fv_op_error(op, "X has %s channels, W has %s", fv_dim_str(m->arena, x->dims[1]),
                           fv_dim_str(m->arena, k->dims[0]));
    if (fv_dim_is_const(k->dims[0]) && k->dims[0]->value % group)
        return fv_op_error(op, "%lld channels do not divide into %lld groups",
                           (long long)k->dims[0]->value, (long long)group);
    dims[0] = x->dims[0];
    dims[1] = fv_dim_mul(m->dims, k->dims[1], fv_dim_const(m->dims, group));
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return !fv_op_in(op, bias_operand(op)) || fv_infer_per_channel(op, bias_operand(op), dims[1]);
}

/* The inverse i of a modulo n, a * i mod n == 1, by Euclid's algorithm; a and n have no common
 * divisor. */
static int64_t inverse(int64_t a, int64_t n) {
    int64_t r0 = n, r1 = a % n, t0 = 0, t1 = 1;
    while (r1) {
        int64_t q = r0 / r1, r = r0 - q * r1, t = t0 - q * t1;
        r0 = r1;
        r1 = r;
        t0 = t1;
        t1 = t;
    }
    return t0 < 0 ? t0 + n : t0;
}

/* ---- ConvTranspose of channels on their own ---- */

/* Does each output channel depend on one channel of X only? Then no contraction can compute the
 * products, and each is computed where it is added. */
static bool has_one_channel(const fv_op *op) {
    const fv_dim *channels = fv_in_type(op, 1)->dims[0];
    return fv_dim_is_const(channels) && channels->value == fv_op_int(op, "group");
}

/* Output position q - pads with q = p * stride + r is element p of phase r: all elements of a phase
 * add the same taps, of neighbouring elements of X. */
static fv_value *by_phases(fv_rewriter *w, fv_op *op, const fv_window *win) {
    fv_dims *t = w->module->dims;
    const fv_type *y = op->out[0]->type, *x = fv_in_type(op, 0);
    const fv_dim *dims[2 * FV_MAX_RANK] = {x->dims[0], y->dims[1]};
    fv_elem e = fv_elem_arith(x->elem);
    fv_attr a[4];
    for (int i = 0; i < win->n; i++) {
        const fv_dim *stride = fv_dim_const(t, win->stride[i]);
        dims[2 + i] = stride;
        dims[2 + win->n + i] =
            fv_dim_ceildiv(t, fv_dim_add(t, y->dims[2 + i], win->before[i]), stride);
    }
    fv_value *in[2] = {fv_w_cast(w, op->in[0], e), fv_w_cast(w, op->in[1], e)};
    a[0] = fv_attr_ints(w->module, "strides", win->n, win->stride);
    a[1] = fv_attr_ints(w->module, "dilations", win->n, win->dilation);
    a[2] = fv_attr_dims(w->module, "dims", 2 * win->n + 2, dims);
    in[0] = fv_w_op(w, FV_OP_fv_ConvPhases, 2, in, 3, a);
    in[1] = fv_w_cast(w, fv_op_in(op, bias_operand(op)), e);
    a[0] = fv_attr_dims(w->module, "pads", win->n, win->before);
    a[1] = fv_attr_ints(w->module, "strides", win->n, win->stride);
    a[2] = fv_attr_dims(w->module, "dims", y->rank, y->dims);
    return fv_w_op(w, FV_OP_fv_Interleave, in[1] ? 2 : 1, in, 3, a);
}

/* What phase r adds along an axis: with g the greatest common divisor of stride and dilation, taps
 * first + j * stride / g of elements p + (r - first * dilation) / stride - j * dilation / g. If g
 * does not divide r there are none, and the tap is one behind the kernel. Returns j. */
static fv_var *phase_axis(fv_definer *d, fv_op *op, int i, fv_expr **from, fv_expr **tap) {
    fv_arena *a = d->arena;
    fv_dims *t = fv_op_module(op)->dims;
    int n = fv_in_type(op, 0)->rank - 2, none;
    int64_t stride = fv_op_ints(op, "strides", &none)[i],
            dilation = fv_op_ints(op, "dilations", &none)[i];
    int64_t g = fv_common_divisor(stride, dilation), step = stride / g;
    const fv_dim *kernel = fv_in_type(op, 1)->dims[2 + i];
    fv_var *const *index = d->out[0]->index;
    fv_var *v = fv_d_var(d, "j", fv_dim_ceildiv(t, kernel, fv_dim_const(t, step)));
    fv_expr *r = fv_x_var(a, index[2 + i]), *p = fv_x_var(a, index[2 + n + i]), *j = fv_x_var(a, v);
    fv_expr *first = fv_x_bin(a, FV_X_FLOORDIV, r, fv_x_int(a, g));
    first = fv_x_bin(a, FV_X_MUL, first, fv_x_int(a, inverse(dilation / g, step)));
    first = fv_x_bin(a, FV_X_FLOORMOD, first, fv_x_int(a, step));
    fv_expr *at = fv_x_bin(a, FV_X_MUL, first, fv_x_int(a, dilation));
    at = fv_x_bin(a, FV_X_FLOORDIV, fv_x_bin(a, FV_X_SUB, r, at), fv_x_int(a, stride));
    at = fv_x_bin(a, FV_X_ADD, p, at);
    *from = fv_x_bin(a, FV_X_SUB, at, fv_x_bin(a, FV_X_MUL, j, fv_x_int(a, dilation / g)));
    *tap = fv_x_bin(a, FV_X_ADD, first, fv_x_bin(a, FV_X_MUL, j, fv_x_int(a, step)));
    if (g > 1)
        *tap = fv_x_bin(a, FV_X_ADD, *tap,
                        fv_x_bin(a, FV_X_MUL, fv_x_bin(a, FV_X_FLOORMOD, r, fv_x_int(a, g)),
                                 fv_x_dim(a, kernel)));
    return v;
}

static fv_expr *both(fv_arena *a, fv_expr *x, fv_expr *y) {
    return x ? fv_x_bin(a, FV_X_AND, x, y) : y;
}

static fv_expr *is_within(fv_arena *a, fv_expr *i, const fv_dim *size) {
    return both(a, fv_x_bin(a, FV_X_LE, fv_x_int(a, 0), i),
                fv_x_bin(a, FV_X_LT, i, fv_x_dim(a, size)));
}

/* The sum over the taps of a phase. A product is rounded before it is added, and is left out where
 * there is no element or no tap, which zeros in its place would not do: zero times infinity is not
 * a number. */
static bool define_phases(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    const fv_type *x = fv_in_type(op, 0), *k = fv_in_type(op, 1);
    fv_expr *m = fv_x_var(a, def->index[1]), *each = fv_x_dim(a, k->dims[1]), *exists = NULL,
            *zero = fv_x_zero(a, fv_elem_arith(x->elem));
    fv_expr *from[FV_MAX_RANK] = {fv_x_var(a, def->index[0]), fv_x_bin(a, FV_X_FLOORDIV, m, each)};
    fv_expr *tap[FV_MAX_RANK] = {from[1], fv_x_bin(a, FV_X_FLOORMOD, m, each)};
    fv_var *j[FV_MAX_RANK];
    for (int i = 0; i < x->rank - 2; i++) {
        j[i] = phase_axis(d, op, i, &from[2 + i], &tap[2 + i]);
        exists = both(a, exists, is_within(a, from[2 + i], x->dims[2 + i]));
        exists = both(a, exists, is_within(a, tap[2 + i], k->dims[2 + i]));
    }
    fv_expr *product =
        fv_x_bin(a, FV_X_MUL, fv_d_load_else(d, 0, from, zero), fv_d_load_else(d, 1, tap, zero));
    def->body = fv_x_reduce(a, FV_SUM, x->rank - 2, j, fv_x_select(a, exists, product, zero));
    return true;
}

/* Infers Y[n, m, r.., p..]: phases r of the strides and positions p. */
static bool infer_phases(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *w = fv_in_type(op, 1);
    int64_t list[FV_MAX_RANK];
    int n = x->rank - 2;
    if (!fv_module_assume(m, x->dims[1], w->dims[0], "channels of a convolution"))
        return fv_op_error(op, "X and W differ in channels");
    if (!fv_window_list(op, "strides", n, 1, 1, list) ||
        !fv_window_list(op, "dilations", n, 1, 1, list) || !infer_dims(op, 2 * n + 2))
        return false;
    const fv_dim *const *y = op->out[0]->type->dims;
    return (fv_module_assume(m, y[0], x->dims[0], "dims of Y") &&
            fv_module_assume(m, y[1], fv_dim_mul(m->dims, w->dims[0], w->dims[1]), "dims of Y")) ||
           fv_op_error(op, "dims are not those of X and W");
}

/* Computes all products first, without rounding to a narrower type: z[i, m, k] = sum over c of x[c,
 * i] * w[c, m, k] is one contraction. Then output position q - pads is the sum of z[i, m, k] with i
 * * stride + k * dilation == q. With g the greatest common divisor of stride and dilation, there
 * are such k only if g divides q, and they are every (stride / g)-th k: k = q / g * inverse + j *
 * step, for as many j as fit into the kernel. */
static bool decompose_conv_transpose(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_type *y = op->out[0]->type, *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK], *taps[FV_MAX_RANK], *products[2 * FV_MAX_RANK];
    int64_t common[FV_MAX_RANK], step[FV_MAX_RANK], inverses[FV_MAX_RANK];
    fv_window win;
    fv_attr a[10], group = fv_attr_int(w->module, "group", fv_op_int(op, "group"));
    if (!transposed_window(op, &win, dims))
        return false;
    if (2 * win.n + 2 > FV_MAX_RANK)
        return fv_op_error(op, "has %d axes to slide along, at most %d can be compiled", win.n,
                           FV_MAX_RANK / 2 - 1);
    if (has_one_channel(op)) {
        fv_w_result(w, 0, fv_w_cast(w, by_phases(w, op, &win), y->elem));
        return true;
    }
    products[0] = x->dims[0];
    products[win.n + 1] = y->dims[1];
    for (int i = 0; i < win.n; i++) {
        common[i] = fv_common_divisor(win.stride[i], win.dilation[i]);
        step[i] = win.stride[i] / common[i];
        inverses[i] = inverse(win.dilation[i] / common[i], step[i]);
        taps[i] = fv_dim_ceildiv(t, win.kernel[i], fv_dim_const(t, step[i]));
        products[i + 1] = x->dims[i + 2];
        products[win.n + 2 + i] = win.kernel[i];
    }
    fv_elem e = fv_elem_arith(x->elem);
    fv_value *in[2] = {fv_w_cast(w, op->in[0], e), fv_w_cast(w, op->in[1], e)};
    a[0] = group;
    a[1] = fv_attr_dims(w->module, "dims", 2 * win.n + 2, products);
    in[0] = fv_w_op(w, FV_OP_fv_ConvProducts, 2, in, 2, a);
    in[1] = fv_w_cast(w, fv_op_in(op, bias_operand(op)), e);
    int n = fv_window_attrs(w->module, &win, a);
    a[n++] = fv_attr_dims(w->module, "kernel", win.n, win.kernel);
    a[n++] = fv_attr_ints(w->module, "common", win.n, common);
    a[n++] = fv_attr_ints(w->module, "inverse", win.n, inverses);
    a[n++] = fv_attr_ints(w->module, "step", win.n, step);
    a[n++] = fv_attr_dims(w->module, "taps", win.n, taps);
    a[n++] = fv_attr_dims(w->module, "dims", y->rank, y->dims);
    fv_w_result(w, 0,
                fv_w_cast(w, fv_w_op(w, FV_OP_fv_ConvTranspose, in[1] ? 2 : 1, in, n, a), y->elem));
    return true;
}

#define Q "(o.. + pads..)"
#define K "(" Q " floordiv common.. * inverse.. mod step.. + j.. * step..)"

/* ---- ONNX Runtime's: with an addition and an activation, and with the channels in the last axis
 * ---- */

static bool is_channels_last(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_NhwcConv) ||
           fv_op_is(op, FV_OP_com_microsoft_NhwcFusedConv);
}

/* Infers ONNX Runtime's FusedConv, whose operand Z is added to the result. */
static bool infer_fused_conv(fv_op *op) {
    const fv_attr *params = fv_op_find_attr(op, "activation_params");
    const fv_type *x = fv_in_type(op, 0), *w = fv_in_type(op, 1);
    if (is_channels_last(op))
        x = fv_type_channels_first(fv_op_module(op), x);
    if (!fv_infer_conv(op, x, w, x->elem) ||
        (fv_op_in(op, 2) && !fv_infer_per_channel(op, 2, w->dims[0])) ||
        !fv_infer_activation(op, params ? params->n : 0))
        return false;
    if (is_channels_last(op))
        fv_infer_channels_last(op);
    const fv_type *y = op->out[0]->type;
    return fv_infer_fits(op, 3, y->rank, y->dims);
}

static bool decompose_fused_conv(fv_rewriter *w, fv_op *op) {
    fv_attr own[FV_MAX_ATTRS];
    int n = 0;
    const fv_attr *params = fv_op_find_attr(op, "activation_params");
    for (int i = 0; i < op->nattrs && n < FV_MAX_ATTRS; i++)
        if (strncmp(op->attrs[i].name, "activation", 10) != 0)
            own[n++] = op->attrs[i];
    fv_value *in[3] = {op->in[0], op->in[1], fv_op_in(op, 2)}, *z = fv_op_in(op, 3);
    if (is_channels_last(op))
        in[0] = fv_w_channels_first(w, in[0]);
    fv_value *y = fv_w_op(w, FV_OP_Conv, in[2] ? 3 : 2, in, n, own);
    if (is_channels_last(op))
        y = fv_w_channels_last(w, y);
    if (z)
        y = FV_W2(w, FV_OP_Add, y, z);
    if (!fv_w_activation(w, fv_activation_of(op), params ? params->n : 0,
                         params ? params->u.floats : NULL, &y))
        return false;
    fv_w_result(w, 0, y);
    return true;
}

#define CONV_ATTRS                                                                                 \
    FV_A_STRING("auto_pad", "NOTSET"), FV_A_OPTIONAL("dilations", INTS), FV_A_INT("group", 1),     \
        FV_A_OPTIONAL("kernel_shape", INTS), FV_A_OPTIONAL("pads", INTS),                          \
        FV_A_OPTIONAL("strides", INTS)
#define CONV_IN                                                                                    \
    {"X", "T", .rank = FV_RANK_FROM(3)}, {"W", "T", .rank = FV_RANK_AS("X")}, {                    \
        "B", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)                                          \
    }
#define ACTIVATION FV_A_OPTIONAL("activation", STRING), FV_A_OPTIONAL("activation_params", FLOATS)

const fv_opdef fv_ops_conv[] = {
    {.domain = "fv",
     .name = "Conv",
     .id = FV_OP_fv_Conv,
     .since = {1},
     .doc = "convolution with explicit padding before each axis; zero outside",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)},
            {"W", "T", .rank = FV_RANK_AS("X")},
            {"B", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("pads", DIMS), FV_A_REQUIRED("strides", INTS),
               FV_A_REQUIRED("dilations", INTS), FV_A_INT("group", 1), FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET_FLOAT | FV_SET(I32)}},
     .infer = infer_fv_conv,
     .formula = "g = select(group == 1, 0, m floordiv (dim(Y, 1) floordiv group) * dim(W, 1)); "
                "s = sum k.., c < dim(W, 1): (X[n, g + c, o.. * strides.. + k.. * dilations.. - "
                "pads..] else 0) "
                "* W[m, c, k..]; "
                "Y[n, m, o..] = select(has(B), s + B[m], s)"},
    {.domain = "",
     .name = "Conv",
     .id = FV_OP_Conv,
     .since = {1, 11, 22},
     .doc = "convolution",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)},
            {"W", "T", .rank = FV_RANK_AS("X")},
            {"B", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("auto_pad", "NOTSET"), FV_A_OPTIONAL("dilations", INTS),
               FV_A_INT("group", 1), FV_A_OPTIONAL("kernel_shape", INTS),
               FV_A_OPTIONAL("pads", INTS), FV_A_OPTIONAL("strides", INTS)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_conv,
     .decompose = decompose_conv},
    {.domain = "com.microsoft",
     .name = "FusedConv",
     .since = {1},
     .doc = "Conv, plus Z, and an activation",
     .in = {CONV_IN, {"Z", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK_AS("X")}},
     .out = {{"Y", "T"}},
     .attrs = {CONV_ATTRS, ACTIVATION},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_fused_conv,
     .decompose = decompose_fused_conv},
    {.domain = "com.microsoft",
     .name = "NhwcConv",
     .id = FV_OP_com_microsoft_NhwcConv,
     .since = {1},
     .doc = "Conv of an input whose channels are the last axis; the layout of the filter is that "
            "of Conv",
     .in = {CONV_IN},
     .out = {{"Y", "T"}},
     .attrs = {CONV_ATTRS},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_fused_conv,
     .decompose = decompose_fused_conv},
    {.domain = "com.microsoft",
     .name = "NhwcFusedConv",
     .id = FV_OP_com_microsoft_NhwcFusedConv,
     .since = {1},
     .doc = "FusedConv of an input whose channels are the last axis; the layout of the filter is "
            "that of Conv",
     .in = {CONV_IN, {"Z", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK_AS("X")}},
     .out = {{"Y", "T"}},
     .attrs = {CONV_ATTRS, ACTIVATION},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_fused_conv,
     .decompose = decompose_fused_conv},
    {.domain = "fv",
     .name = "ConvProducts",
     .id = FV_OP_fv_ConvProducts,
     .since = {1},
     .doc = "the product of each element and each tap of a filter, for each output channel",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)}, {"W", "T", .rank = FV_RANK_AS("X")}},
     .out = {{"Z", "T"}},
     .attrs = {FV_A_INT("group", 1), FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_products,
     .formula = "i.. = rank(X) - 2; k.. = rank(X) - 2; "
                "g = select(group == 1, 0, m floordiv dim(W, 1) * (dim(W, 0) floordiv group)); "
                "Z[n, i.., m, k..] = sum c < dim(W, 0) floordiv group: X[n, g + c, i..] * "
                "W[g + c, select(group == 1, m, m mod dim(W, 1)), k..]"},
    {.domain = "fv",
     .name = "ConvTranspose",
     .id = FV_OP_fv_ConvTranspose,
     .since = {1},
     .doc = "sums of fv.ConvProducts: the transpose of a convolution, with explicit padding",
     .in = {{"Z", "T", .rank = FV_RANK_FROM(4)},
            {"B", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("pads", DIMS), FV_A_REQUIRED("strides", INTS),
               FV_A_REQUIRED("dilations", INTS), FV_A_REQUIRED("kernel", DIMS),
               FV_A_REQUIRED("common", INTS), FV_A_REQUIRED("inverse", INTS),
               FV_A_REQUIRED("step", INTS), FV_A_REQUIRED("taps", DIMS),
               FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_sums,
     .formula =
         "s = sum j.. < taps..: (Z[n, (" Q " - " K " * dilations..) floordiv strides.., m, " K
         " + " Q " mod common.. * kernel..] else 0); "
         "Y[n, m, o..] = select(has(B), s + B[m], s)"},
    {.domain = "fv",
     .name = "ConvPhases",
     .id = FV_OP_fv_ConvPhases,
     .since = {1},
     .doc = "sums of the products of one channel and the taps of a filter that meet at position "
            "stride * p + r of a transposed convolution, for each r, then for each p",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)}, {"W", "T", .rank = FV_RANK_AS("X")}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("strides", INTS), FV_A_REQUIRED("dilations", INTS),
               FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_phases,
     .define = define_phases},
    {.domain = "fv",
     .name = "Interleave",
     .id = FV_OP_fv_Interleave,
     .since = {1},
     .doc = "fv.ConvPhases as a transposed convolution, without its padding",
     .in = {{"X", "T", .rank = FV_RANK_FROM(4)},
            {"B", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("pads", DIMS), FV_A_REQUIRED("strides", INTS),
               FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_sums,
     .formula = "v = X[n, m, " Q " mod strides.., " Q " floordiv strides..]; "
                "Y[n, m, o..] = select(has(B), v + B[m], v)"},
    {.domain = "com.microsoft",
     .name = "ConvTransposeWithDynamicPads",
     .id = FV_OP_com_microsoft_ConvTransposeWithDynamicPads,
     .since = {1},
     .doc = "ConvTranspose with the padding as an operand",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)},
            {"W", "T", .rank = FV_RANK_AS("X")},
            {"Pads", "S", FV_OPTIONAL_OPERAND,
             .rank = FV_LIST_OF(FV_AXES_LENGTH, .times = 2, .of = "X", .less = 2)},
            {"B", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("auto_pad", "NOTSET"), FV_A_OPTIONAL("dilations", INTS),
               FV_A_INT("group", 1), FV_A_OPTIONAL("kernel_shape", INTS),
               FV_A_OPTIONAL("output_padding", INTS), FV_A_OPTIONAL("strides", INTS)},
     .types = {{"T", FV_SET_FLOAT}, {"S", FV_SET(I64)}},
     .infer = infer_conv_transpose,
     .decompose = decompose_conv_transpose},
    {.domain = "",
     .name = "ConvTranspose",
     .id = FV_OP_ConvTranspose,
     .since = {1, 11, 22},
     .doc = "the transpose of a convolution",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)},
            {"W", "T", .rank = FV_RANK_AS("X")},
            {"B", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("auto_pad", "NOTSET"), FV_A_OPTIONAL("dilations", INTS),
               FV_A_INT("group", 1), FV_A_OPTIONAL("kernel_shape", INTS),
               FV_A_OPTIONAL("output_padding", INTS), FV_A_OPTIONAL("output_shape", INTS),
               FV_A_OPTIONAL("pads", INTS), FV_A_OPTIONAL("strides", INTS)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_conv_transpose,
     .decompose = decompose_conv_transpose},

    {0}};
