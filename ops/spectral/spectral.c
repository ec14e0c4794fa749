/* spectral.c - discrete Fourier transforms, and products of complex numbers. Complex numbers are
 * pairs in the last axis. Sines and cosines are read from tables of one turn, since angles are
 * exact multiples of 2 pi / n. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/spectral/fourier.h"

/* ---- fv.DFT: along the second of four axes ---- */

enum { X, COS, SIN };

static bool infer_transform(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, X);
    const fv_attr *d = fv_op_find_attr(op, "dims");
    const fv_dim *parts = x->dims[3];
    if (d->n != 4)
        return fv_op_error(op, "has %d dims, expected 4", d->n);
    if (!fv_dim_is_const(parts) || parts->value < 1 || parts->value > 2 ||
        !fv_dim_is_const(d->u.dims[3]) || d->u.dims[3]->value < 1 || d->u.dims[3]->value > 2)
        return fv_op_error(op, "has neither real nor complex numbers in the last axis");
    if (!fv_module_assume(m, d->u.dims[0], x->dims[0], "lines of a transform") ||
        !fv_module_assume(m, d->u.dims[2], x->dims[2], "lines of a transform") ||
        !fv_module_assume(m, fv_in_type(op, COS)->dims[0], fv_in_type(op, SIN)->dims[0],
                          "a turn of angles"))
        return fv_op_error(op, "dims are not those of X, or tables of the same turn");
    fv_infer_out(op, 0, x->elem, 4, d->u.dims);
    return true;
}

typedef struct transform {
    fv_definer *d;
    fv_arena *a;
    fv_expr *line[2], *k; /* indices of the result */
    fv_expr *n;           /* length of the transform */
    bool inverse, half;
} transform;

static fv_expr *bin(const transform *s, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(s->a, op, x, y);
}

static fv_expr *element(const transform *s, fv_expr *t, int part) {
    fv_expr *at[4] = {s->line[0], t, s->line[1], fv_x_int(s->a, part)};
    return fv_d_load(s->d, X, at);
}

/* The real or imaginary part of sum t: x[t] * e^(-+ i 2 pi t k / n). If x is half of a spectrum,
 * the other half is its mirror image: each term counts twice, except those that are their own
 * mirror image. */
static fv_expr *part_of(const transform *s, fv_var *t, int part) {
    const fv_type *x = fv_in_type(s->d->op, X);
    fv_expr *i = fv_x_var(s->a, t), *at = bin(s, FV_X_FLOORMOD, bin(s, FV_X_MUL, i, s->k), s->n);
    fv_expr *cos = fv_d_load(s->d, COS, &at), *sin = fv_d_load(s->d, SIN, &at);
    if (s->inverse)
        sin = fv_x_un(s->a, FV_X_NEG, sin);
    /* (re + i im) * (cos - i sin) */
    fv_expr *re = element(s, i, 0),
            *term = bin(s, FV_X_MUL, re, part ? fv_x_un(s->a, FV_X_NEG, sin) : cos);
    if (x->dims[3]->value == 2)
        term = bin(s, FV_X_ADD, term, bin(s, FV_X_MUL, element(s, i, 1), part ? cos : sin));
    if (s->half) {
        fv_elem e = (fv_elem)term->type.elem;
        fv_expr *twice = bin(s, FV_X_MUL, i, fv_x_int(s->a, 2));
        fv_expr *own =
            bin(s, FV_X_OR, bin(s, FV_X_EQ, i, fv_x_int(s->a, 0)), bin(s, FV_X_EQ, twice, s->n));
        term = bin(s, FV_X_MUL, term,
                   fv_x_select(s->a, own, fv_x_const(s->a, e, 1), fv_x_const(s->a, e, 2)));
    }
    fv_expr *sum = fv_x_reduce(s->a, FV_SUM, 1, &t, term);
    return s->inverse ? bin(s, FV_X_DIV, sum, fv_x_convert(s->a, (fv_elem)sum->type.elem, s->n))
                      : sum;
}

static bool define_transform(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_dims *t = d->module->dims;
    fv_definition *def = fv_definition_new(d, 0);
    const fv_dim *n = fv_in_type(op, COS)->dims[0], *terms = fv_in_type(op, X)->dims[1];
    transform s = {.d = d,
                   .a = a,
                   .line = {fv_x_var(a, def->index[0]), fv_x_var(a, def->index[2])},
                   .k = fv_x_var(a, def->index[1]),
                   .n = fv_x_dim(a, n),
                   .inverse = fv_op_int(op, "inverse") != 0,
                   .half = fv_op_int(op, "half") != 0};
    if (s.half)
        terms = fv_dim_min(
            t, terms, fv_dim_add(t, fv_dim_floordiv(t, n, fv_dim_const(t, 2)), fv_dim_const(t, 1)));
    terms = fv_dim_min(t, terms, n);
    def->body = part_of(&s, fv_d_var(d, "t", terms), 0);
    if (op->out[0]->type->dims[3]->value == 2) {
        fv_expr *second = part_of(&s, fv_d_var(d, "t", terms), 1);
        fv_expr *is_real = fv_x_bin(a, FV_X_EQ, fv_x_var(a, def->index[3]), fv_x_int(a, 0));
        def->body = fv_x_select(a, is_real, def->body, second);
    }
    return true;
}

/* A constant table of cosines or sines of one turn in n steps, for small n. */
static fv_value *turn(fv_rewriter *w, fv_elem e, const fv_dim *n, bool sine) {
    fv_tensor *t = fv_tensor_new(w->module->arena, e, 1, &n->value);
    for (int64_t i = 0; i < n->value; i++) {
        double c, s;
        fv_unit_root(i, n->value, &c, &s);
        fv_tensor_set_float(t, (size_t)i, sine ? s : c);
    }
    return fv_const_new(w->module, sine ? "sines" : "cosines", t);
}

/* x[outer, have, inner, parts], transformed along axis 1. */
static fv_value *lines_transformed(fv_rewriter *w, fv_value *x, const fv_fourier *f) {
    static const int swap[4] = {0, 2, 1, 3};
    if (!x)
        return NULL;
    fv_dims *t = w->module->dims;
    const fv_dim *outer = x->type->dims[0], *inner = x->type->dims[2];
    bool together = fv_dim_is_const(inner) && inner->value == 1;
    const fv_dim *rows[3] = {fv_dim_mul(t, outer, inner), x->type->dims[1], x->type->dims[3]};
    fv_value *y =
        fv_w_fourier(w, fv_w_reshape(w, together ? x : fv_w_transpose(w, x, swap), 3, rows), f);
    if (!y)
        return NULL;
    const fv_dim *split[4] = {outer, inner, y->type->dims[1], y->type->dims[2]};
    y = fv_w_reshape(w, y, 4, split);
    return together || !y ? y : fv_w_transpose(w, y, swap);
}

/* x, transformed along an axis: `length` elements of it, with zeros appended if there are fewer,
 * become `result` elements. */
static fv_value *transformed(fv_rewriter *w, fv_value *x, int axis, const fv_dim *length,
                             const fv_dim *result, int parts, bool inverse, bool half) {
    int given = x && !(fv_dim_is_const(x->type->dims[x->type->rank - 1]) &&
                       x->type->dims[x->type->rank - 1]->value == 1)
                    ? 2
                    : 1;
    fv_dims *t = w->module->dims;
    if (!x)
        return NULL;
    const fv_type *from = x->type;
    const fv_dim *outer = fv_dim_product(t, axis, from->dims), *to[FV_MAX_RANK];
    const fv_dim *inner = fv_dim_product(t, from->rank - axis - 2, from->dims + axis + 1);
    const fv_dim *in[4] = {outer, from->dims[axis], inner, fv_dim_const(t, given)};
    const fv_dim *out[4] = {outer, result, inner, fv_dim_const(t, parts)};
    for (int i = 0; i < from->rank; i++)
        to[i] = i == axis ? result : i == from->rank - 1 ? out[3] : from->dims[i];
    if (fv_fourier_is_fast(length)) {
        fv_fourier f = {.length = length,
                        .parts = given,
                        .pairs = parts,
                        .inverse = inverse,
                        .half = half,
                        .onesided = result != length};
        return fv_w_reshape(w, lines_transformed(w, fv_w_reshape(w, x, 4, in), &f), from->rank, to);
    }
    fv_value *operands[3] = {fv_w_reshape(w, x, 4, in), turn(w, from->elem, length, false),
                             turn(w, from->elem, length, true)};
    fv_attr a[3] = {fv_attr_dims(w->module, "dims", 4, out),
                    fv_attr_int(w->module, "inverse", inverse),
                    fv_attr_int(w->module, "half", half)};
    return fv_w_reshape(w, fv_w_op(w, FV_OP_fv_DFT, 3, operands, 3, a), from->rank, to);
}

static const fv_dim *half_of(fv_dims *t, const fv_dim *n) {
    return fv_dim_add(t, fv_dim_floordiv(t, n, fv_dim_const(t, 2)), fv_dim_const(t, 1));
}

/* ---- the standard's DFT ---- */

typedef struct plan {
    const fv_dim *axis; /* one of the first rank - 1 axes; may be known in the run only */
    int parts;          /* numbers in an element of the result */
    bool inverse, onesided;
    /* sizes along the axis: of x, of the transform, of the result */
    const fv_dim *have, *length, *result;
} plan;

/* Reads the axis, which is any but the last one. */
static bool read_axis(fv_op *op, int rank, const fv_dim **axis) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_dim *const *e;
    int64_t known = -2;
    int n, at;
    if (fv_op_in(op, 2) && !fv_known_int(op->in[2], &known)) {
        if (!fv_int_operand(op, 2, &n, &e))
            return false;
        *axis = fv_dim_wrap(t, e[0], fv_dim_const(t, rank));
        const fv_dim *inside =
            fv_dim_max(t, fv_dim_const(t, 0), fv_dim_min(t, *axis, fv_dim_const(t, rank - 2)));
        return fv_module_require(
                   m, inside, *axis, "axis of a transform",
                   fv_printf(m->arena, "0 <= %s <= %d", fv_dim_str(m->arena, *axis), rank - 2)) ||
               fv_op_error(op, "axis %s is outside of the first %d", fv_dim_str(m->arena, e[0]),
                           rank - 1);
    }
    if (!fv_infer_axis(op, known, rank, &at))
        return false;
    *axis = fv_dim_const(t, at);
    return at < rank - 1 || fv_op_error(op, "axis %d is that of the parts of a number", at);
}

/* y if i is the axis, else x. Neither is negative, which cannot be derived from the sum that
 * expresses this. */
static const fv_dim *where_axis(fv_dims *t, const plan *p, int i, const fv_dim *y,
                                const fv_dim *x) {
    if (x == y || fv_dim_is_const(p->axis))
        return x == y || p->axis->value != i ? x : y;
    return fv_dim_max(t, fv_dim_const(t, 0), fv_dim_select(t, fv_dim_is(t, p->axis, i), y, x));
}

static bool read_plan(fv_op *op, plan *p) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *e, *parts = x->dims[x->rank - 1], *one = fv_dim_const(t, 1);
    int n;
    if (!fv_dim_is_const(parts) || parts->value < 1 || parts->value > 2)
        return fv_op_error(op, "the last axis has %s elements, expected 1 or 2",
                           fv_dim_str(m->arena, parts));
    if (!read_axis(op, x->rank, &p->axis))
        return false;
    p->inverse = fv_op_int(op, "inverse") != 0;
    p->onesided = fv_op_int(op, "onesided") != 0;
    if (p->onesided && (p->inverse ? parts->value != 2 : parts->value != 1))
        return fv_op_error(op, "onesided is for %s numbers",
                           p->inverse ? "an inverse transform of complex" : "real");
    p->have = x->dims[x->rank - 2];
    for (int i = x->rank - 2; i-- > 0;)
        p->have = where_axis(t, p, i, x->dims[i], p->have);
    p->length = p->have;
    if (p->onesided && p->inverse)
        p->length = fv_dim_mul(t, fv_dim_const(t, 2), fv_dim_sub(t, p->length, one));
    if (fv_op_in(op, 1)) {
        if (!fv_int_operand(op, 1, &n, &e))
            return false;
        p->length = e[0];
        if (e[0]->lo > FV_DIM_MAX)
            return fv_op_error(op, "dft_length is %s", fv_dim_str(m->arena, e[0]));
    }
    if (p->length->hi < 1 ||
        !fv_module_require(m, fv_dim_max(t, p->length, one), p->length, "length of a transform",
                           fv_printf(m->arena, "1 <= %s", fv_dim_str(m->arena, p->length))))
        return fv_op_error(op, "dft_length is %s", fv_dim_str(m->arena, p->length));
    p->result = p->onesided && !p->inverse ? half_of(t, p->length) : p->length;
    p->parts = p->onesided && p->inverse ? 1 : 2;
    return true;
}

static bool infer_dft(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    plan p;
    if (!read_plan(op, &p))
        return false;
    for (int i = 0; i < x->rank - 1; i++)
        dims[i] = fv_name_dim(op, "lines",
                              where_axis(fv_op_module(op)->dims, &p, i, p.result, x->dims[i]));
    dims[x->rank - 1] = fv_dim_const(fv_op_module(op)->dims, p.parts);
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return true;
}

/* Transforms along an axis that is known in the run only, as are the sizes before and after it. */
static fv_value *transformed_at_run_time(fv_rewriter *w, fv_op *op, fv_value *x, const plan *p) {
    fv_dims *t = w->module->dims;
    const fv_type *y = op->out[0]->type, *from = x ? x->type : NULL;
    const fv_dim *outer = fv_dim_const(t, 1), *inner = outer, *one = outer;
    if (!x)
        return NULL;
    for (int i = 0; i < from->rank - 1; i++) {
        const fv_dim *behind = fv_dim_is_negative(t, fv_dim_sub(t, p->axis, fv_dim_const(t, i)));
        const fv_dim *before = fv_dim_is_negative(t, fv_dim_sub(t, fv_dim_const(t, i), p->axis));
        outer = fv_dim_mul(t, outer, fv_dim_if(t, before, from->dims[i], one));
        inner = fv_dim_mul(t, inner, fv_dim_if(t, behind, from->dims[i], one));
    }
    outer = fv_name_dim(op, "outer", outer);
    inner = fv_name_dim(op, "inner", inner);
    const fv_dim *length = fv_name_dim(op, "length", p->length);
    const fv_dim *dims[4] = {outer, fv_name_dim(op, "have", p->have), inner,
                             from->dims[from->rank - 1]};
    x = transformed(w, fv_w_reshape(w, x, 4, dims), 1, length, fv_name_dim(op, "result", p->result),
                    p->parts, p->inverse, p->onesided && p->inverse);
    return fv_w_reshape(w, x, y->rank, y->dims);
}

static bool decompose_dft(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    plan p;
    if (!read_plan(op, &p))
        return false;
    fv_value *v = fv_w_cast(w, op->in[0], fv_elem_arith(x->elem));
    v = fv_dim_is_const(p.axis) ? transformed(w, v, (int)p.axis->value, p.length, p.result, p.parts,
                                              p.inverse, p.onesided && p.inverse)
                                : transformed_at_run_time(w, op, v, &p);
    fv_w_result(w, 0, fv_w_cast(w, v, x->elem));
    return true;
}

/* Before opset 20 the axis was an attribute. */
static bool upgrade_dft(fv_op *op, int version) {
    if (version >= 20)
        return true;
    int64_t axis = fv_op_int_of(op, "axis", version);
    fv_op_set_in(op, 2, fv_const_int(fv_op_module(op), "axis", axis));
    fv_op_drop_attr(op, "axis");
    return true;
}

/* ---- STFT: frames of a signal times a matrix of cosines and sines ---- */

enum { SIGNAL, STEP, WINDOW, LENGTH };

typedef struct frames {
    const fv_dim *step, *length, *count, *bins;
    int64_t parts; /* numbers in an element of the signal */
} frames;

/* Checks that 1 <= x <= most (NULL: no limit). What is not known, the run checks. */
static bool check_size(fv_op *op, const fv_dim *x, const fv_dim *most, const char *what) {
    fv_module *m = fv_op_module(op);
    const fv_dim *ok =
        fv_dim_max(m->dims, fv_dim_const(m->dims, 1), most ? fv_dim_min(m->dims, x, most) : x);
    const char *is = fv_dim_str(m->arena, x), *limit = most ? fv_dim_str(m->arena, most) : NULL;
    return (x->lo <= FV_DIM_MAX && x->hi >= 1 &&
            fv_module_require(m, ok, x, what,
                              limit ? fv_printf(m->arena, "1 <= %s <= %s", is, limit)
                                    : fv_printf(m->arena, "1 <= %s", is))) ||
           fv_op_error(op, limit ? "%s is %s, expected 1 to %s" : "%s is %s, expected at least 1",
                       what, is, limit);
}

static bool read_frames(fv_op *op, frames *f) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, SIGNAL), *window = fv_in_type(op, WINDOW);
    const fv_dim *const *e, *parts = x->rank == 3 ? x->dims[2] : fv_dim_const(t, 1);
    bool onesided = fv_op_int(op, "onesided") != 0;
    int n;
    if (!fv_dim_is_const(parts) || parts->value < 1 || parts->value > 2)
        return fv_op_error(op, "the last axis has %s elements, expected 1 or 2",
                           fv_dim_str(m->arena, parts));
    if (onesided && parts->value == 2)
        return fv_op_error(op, "onesided is for real numbers");
    f->parts = parts->value;
    f->length = window ? window->dims[0] : x->dims[1];
    if (!fv_int_operand(op, STEP, &n, &e))
        return false;
    f->step = e[0];
    if (fv_op_in(op, LENGTH)) {
        if (!fv_int_operand(op, LENGTH, &n, &e))
            return false;
        f->length = e[0];
        if (window && !fv_same_dim(op, window->dims[0], f->length, "length of window and frame"))
            return false;
    }
    if (!check_size(op, f->length, x->dims[1], "length of a frame") ||
        !check_size(op, f->step, NULL, "frame_step"))
        return false;
    f->count = fv_dim_add(t, fv_dim_floordiv(t, fv_dim_sub(t, x->dims[1], f->length), f->step),
                          fv_dim_const(t, 1));
    f->bins = onesided ? half_of(t, f->length) : f->length;
    return true;
}

static bool infer_stft(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, SIGNAL);
    frames f;
    if (!read_frames(op, &f))
        return false;
    const fv_dim *dims[4] = {x->dims[0],
                             fv_dim_max(t, fv_dim_const(t, 0), fv_name_dim(op, "frames", f.count)),
                             f.bins, fv_dim_const(t, 2)};
    fv_infer_out(op, 0, x->elem, 4, dims);
    return true;
}

/* Frames [batch, count, length, parts], multiplied by the window and transformed. */
static fv_value *frames_transformed(fv_rewriter *w, fv_op *op, fv_value *v, const frames *f) {
    fv_dims *t = w->module->dims;
    if (!v)
        return NULL;
    const fv_dim *column[2] = {f->length, fv_dim_const(t, 1)};
    const fv_dim *rows[3] = {fv_dim_mul(t, v->type->dims[0], v->type->dims[1]), f->length,
                             v->type->dims[3]};
    if (fv_op_in(op, WINDOW))
        v = FV_W2(w, FV_OP_Mul, v,
                  fv_w_reshape(w, fv_w_cast(w, op->in[WINDOW], v->type->elem), 2, column));
    fv_fourier of = {
        .length = f->length, .parts = (int)f->parts, .pairs = 2, .onesided = f->bins != f->length};
    return fv_w_fourier(w, fv_w_reshape(w, v, 3, rows), &of);
}

/* In products, a complex number of the signal is two terms. */
static bool decompose_stft(fv_rewriter *w, fv_op *op) {
    fv_module *m = w->module;
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, SIGNAL), *y = op->out[0]->type;
    fv_elem e = fv_elem_arith(x->elem);
    frames f;
    if (!read_frames(op, &f))
        return false;
    const fv_dim *parts = fv_dim_const(t, f.parts), *two = fv_dim_const(t, 2),
                 *terms = fv_dim_mul(t, f.length, parts);
    const fv_dim *signal[3] = {x->dims[0], x->dims[1], parts},
                 *cut[4] = {x->dims[0], y->dims[1], f.length, parts};
    const fv_dim *rows[3] = {x->dims[0], y->dims[1], terms},
                 *basis[4] = {f.length, parts, f.bins, two};
    const fv_dim *matrix[2] = {terms, fv_dim_mul(t, f.bins, two)};
    fv_value *v = fv_w_reshape(w, fv_w_cast(w, op->in[SIGNAL], e), 3, signal);
    fv_attr a[2] = {fv_attr_dims(m, "dims", 4, cut), fv_attr_dims(m, "step", 1, &f.step)};
    v = fv_w_op(w, FV_OP_fv_Frames, 1, &v, 2, a);
    if (fv_fourier_beats_product(f.length)) {
        fv_w_result(
            w, 0,
            fv_w_cast(w, fv_w_reshape(w, frames_transformed(w, op, v, &f), 4, y->dims), x->elem));
        return true;
    }
    v = fv_w_reshape(w, v, 3, rows);
    fv_value *in[3] = {turn(w, e, f.length, false), turn(w, e, f.length, true), NULL};
    if (fv_op_in(op, WINDOW))
        in[2] = fv_w_cast(w, op->in[WINDOW], e);
    fv_attr dims = fv_attr_dims(m, "dims", 4, basis);
    fv_value *waves =
        fv_w_reshape(w, fv_w_op(w, FV_OP_fv_Waves, in[2] ? 3 : 2, in, 1, &dims), 2, matrix);
    fv_w_result(
        w, 0, fv_w_cast(w, fv_w_reshape(w, FV_W2(w, FV_OP_MatMul, v, waves), 4, y->dims), x->elem));
    return true;
}

static bool infer_frames(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *d = fv_op_find_attr(op, "dims"), *step = fv_op_find_attr(op, "step");
    if (d->n != 4 || step->n != 1)
        return fv_op_error(op, "has %d dims and %d steps, expected 4 and 1", d->n, step->n);
    if (!fv_module_assume(m, d->u.dims[0], x->dims[0], "lines of frames") ||
        !fv_module_assume(m, d->u.dims[3], x->dims[2], "parts of frames"))
        return fv_op_error(op, "dims are not those of X");
    if (!fv_infer_inside(op, x->dims[1], fv_dim_const(m->dims, 0), step->u.dims[0], d->u.dims[1]) ||
        !fv_infer_inside(op, x->dims[1],
                         fv_dim_mul(m->dims, step->u.dims[0],
                                    fv_dim_sub(m->dims, d->u.dims[1], fv_dim_const(m->dims, 1))),
                         fv_dim_const(m->dims, 1), d->u.dims[2]))
        return fv_op_error(op, "frames are longer than X");
    fv_infer_out(op, 0, x->elem, 4, d->u.dims);
    return true;
}

static bool define_frames(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *x[4];
    for (int i = 0; i < 4; i++)
        x[i] = fv_x_var(a, def->index[i]);
    fv_expr *start =
        fv_x_bin(a, FV_X_MUL, x[1], fv_x_dim(a, fv_op_find_attr(op, "step")->u.dims[0]));
    fv_expr *at[3] = {x[0], fv_x_bin(a, FV_X_ADD, start, x[2]), x[3]};
    def->body = fv_d_load(d, 0, at);
    return true;
}

static bool infer_waves(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_attr *d = fv_op_find_attr(op, "dims");
    if (d->n != 4)
        return fv_op_error(op, "has %d dims, expected 4", d->n);
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] &&
            !fv_module_assume(m, fv_in_type(op, i)->dims[0], d->u.dims[0], "a turn of angles"))
            return fv_op_error(op, "tables are not of %s elements",
                               fv_dim_str(m->arena, d->u.dims[0]));
    fv_infer_out(op, 0, fv_in_type(op, 0)->elem, 4, d->u.dims);
    return true;
}

/* ---- ONNX Runtime's Rfft and Irfft, over up to three of the last axes ---- */

static bool is_back(const fv_op *op) {
    /* the inverse is Irfft, whose signal_ndim has no default */
    return fv_opdef_attr(op->def, "signal_ndim")->required;
}

static bool infer_real(fv_op *op) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, 0);
    bool back = is_back(op);
    int64_t axes = fv_op_int(op, "signal_ndim");
    int rank = x->rank + (back ? -1 : 1), last = rank - (back ? 1 : 2);
    const fv_dim *dims[FV_MAX_RANK], *two = fv_dim_const(t, 2);
    if (fv_op_int(op, "normalized") || !fv_op_int(op, "onesided"))
        return fv_op_error(op, "normalized must be 0 and onesided 1");
    if (axes < 1 || axes > 3 || axes > last + 1)
        return fv_op_error(op, "signal_ndim is %lld for rank %d, at most 3", (long long)axes,
                           x->rank);
    if (rank > FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", rank, FV_MAX_RANK);
    if (back && !fv_module_assume(m, x->dims[x->rank - 1], two, "complex numbers"))
        return fv_op_error(op, "the last axis has %s elements, expected 2",
                           fv_dim_str(m->arena, x->dims[x->rank - 1]));
    for (int i = 0; i <= last; i++)
        dims[i] = x->dims[i];
    if (back)
        dims[last] =
            fv_dim_max(t, fv_dim_const(t, 0),
                       fv_dim_mul(t, two, fv_dim_sub(t, x->dims[last], fv_dim_const(t, 1))));
    else {
        dims[last] = half_of(t, x->dims[last]);
        dims[rank - 1] = two;
    }
    fv_infer_out(op, 0, x->elem, rank, dims);
    return true;
}

static bool decompose_real(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    bool back = is_back(op);
    int last = (back ? y->rank : x->rank) - 1, axes = (int)fv_op_int(op, "signal_ndim");
    const fv_dim *dims[FV_MAX_RANK];
    fv_value *v = fv_w_cast(w, op->in[0], fv_elem_arith(x->elem));
    if (!back) {
        for (int i = 0; i < x->rank; i++)
            dims[i] = x->dims[i];
        dims[x->rank] = fv_dim_const(w->module->dims, 1);
        v = transformed(w, fv_w_reshape(w, v, x->rank + 1, dims), last, x->dims[last],
                        y->dims[last], 2, false, false);
    }
    for (int i = last - axes + 1; i < last; i++)
        v = transformed(w, v, i, x->dims[i], x->dims[i], 2, back, false);
    if (back)
        v = transformed(w, v, last, y->dims[last], y->dims[last], 1, true, true);
    fv_w_result(w, 0, fv_w_cast(w, fv_w_reshape(w, v, y->rank, y->dims), y->elem));
    return true;
}

/* ---- ComplexMul ---- */

static bool infer_complex(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *t[2] = {fv_in_type(op, 0), fv_in_type(op, 1)};
    const fv_dim *dims[FV_MAX_RANK];
    int rank;
    for (int i = 0; i < 2; i++)
        if (!fv_module_assume(m, t[i]->dims[t[i]->rank - 1], fv_dim_const(m->dims, 2),
                              "complex numbers"))
            return fv_op_error(op, "the last axis of '%s' has %s elements, expected 2",
                               op->def->in[i].name,
                               fv_dim_str(m->arena, t[i]->dims[t[i]->rank - 1]));
    if (!fv_infer_broadcast(op, 2, t, &rank, dims))
        return false;
    fv_infer_out(op, 0, t[0]->elem, rank, dims);
    return true;
}

#define MS .domain = "com.microsoft", .since = {1}
#define COMPLEX                                                                                    \
    {                                                                                              \
        {"A", "T", .rank = FV_RANK_FROM(1)}, {                                                     \
            "B", "T", .rank = FV_RANK_FROM(1)                                                      \
        }                                                                                          \
    }

const fv_opdef fv_ops_spectral[] = {
    {.domain = "fv",
     .name = "DFT",
     .id = FV_OP_fv_DFT,
     .since = {1},
     .doc = "the Fourier transform along axis 1, with tables of sines and cosines; X may be half "
            "of a spectrum, whose other half is its mirror image",
     .in = {{"X", "T", .rank = FV_RANK(4)},
            {"cos", "T", .rank = FV_RANK(1)},
            {"sin", "T", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS), FV_A_INT("inverse", 0), FV_A_INT("half", 0)},
     .types = {{"T", FV_SET(F32) | FV_SET(F64)}},
     .infer = infer_transform,
     .define = define_transform},
    {.domain = "",
     .name = "DFT",
     .since = {17, 20},
     .doc = "the Fourier transform along an axis, or its inverse",
     .in = {{"input", "T1", .rank = FV_RANK_FROM(2)},
            {"dft_length", "T2", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR},
            {"axis", "I", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"output", "T1"}},
     .attrs = {FV_A_INT("inverse", 0), FV_A_INT("onesided", 0), FV_A_INT_UNTIL(17, "axis", 1)},
     .types = {{"T1", FV_SET_FLOAT}, {"T2", FV_SET(I32) | FV_SET(I64)}, {"I", FV_SET(I64)}},
     .infer = infer_dft,
     .decompose = decompose_dft,
     .upgrade = upgrade_dft},
    {.domain = "fv",
     .name = "Frames",
     .id = FV_OP_fv_Frames,
     .since = {1},
     .doc = "pieces of X along axis 1, which begin at multiples of a step",
     .in = {{"X", "T", .rank = FV_RANK(3)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS), FV_A_REQUIRED("step", DIMS)},
     .types = {{"T", FV_SET_DATA}},
     .infer = infer_frames,
     .define = define_frames},
    {.domain = "fv",
     .name = "Waves",
     .id = FV_OP_fv_Waves,
     .since = {1},
     .doc = "the factor of part p of element t of a frame in part q of bin k of its transform, "
            "times a window; with tables of sines and cosines",
     .in = {{"cos", "T", .rank = FV_RANK(1)},
            {"sin", "T", .rank = FV_RANK(1)},
            {"window", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET(F32) | FV_SET(F64)}},
     .infer = infer_waves,
     .formula = "at = t * k mod dim(cos, 0); x = select(p == q, cos[at], select(p < q, -sin[at], "
                "sin[at])); "
                "Y[t, p, k, q] = select(has(window), window[t] * x, x)"},
    {.domain = "",
     .name = "STFT",
     .since = {17},
     .doc = "the Fourier transforms of pieces of a signal, a step apart, each times a window",
     .in = {{"signal", "T1", .rank = FV_RANKS(2, 3)},
            {"frame_step", "T2", .rank = FV_SCALAR},
            {"window", "T1", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)},
            {"frame_length", "T2", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"output", "T1"}},
     .attrs = {FV_A_INT("onesided", 1)},
     .types = {{"T1", FV_SET_FLOAT}, {"T2", FV_SET(I32) | FV_SET(I64)}},
     .infer = infer_stft,
     .decompose = decompose_stft},
    {MS, .name = "Rfft",
     .doc = "the Fourier transform of real numbers over the last axes, half of it",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("normalized", 0), FV_A_INT("onesided", 1), FV_A_INT("signal_ndim", 1)},
     .types = {{"T", FV_SET_FLOAT}}, .infer = infer_real, .decompose = decompose_real},
    {MS, .name = "Irfft", .doc = "real numbers of half of their Fourier transform",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("normalized", 0), FV_A_INT("onesided", 1),
               FV_A_REQUIRED("signal_ndim", INT)},
     .types = {{"T", FV_SET_FLOAT}}, .infer = infer_real, .decompose = decompose_real},
    {MS, .name = "ComplexMul", .doc = "a * b of complex numbers", .in = COMPLEX,
     .out = {{"C", "T"}}, .types = {{"T", FV_SET_FLOAT}}, .infer = infer_complex,
     .formula = "C[a.., p] = select(p == 0, A[a.., 0] * B[a.., 0] - A[a.., 1] * B[a.., 1], A[a.., "
                "0] * B[a.., 1] + A[a.., 1] * B[a.., 0])"},
    {MS, .name = "ComplexMulConj", .doc = "a times the conjugate of b, of complex numbers",
     .in = COMPLEX, .out = {{"C", "T"}}, .types = {{"T", FV_SET_FLOAT}}, .infer = infer_complex,
     .formula = "C[a.., p] = select(p == 0, A[a.., 0] * B[a.., 0] + A[a.., 1] * B[a.., 1], A[a.., "
                "1] * B[a.., 0] - A[a.., 0] * B[a.., 1])"},

    {0}};
