/* windows.c - writes convolutions and pools as operators of the standard.
 *
 * The standard pads both ends of an axis by numbers of elements. Our ops state where the first
 * window begins, and the result's dims say how many windows there are. If no numbers for the ends
 * give the same windows, the operand is padded by an op before. */
#include <math.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "passes/spell/spell.h"

typedef struct window {
    int n; /* number of spatial axes */
    /* begin: position of the first window relative to the first element, negated; dims: those of
     * the result */
    const fv_dim *const *begin, *const *kernel, *const *dims;
    const fv_attr *strides, *dilations;
    int64_t pads[2 * FV_MAX_RANK];
    bool padded; /* true: `pads` gives the same windows; false: x is padded by an op before */
} window;

/* number of paddings at the end that are tried, from 0 on; longer ones are added by an op before */
enum { MOST_END = 256 };

/* The number of elements from the first to the last one under a window, dilation included. */
static const fv_dim *reach(fv_dims *t, const window *w, int i) {
    const fv_dim *one = fv_dim_const(t, 1);
    return fv_dim_add(
        t,
        fv_dim_mul(t, fv_dim_sub(t, w->kernel[i], one), fv_dim_const(t, w->dilations->u.ints[i])),
        one);
}

/* Finds the smallest padding at the end of axis i with which the standard has as many windows as
 * the result has elements; false: no number that is tried has that effect, or the standard cannot
 * express the padding at the beginning. */
static bool end_padding(fv_module *m, const fv_type *x, const window *w, int i, int64_t *pad) {
    fv_dims *t = m->dims;
    const fv_dim *cover = reach(t, w, i), *step = fv_dim_const(t, w->strides->u.ints[i]);
    if (!fv_dim_is_const(w->begin[i]) || w->begin[i]->value < 0 || !fv_dim_is_const(cover) ||
        w->begin[i]->value >= cover->value)
        return false;
    const fv_dim *room = fv_dim_sub(t, fv_dim_add(t, x->dims[i + 2], w->begin[i]), cover);
    for (int64_t e = 0; e < cover->value && e < MOST_END; e++) {
        const fv_dim *places =
            fv_dim_add(t, fv_dim_floordiv(t, fv_dim_add(t, room, fv_dim_const(t, e)), step),
                       fv_dim_const(t, 1));
        if (!fv_module_equal(m, places, w->dims[i]) &&
            fv_dim_max(t, places, fv_dim_const(t, 0)) != w->dims[i])
            continue;
        *pad = e;
        return true;
    }
    return false;
}

static void read_window(fv_speller *s, const fv_op *op, const fv_dim *const *kernel, window *w) {
    const fv_type *x = fv_in_type(op, 0);
    *w = (window){.n = x->rank - 2,
                  .begin = fv_spell_attr(op, "pads", NULL),
                  .dims = op->out[0]->type->dims + 2,
                  .padded = true};
    w->kernel = kernel ? kernel : fv_spell_attr(op, "kernel", NULL);
    w->strides = fv_op_find_attr(op, "strides");
    w->dilations = fv_op_find_attr(op, "dilations");
    for (int i = 0; i < w->n; i++) {
        w->padded &= end_padding(s->w.module, x, w, i, &w->pads[w->n + i]);
        w->pads[i] = w->padded ? w->begin[i]->value : 0;
    }
}

/* x padded by `value` (NULL: zero) with an op before, if `pads` cannot express it; otherwise x. */
static fv_value *padded(fv_speller *s, const fv_op *op, window *w, fv_value *value) {
    fv_module *m = s->w.module;
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *pads[2 * FV_MAX_RANK], *dims[FV_MAX_RANK], *zero = fv_dim_const(t, 0),
                                                             *one = fv_dim_const(t, 1);
    if (w->padded)
        return op->in[0];
    for (int i = 0; i < x->rank; i++) {
        bool spatial = i >= 2;
        pads[i] = spatial ? w->begin[i - 2] : zero;
        dims[i] = x->dims[i];
        if (spatial) {
            const fv_dim *last = fv_dim_mul(t, fv_dim_sub(t, w->dims[i - 2], one),
                                            fv_dim_const(t, w->strides->u.ints[i - 2]));
            dims[i] = fv_dim_add(t, last, reach(t, w, i - 2));
        }
        pads[x->rank + i] = fv_dim_sub(t, fv_dim_sub(t, dims[i], pads[i]), x->dims[i]);
    }
    memset(w->pads, 0, sizeof w->pads);
    fv_value *in[3] = {op->in[0], fv_spell_dims(s, 2 * x->rank, pads), value};
    return fv_spell_op(s, FV_OP_Pad, fv_spell_type(s, x->elem, x->rank, dims), value ? 3 : 2, in, 0,
                       NULL);
}

static bool kernel_is_known(const fv_op *op, const window *w) {
    for (int i = 0; i < w->n; i++)
        if (!fv_dim_is_const(w->kernel[i]))
            return fv_spell_refuse(op, "the size of its window is not constant");
    return true;
}

/* Sets the attributes strides, pads, kernel_shape (if `kernel` is set) and dilations (if one is not
 * 1, since older pools do not have it); returns their number. */
static int window_attrs(fv_speller *s, const window *w, bool kernel, fv_attr *a) {
    fv_module *m = s->w.module;
    int64_t sizes[FV_MAX_RANK];
    bool plain = true;
    int n = 0;
    for (int i = 0; i < w->n; i++) {
        sizes[i] = kernel ? w->kernel[i]->value : 0;
        plain &= w->dilations->u.ints[i] == 1;
    }
    if (kernel)
        a[n++] = fv_attr_ints(m, "kernel_shape", w->n, sizes);
    a[n++] = fv_attr_ints(m, "strides", w->n, w->strides->u.ints);
    if (!plain)
        a[n++] = fv_attr_ints(m, "dilations", w->n, w->dilations->u.ints);
    a[n++] = fv_attr_ints(m, "pads", 2 * w->n, w->pads);
    return n;
}

/* ---- Conv ---- */

bool fv_spell_conv(fv_speller *s, fv_op *op) {
    window w;
    fv_attr a[6];
    if (!fv_elem_is_float(fv_in_type(op, 0)->elem))
        return fv_spell_refuse(op, "the standard's Conv is of floats");
    read_window(s, op, fv_in_type(op, 1)->dims + 2, &w);
    fv_value *in[3] = {padded(s, op, &w, NULL), op->in[1], fv_op_in(op, 2)};
    int n = window_attrs(s, &w, false, a);
    a[n++] = fv_attr_int(s->w.module, "group", fv_op_int(op, "group"));
    return fv_spell_result(s, 0,
                           fv_spell_op(s, FV_OP_Conv, op->out[0]->type, in[2] ? 3 : 2, in, n, a));
}

/* Writes nothing: the op that adds or interleaves what this op computes writes both ops. */
static bool written_by(const fv_op *op, fv_op_id id, const char *says) {
    for (int i = 0; i < op->out[0]->nuses; i++)
        if (!fv_op_is(op->out[0]->uses[i].op, id))
            return fv_spell_refuse(op, "%s", says);
    return true;
}

bool fv_spell_conv_products(fv_speller *s, fv_op *op) {
    (void)s;
    return written_by(op, FV_OP_fv_ConvTranspose,
                      "its products are used by other operators than fv.ConvTranspose");
}

bool fv_spell_conv_phases(fv_speller *s, fv_op *op) {
    (void)s;
    return written_by(op, FV_OP_fv_Interleave,
                      "its phases are used by other operators than fv.Interleave");
}

/* The groups of a transposed convolution that `from` computes a part of: fv.ConvPhases has as many
 * as channels of X. */
static const fv_dim *groups_of(fv_speller *s, const fv_op *from) {
    return fv_op_is(from, FV_OP_fv_ConvPhases)
               ? fv_in_type(from, 0)->dims[1]
               : fv_dim_const(s->w.module->dims, fv_op_int(from, "group"));
}

/* Writes a transposed convolution of the operands of `from`. The standard computes stride * (x - 1)
 * + reach - pads elements along an axis; those that the result has in addition are its
 * output_padding. */
static bool spell_transposed(fv_speller *s, fv_op *op, const fv_op *from, const fv_op *dilated) {
    fv_module *m = s->w.module;
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(from, 0), *y = op->out[0]->type;
    const fv_dim *groups = groups_of(s, from);
    window w = {.n = x->rank - 2,
                .begin = fv_spell_attr(op, "pads", NULL),
                .kernel = fv_in_type(from, 1)->dims + 2,
                .dims = y->dims + 2,
                .strides = fv_op_find_attr(op, "strides"),
                .dilations = fv_op_find_attr(dilated, "dilations")};
    int64_t more[FV_MAX_RANK] = {0};
    if (!fv_dim_is_const(groups))
        return fv_spell_refuse(op, "its number of channels is not constant");
    for (int i = 0; i < w.n; i++) {
        const fv_dim *all = fv_dim_mul(t, fv_dim_const(t, w.strides->u.ints[i]),
                                       fv_dim_sub(t, x->dims[i + 2], fv_dim_const(t, 1)));
        const fv_dim *cut = fv_dim_sub(
            t, fv_dim_sub(t, fv_dim_add(t, all, reach(t, &w, i)), w.begin[i]), w.dims[i]);
        if (!fv_dim_is_const(w.begin[i]) || w.begin[i]->value < 0 || !fv_dim_is_const(cut))
            return fv_spell_refuse(op, "its padding is negative or not constant");
        w.pads[i] = w.begin[i]->value;
        w.pads[w.n + i] = cut->value > 0 ? cut->value : 0;
        more[i] = cut->value < 0 ? -cut->value : 0;
        if (more[i] && more[i] >= w.strides->u.ints[i] && more[i] >= w.dilations->u.ints[i])
            return fv_spell_refuse(
                op, "its output padding is less than neither its stride nor its dilation");
    }
    fv_value *in[3] = {from->in[0], from->in[1], fv_op_in(op, 1)};
    fv_attr a[7];
    int n = window_attrs(s, &w, false, a);
    a[n++] = fv_attr_int(m, "group", groups->value);
    a[n++] = fv_attr_ints(m, "output_padding", w.n, more);
    return fv_spell_result(s, 0, fv_spell_op(s, FV_OP_ConvTranspose, y, in[2] ? 3 : 2, in, n, a));
}

bool fv_spell_conv_transpose(fv_speller *s, fv_op *op) {
    const fv_op *products = op->in[0]->def;
    if (!products || !fv_op_is(products, FV_OP_fv_ConvProducts))
        return fv_spell_refuse(op, "its products are not computed by fv.ConvProducts");
    return spell_transposed(s, op, products, op);
}

bool fv_spell_interleave(fv_speller *s, fv_op *op) {
    const fv_op *phases = op->in[0]->def;
    if (!phases || !fv_op_is(phases, FV_OP_fv_ConvPhases))
        return fv_spell_refuse(op, "its phases are not computed by fv.ConvPhases");
    return spell_transposed(s, op, phases, phases);
}

/* ---- pools ---- */

/* The smallest value of the type: padding with it changes no maximum. */
static fv_value *lowest(fv_speller *s, fv_elem e) {
    fv_module *m = s->w.module;
    if (fv_elem_is_float(e))
        return fv_const_float(m, "c", e, -INFINITY);
    return fv_w_int(&s->w, e, fv_elem_is_signed(e) ? -128 : 0);
}

static bool max_pool(fv_speller *s, fv_op *op, bool indices) {
    window w;
    fv_attr a[6];
    read_window(s, op, NULL, &w);
    if (!kernel_is_known(op, &w))
        return false;
    if (indices && !w.padded)
        return fv_spell_refuse(op, "its padding is not constant");
    fv_value *x = padded(s, op, &w, w.padded ? NULL : lowest(s, fv_in_type(op, 0)->elem));
    int n = window_attrs(s, &w, true, a);
    if (indices)
        a[n++] = fv_attr_int(s->w.module, "storage_order", fv_op_int(op, "storage_order"));
    const fv_type *y = op->out[0]->type,
                  *types[2] = {indices ? fv_in_type(op, 1) : y, indices ? y : NULL};
    fv_op *pool = fv_spell_ops(s, fv_op_def(FV_OP_MaxPool), 1, &x, n, a, 1 + indices, types);
    return fv_spell_result(s, 0, pool ? pool->out[indices] : NULL);
}

bool fv_spell_max_pool(fv_speller *s, fv_op *op) {
    return max_pool(s, op, false);
}

/* Writes the indices of the largest elements as the second result of MaxPool. */
bool fv_spell_max_pool_indices(fv_speller *s, fv_op *op) {
    return max_pool(s, op, true);
}

/* Which elements does the average count: only those of x, or the padding too (*padding), with
 * windows that may reach beyond it as by ceil_mode (*beyond)? False: neither. */
static bool counts(fv_speller *s, const fv_op *op, window *w, bool *padding, bool *beyond) {
    fv_module *m = s->w.module;
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *lo = fv_spell_attr(op, "lo", NULL),
                        *const *hi = fv_spell_attr(op, "hi", NULL), *zero = fv_dim_const(t, 0);
    bool inside = true;
    *padding = *beyond = false;
    for (int i = 0; i < w->n; i++)
        inside &= lo[i] == zero && hi[i] == x->dims[i + 2];
    if (inside)
        return true;
    *padding = true;
    for (int i = 0; i < w->n; i++) {
        const fv_dim *end = fv_dim_sub(t, hi[i], x->dims[i + 2]),
                     *step = fv_dim_const(t, w->strides->u.ints[i]);
        if (!fv_dim_is_const(end) || end->value < 0 || lo[i] != fv_dim_sub(t, zero, w->begin[i]))
            return false;
        const fv_dim *room = fv_dim_sub(t, fv_dim_add(t, hi[i], w->begin[i]), reach(t, w, i)),
                     *one = fv_dim_const(t, 1);
        if (!fv_module_equal(m, fv_dim_add(t, fv_dim_floordiv(t, room, step), one), w->dims[i]))
            *beyond = true;
        w->pads[w->n + i] = end->value;
    }
    for (int i = 0; i < w->n && *beyond; i++) {
        const fv_dim *room = fv_dim_sub(
            t, fv_dim_add(t, fv_spell_attr(op, "hi", NULL)[i], w->begin[i]), reach(t, w, i));
        const fv_dim *step = fv_dim_const(t, w->strides->u.ints[i]);
        if (!fv_module_equal(m, fv_dim_add(t, fv_dim_ceildiv(t, room, step), fv_dim_const(t, 1)),
                             w->dims[i]))
            return false;
    }
    return true;
}

/* Writes the AveragePool of x for an op with its window. */
static bool average_of(fv_speller *s, fv_op *op, fv_value *x) {
    window w;
    fv_attr a[7];
    bool padding, beyond;
    read_window(s, op, NULL, &w);
    if (!kernel_is_known(op, &w))
        return false;
    if (!w.padded || !counts(s, op, &w, &padding, &beyond))
        return fv_spell_refuse(op, "its padding is not constant");
    int n = window_attrs(s, &w, true, a);
    if (padding)
        a[n++] = fv_attr_int(s->w.module, "count_include_pad", 1);
    if (beyond)
        a[n++] = fv_attr_int(s->w.module, "ceil_mode", 1);
    return fv_spell_result(s, 0, fv_spell_op(s, FV_OP_AveragePool, op->out[0]->type, 1, &x, n, a));
}

bool fv_spell_average_pool(fv_speller *s, fv_op *op) {
    return average_of(s, op, op->in[0]);
}

bool fv_spell_quantized_average_pool(fv_speller *s, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_type *real = fv_tensor_type(s->w.module->arena, FV_F32, x->rank, x->dims);
    fv_value *y = fv_spell_op(s, FV_OP_DequantizeLinear, real, op->nin, op->in, 0, NULL);
    return y && average_of(s, op, y);
}

static bool exponent(fv_speller *s, const fv_op *op, fv_attr *a) {
    float p = fv_op_float(op, "p");
    if (!(p >= 1 && p <= 1024) || p != (float)(int)p)
        return fv_spell_refuse(op, "its exponent is not an integer");
    *a = fv_attr_int(s->w.module, "p", (int)p);
    return true;
}

bool fv_spell_lp_pool(fv_speller *s, fv_op *op) {
    window w;
    fv_attr a[6];
    read_window(s, op, NULL, &w);
    if (!kernel_is_known(op, &w))
        return false;
    fv_value *x = padded(s, op, &w, NULL);
    int n = window_attrs(s, &w, true, a);
    return exponent(s, op, &a[n]) &&
           fv_spell_result(s, 0, fv_spell_op(s, FV_OP_LpPool, op->out[0]->type, 1, &x, n + 1, a));
}

bool fv_spell_global_lp_pool(fv_speller *s, fv_op *op) {
    fv_attr a;
    return exponent(s, op, &a) &&
           fv_spell_result(s, 0,
                           fv_spell_op(s, FV_OP_GlobalLpPool, op->out[0]->type, 1, op->in, 1, &a));
}
