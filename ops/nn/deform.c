/* deform.c - DeformConv: a convolution each of whose taps reads the image at a position moved by an
 * offset that is data, with interpolation. One definition computes the taps; the rest is a matrix
 * product. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/nn/window.h"

enum { X, WEIGHT, OFFSET, BIAS, MASK };
enum { MOST_AXES = 5 }; /* limit, since 2 to that power elements are read for a tap */

typedef struct shape {
    fv_window w;
    int64_t groups, offset_groups;
    const fv_dim *taps;               /* number of taps of a filter */
    const fv_dim *out[FV_MAX_RANK];   /* dims of the result along the axes from 2 on */
    const fv_dim *part, *offset_part; /* numbers of channels of a group, and of an offset group */
} shape;

static bool read_offsets(fv_op *op, const shape *s, int in, const fv_dim *channels) {
    const fv_type *t = fv_in_type(op, in);
    const char *name = op->def->in[in].name;
    if (!t)
        return true;
    if (!fv_same_dim(op, t->dims[0], fv_in_type(op, X)->dims[0],
                     fv_printf(fv_op_module(op)->arena, "batch of '%s'", name)) ||
        !fv_same_dim(op, t->dims[1], channels,
                     fv_printf(fv_op_module(op)->arena, "channels of '%s'", name)))
        return false;
    for (int i = 0; i < s->w.n; i++)
        if (!fv_same_dim(op, t->dims[i + 2], s->out[i],
                         fv_printf(fv_op_module(op)->arena, "places of '%s'", name)))
            return false;
    return true;
}

static bool read_shape(fv_op *op, shape *s) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, X), *weight = fv_in_type(op, WEIGHT);
    const fv_dim *part;
    s->groups = fv_op_int(op, "group");
    s->offset_groups = fv_op_int(op, "offset_group");
    if (s->groups < 1 || s->offset_groups < 1 || s->groups > INT32_MAX ||
        s->offset_groups > INT32_MAX)
        return fv_op_error(op, "group is %lld and offset_group %lld, expected at least 1",
                           (long long)s->groups, (long long)s->offset_groups);
    if (x->rank > MOST_AXES + 2)
        return fv_op_error(op, "has %d axes to interpolate along, at most %d can be compiled",
                           x->rank - 2, MOST_AXES);
    if (!fv_window_read(op, x, weight, &s->w) ||
        !fv_split_dim(op, x->dims[1], fv_dim_const(t, s->groups), &s->part, "channels in groups") ||
        !fv_split_dim(op, x->dims[1], fv_dim_const(t, s->offset_groups), &s->offset_part,
                      "channels in groups of offsets") ||
        !fv_split_dim(op, weight->dims[0], fv_dim_const(t, s->groups), &part,
                      "filters in groups") ||
        !fv_same_dim(op, weight->dims[1], s->part, "channels of a filter"))
        return false;
    if (fv_op_in(op, BIAS) && !fv_infer_per_channel(op, BIAS, weight->dims[0]))
        return false;
    fv_window_dims(t, &s->w, x, s->out);
    s->taps = fv_dim_product(t, s->w.n, s->w.kernel);
    const fv_dim *channels = fv_dim_mul(t, fv_dim_const(t, s->offset_groups), s->taps);
    return read_offsets(op, s, OFFSET, fv_dim_mul(t, channels, fv_dim_const(t, s->w.n))) &&
           read_offsets(op, s, MASK, channels);
}

static bool infer_deform(fv_op *op) {
    const fv_type *x = fv_in_type(op, X);
    const fv_dim *dims[FV_MAX_RANK];
    shape s;
    if (!read_shape(op, &s))
        return false;
    dims[0] = x->dims[0];
    dims[1] = fv_in_type(op, WEIGHT)->dims[0];
    for (int i = 0; i < s.w.n; i++)
        dims[i + 2] = s.out[i];
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return true;
}

/* Reshapes x to [n, first.., last..]. */
static fv_value *reshaped(fv_rewriter *w, fv_value *x, int n, const fv_dim *const *first, int more,
                          const fv_dim *const *last) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < n; i++)
        dims[i] = first[i];
    for (int i = 0; i < more; i++)
        dims[n + i] = last[i];
    return fv_w_reshape(w, x, n + more, dims);
}

/* X, offset and mask with an axis of offset groups, and from them the taps, as [batch, group,
 * channel of it, tap, position]. */
static fv_value *taps_of(fv_rewriter *w, fv_op *op, const shape *s) {
    fv_module *m = w->module;
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, X);
    fv_elem e = fv_elem_arith(x->elem);
    const fv_dim *groups = fv_dim_const(t, s->offset_groups), *n = fv_dim_const(t, s->w.n),
                 *dims[FV_MAX_RANK];
    const fv_dim *image[3] = {x->dims[0], groups, s->offset_part},
                 *moved[4] = {x->dims[0], groups, s->taps, n};
    fv_value *in[3] = {reshaped(w, fv_w_cast(w, op->in[X], e), 3, image, s->w.n, x->dims + 2),
                       reshaped(w, fv_w_cast(w, op->in[OFFSET], e), 4, moved, s->w.n, s->out),
                       NULL};
    if (fv_op_in(op, MASK))
        in[2] = reshaped(w, fv_w_cast(w, op->in[MASK], e), 3, moved, s->w.n, s->out);
    fv_attr a[5];
    int attrs = fv_window_attrs(m, &s->w, a);
    for (int i = 0; i < s->w.n; i++)
        dims[i] = s->out[i];
    a[attrs++] = fv_attr_dims(m, "kernel", s->w.n, s->w.kernel);
    a[attrs++] = fv_attr_dims(m, "dims", s->w.n, dims);
    return fv_w_op(w, FV_OP_fv_DeformTaps, in[2] ? 3 : 2, in, attrs, a);
}

static bool decompose_deform(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_type *x = fv_in_type(op, X), *weight = fv_in_type(op, WEIGHT), *y = op->out[0]->type;
    fv_elem e = fv_elem_arith(x->elem);
    shape s;
    if (!read_shape(op, &s))
        return false;
    const fv_dim *groups = fv_dim_const(t, s.groups), *terms = fv_dim_mul(t, s.part, s.taps);
    const fv_dim *places = fv_dim_product(t, s.w.n, s.out), *one = fv_dim_const(t, 1),
                 *bias[FV_MAX_RANK];
    const fv_dim *factor[3] = {groups, fv_dim_floordiv(t, weight->dims[0], groups), terms},
                 *columns[4] = {x->dims[0], groups, terms, places};
    fv_value *v =
        FV_W2(w, FV_OP_MatMul, fv_w_reshape(w, fv_w_cast(w, op->in[WEIGHT], e), 3, factor),
              fv_w_reshape(w, taps_of(w, op, &s), 4, columns));
    v = fv_w_reshape(w, v, y->rank, y->dims);
    if (fv_op_in(op, BIAS)) {
        for (int i = 0; i < s.w.n + 1; i++)
            bias[i] = i ? one : y->dims[1];
        v = FV_W2(w, FV_OP_Add, v, fv_w_reshape(w, fv_w_cast(w, op->in[BIAS], e), s.w.n + 1, bias));
    }
    fv_w_result(w, 0, fv_w_cast(w, v, y->elem));
    return true;
}

/* ---- fv.DeformTaps ---- */

static bool infer_taps(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *offset = fv_in_type(op, 1), *mask = fv_in_type(op, 2);
    const fv_attr *out = fv_op_find_attr(op, "dims"), *kernel = fv_op_find_attr(op, "kernel"),
                  *pads = fv_op_find_attr(op, "pads");
    const fv_attr *strides = fv_op_find_attr(op, "strides"),
                  *dilations = fv_op_find_attr(op, "dilations");
    int n = x->rank - 3;
    if (n > MOST_AXES || offset->rank != n + 4 || (mask && mask->rank != n + 3) || out->n != n ||
        kernel->n != n || pads->n != n || strides->n != n || dilations->n != n)
        return fv_op_error(op,
                           "has operands and attributes that are not for %d axes, or more than %d",
                           n, MOST_AXES);
    const fv_dim *dims[FV_MAX_RANK] = {x->dims[0], x->dims[1], x->dims[2],
                                       fv_dim_product(m->dims, n, kernel->u.dims)};
    const fv_dim *want[FV_MAX_RANK] = {dims[0], dims[1], dims[3], fv_dim_const(m->dims, n)};
    for (int i = 0; i < n; i++)
        dims[i + 4] = want[i + 4] = out->u.dims[i];
    for (int i = 0; i < n + 4; i++)
        if (!fv_same_dim(op, offset->dims[i], want[i], "dims of an offset") ||
            (mask && i != 3 &&
             !fv_same_dim(op, mask->dims[i < 3 ? i : i - 1], want[i], "dims of a mask")))
            return false;
    fv_infer_out(op, 0, x->elem, n + 4, dims);
    return true;
}

typedef struct tap {
    fv_definer *d;
    fv_arena *a;
    int n;
    fv_elem e;
    /* indices of X, of which those along the image are set during interpolation */
    fv_expr *at[FV_MAX_RANK];
} tap;

/* Interpolates along axes i, i + 1, ..; elements outside of the image count as zero. */
static fv_expr *interpolated(tap *s, fv_expr *const *p, int i) {
    fv_arena *a = s->a;
    if (i == s->n)
        return fv_d_load_else(s->d, 0, s->at, fv_x_zero(a, s->e));
    fv_expr *base = fv_x_un(a, FV_X_FLOOR, p[i]), *one = fv_x_const(a, s->e, 1),
            *f = fv_x_bin(a, FV_X_SUB, p[i], base);
    s->at[3 + i] = fv_x_convert(a, FV_I64, base);
    fv_expr *near = fv_x_bin(a, FV_X_MUL, fv_x_bin(a, FV_X_SUB, one, f), interpolated(s, p, i + 1));
    s->at[3 + i] = fv_x_convert(a, FV_I64, fv_x_bin(a, FV_X_ADD, base, one));
    return fv_x_bin(a, FV_X_ADD, near, fv_x_bin(a, FV_X_MUL, f, interpolated(s, p, i + 1)));
}

/* Y[b, g, c, k, o..] = mask[b, g, k, o..] * X[b, g, c, o * stride - pad + k * dilation + offset[b,
 * g, k, axis, o..]] */
static bool define_taps(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_dims *t = d->module->dims;
    fv_definition *def = fv_definition_new(d, 0);
    tap s = {.d = d, .a = a, .n = def->rank - 4, .e = fv_elem_arith(fv_in_type(op, 0)->elem)};
    const fv_attr *pads = fv_op_find_attr(op, "pads"), *kernel = fv_op_find_attr(op, "kernel");
    int none;
    const int64_t *strides = fv_op_ints(op, "strides", &none),
                  *dilations = fv_op_ints(op, "dilations", &none);
    fv_expr *i[FV_MAX_RANK], *moved[FV_MAX_RANK], *p[FV_MAX_RANK];
    for (int k = 0; k < def->rank; k++)
        i[k] = fv_x_var(a, def->index[k]);
    for (int k = 0; k < 3; k++)
        s.at[k] = i[k];
    moved[0] = i[0];
    moved[1] = i[1];
    moved[2] = i[3];
    for (int k = 0; k < s.n; k++)
        moved[4 + k] = i[4 + k];
    for (int k = 0; k < s.n; k++) {
        const fv_dim *inner = fv_dim_product(t, s.n - k - 1, kernel->u.dims + k + 1);
        fv_expr *which = fv_x_bin(a, FV_X_FLOORDIV, i[3], fv_x_dim(a, inner));
        if (k)
            which = fv_x_bin(a, FV_X_FLOORMOD, which, fv_x_dim(a, kernel->u.dims[k]));
        fv_expr *from =
            fv_x_bin(a, FV_X_SUB, fv_x_bin(a, FV_X_MUL, i[4 + k], fv_x_int(a, strides[k])),
                     fv_x_dim(a, pads->u.dims[k]));
        from = fv_x_bin(a, FV_X_ADD, from, fv_x_bin(a, FV_X_MUL, which, fv_x_int(a, dilations[k])));
        moved[3] = fv_x_int(a, k);
        p[k] = fv_x_bin(a, FV_X_ADD, fv_x_convert(a, s.e, from), fv_d_load(d, 1, moved));
    }
    def->body = interpolated(&s, p, 0);
    if (fv_op_in(op, 2)) {
        for (int k = 0; k < s.n; k++)
            moved[3 + k] = i[4 + k];
        def->body = fv_x_bin(a, FV_X_MUL, fv_d_load(d, 2, moved), def->body);
    }
    return true;
}

#define OPTIONAL FV_OPTIONAL_OPERAND

const fv_opdef fv_ops_deform[] = {
    {.domain = "fv",
     .name = "DeformTaps",
     .id = FV_OP_fv_DeformTaps,
     .since = {1},
     .doc = "for each position of a convolution and each tap, the element at the position plus an "
            "offset, interpolated, times a mask; zero outside",
     .in = {{"X", "T", .rank = FV_RANK_FROM(4)},
            {"offset", "T", .rank = FV_RANK_FROM(5)},
            {"mask", "T", OPTIONAL, .rank = FV_RANK_FROM(4)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS), FV_A_REQUIRED("kernel", DIMS),
               FV_A_REQUIRED("pads", DIMS), FV_A_REQUIRED("strides", INTS),
               FV_A_REQUIRED("dilations", INTS)},
     .types = {{"T", FV_SET(F32) | FV_SET(F64)}},
     .infer = infer_taps,
     .define = define_taps},
    {.domain = "",
     .name = "DeformConv",
     .id = FV_OP_DeformConv,
     .since = {19, 22},
     .doc = "a convolution whose taps are moved by offsets that are data, with interpolation; "
            "times a mask",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)},
            {"W", "T", .rank = FV_RANK_AS("X")},
            {"offset", "T", .rank = FV_RANK_AS("X")},
            {"B", "T", OPTIONAL, .rank = FV_RANK(1)},
            {"mask", "T", OPTIONAL, .rank = FV_RANK_AS("X")}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_OPTIONAL("dilations", INTS), FV_A_INT("group", 1),
               FV_A_OPTIONAL("kernel_shape", INTS), FV_A_INT("offset_group", 1),
               FV_A_OPTIONAL("pads", INTS), FV_A_OPTIONAL("strides", INTS)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_deform,
     .decompose = decompose_deform},

    {0}};
