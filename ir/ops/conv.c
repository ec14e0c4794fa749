/* conv.c - convolution. The standard's Conv becomes fv.Conv, whose padding is explicit. */
#include "ir/ops/window.h"

bool fv_infer_conv(fv_op *op, const fv_type *x, const fv_type *k, fv_elem e) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    fv_window w;
    int64_t group = fv_op_int(op, "group", 1);
    if (!fv_window_read(op, x, k, &w))
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
    fv_window_dims(t, &w, x, dims + 2);
    fv_infer_out(op, 0, e, x->rank, dims);
    return true;
}

static bool infer_conv(fv_op *op) {
    return fv_infer_conv(op, fv_in_type(op, 0), fv_in_type(op, 1), fv_in_type(op, 0)->elem);
}

fv_value *fv_w_conv(fv_rewriter *w, fv_op *op, fv_value *x, fv_value *weight, fv_value *bias) {
    fv_window win;
    fv_attr a[5];
    const fv_type *out = op->out[0]->type;
    if (!x || !weight || !fv_window_read(op, x->type, weight->type, &win))
        return NULL;
    int n = fv_window_attrs(w->module, &win, a);
    a[n++] = fv_attr_int(w->module, "group", fv_op_int(op, "group", 1));
    a[n++] = fv_attr_dims(w->module, "dims", out->rank, out->dims);
    fv_value *in[3] = {x, weight, bias};
    return fv_w_op(w, "fv.Conv", bias ? 3 : 2, in, n, a);
}

static bool expand_conv(fv_rewriter *w, fv_op *op) {
    fv_w_result(w, 0, fv_w_conv(w, op, op->in[0], op->in[1], fv_op_in(op, 2)));
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
     .types = {{"T", FV_SET_FLOAT | FV_SET(I32)}},
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
