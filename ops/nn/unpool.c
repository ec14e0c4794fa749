/* unpool.c - inverses of sliding windows: Col2Im adds blocks of images, which may overlap, and
 * MaxUnpool writes each element to the position at which it was the maximum of its window. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/nn/window.h"

/* ---- Col2Im ---- */

enum { COLUMNS, IMAGE, BLOCK };

typedef struct blocks {
    fv_window w; /* the dims of a block are those of the window's kernel */
    const fv_dim *channels, *image[FV_MAX_RANK], *count[FV_MAX_RANK];
} blocks;

/* Reads a list of sizes, each of which is at least `least`. */
static bool read_sizes(fv_op *op, int in, int64_t least, int *n, const fv_dim **sizes) {
    fv_module *m = fv_op_module(op);
    const fv_dim *const *e;
    if (!fv_int_operand(op, in, n, &e))
        return false;
    for (int i = 0; i < *n && i < FV_MAX_RANK; i++) {
        sizes[i] = e[i];
        const fv_dim *enough = fv_dim_max(m->dims, e[i], fv_dim_const(m->dims, least));
        const char *name = op->def->in[in].name;
        if (e[i]->lo > FV_DIM_MAX || e[i]->hi < least ||
            !fv_module_require(
                m, enough, e[i], name,
                fv_printf(m->arena, "%lld <= %s", (long long)least, fv_dim_str(m->arena, e[i]))))
            return fv_op_error(op, "input '%s' has %s, expected at least %lld", name,
                               fv_dim_str(m->arena, e[i]), (long long)least);
    }
    return true;
}

static bool read_blocks(fv_op *op, blocks *b) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, COLUMNS);
    int64_t pads[2 * FV_MAX_RANK];
    int n, k;
    if (!read_sizes(op, IMAGE, 0, &n, b->image) || !read_sizes(op, BLOCK, 1, &k, b->w.kernel))
        return false;
    if (n != k || n < 1 || 2 + 2 * n > FV_MAX_RANK)
        return fv_op_error(
            op, "image_shape has %d elements and block_shape %d, expected as many, 1 to %d", n, k,
            FV_MAX_RANK / 2 - 1);
    b->w.n = n;
    if (!fv_window_list(op, "strides", n, 1, 1, b->w.stride) ||
        !fv_window_list(op, "dilations", n, 1, 1, b->w.dilation) ||
        !fv_window_list(op, "pads", 2 * n, 0, 0, pads))
        return false;
    for (int i = 0; i < n; i++) {
        const fv_dim *one = fv_dim_const(t, 1),
                     *padded = fv_dim_add(t, b->image[i], fv_dim_const(t, pads[i] + pads[n + i]));
        const fv_dim *reach = fv_window_reach(t, &b->w, i);
        b->w.before[i] = fv_dim_const(t, pads[i]);
        if (!fv_module_require(m, fv_dim_max(t, padded, reach), padded, "blocks of an image",
                               fv_printf(m->arena, "%s <= %s", fv_dim_str(m->arena, reach),
                                         fv_dim_str(m->arena, padded))))
            return fv_op_error(op, "a block is %s long, the image with its padding %s",
                               fv_dim_str(m->arena, reach), fv_dim_str(m->arena, padded));
        const fv_dim *steps =
            fv_dim_floordiv(t, fv_dim_sub(t, padded, reach), fv_dim_const(t, b->w.stride[i]));
        b->count[i] =
            fv_name_dim(op, "blocks", fv_dim_max(t, fv_dim_const(t, 1), fv_dim_add(t, steps, one)));
    }
    if (!fv_split_dim(op, x->dims[1], fv_dim_product(t, n, b->w.kernel), &b->channels,
                      "elements of a block"))
        return false;
    b->channels = fv_name_dim(op, "channels", fv_dim_max(t, fv_dim_const(t, 0), b->channels));
    return fv_same_dim(op, x->dims[2], fv_dim_product(t, n, b->count), "blocks of an image");
}

static bool infer_col2im(fv_op *op) {
    const fv_type *x = fv_in_type(op, COLUMNS);
    const fv_dim *dims[FV_MAX_RANK];
    blocks b;
    if (!read_blocks(op, &b))
        return false;
    dims[0] = x->dims[0];
    dims[1] = b.channels;
    for (int i = 0; i < b.w.n; i++)
        dims[i + 2] = b.image[i];
    fv_infer_out(op, 0, x->elem, b.w.n + 2, dims);
    return true;
}

/* Adds an axis for each axis of a block, then for each axis of the array of blocks. */
static bool decompose_col2im(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, COLUMNS), *y = op->out[0]->type;
    const fv_dim *dims[FV_MAX_RANK];
    fv_attr a[4];
    blocks b;
    if (!read_blocks(op, &b))
        return false;
    int n = b.w.n;
    dims[0] = x->dims[0];
    dims[1] = b.channels;
    for (int i = 0; i < n; i++) {
        dims[2 + i] = b.w.kernel[i];
        dims[2 + n + i] = b.count[i];
    }
    fv_value *v = fv_w_reshape(w, op->in[COLUMNS], 2 + 2 * n, dims);
    int attrs = fv_window_attrs(w->module, &b.w, a);
    a[attrs++] = fv_attr_dims(w->module, "dims", n, y->dims + 2);
    fv_w_result(w, 0, fv_w_op(w, FV_OP_fv_Blocks, 1, &v, attrs, a));
    return true;
}

static bool infer_blocks(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *image = fv_op_find_attr(op, "dims"), *pads = fv_op_find_attr(op, "pads");
    const fv_attr *strides = fv_op_find_attr(op, "strides"),
                  *dilations = fv_op_find_attr(op, "dilations");
    const fv_dim *dims[FV_MAX_RANK] = {x->dims[0], x->dims[1]};
    int n = (x->rank - 2) / 2;
    if (x->rank % 2 || image->n != n || pads->n != n || strides->n != n || dilations->n != n)
        return fv_op_error(
            op, "has dims, pads, strides or dilations that are not for %d axes of an image", n);
    for (int i = 0; i < n; i++)
        if (strides->u.ints[i] < 1 || dilations->u.ints[i] < 1)
            return fv_op_error(op, "has a stride or dilation below 1");
    for (int i = 0; i < n; i++)
        dims[i + 2] = image->u.dims[i];
    fv_infer_out(op, 0, x->elem, n + 2, dims);
    return true;
}

/* The sum over the taps k of a block of the element that block (p + pad - k * dilation) / stride
 * has there, if this block exists. */
static bool define_blocks(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *pads = fv_op_find_attr(op, "pads");
    int n = def->rank - 2, none;
    const int64_t *strides = fv_op_ints(op, "strides", &none),
                  *dilations = fv_op_ints(op, "dilations", &none);
    fv_elem e = fv_elem_arith(x->elem);
    fv_expr *at[FV_MAX_RANK] = {fv_x_var(a, def->index[0]), fv_x_var(a, def->index[1])},
            *begins = NULL;
    fv_var *k[FV_MAX_RANK];
    for (int i = 0; i < n; i++) {
        k[i] = fv_d_var(d, "k", x->dims[2 + i]);
        fv_expr *p =
            fv_x_bin(a, FV_X_ADD, fv_x_var(a, def->index[2 + i]), fv_x_dim(a, pads->u.dims[i]));
        fv_expr *stride = fv_x_int(a, strides[i]);
        at[2 + i] = fv_x_var(a, k[i]);
        p = fv_x_bin(a, FV_X_SUB, p, fv_x_bin(a, FV_X_MUL, at[2 + i], fv_x_int(a, dilations[i])));
        at[2 + n + i] = fv_x_bin(a, FV_X_FLOORDIV, p, stride);
        fv_expr *whole =
            fv_x_bin(a, FV_X_EQ, fv_x_bin(a, FV_X_FLOORMOD, p, stride), fv_x_int(a, 0));
        if (strides[i] > 1)
            begins = begins ? fv_x_bin(a, FV_X_AND, begins, whole) : whole;
    }
    fv_expr *term = fv_d_load_else(d, 0, at, fv_x_zero(a, e));
    if (begins)
        term = fv_x_select(a, begins, term, fv_x_zero(a, e));
    def->body = fv_x_reduce(a, e == FV_BOOL ? FV_ANY : FV_SUM, n, k, term);
    return true;
}

/* ---- MaxUnpool ---- */

enum { X, AT, SHAPE };

/* The dims of the tensor that was pooled, if all windows ended inside of it: the positions refer to
 * these dims. */
static bool read_pooled(fv_op *op, const fv_dim **dims) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, X);
    fv_window w;
    if (!fv_window_read(op, x, NULL, &w))
        return false;
    for (int i = 0; i < x->rank; i++) {
        dims[i] = x->dims[i];
        if (!fv_same_dim(op, fv_in_type(op, AT)->dims[i], x->dims[i], "positions of a MaxUnpool"))
            return false;
        if (i < 2)
            continue;
        const fv_dim *size = fv_dim_mul(t, fv_dim_sub(t, x->dims[i], fv_dim_const(t, 1)),
                                        fv_dim_const(t, w.stride[i - 2]));
        size = fv_dim_sub(t, fv_dim_add(t, size, w.kernel[i - 2]),
                          fv_dim_add(t, w.before[i - 2], w.after[i - 2]));
        dims[i] = fv_dim_max(t, size, fv_dim_const(t, 0));
    }
    return true;
}

static bool infer_unpool(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, X);
    const fv_dim *dims[FV_MAX_RANK], *const *e;
    int n;
    if (!read_pooled(op, dims))
        return false;
    if (fv_op_in(op, SHAPE)) {
        if (!fv_int_operand(op, SHAPE, &n, &e))
            return false;
        for (int i = 0; i < n; i++) {
            const char *says = fv_printf(m->arena, "%s <= %s", fv_dim_str(m->arena, dims[i]),
                                         fv_dim_str(m->arena, e[i]));
            if (e[i]->lo > FV_DIM_MAX || e[i]->hi < 0 ||
                (i < 2 && !fv_same_dim(op, e[i], dims[i], "batch and channels of output_shape")) ||
                !fv_module_require(m, fv_dim_max(m->dims, e[i], dims[i]), e[i], "output_shape",
                                   says))
                return fv_op_error(op, "output_shape has %s on axis %d, expected at least %s",
                                   fv_dim_str(m->arena, e[i]), i, fv_dim_str(m->arena, dims[i]));
            dims[i] = e[i];
        }
    }
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return true;
}

/* A negative position does not count from the end: it is replaced by one out of range, as in
 * fv_w_rows. If a larger shape is requested, the additional elements are zero. */
static bool decompose_unpool(fv_rewriter *w, fv_op *op) {
    fv_module *m = w->module;
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, X), *y = op->out[0]->type;
    const fv_dim *dims[FV_MAX_RANK], *begin[FV_MAX_RANK];
    if (!read_pooled(op, dims))
        return false;
    const fv_dim *from = fv_dim_product(t, x->rank, x->dims),
                 *to = fv_dim_product(t, x->rank, dims);
    fv_value *at = fv_w_reshape(w, op->in[AT], 1, &from),
             *zero = fv_w_expand(w, fv_w_float(w, x->elem, 0), 1, &to);
    at = FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Less, at, fv_w_int(w, FV_I64, 0)),
               fv_w_ints(w, FV_I64, 0, 1, &to), at);
    fv_value *v = FV_W3(w, FV_OP_ScatterElements, zero, at, fv_w_reshape(w, op->in[X], 1, &from));
    v = fv_w_reshape(w, v, x->rank, dims);
    if (fv_op_in(op, SHAPE)) {
        for (int i = 0; i < x->rank; i++)
            begin[i] = fv_dim_const(t, 0);
        fv_attr a[2] = {fv_attr_dims(m, "begin", x->rank, begin),
                        fv_attr_dims(m, "dims", x->rank, y->dims)};
        v = fv_w_op(w, FV_OP_fv_Pad, 1, &v, 2, a);
    }
    fv_w_result(w, 0, v);
    return true;
}

const fv_opdef fv_ops_unpool[] = {
    {.domain = "fv",
     .name = "Blocks",
     .id = FV_OP_fv_Blocks,
     .since = {1},
     .doc = "images [n, c, ..], sums of blocks [n, c, (position in a block), (index of the "
            "block)], which may overlap",
     .in = {{"X", "T", .rank = FV_RANK_FROM(4)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS), FV_A_REQUIRED("pads", DIMS),
               FV_A_REQUIRED("strides", INTS), FV_A_REQUIRED("dilations", INTS)},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}},
     .infer = infer_blocks,
     .define = define_blocks},
    {.domain = "",
     .name = "Col2Im",
     .since = {18},
     .doc = "images of the blocks that are the columns of X, added where they overlap; for bools, "
            "whether any element is true",
     .in = {{"input", "T", .rank = FV_RANK(3)},
            {"image_shape", "S", .rank = FV_PER_AXIS(1, NULL)},
            {"block_shape", "S", .rank = FV_PER_AXIS(1, NULL)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_OPTIONAL("dilations", INTS), FV_A_OPTIONAL("pads", INTS),
               FV_A_OPTIONAL("strides", INTS)},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}, {"S", FV_SET(I64)}},
     .infer = infer_col2im,
     .decompose = decompose_col2im},
    {.domain = "",
     .name = "MaxUnpool",
     .since = {9, 11, 22},
     .doc = "the elements of X at the positions from which MaxPool took them, zeros elsewhere",
     .in = {{"X", "T1", .rank = FV_RANK_FROM(3)},
            {"I", "T2", .rank = FV_RANK_AS("X")},
            {"output_shape", "T2", FV_OPTIONAL_OPERAND, .rank = FV_PER_AXIS(1, "X")}},
     .out = {{"output", "T1"}},
     .attrs = {FV_A_REQUIRED("kernel_shape", INTS), FV_A_OPTIONAL("pads", INTS),
               FV_A_OPTIONAL("strides", INTS)},
     .types = {{"T1", FV_SET_FLOAT}, {"T2", FV_SET(I64)}},
     .infer = infer_unpool,
     .decompose = decompose_unpool},

    {0}};
