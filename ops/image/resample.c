/* resample.c - resizes one axis.
 *
 * A position in the input is a fraction of integers if the scale is one (sizes, constant scales),
 * so that rounding to a neighbour is exact; with scales and regions that are data it is an f64. */
#include "ops/image/resample.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/attribute.h"

bool fv_infer_resized(fv_op *op, int axis, const fv_dim *to) {
    fv_module *m = fv_op_module(op);
    const fv_dim *from = fv_in_type(op, 0)->dims[axis];
    return fv_module_require(m, fv_dim_mul(m->dims, to, fv_dim_is(m->dims, from, 0)),
                             fv_dim_const(m->dims, 0), "resizing an empty axis",
                             fv_printf(m->arena, "%s is not 0", fv_dim_str(m->arena, from))) ||
           fv_op_error(op, "axis %d is empty and has no elements to resize", axis);
}

/* Checks that the other axes do not change, and that an empty axis is not enlarged. */
static bool check_dims(fv_op *op, int axis) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *d = fv_op_find_attr(op, "dims");
    for (int i = 0; i < x->rank; i++)
        if (i != axis && !fv_module_assume(m, x->dims[i], d->u.dims[i], "dims of a resized tensor"))
            return fv_op_error(op, "axis %d has %s elements, dims has %s", i,
                               fv_dim_str(m->arena, x->dims[i]),
                               fv_dim_str(m->arena, d->u.dims[i]));
    return fv_infer_resized(op, axis, d->u.dims[axis]);
}

static bool infer_resample(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *d = fv_op_find_attr(op, "dims"), *s = fv_op_find_attr(op, "scale");
    if (d->n != x->rank || fv_op_find_attr(op, "taps")->n != 1 || (s && s->n != 2))
        return fv_op_error(op, "has %d dims for rank %d", d->n, x->rank);
    int64_t axis = fv_op_int(op, "axis");
    if (axis < 0 || axis >= x->rank)
        return fv_op_error(op, "axis %lld is outside a tensor of rank %d", (long long)axis,
                           x->rank);
    if (x->elem == FV_BOOL && !fv_attr_is(op, "mode", "nearest"))
        return fv_op_error(op, "bool is interpolated by mode nearest only");
    if (!s == !fv_op_in(op, 1))
        return fv_op_error(op, "needs one scale");
    fv_infer_out(op, 0, x->elem, d->n, d->u.dims);
    return check_dims(op, (int)axis) && fv_infer_length(op, 2, 2);
}

/* A position num / den in the input, with num = base * den + rest, in arithmetic of i64 or f64. */
typedef struct position {
    fv_arena *a;
    fv_elem t;
    fv_expr *num, *den, *base, *rest;
    fv_expr *in, *out, *sn, *sd; /* sizes of the axis, and the scale sn / sd */
    fv_expr *start, *end;        /* ends of the region */
} position;

static fv_expr *lit(const position *p, int64_t v) {
    return p->t == FV_F64 ? fv_x_const(p->a, p->t, (double)v) : fv_x_int(p->a, v);
}

static fv_expr *add(const position *p, fv_expr *x, fv_expr *y) {
    return fv_x_bin(p->a, FV_X_ADD, x, y);
}

static fv_expr *sub(const position *p, fv_expr *x, fv_expr *y) {
    return fv_x_bin(p->a, FV_X_SUB, x, y);
}

static fv_expr *mul(const position *p, fv_expr *x, fv_expr *y) {
    return fv_x_bin(p->a, FV_X_MUL, x, y);
}

/* Replaces the position by num / den if cond is false, for instance because its denominator would
 * be 0. */
static void choose(position *p, fv_expr *cond, fv_expr *num, fv_expr *den) {
    p->num = fv_x_select(p->a, cond, p->num, num);
    p->den = fv_x_select(p->a, cond, p->den, den);
}

/* The standard's formulas, with scale = sn / sd and length = in * sn / sd, the size of the result
 * before it is rounded; with a region, the size of the result itself. */
static void transform(position *p, const fv_op *op, fv_expr *i) {
    fv_expr *one = lit(p, 1), *zero = lit(p, 0), *last = sub(p, p->in, one);
    if (fv_attr_is(op, "coordinate_transformation_mode", "tf_crop_and_resize")) {
        fv_expr *span = mul(p, sub(p, p->end, p->start), last), *from = mul(p, p->start, last);
        p->num = add(p, from, fv_x_bin(p->a, FV_X_DIV, mul(p, i, span), sub(p, p->out, one)));
        p->den = one;
        fv_expr *middle =
            mul(p, fv_x_const(p->a, FV_F64, 0.5), mul(p, add(p, p->start, p->end), last));
        choose(p, fv_x_bin(p->a, FV_X_LT, one, p->out), middle, one);
        return;
    }
    fv_expr *odd = mul(p, add(p, mul(p, lit(p, 2), i), one), p->sd); /* (2 i + 1) sd */
    fv_expr *length = mul(p, p->in, p->sn), *many = fv_x_bin(p->a, FV_X_LT, p->sd, length);
    p->num = sub(p, odd, p->sn);
    p->den = mul(p, lit(p, 2), p->sn);
    if (fv_attr_is(op, "coordinate_transformation_mode", "asymmetric")) {
        p->num = mul(p, i, p->sd);
        p->den = p->sn;
    } else if (fv_attr_is(op, "coordinate_transformation_mode", "align_corners")) {
        p->num = mul(p, mul(p, i, last), p->sd);
        p->den = sub(p, length, p->sd);
        choose(p, fv_x_bin(p->a, FV_X_NE, length, p->sd), zero, one);
    } else if (fv_attr_is(op, "coordinate_transformation_mode", "pytorch_half_pixel"))
        choose(p, many, zero, one);
    else if (fv_attr_is(op, "coordinate_transformation_mode", "half_pixel_symmetric"))
        p->num = add(p, p->num, sub(p, length, mul(p, p->out, p->sd)));
    else if (fv_attr_is(op, "coordinate_transformation_mode", "tf_half_pixel_for_nn"))
        p->num = odd;
}

static void split(position *p) {
    if (p->t == FV_I64) {
        p->base = fv_x_bin(p->a, FV_X_FLOORDIV, p->num, p->den);
        p->rest = fv_x_bin(p->a, FV_X_FLOORMOD, p->num, p->den);
        return;
    }
    fv_expr *x = fv_x_bin(p->a, FV_X_DIV, p->num, p->den), *f = fv_x_un(p->a, FV_X_FLOOR, x);
    p->base = fv_x_convert(p->a, FV_I64, f);
    p->num = x;
    p->rest = sub(p, x, f);
    p->den = lit(p, 1);
}

static void find_position(position *p, fv_definer *d, const fv_op *op, fv_expr *i) {
    int axis = (int)fv_op_int(op, "axis");
    const fv_attr *scale = fv_op_find_attr(op, "scale");
    fv_expr *at[2] = {fv_x_int(p->a, 0), fv_x_int(p->a, 1)};
    p->t = scale && !fv_op_in(op, 2) ? FV_I64 : FV_F64;
    p->in = fv_x_convert(p->a, p->t, fv_x_dim(p->a, fv_in_type(op, 0)->dims[axis]));
    p->out = fv_x_convert(p->a, p->t, fv_x_dim(p->a, op->out[0]->type->dims[axis]));
    p->sn = scale ? fv_x_dim(p->a, scale->u.dims[0]) : fv_d_load(d, 1, at);
    p->sd = scale ? fv_x_dim(p->a, scale->u.dims[1]) : lit(p, 1);
    p->sn = fv_x_convert(p->a, p->t, p->sn);
    p->sd = fv_x_convert(p->a, p->t, p->sd);
    if (fv_op_in(op, 2)) {
        p->start = fv_d_load(d, 2, &at[0]);
        p->end = fv_d_load(d, 2, &at[1]);
    }
    transform(p, op, fv_x_convert(p->a, p->t, i));
    split(p);
}

/* 1 if the element after `base` is to be read, else 0. */
static fv_expr *rounds_up(const position *p, const fv_op *op) {
    fv_expr *twice = mul(p, lit(p, 2), p->rest);
    fv_expr *up = fv_x_const_int(p->a, FV_BOOL, 0),
            *any = fv_x_bin(p->a, FV_X_LT, lit(p, 0), p->rest);
    if (fv_attr_is(op, "nearest_mode", "round_prefer_floor"))
        up = fv_x_bin(p->a, FV_X_LT, p->den, twice);
    else if (fv_attr_is(op, "nearest_mode", "round_prefer_ceil"))
        up = fv_x_bin(p->a, FV_X_LE, p->den, twice);
    else if (fv_attr_is(op, "nearest_mode", "ceil"))
        up = any;
    else if (fv_attr_is(op, "nearest_mode", "opset10")) /* rounds up if the axis shrinks */
        up = fv_x_bin(p->a, FV_X_AND, any, fv_x_bin(p->a, FV_X_LT, p->sn, p->sd));
    return fv_x_convert(p->a, FV_I64, up);
}

/* ---- the filters ---- */

typedef struct filter {
    fv_definer *d;
    const fv_op *op;
    fv_elem t;
    position *p;
    int axis;
    fv_expr **index; /* index of an element of the result */
    fv_expr *r;      /* fraction of the position */
    fv_expr *shrink; /* min(scale, 1), or NULL: the filter is not widened */
    bool cubic, exclude;
} filter;

static fv_expr *num(const filter *f, double v) {
    return fv_x_const(f->d->arena, f->t, v);
}

static fv_expr *bin(const filter *f, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(f->d->arena, op, x, y);
}

/* Two polynomials of the cubic filter: for distances up to 1, and from 1 to 2. Keys: Cubic
 * convolution interpolation for digital image processing, 1981. */
static fv_expr *near(const filter *f, fv_expr *t) {
    double a = (double)fv_op_float(f->op, "cubic_coeff_a");
    fv_expr *y = bin(f, FV_X_SUB, bin(f, FV_X_MUL, num(f, a + 2), t), num(f, a + 3));
    return bin(f, FV_X_ADD, bin(f, FV_X_MUL, y, bin(f, FV_X_MUL, t, t)), num(f, 1));
}

static fv_expr *far(const filter *f, fv_expr *t) {
    double a = (double)fv_op_float(f->op, "cubic_coeff_a");
    fv_expr *y = bin(f, FV_X_MUL, bin(f, FV_X_SUB, t, num(f, 5)), t);
    y = bin(f, FV_X_SUB, bin(f, FV_X_MUL, bin(f, FV_X_ADD, y, num(f, 8)), t), num(f, 4));
    return bin(f, FV_X_MUL, num(f, a), y);
}

/* The weight of the element at base + offset if the filter is not widened: offset is -1, 0, 1 or
 * 2. */
static fv_expr *weight(const filter *f, int offset) {
    fv_expr *r = f->r;
    if (!f->cubic)
        return offset ? r : bin(f, FV_X_SUB, num(f, 1), r);
    if (offset <= 0)
        return offset ? far(f, bin(f, FV_X_ADD, r, num(f, 1))) : near(f, r);
    r = bin(f, FV_X_SUB, num(f, offset), r);
    return offset == 1 ? near(f, r) : far(f, r);
}

static fv_expr *wide_weight(const filter *f, fv_expr *offset) {
    fv_arena *a = f->d->arena;
    fv_expr *t = bin(f, FV_X_SUB, fv_x_convert(a, f->t, offset), f->r);
    t = bin(f, FV_X_MUL, fv_x_un(a, FV_X_ABS, t), f->shrink);
    if (!f->cubic)
        return bin(f, FV_X_MAX, num(f, 0), bin(f, FV_X_SUB, num(f, 1), t));
    fv_expr *beyond = fv_x_select(a, bin(f, FV_X_LT, t, num(f, 2)), far(f, t), num(f, 0));
    return fv_x_select(a, bin(f, FV_X_LE, t, num(f, 1)), near(f, t), beyond);
}

/* The element at base + offset, or the one at the edge if that is outside; *inside: false in that
 * case. */
static fv_expr *element(const filter *f, fv_expr *offset, fv_expr **inside) {
    fv_arena *a = f->d->arena;
    fv_expr *at = fv_x_bin(a, FV_X_ADD, f->p->base, offset), *index[FV_MAX_RANK];
    const fv_type *x = fv_in_type(f->op, 0);
    fv_expr *last = fv_x_bin(a, FV_X_SUB, fv_x_dim(a, x->dims[f->axis]), fv_x_int(a, 1));
    for (int i = 0; i < x->rank; i++)
        index[i] = f->index[i];
    index[f->axis] = fv_x_bin(a, FV_X_MAX, fv_x_int(a, 0), fv_x_bin(a, FV_X_MIN, at, last));
    *inside = fv_x_bin(a, FV_X_EQ, at, index[f->axis]);
    return fv_d_load(f->d, 0, index);
}

static fv_expr *kept(const filter *f, fv_expr *weight, fv_expr *inside) {
    return f->exclude ? fv_x_select(f->d->arena, inside, weight, num(f, 0)) : weight;
}

/* Interpolates between two or four elements. */
static fv_expr *interpolate(const filter *f) {
    int support = f->cubic ? 2 : 1;
    fv_expr *sum = NULL, *weights = NULL, *inside;
    for (int k = 1 - support; k <= support; k++) {
        fv_expr *x = element(f, fv_x_int(f->d->arena, k), &inside);
        fv_expr *w = kept(f, weight(f, k), inside);
        sum = sum ? bin(f, FV_X_ADD, sum, bin(f, FV_X_MUL, w, x)) : bin(f, FV_X_MUL, w, x);
        weights = weights ? bin(f, FV_X_ADD, weights, w) : w;
    }
    return f->exclude ? bin(f, FV_X_DIV, sum, weights) : sum;
}

/* The weighted mean of all elements that the widened filter covers. */
static fv_expr *widened(filter *f) {
    fv_arena *a = f->d->arena;
    const fv_dim *taps = fv_op_find_attr(f->op, "taps")->u.dims[0];
    fv_var *k = fv_d_var(f->d, "k", taps);
    fv_expr *half = fv_x_bin(a, FV_X_FLOORDIV, fv_x_dim(a, taps), fv_x_int(a, 2)), *inside;
    fv_expr *offset =
        fv_x_bin(a, FV_X_ADD, fv_x_var(a, k), fv_x_bin(a, FV_X_SUB, fv_x_int(a, 1), half));
    f->shrink =
        bin(f, FV_X_MIN, num(f, 1),
            bin(f, FV_X_DIV, fv_x_convert(a, f->t, f->p->sn), fv_x_convert(a, f->t, f->p->sd)));
    fv_expr *x = element(f, offset, &inside), *w = kept(f, wide_weight(f, offset), inside);
    return bin(f, FV_X_DIV, fv_x_reduce(a, FV_SUM, 1, &k, bin(f, FV_X_MUL, w, x)),
               fv_x_reduce(a, FV_SUM, 1, &k, w));
}

static bool define_resample(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *index[FV_MAX_RANK], *inside;
    position p = {.a = a};
    filter f = {.d = d,
                .op = op,
                .t = fv_elem_arith(fv_in_type(op, 0)->elem),
                .p = &p,
                .index = index,
                .axis = (int)fv_op_int(op, "axis"),
                .cubic = fv_attr_is(op, "mode", "cubic"),
                .exclude = fv_op_int(op, "exclude_outside") != 0};
    for (int i = 0; i < def->rank; i++)
        index[i] = fv_x_var(a, def->index[i]);
    find_position(&p, d, op, index[f.axis]);
    if (fv_attr_is(op, "mode", "nearest"))
        def->body = element(&f, rounds_up(&p, op), &inside);
    else {
        f.r = bin(&f, FV_X_DIV, fv_x_convert(a, f.t, p.rest), fv_x_convert(a, f.t, p.den));
        def->body = fv_op_int(op, "antialias") ? widened(&f) : interpolate(&f);
    }
    if (fv_op_in(op, 2)) {
        fv_expr *ok = fv_x_bin(a, FV_X_AND, fv_x_bin(a, FV_X_LE, lit(&p, 0), p.num),
                               fv_x_bin(a, FV_X_LE, p.num, sub(&p, p.in, lit(&p, 1))));
        double v = (double)fv_op_float(op, "extrapolation_value");
        def->body = fv_x_select(a, ok, def->body, fv_x_const(a, (fv_elem)def->body->type.elem, v));
    }
    return true;
}

const fv_opdef fv_ops_resample[] = {
    {.domain = "fv",
     .name = "Resample",
     .id = FV_OP_fv_Resample,
     .since = {1},
     .doc = "resizes one axis, or its region roi, by a scale that is a fraction or data",
     .in = {{"X", "T"},
            {"by", "D", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR},
            {"roi", "D", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("axis", INT), FV_A_REQUIRED("dims", DIMS), FV_A_REQUIRED("taps", DIMS),
               FV_A_OPTIONAL("scale", DIMS), FV_RESAMPLE_ATTRS},
     .types = {{"T", FV_RESAMPLE_TYPES}, {"D", FV_SET(F64)}},
     .infer = infer_resample,
     .define = define_resample},

    {0}};
