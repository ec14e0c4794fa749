/* join.c - operators that concatenate or pad tensors, and those that move blocks of pixels between
 * axes: Concat, Pad, DepthToSpace, SpaceToDepth. */
#include "ops/common/dims.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/upgrade.h"

static fv_expr *zero_of(fv_definer *d, fv_elem e) {
    fv_elem t = fv_elem_arith(e);
    return fv_elem_is_float(t) ? fv_x_const(d->arena, t, 0) : fv_x_const_int(d->arena, t, 0);
}

/* ---- Concat ---- */

static bool infer_concat(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    for (int k = 1; k < op->nin; k++) {
        const fv_type *y = fv_in_type(op, k);
        for (int i = 0; i < x->rank; i++)
            if (i != axis && !fv_module_assume(m, x->dims[i], y->dims[i], "inputs of a Concat"))
                return fv_op_error(op, "axis %d has %s in input 0, %s in input %d", i,
                                   fv_dim_str(m->arena, x->dims[i]),
                                   fv_dim_str(m->arena, y->dims[i]), k);
        dims[axis] = fv_dim_add(m->dims, dims[axis], y->dims[axis]);
    }
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return true;
}

/* x0[i] if i < n0, else x1[i - n0] if that is in range, and so on */
static bool define_concat(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), def->rank, &axis))
        return false;
    fv_expr *index[FV_MAX_RANK], *i = fv_x_var(d->arena, def->index[axis]);
    for (int k = 0; k < def->rank; k++)
        index[k] = fv_x_var(d->arena, def->index[k]);
    const fv_dim *start = def->value->type->dims[axis];
    fv_expr *x = zero_of(d, def->value->type->elem);
    for (int k = op->nin; k-- > 0;) {
        start = fv_dim_sub(d->module->dims, start, fv_in_type(op, k)->dims[axis]);
        if (k == 0)
            start = fv_dim_const(d->module->dims, 0);
        index[axis] = fv_x_bin(d->arena, FV_X_SUB, i, fv_x_dim(d->arena, start));
        x = fv_d_load_else(d, k, index, x);
    }
    def->body = x;
    return true;
}

static bool upgrade_concat(fv_op *op, int version) {
    fv_op_set_int(op, "axis", fv_op_int_of(op, "axis", version));
    return true;
}

/* ---- fv.Pad ---- */

static bool string_is(fv_string s, const char *text) {
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}

static bool check_mode(fv_op *op) {
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
    fv_string mode = fv_op_string(op, "mode");
    for (int k = 0; k < 4; k++)
        if (string_is(mode, modes[k]))
            return true;
    return fv_op_error(op, "mode is '%.*s', expected constant, reflect, edge or wrap", (int)mode.n,
                       mode.s);
}

static bool infer_pad_dims(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *begin = fv_op_find_attr(op, "begin"), *dims = fv_op_find_attr(op, "dims");
    if (begin->n != x->rank || dims->n != x->rank)
        return fv_op_error(op, "has %d begins and %d dims for rank %d", begin->n, dims->n, x->rank);
    fv_infer_out(op, 0, x->elem, x->rank, dims->u.dims);
    return check_mode(op);
}

/* The index of the element that position p of an axis of n elements gets in that mode; p may be
 * outside. */
static fv_expr *padded_index(fv_definer *d, fv_string mode, fv_expr *p, fv_expr *n) {
    fv_arena *a = d->arena;
    fv_expr *zero = fv_x_int(a, 0), *last = fv_x_bin(a, FV_X_SUB, n, fv_x_int(a, 1));
    if (string_is(mode, "edge"))
        return fv_x_bin(a, FV_X_MAX, fv_x_bin(a, FV_X_MIN, p, last), zero);
    if (!string_is(mode, "reflect"))
        return p;
    fv_expr *period = fv_x_bin(a, FV_X_MUL, last, fv_x_int(a, 2));
    fv_expr *q = fv_x_bin(a, FV_X_FLOORMOD, p, period); /* FLOORMOD by 0 is 0 */
    return fv_x_select(a, fv_x_bin(a, FV_X_LT, q, n), q, fv_x_bin(a, FV_X_SUB, period, q));
}

/* What is left of an axis of n elements if negative pads remove some: its first index and size. */
static void kept_range(fv_dims *t, const fv_dim *n, const fv_dim *begin, const fv_dim *padded,
                       const fv_dim **first, const fv_dim **size) {
    const fv_dim *zero = fv_dim_const(t, 0);
    const fv_dim *end = fv_dim_sub(t, fv_dim_sub(t, padded, n), begin);
    *first = fv_dim_max(t, fv_dim_sub(t, zero, begin), zero);
    *size = fv_dim_sub(t, fv_dim_add(t, n, fv_dim_min(t, end, zero)), *first);
}

/* The mode wrap repeats what negative pads have left of the axis, as ONNX Runtime does. */
static fv_expr *wrapped_index(fv_arena *a, fv_expr *p, const fv_dim *first, const fv_dim *size) {
    fv_expr *from = fv_x_dim(a, first);
    return fv_x_bin(a, FV_X_ADD, from,
                    fv_x_bin(a, FV_X_FLOORMOD, fv_x_bin(a, FV_X_SUB, p, from), fv_x_dim(a, size)));
}

static bool define_pad(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *begin = fv_op_find_attr(op, "begin");
    fv_string mode = fv_op_string(op, "mode");
    fv_expr *index[FV_MAX_RANK], *value = zero_of(d, x->elem);
    /* in other modes every index is inside, unless the axis is empty */
    bool inside = !string_is(mode, "constant");
    for (int i = 0; i < x->rank; i++) {
        index[i] = fv_x_var(a, def->index[i]);
        const fv_dim *b = begin->u.dims[i];
        if (fv_dim_is_const(b) && !b->value && x->dims[i] == def->index[i]->dim)
            continue;
        fv_expr *p = fv_x_bin(a, FV_X_SUB, index[i], fv_x_dim(a, b));
        const fv_dim *first, *size;
        kept_range(d->module->dims, x->dims[i], b, def->index[i]->dim, &first, &size);
        bool wraps = string_is(mode, "wrap");
        index[i] = wraps ? wrapped_index(a, p, first, size)
                         : padded_index(d, mode, p, fv_x_dim(a, x->dims[i]));
        inside &= (wraps ? size : x->dims[i])->lo > 0;
    }
    if (fv_op_in(op, 1)) {
        fv_expr *zero = fv_x_int(a, 0);
        value = fv_d_load(d, 1, &zero);
    }
    def->body = inside ? fv_d_load(d, 0, index) : fv_d_load_else(d, 0, index, value);
    return true;
}

static void pad_result(fv_rewriter *w, fv_op *op, const fv_dim *const *begin, fv_value *value,
                       const char *mode) {
    const fv_type *y = op->out[0]->type;
    fv_value *in[2] = {op->in[0], value};
    fv_attr a[3] = {fv_attr_dims(w->module, "begin", y->rank, begin),
                    fv_attr_dims(w->module, "dims", y->rank, y->dims),
                    fv_attr_string(w->module, "mode", mode)};
    fv_w_result(w, 0, fv_w_op(w, FV_OP_fv_Pad, value ? 2 : 1, in, 3, a));
}

/* ---- Pad ---- */

/* Reads the numbers of elements added before and after each axis; negative numbers remove
 * elements. */
static bool paddings(fv_op *op, const fv_dim **begin, const fv_dim **end) {
    fv_dims *t = fv_op_module(op)->dims;
    int rank = fv_in_type(op, 0)->rank, n, naxes = rank;
    const fv_dim *const *pads, *const *axes = NULL;
    const fv_dim *zero = fv_dim_const(t, 0), *r = fv_dim_const(t, rank);
    if ((fv_op_in(op, 3) && !fv_int_operand(op, 3, &naxes, &axes)) ||
        !fv_int_operand(op, 1, &n, &pads))
        return false;
    for (int i = 0; i < rank; i++)
        begin[i] = end[i] = zero;
    for (int k = 0; k < naxes; k++) {
        const fv_dim *axis = axes ? fv_dim_wrap(t, axes[k], r) : fv_dim_const(t, k);
        if (axes && !fv_require_axis(op, axes[k], rank))
            return false;
        for (int i = 0; i < rank; i++) {
            const fv_dim *here = fv_dim_is(t, axis, i);
            begin[i] = fv_dim_if(t, here, pads[k], begin[i]);
            end[i] = fv_dim_if(t, here, pads[naxes + k], end[i]);
        }
    }
    return true;
}

static bool infer_pad(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *begin[FV_MAX_RANK], *end[FV_MAX_RANK], *dims[FV_MAX_RANK];
    if (!check_mode(op) || !paddings(op, begin, end))
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = fv_dim_add(t, x->dims[i], fv_dim_add(t, begin[i], end[i]));
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return true;
}

static fv_value *flattened(fv_rewriter *w, fv_value *v, const fv_dim *n) {
    if (v->kind != FV_VALUE_CONST)
        return fv_w_reshape(w, v, 1, &n);
    fv_tensor *t = fv_tensor_new(w->module->arena, FV_I64, 1, &n->value);
    for (size_t i = 0; i < t->count; i++)
        fv_tensor_set_int(t, i, fv_tensor_int(v->tensor, i));
    return fv_const_new(w->module, v->name, t);
}

/* ONNX Runtime's operator, whose pads may be a matrix of one row. */
static bool infer_pad_of_row(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *pads = fv_in_type(op, 1);
    const fv_dim *n = fv_dim_const(m->dims, 2 * fv_in_type(op, 0)->rank);
    if (pads->rank == 2) {
        if (!fv_module_assume(m, pads->dims[0], fv_dim_const(m->dims, 1), "one row of pads") ||
            !fv_module_assume(m, pads->dims[1], n, "two pads an axis"))
            return fv_op_error(op, "pads is %s, expected [1, %s]", fv_type_str(m->arena, pads),
                               fv_dim_str(m->arena, n));
        fv_rewriter w = fv_rewriter_at(op);
        fv_value *row = flattened(&w, op->in[1], n);
        if (!row)
            return false;
        fv_op_set_in(op, 1, row);
    }
    return infer_pad(op);
}

static bool decompose_pad(fv_rewriter *w, fv_op *op) {
    const fv_dim *begin[FV_MAX_RANK], *end[FV_MAX_RANK];
    fv_string mode = fv_op_string(op, "mode");
    if (!paddings(op, begin, end))
        return false;
    pad_result(w, op, begin, fv_op_in(op, 2),
               fv_printf(w->module->arena, "%.*s", (int)mode.n, mode.s));
    return true;
}

/* In opset 1 the pads were called `paddings`; before opset 11 pads and value were attributes. */
static bool upgrade_pad(fv_op *op, int version) {
    if (version >= 11)
        return true;
    return fv_upgrade_attr_to_ints(op, version == 1 ? "paddings" : "pads", 1) &&
           fv_upgrade_attr_to_float(op, "value", 2);
}

/* ---- CenterCropPad ---- */

static bool infer_center(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *e, *dims[FV_MAX_RANK];
    int n, naxes, axis;
    const int64_t *axes = fv_op_ints(op, "axes", &naxes);
    if (!fv_int_operand(op, 1, &n, &e))
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    for (int i = 0; i < n; i++) {
        if (!fv_infer_axis(op, axes ? axes[i] : i, x->rank, &axis))
            return false;
        dims[axis] = e[i];
    }
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return true;
}

/* Pads or crops both sides; half of the difference, rounded down, is in front. */
static bool decompose_center(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    const fv_dim *begin[FV_MAX_RANK], *zero = fv_dim_const(t, 0), *two = fv_dim_const(t, 2);
    for (int i = 0; i < x->rank; i++) {
        const fv_dim *more = fv_dim_sub(t, y->dims[i], x->dims[i]);
        const fv_dim *less = fv_dim_sub(t, x->dims[i], y->dims[i]);
        begin[i] = fv_dim_sub(t, fv_dim_floordiv(t, fv_dim_max(t, more, zero), two),
                              fv_dim_floordiv(t, fv_dim_max(t, less, zero), two));
    }
    pad_result(w, op, begin, NULL, "constant");
    return true;
}

/* ---- DepthToSpace, SpaceToDepth ---- */

static const fv_dim *part(fv_dims *t, const fv_dim *x, int64_t by) {
    const fv_dim *q = fv_dim_quotient(t, x, fv_dim_const(t, by));
    return q ? q : fv_dim_floordiv(t, x, fv_dim_const(t, by));
}

/* Reads the block size b, and computes [N, C / b^2, H * b, W * b], or the reverse. */
static bool blocks(fv_op *op, bool to_space, int64_t *b, const fv_dim **dims) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    *b = fv_op_int(op, "blocksize");
    if (*b < 1 || *b > 1 << 20)
        return fv_op_error(op, "blocksize is %lld", (long long)*b);
    const fv_dim *by = fv_dim_const(t, *b);
    dims[0] = x->dims[0];
    for (int i = 1; i < 4; i++) {
        bool shrinks = (i == 1) == to_space;
        int64_t f = i == 1 ? *b * *b : *b;
        if (fv_dim_is_const(x->dims[i]) && shrinks && x->dims[i]->value % f)
            return fv_op_error(op, "axis %d has %lld elements, no multiple of %lld", i,
                               (long long)x->dims[i]->value, (long long)f);
        const fv_dim *grown = fv_dim_mul(t, x->dims[i], by);
        dims[i] = shrinks ? part(t, x->dims[i], f) : i == 1 ? fv_dim_mul(t, grown, by) : grown;
    }
    return true;
}

static bool infer_blocks(fv_op *op, bool shrinks) {
    int64_t b;
    const fv_dim *dims[4];
    if (!blocks(op, shrinks, &b, dims))
        return false;
    fv_infer_out(op, 0, fv_in_type(op, 0)->elem, 4, dims);
    return true;
}

static bool infer_depth_to_space(fv_op *op) {
    fv_string mode = fv_op_string(op, "mode");
    if (!string_is(mode, "DCR") && !string_is(mode, "CRD"))
        return fv_op_error(op, "mode is '%.*s', expected DCR or CRD", (int)mode.n, mode.s);
    return infer_blocks(op, true);
}

static bool infer_space_to_depth(fv_op *op) {
    return infer_blocks(op, false);
}

const fv_opdef fv_ops_join[] = {
    {.domain = "",
     .name = "Concat",
     .id = FV_OP_Concat,
     .since = {1, 4, 11, 13},
     .doc = "concatenated along an axis",
     .in = {{"inputs", "T", FV_VARIADIC, 1, .rank = {.least = 1, .as = "inputs"}}},
     .out = {{"concat_result", "T"}},
     .attrs = {FV_A_REQUIRED("axis", INT), FV_A_INT_UNTIL(1, "axis", 1)},
     .types = {{"T", FV_SET_MOVED}},
     .infer = infer_concat,
     .associates = true,
     .define = define_concat,
     .upgrade = upgrade_concat},
    {.domain = "fv",
     .name = "Pad",
     .id = FV_OP_fv_Pad,
     .since = {1},
     .doc = "element i - begin along each axis, for i < dims; outside of X the value (zero), the "
            "element at the edge, or a reflection",
     .in = {{"X", "T"}, {"value", "T", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("begin", DIMS), FV_A_REQUIRED("dims", DIMS),
               FV_A_STRING("mode", "constant")},
     .types = {{"T", FV_SET_MOVED}},
     .infer = infer_pad_dims,
     .define = define_pad},
    {.domain = "",
     .name = "Pad",
     .id = FV_OP_Pad,
     .since = {1, 2, 11, 13, 18, 19, 21, 23, 24, 25},
     .doc =
         "elements before and after each axis: a value, a reflection, the edge, or the other end",
     .departs = "In the mode wrap, negative pads remove elements first, and what is left is "
                "repeated; the reference function refuses such pads.",
     .in = {{"data", "T"},
            {"pads", "S", .rank = FV_PER_AXIS(2, "data")},
            {"constant_value", "T", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR},
            {"axes", "Tind", FV_OPTIONAL_OPERAND, .rank = FV_PER_AXIS(1, "data")}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_STRING("mode", "constant"),
               {.name = "paddings", .kind = FV_ATTR_INTS, .until = 1},
               {.name = "value", .kind = FV_ATTR_FLOAT, .until = 2},
               {.name = "pads", .kind = FV_ATTR_INTS, .until = 2}},
     .types = {{"T", FV_SET_MOVED}, {"S", FV_SET(I64)}, {"Tind", FV_SET(I32) | FV_SET(I64)}},
     .infer = infer_pad,
     .decompose = decompose_pad,
     .upgrade = upgrade_pad},
    {.domain = "com.microsoft",
     .name = "Pad",
     .since = {1},
     .doc = "Pad, whose pads may be a matrix of one row",
     .in = {{"data", "T"},
            {"pads", "S",
             .rank = {.least = 1, .most = 2, .length = {FV_AXES_LENGTH, .times = 2, .of = "data"}}},
            {"value", "T", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_STRING("mode", "constant")},
     .types = {{"T", FV_SET_DATA}, {"S", FV_SET(I64)}},
     .infer = infer_pad_of_row,
     .decompose = decompose_pad},
    {.domain = "",
     .name = "CenterCropPad",
     .since = {18},
     .doc = "cropped or padded with zeros on both sides to a shape",
     .in = {{"input_data", "T"}, {"shape", "Tind", .rank = FV_PER_AXIS(1, "input_data")}},
     .out = {{"output_data", "T"}},
     .attrs = {FV_A_OPTIONAL("axes", INTS)},
     .types = {{"T", FV_SET_MOVED}, {"Tind", FV_SET(I32) | FV_SET(I64)}},
     .infer = infer_center,
     .decompose = decompose_center},
    {.domain = "",
     .name = "DepthToSpace",
     .id = FV_OP_DepthToSpace,
     .since = {1, 11, 13},
     .doc = "channels become blocks of pixels",
     .in = {{"input", "T", .rank = FV_RANK(4)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_REQUIRED("blocksize", INT), FV_A_STRING("mode", "DCR")},
     .types = {{"T", FV_SET_MOVED}},
     .infer = infer_depth_to_space,
     .body = "DepthToSpace"},
    {.domain = "",
     .name = "SpaceToDepth",
     .id = FV_OP_SpaceToDepth,
     .since = {1, 13},
     .doc = "blocks of pixels become channels",
     .in = {{"input", "T", .rank = FV_RANK(4)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_REQUIRED("blocksize", INT)},
     .types = {{"T", FV_SET_MOVED}},
     .infer = infer_space_to_depth,
     .body = "SpaceToDepth"},

    {0}};
