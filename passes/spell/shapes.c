/* shapes.c - writes views as operators of the standard, which take dims as tensors. */
#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "passes/spell/spell.h"

/* ---- Reshape ---- */

/* The shape operand that a person would write: numbers, 0 for a dim that x has on the same axis,
 * and -1 for at most one other dim. False: this is not possible, and the dims must be computed,
 * because a dim is 0 (which has another meaning there), two dims would have to be -1, or one is -1
 * while another may be 0. */
static bool short_shape(const fv_type *x, const fv_type *y, int64_t *shape) {
    int left = -1;
    for (int i = 0; i < y->rank; i++) {
        const fv_dim *d = y->dims[i];
        if (fv_dim_is_const(d) && !d->value)
            return false;
        if (fv_dim_is_const(d))
            shape[i] = d->value;
        else if (i < x->rank && d == x->dims[i])
            shape[i] = 0;
        else if (left >= 0)
            return false;
        else
            shape[left = i] = -1;
    }
    for (int i = 0; i < y->rank && left >= 0; i++)
        if (i != left && y->dims[i]->lo < 1)
            return false; /* -1 is only defined if no other dim is 0 */
    return true;
}

/* Finds the axes of one element that `more` has in addition to the axes of `less`. Returns their
 * number; -1: the types differ otherwise. */
static int ones_between(const fv_type *less, const fv_type *more, int64_t *axes) {
    int n = 0, k = 0;
    for (int i = 0; i < more->rank; i++) {
        if (k < less->rank && less->dims[k] == more->dims[i])
            k++;
        else if (fv_dim_is_one(more->dims[i]))
            axes[n++] = i;
        else
            return -1;
    }
    return k == less->rank ? n : -1;
}

/* Writes a reshape that only adds or removes axes of one element as Unsqueeze or Squeeze, which
 * need no shape. NULL: it does more, or nothing. */
static fv_value *with_ones(fv_speller *s, fv_value *x, const fv_type *y) {
    int64_t axes[FV_MAX_RANK];
    bool more = y->rank > x->type->rank;
    int n = more ? ones_between(x->type, y, axes) : ones_between(y, x->type, axes);
    if (n < 1)
        return NULL;
    fv_value *in[2] = {x, fv_const_ints(s->w.module, "axes", n, axes)};
    return fv_spell_op(s, more ? FV_OP_Unsqueeze : FV_OP_Squeeze, y, 2, in, 0, NULL);
}

static bool may_be_empty(const fv_type *t) {
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i]->lo < 1)
            return true;
    return false;
}

bool fv_spell_as_reshape(fv_speller *s, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    int64_t shape[FV_MAX_RANK + 1];
    fv_value *ones = with_ones(s, op->in[0], y);
    if (ones)
        return fv_spell_result(s, 0, ones);
    if (short_shape(x, y, shape))
        return fv_spell_result(s, 0, fv_spell_reshape(s, op->in[0], y, shape));
    fv_value *in[2] = {op->in[0], fv_spell_dims(s, y->rank, y->dims)};
    fv_attr zero = fv_attr_int(s->w.module, "allowzero", 1);
    return fv_spell_result(s, 0, fv_spell_op(s, FV_OP_Reshape, y, 2, in, may_be_empty(y), &zero));
}

/* ---- Expand ---- */

bool fv_spell_expand(fv_speller *s, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    const fv_dim *to[FV_MAX_RANK], *one = fv_dim_const(s->w.module->dims, 1);
    for (int i = 0, k = x->rank - y->rank; i < y->rank; i++, k++)
        to[i] = k >= 0 && x->dims[k] == y->dims[i] ? one : y->dims[i];
    fv_value *in[2] = {op->in[0], fv_spell_dims(s, y->rank, to)};
    return fv_spell_result(s, 0, fv_spell_op(s, FV_OP_Expand, y, 2, in, 0, NULL));
}

/* ---- Slice ---- */

/* The end operand of a Slice with n elements from `start` on. With a negative step the end may be
 * -1, which the standard counts from the end of the axis; therefore the size of the axis is
 * subtracted, which makes it end before the first element. */
static const fv_dim *end_of(fv_dims *t, const fv_dim *size, const fv_dim *start, const fv_dim *step,
                            const fv_dim *n) {
    const fv_dim *end = fv_dim_add(t, start, fv_dim_mul(t, step, n));
    return fv_dim_sub(t, end, fv_dim_mul(t, fv_dim_is_negative(t, step), size));
}

/* If the number of elements was computed as max(end - start, 0), with end cut to the axis, that end
 * can be written: readers of the model compute the same number. NULL: it was not computed like
 * this. */
static const fv_dim *end_as_counted(fv_dims *t, const fv_dim *size, const fv_dim *start,
                                    const fv_dim *n) {
    const fv_dim *zero = fv_dim_const(t, 0);
    if (n->kind != FV_DIM_MAX_ || n->n != 2 || (n->arg[0] != zero && n->arg[1] != zero))
        return NULL;
    const fv_dim *end = fv_dim_add(t, n->arg[n->arg[0] == zero], start);
    for (int i = 0; i < 2; i++)
        if (end->kind == FV_DIM_MIN && end->n == 2 && end->arg[i] == size &&
            end->arg[1 - i]->lo >= 0)
            return end->arg[1 - i];
    return end->lo >= 0 ? end : NULL;
}

/* The only axis of which the slice has a part; -1: there are none or several. */
static int only_axis(const fv_type *x, const fv_type *y) {
    int found = -1;
    for (int i = 0; i < x->rank; i++) {
        if (y->dims[i] == x->dims[i])
            continue;
        if (found >= 0)
            return -1;
        found = i;
    }
    return found;
}

/* A Slice of one element whose index is not constant has a size of which a reader does not know
 * that it is 1: the axis could be shorter. A Gather of one index has it. NULL: it is another
 * slice. */
static fv_value *as_element(fv_speller *s, const fv_op *op) {
    fv_dims *t = s->w.module->dims;
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    const fv_dim *const *start = fv_spell_attr(op, "start", NULL);
    int axis = only_axis(x, y);
    if (axis < 0 || !fv_dim_is_one(y->dims[axis]) || fv_dim_is_const(start[axis]))
        return NULL;
    for (int i = 0; i < x->rank; i++)
        if (i != axis && !(fv_dim_is_const(start[i]) && start[i]->value == 0))
            return NULL;
    const fv_dim *from_end = fv_dim_sub(t, start[axis], x->dims[axis]);
    bool is_from_end = fv_dim_is_const(from_end) && from_end->value < 0;
    fv_value *in[2] = {op->in[0], fv_spell_dims(s, 1, is_from_end ? &from_end : &start[axis])};
    fv_attr a = fv_attr_int(s->w.module, "axis", axis);
    return in[1] ? fv_spell_op(s, FV_OP_Gather, y, 2, in, 1, &a) : NULL;
}

bool fv_spell_slice(fv_speller *s, fv_op *op) {
    fv_dims *t = s->w.module->dims;
    fv_value *element = as_element(s, op);
    if (element)
        return fv_spell_result(s, 0, element);
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    const fv_dim *const *start = fv_spell_attr(op, "start", NULL), *const *step = fv_spell_attr(
                                                                       op, "step", NULL);
    const fv_dim *from[FV_MAX_RANK], *to[FV_MAX_RANK], *axes[FV_MAX_RANK], *by[FV_MAX_RANK];
    bool plain = true;
    int n = 0;
    for (int i = 0; i < x->rank; i++) {
        bool whole = fv_dim_is_const(start[i]) && !start[i]->value && fv_dim_is_one(step[i]) &&
                     y->dims[i] == x->dims[i];
        if (whole)
            continue;
        from[n] = start[i];
        to[n] = fv_dim_is_one(step[i]) ? end_as_counted(t, x->dims[i], start[i], y->dims[i]) : NULL;
        if (!to[n])
            to[n] = end_of(t, x->dims[i], start[i], step[i], y->dims[i]);
        axes[n] = fv_dim_const(t, i);
        by[n++] = step[i];
        plain &= fv_dim_is_one(step[i]);
    }
    fv_value *in[5] = {op->in[0], fv_spell_dims(s, n, from), fv_spell_dims(s, n, to),
                       fv_spell_dims(s, n, axes), plain ? NULL : fv_spell_dims(s, n, by)};
    return fv_spell_result(
        s, 0, n ? fv_spell_op(s, FV_OP_Slice, y, plain ? 4 : 5, in, 0, NULL) : op->in[0]);
}

/* ---- Pad ---- */

static fv_value *scalar(fv_speller *s, fv_value *v) {
    return v && v->type->rank
               ? fv_spell_reshape(s, v, fv_spell_type(s, v->type->elem, 0, NULL), NULL)
               : v;
}

bool fv_spell_pad(fv_speller *s, fv_op *op) {
    fv_dims *t = s->w.module->dims;
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    const fv_dim *const *begin = fv_spell_attr(op, "begin", NULL), *pads[2 * FV_MAX_RANK];
    fv_string mode = fv_op_string(op, "mode");
    for (int i = 0; i < x->rank; i++) {
        pads[i] = begin[i];
        pads[x->rank + i] = fv_dim_sub(t, fv_dim_sub(t, y->dims[i], begin[i]), x->dims[i]);
    }
    fv_value *in[3] = {op->in[0], fv_spell_dims(s, 2 * x->rank, pads), scalar(s, fv_op_in(op, 1))};
    fv_attr a = fv_attr_string(s->w.module, "mode", fv_strndup(s->w.module->arena, mode.s, mode.n));
    bool constant = mode.n == 8 && !memcmp(mode.s, "constant", 8);
    return fv_spell_result(s, 0, fv_spell_op(s, FV_OP_Pad, y, in[2] ? 3 : 2, in, !constant, &a));
}

/* ---- integers ---- */

bool fv_spell_ints(fv_speller *s, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    int n;
    const fv_dim *const *values = fv_spell_attr(op, "values", &n);
    fv_value *v = y->rank ? fv_spell_dims(s, n, values) : fv_spell_dim(s, values[0]);
    return fv_spell_result(s, 0, fv_spell_cast(s, v, y->elem));
}

static bool is_number(const fv_value *v, int64_t n) {
    return v->kind == FV_VALUE_CONST && fv_elem_is_int(v->type->elem) && v->tensor->count == 1 &&
           fv_tensor_int(v->tensor, 0) == n;
}

/* Writes start + i * delta. The standard's Range is used for i only, because it computes the number
 * of its elements from a limit, which may be rounded. */
bool fv_spell_range(fv_speller *s, fv_op *op) {
    fv_module *m = s->w.module;
    const fv_type *y = op->out[0]->type;
    fv_value *start = scalar(s, op->in[0]), *delta = scalar(s, op->in[1]);
    fv_value *in[3] = {fv_const_int(m, "start", 0), fv_spell_dim(s, y->dims[0]),
                       fv_const_int(m, "step", 1)};
    fv_value *v = fv_spell_op(s, FV_OP_Range, fv_spell_type(s, FV_I64, 1, y->dims), 3, in, 0, NULL);
    v = fv_spell_cast(s, v, y->elem);
    if (!is_number(op->in[1], 1))
        v = fv_spell_op(s, FV_OP_Mul, y, 2, (fv_value *[]){v, delta}, 0, NULL);
    if (!is_number(op->in[0], 0))
        v = fv_spell_op(s, FV_OP_Add, y, 2, (fv_value *[]){start, v}, 0, NULL);
    return fv_spell_result(s, 0, v);
}

static fv_value *size_of(fv_speller *s, fv_value *v) {
    return fv_spell_op(s, FV_OP_Size, fv_spell_type(s, FV_I64, 0, NULL), 1, &v, 0, NULL);
}

bool fv_spell_range_count(fv_speller *s, fv_op *op) {
    fv_module *m = s->w.module;
    /* a new symbol, because only the number of elements is used */
    const fv_dim *n = fv_dim_fresh(m->dims, "range", 0, FV_DIM_MAX, true);
    fv_value *in[3] = {scalar(s, op->in[0]), scalar(s, op->in[1]), scalar(s, op->in[2])};
    fv_value *v =
        size_of(s, fv_spell_op(s, FV_OP_Range, fv_spell_type(s, fv_in_type(op, 0)->elem, 1, &n), 3,
                               in, 0, NULL));
    int64_t one = 1;
    if (v && op->out[0]->type->rank)
        v = fv_spell_reshape(s, v, op->out[0]->type, &one);
    return fv_spell_result(s, 0, v);
}

/* ---- shapes that data decides ---- */

static fv_value *equal(fv_speller *s, fv_value *v, int64_t n) {
    fv_value *in[2] = {v, fv_const_int(s->w.module, "c", n)};
    return fv_spell_op(s, FV_OP_Equal, fv_spell_type(s, FV_BOOL, v->type->rank, v->type->dims), 2,
                       in, 0, NULL);
}

static fv_value *where(fv_speller *s, fv_value *c, fv_value *a, fv_value *b) {
    const fv_type *t = a->type->rank > b->type->rank ? a->type : b->type;
    return fv_spell_op(s, FV_OP_Where, t, 3, (fv_value *[]){c, a, b}, 0, NULL);
}

/* In the operand of fv.Reshape, 0 stands for the dim of the input (unless `allowzero` is set) and
 * -1 for the dim that follows from the number of elements. */
bool fv_spell_reshape_dims(fv_speller *s, fv_op *op) {
    fv_module *m = s->w.module;
    const fv_type *y = op->out[0]->type;
    int rank;
    const fv_dim *const *dims = fv_spell_attr(op, "dims", &rank), *own[FV_MAX_RANK],
                        *total[1] = {fv_dim_product(m->dims, rank, dims)};
    if (!fv_dim_is_const(y->dims[0]) || y->dims[0]->value > FV_MAX_RANK)
        return fv_spell_refuse(op, "the length of the shape is not known");
    int n = (int)y->dims[0]->value;
    for (int i = 0; i < n; i++)
        own[i] = i < rank ? dims[i] : fv_dim_const(m->dims, 0);
    fv_value *v = op->in[0], *minus = NULL;
    if (!fv_op_int(op, "allowzero"))
        v = where(s, equal(s, v, 0), fv_spell_dims(s, n, own), v);
    if (!v || !(minus = equal(s, v, -1)))
        return false;
    fv_attr keep = fv_attr_int(m, "keepdims", 1);
    fv_value *others = where(s, minus, fv_const_int(m, "c", 1), v);
    const fv_dim *one = fv_dim_const(m->dims, 1);
    fv_value *rest =
        fv_spell_op(s, FV_OP_ReduceProd, fv_spell_type(s, FV_I64, 1, &one), 1, &others, 1, &keep);
    if (!rest)
        return false;
    fv_value *safe = where(s, equal(s, rest, 0), fv_const_int(m, "c", 1), rest),
             *all = fv_spell_dims(s, 1, total);
    fv_value *left = fv_spell_op(s, FV_OP_Div, fv_spell_type(s, FV_I64, 1, &one), 2,
                                 (fv_value *[]){all, safe}, 0, NULL);
    return fv_spell_result(s, 0, left ? where(s, minus, left, v) : NULL);
}

/* Computes the dims of a squeezed or unsqueezed tensor by applying Squeeze or Unsqueeze to a tensor
 * of these dims and taking the shape of the result. */
bool fv_spell_axes_dims(fv_speller *s, fv_op *op) {
    fv_module *m = s->w.module;
    int rank;
    const fv_dim *const *dims = fv_spell_attr(op, "dims", &rank), *none[FV_MAX_RANK];
    int to = (int)fv_op_int(op, "rank");
    for (int i = 0; i < to; i++)
        none[i] = fv_dim_fresh(m->dims, "axes", 0, FV_DIM_MAX, true); /* dims that are not used */
    fv_value *in[2] = {fv_const_new(m, "c", fv_tensor_new(m->arena, FV_BOOL, 0, NULL)),
                       fv_spell_dims(s, rank, dims)};
    fv_value *x =
        fv_spell_op(s, FV_OP_Expand, fv_spell_type(s, FV_BOOL, rank, dims), 2, in, 0, NULL);
    fv_value *axes[2] = {x, fv_spell_cast(s, op->in[0], FV_I64)};
    fv_value *v = fv_spell_op(s, fv_op_int(op, "insert") ? FV_OP_Unsqueeze : FV_OP_Squeeze,
                              fv_spell_type(s, FV_BOOL, to, none), 2, axes, 0, NULL);
    const fv_dim *n = fv_dim_const(m->dims, to);
    v = fv_spell_op(s, FV_OP_Shape, fv_spell_type(s, FV_I64, 1, &n), 1, &v, 0, NULL);
    return fv_spell_result(s, 0, fv_spell_cast(s, v, op->out[0]->type->elem));
}
