/* grid.c - samples images at positions that are data: AffineGrid, which computes such positions,
 * GridSample and CropAndResize. */
#include "ops/common/dims.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/attribute.h"
#include "ops/image/resample.h"

/* ---- GridSample ---- */

enum { IMAGE, GRID };
/* limit for the axes along which is interpolated, since 2 to that power elements are read */
enum { MOST_AXES = 5 };

typedef enum { NEAREST, LINEAR, CUBIC } sample_mode;
typedef enum { ZEROS, BORDER, REFLECTION } outside_mode;

/* In opset 20 the names of modes do not depend on the number of axes. */
static bool read_modes(fv_op *op, sample_mode *mode, outside_mode *outside) {
    static const struct {
        const char *name;
        sample_mode mode;
    } modes[] = {{"nearest", NEAREST},
                 {"linear", LINEAR},
                 {"bilinear", LINEAR},
                 {"cubic", CUBIC},
                 {"bicubic", CUBIC}};
    static const char *const outsides[] = {"zeros", "border", "reflection"};
    fv_string m = fv_op_string(op, "mode"), p = fv_op_string(op, "padding_mode");
    int i = 0, k = 0;
    while (i < 5 && !fv_attr_is(op, "mode", modes[i].name))
        i++;
    while (k < 3 && !fv_attr_is(op, "padding_mode", outsides[k]))
        k++;
    if (i == 5)
        return fv_op_error(op, "mode is '%.*s', expected nearest, linear or cubic", (int)m.n, m.s);
    if (k == 3)
        return fv_op_error(op, "padding_mode is '%.*s', expected zeros, border or reflection",
                           (int)p.n, p.s);
    *mode = modes[i].mode;
    *outside = (outside_mode)k;
    return true;
}

static bool infer_grid_sample(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, IMAGE), *g = fv_in_type(op, GRID);
    const fv_dim *dims[FV_MAX_RANK] = {x->dims[0], x->dims[1]};
    sample_mode mode = NEAREST;
    outside_mode outside = ZEROS;
    int n = x->rank - 2;
    if (!read_modes(op, &mode, &outside))
        return false;
    if (!fv_module_assume(m, g->dims[0], x->dims[0], "a grid for each image"))
        return fv_op_error(op, "grid is of %s images, X of %s", fv_dim_str(m->arena, g->dims[0]),
                           fv_dim_str(m->arena, x->dims[0]));
    if (!fv_module_assume(m, g->dims[x->rank - 1], fv_dim_const(m->dims, n), "positions of a grid"))
        return fv_op_error(op, "the last axis of grid has %s elements, expected %d",
                           fv_dim_str(m->arena, g->dims[x->rank - 1]), n);
    if ((mode == LINEAR && n > MOST_AXES) || (mode == CUBIC && n > 2))
        return fv_op_error(op, "%s interpolation along %d axes, at most %d can be compiled",
                           mode == CUBIC ? "cubic" : "linear", n, mode == CUBIC ? 2 : MOST_AXES);
    if (mode != NEAREST && x->elem == FV_BOOL)
        return fv_op_error(op, "bool is interpolated by mode nearest only");
    for (int i = 0; i < n; i++)
        dims[i + 2] = g->dims[i + 1];
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return true;
}

typedef struct sampler {
    fv_definer *d;
    fv_arena *a;
    fv_elem t; /* type of positions and weights */
    int n;     /* number of axes of an image */
    sample_mode mode;
    outside_mode outside;
    /* whether -1 and 1 are the centres of the outermost elements, not their outer edges */
    bool corners;
    fv_expr *size[FV_MAX_RANK]; /* sizes of the axes, as numbers of type t */
    fv_expr *index[FV_MAX_RANK];
} sampler;

static fv_expr *num(const sampler *s, double v) {
    return fv_x_const(s->a, s->t, v);
}

static fv_expr *bin(const sampler *s, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(s->a, op, x, y);
}

/* The lower edge of axis i; high() is the upper one. */
static fv_expr *low(const sampler *s) {
    return num(s, s->corners ? 0 : -0.5);
}

static fv_expr *high(const sampler *s, int i) {
    return bin(s, FV_X_SUB, s->size[i], num(s, s->corners ? 1 : 0.5));
}

/* Reflects position p at both edges until it is between them; `over` is its distance from the
 * nearer edge in widths of the image. */
static fv_expr *reflected(const sampler *s, int i, fv_expr *p) {
    fv_expr *lo = low(s), *hi = high(s, i), *width = bin(s, FV_X_SUB, hi, lo), *two = num(s, 2);
    fv_expr *below = bin(s, FV_X_LT, p, lo);
    fv_expr *over = fv_x_select(s->a, below, bin(s, FV_X_SUB, lo, p), bin(s, FV_X_SUB, p, hi));
    fv_expr *times = fv_x_un(s->a, FV_X_TRUNC, bin(s, FV_X_DIV, over, width));
    fv_expr *rest = bin(s, FV_X_SUB, over, bin(s, FV_X_MUL, times, width));
    fv_expr *half = fv_x_un(s->a, FV_X_FLOOR, bin(s, FV_X_DIV, times, two));
    fv_expr *even = bin(s, FV_X_EQ, bin(s, FV_X_MUL, half, two), times);
    /* whether the result is measured from the lower edge */
    fv_expr *from_low = bin(s, FV_X_EQ, below, even);
    fv_expr *at =
        fv_x_select(s->a, from_low, bin(s, FV_X_ADD, lo, rest), bin(s, FV_X_SUB, hi, rest));
    /* an axis of one element has width 0 */
    return fv_x_select(s->a, bin(s, FV_X_EQ, width, num(s, 0)), lo, at);
}

static fv_expr *is_beyond(const sampler *s, int i, fv_expr *p) {
    return bin(s, FV_X_OR, bin(s, FV_X_LT, p, low(s)), bin(s, FV_X_LT, high(s, i), p));
}

/* The position in the grid along axis i, in units of elements. */
static fv_expr *position(const sampler *s, int i, fv_expr *const *out) {
    fv_expr *at[FV_MAX_RANK], *one = num(s, 1), *two = num(s, 2), *zero = num(s, 0);
    at[0] = out[0];
    for (int k = 0; k < s->n; k++)
        at[k + 1] = out[k + 2];
    /* the grid has the coordinate of the last axis first */
    at[s->n + 1] = fv_x_int(s->a, s->n - 1 - i);
    fv_expr *g = bin(s, FV_X_ADD, fv_x_convert(s->a, s->t, fv_d_load(s->d, GRID, at)), one);
    fv_expr *last = bin(s, FV_X_SUB, s->size[i], one);
    fv_expr *p =
        s->corners ? bin(s, FV_X_MUL, bin(s, FV_X_DIV, g, two), last)
                   : bin(s, FV_X_DIV, bin(s, FV_X_SUB, bin(s, FV_X_MUL, g, s->size[i]), one), two);
    if (s->mode == NEAREST)
        p = fv_x_un(s->a, FV_X_RINT, p);
    /* each element that is read is moved to the border by source() */
    if (s->outside == ZEROS || (s->outside == BORDER && s->mode == CUBIC))
        return p;
    fv_expr *moved = s->outside == REFLECTION ? reflected(s, i, p)
                                              : bin(s, FV_X_MAX, zero, bin(s, FV_X_MIN, p, last));
    return fv_x_select(s->a, is_beyond(s, i, p), moved, p);
}

/* The index of the element that replaces element p along axis i, an integer of type t, which may be
 * outside of the image. */
static fv_expr *source(const sampler *s, int i, fv_expr *p) {
    const fv_dim *dim = fv_in_type(s->d->op, IMAGE)->dims[i + 2];
    if (s->outside == REFLECTION)
        p = fv_x_select(s->a, is_beyond(s, i, p), reflected(s, i, p), p);
    fv_expr *k = fv_x_convert(s->a, FV_I64, p),
            *last = fv_x_bin(s->a, FV_X_SUB, fv_x_dim(s->a, dim), fv_x_int(s->a, 1));
    return s->outside == ZEROS
               ? k
               : fv_x_bin(s->a, FV_X_MAX, fv_x_int(s->a, 0), fv_x_bin(s->a, FV_X_MIN, k, last));
}

static fv_expr *element(const sampler *s) {
    const fv_type *x = fv_in_type(s->d->op, IMAGE);
    bool inside = s->outside != ZEROS;
    for (int i = 0; i < s->n; i++)
        inside &= x->dims[i + 2]->lo > 0;
    return inside ? fv_d_load(s->d, IMAGE, s->index)
                  : fv_d_load_else(s->d, IMAGE, s->index, fv_x_zero(s->a, fv_elem_arith(x->elem)));
}

/* The weight of the element with that offset (0 to 3, where 1 is the one at or before the
 * position), for a position with fraction f in [0, 1). Keys: Cubic convolution interpolation for
 * digital image processing, 1981; with a = -0.75. */
static fv_expr *cubic_weight(const sampler *s, int offset, fv_expr *f) {
    const double a = -0.75;
    fv_expr *t = offset == 0   ? bin(s, FV_X_ADD, f, num(s, 1))
                 : offset == 1 ? f
                               : bin(s, FV_X_SUB, num(s, offset - 1), f);
    if (offset == 1 || offset == 2) {
        fv_expr *y = bin(s, FV_X_SUB, bin(s, FV_X_MUL, num(s, a + 2), t), num(s, a + 3));
        return bin(s, FV_X_ADD, bin(s, FV_X_MUL, bin(s, FV_X_MUL, y, t), t), num(s, 1));
    }
    fv_expr *y = bin(s, FV_X_SUB, bin(s, FV_X_MUL, num(s, a), t), num(s, 5 * a));
    y = bin(s, FV_X_ADD, bin(s, FV_X_MUL, y, t), num(s, 8 * a));
    return bin(s, FV_X_SUB, bin(s, FV_X_MUL, y, t), num(s, 4 * a));
}

/* Interpolates along axes i, i + 1, ..; the earlier axes already have their index in s->index. */
static fv_expr *interpolated(sampler *s, fv_expr *const *at, int i) {
    fv_expr *sum = NULL;
    if (i == s->n)
        return fv_x_convert(s->a, s->t, element(s));
    fv_expr *base = fv_x_un(s->a, FV_X_FLOOR, at[i]), *f = bin(s, FV_X_SUB, at[i], base);
    int taps = s->mode == CUBIC ? 4 : 2, first = s->mode == CUBIC ? -1 : 0;
    for (int k = 0; k < taps; k++) {
        fv_expr *w = s->mode == CUBIC ? cubic_weight(s, k, f)
                     : k              ? f
                                      : bin(s, FV_X_SUB, num(s, 1), f);
        s->index[i + 2] = source(s, i, bin(s, FV_X_ADD, base, num(s, first + k)));
        fv_expr *x = bin(s, FV_X_MUL, w, interpolated(s, at, i + 1));
        sum = sum ? bin(s, FV_X_ADD, sum, x) : x;
    }
    return sum;
}

static bool define_grid_sample(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    const fv_type *x = fv_in_type(op, IMAGE);
    fv_elem e = fv_elem_arith(x->elem), grid = fv_elem_arith(fv_in_type(op, GRID)->elem);
    sampler s = {.d = d,
                 .a = a,
                 .t = e == FV_F64 ? e : grid,
                 .n = x->rank - 2,
                 .corners = fv_op_int(op, "align_corners") != 0};
    fv_expr *out[FV_MAX_RANK], *at[FV_MAX_RANK];
    if (!read_modes(op, &s.mode, &s.outside))
        return false;
    for (int i = 0; i < def->rank; i++)
        out[i] = fv_x_var(a, def->index[i]);
    for (int i = 0; i < 2; i++)
        s.index[i] = out[i];
    for (int i = 0; i < s.n; i++) {
        s.size[i] = fv_x_convert(a, s.t, fv_x_dim(a, x->dims[i + 2]));
        at[i] = position(&s, i, out);
    }
    if (s.mode != NEAREST) {
        def->body = fv_x_convert(a, e, interpolated(&s, at, 0));
        return true;
    }
    for (int i = 0; i < s.n; i++)
        s.index[i + 2] = source(&s, i, at[i]);
    def->body = element(&s);
    return true;
}

/* ---- AffineGrid ---- */

static bool infer_affine_grid(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *theta = fv_in_type(op, 0), *size = fv_in_type(op, 1);
    const fv_dim *const *e, *dims[5], *axes = theta->dims[1];
    int n;
    if (!fv_dim_is_const(axes) && size->rank == 1 && fv_dim_is_const(size->dims[0]))
        axes = fv_dim_sub(m->dims, size->dims[0], fv_dim_const(m->dims, 2));
    if (!fv_dim_is_const(axes) || axes->value < 2 || axes->value > 3)
        return fv_op_error(op, "theta is %s, expected matrices of 2 or 3 rows",
                           fv_type_str(m->arena, theta));
    int k = (int)axes->value;
    if (!fv_fix_length(op, 1, k + 2) || !fv_int_operand(op, 1, &n, &e))
        return false;
    if (n != k + 2)
        return fv_op_error(op, "size has %d elements, expected %d", n, k + 2);
    if (!fv_module_assume(m, theta->dims[1], axes, "rows of theta") ||
        !fv_module_assume(m, theta->dims[2], fv_dim_const(m->dims, k + 1), "columns of theta") ||
        !fv_module_assume(m, theta->dims[0], e[0], "a matrix for each image"))
        return fv_op_error(op, "theta is %s for images of %d axes, %s of them",
                           fv_type_str(m->arena, theta), k, fv_dim_str(m->arena, e[0]));
    dims[0] = theta->dims[0];
    for (int i = 0; i < k; i++) {
        dims[i + 1] = e[i + 2];
        if (e[i + 2]->lo > FV_DIM_MAX || e[i + 2]->hi < 0 ||
            !fv_module_require(m, fv_dim_max(m->dims, e[i + 2], fv_dim_const(m->dims, 0)), e[i + 2],
                               "size of an image",
                               fv_printf(m->arena, "0 <= %s", fv_dim_str(m->arena, e[i + 2]))))
            return fv_op_error(op, "size has %s", fv_dim_str(m->arena, e[i + 2]));
    }
    dims[k + 1] = axes;
    fv_infer_out(op, 0, theta->elem, k + 2, dims);
    return true;
}

/* The position of element i of an axis of n elements, from -1 to 1: the centre of one of n equal
 * intervals; or evenly spaced from end to end. A single element, for which the standard divides by
 * 0, is in the middle, as in PyTorch, where the operator is from. */
static fv_expr *centre(fv_definer *d, fv_elem e, fv_var *i, bool corners) {
    fv_arena *a = d->arena;
    fv_expr *x = fv_x_convert(a, e, fv_x_var(a, i)), *n = fv_x_convert(a, e, fv_x_dim(a, i->dim));
    fv_expr *one = fv_x_const(a, e, 1), *twice = fv_x_bin(a, FV_X_MUL, x, fv_x_const(a, e, 2));
    if (!corners)
        return fv_x_bin(a, FV_X_SUB, fv_x_bin(a, FV_X_DIV, fv_x_bin(a, FV_X_ADD, twice, one), n),
                        one);
    fv_expr *p =
        fv_x_bin(a, FV_X_SUB, fv_x_bin(a, FV_X_DIV, twice, fv_x_bin(a, FV_X_SUB, n, one)), one);
    return fv_x_select(a, fv_x_bin(a, FV_X_EQ, n, one), fv_x_const(a, e, 0), p);
}

/* theta * (.., y, x, 1): coordinates begin with the last axis. */
static bool define_affine_grid(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    int n = def->rank - 2;
    fv_elem e = fv_elem_arith(fv_in_type(op, 0)->elem);
    fv_expr *at[3] = {fv_x_var(a, def->index[0]), fv_x_var(a, def->index[n + 1]), NULL},
            *sum = NULL;
    for (int i = 0; i <= n; i++) {
        at[2] = fv_x_int(a, i);
        fv_expr *x = fv_d_load(d, 0, at);
        if (i < n)
            x = fv_x_bin(a, FV_X_MUL, x,
                         centre(d, e, def->index[n - i], fv_op_int(op, "align_corners") != 0));
        sum = sum ? fv_x_bin(a, FV_X_ADD, sum, x) : x;
    }
    def->body = sum;
    return true;
}

/* ---- CropAndResize ---- */

static bool infer_crop(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *boxes = fv_in_type(op, 1), *images = fv_in_type(op, 2);
    const fv_dim *const *size;
    int n;
    if (!fv_attr_is(op, "mode", "bilinear") && !fv_attr_is(op, "mode", "nearest"))
        return fv_op_error(op, "mode is neither bilinear nor nearest");
    if (!fv_module_assume(m, boxes->dims[1], fv_dim_const(m->dims, 4), "corners of a box") ||
        !fv_module_assume(m, boxes->dims[0], images->dims[0], "an image for each box"))
        return fv_op_error(op, "rois is %s with batch_indices of %s, expected [n, 4] and [n]",
                           fv_type_str(m->arena, boxes), fv_type_str(m->arena, images));
    if (!fv_int_operand(op, 3, &n, &size))
        return false;
    const fv_dim *dims[4] = {boxes->dims[0], x->dims[1], size[0], size[1]},
                 *one = fv_dim_const(m->dims, 1);
    for (int i = 0; i < 2; i++)
        if (!fv_module_require(m, fv_dim_max(m->dims, size[i], one), size[i], "size of a crop",
                               fv_printf(m->arena, "1 <= %s", fv_dim_str(m->arena, size[i]))))
            return fv_op_error(op, "crop_size has %s, expected at least 1",
                               fv_dim_str(m->arena, size[i]));
    fv_infer_out(op, 0, x->elem, 4, dims);
    return true;
}

/* Selects the images of the boxes first, where an index out of range is detected. */
static bool decompose_crop(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    fv_value *in[2] = {fv_w_rows(w, op->in[0], op->in[2]), op->in[1]};
    fv_attr a[3] = {
        fv_attr_dims(w->module, "size", 2, y->dims + 2),
        fv_attr_float(w->module, "extrapolation_value", fv_op_float(op, "extrapolation_value")),
        fv_attr_int(w->module, "nearest", fv_attr_is(op, "mode", "nearest"))};
    fv_w_result(w, 0, fv_w_op(w, FV_OP_fv_Crops, 2, in, 3, a));
    return true;
}

static bool infer_crops(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *boxes = fv_in_type(op, 1);
    const fv_attr *size = fv_op_find_attr(op, "size");
    if (size->n != 2)
        return fv_op_error(op, "has %d sizes, expected 2", size->n);
    if (!fv_module_assume(m, boxes->dims[1], fv_dim_const(m->dims, 4), "corners of a box") ||
        !fv_module_assume(m, boxes->dims[0], x->dims[0], "an image for each box"))
        return fv_op_error(op, "boxes are %s for %s images", fv_type_str(m->arena, boxes),
                           fv_dim_str(m->arena, x->dims[0]));
    const fv_dim *dims[4] = {x->dims[0], x->dims[1], size->u.dims[0], size->u.dims[1]};
    fv_infer_out(op, 0, x->elem, 4, dims);
    return true;
}

/* The position of element i of a crop. Corners of a box are in units of the index of the image's
 * last element. A crop of one element is at the middle of the box. The last element is exactly at
 * the far corner, instead of being computed by steps. In the formulas that use it, `y` and `x` are
 * positions, F the index of the element before. */
#define CROP_AT(i, axis, from, to)                                                                 \
    "select(dim(Y, " axis ") == 1, 0.5 * (boxes[r, " from "] + boxes[r, " to                       \
    "]) * (T(dim(X, " axis ")) - 1.0), "                                                           \
    "select(" i " == dim(Y, " axis ") - 1, boxes[r, " to "] * (T(dim(X, " axis                     \
    ")) - 1.0), boxes[r, " from "] * "                                                             \
    "(T(dim(X, " axis ")) - 1.0) + T(" i ") * ((boxes[r, " to "] - boxes[r, " from                 \
    "]) * (T(dim(X, " axis ")) - 1.0) / "                                                          \
    "(T(dim(Y, " axis ")) - 1.0))))"
#define CROP_ROUNDED(v) "i64(select(" v " - floor(" v ") >= 0.5, floor(" v ") + 1.0, floor(" v ")))"

const fv_opdef fv_ops_grid[] = {
    {.domain = "",
     .name = "AffineGrid",
     .since = {20},
     .doc = "positions for GridSample: those of each element of images of that size, moved by a "
            "matrix for each image",
     .in = {{"theta", "T1", .rank = FV_RANK(3)}, {"size", "T2", .rank = FV_RANK(1)}},
     .out = {{"grid", "T1"}},
     .attrs = {FV_A_INT("align_corners", 0)},
     .types = {{"T1", FV_SET_FLOAT}, {"T2", FV_SET(I64)}},
     .infer = infer_affine_grid,
     .define = define_affine_grid},
    {.domain = "",
     .name = "GridSample",
     .id = FV_OP_GridSample,
     .since = {16, 20, 22},
     .decides = true,
     .doc = "elements of images at positions that a grid gives, -1 to 1 from edge to edge: the "
            "nearest, or interpolated",
     .in = {{"X", "T1", .rank = FV_RANK_FROM(3)}, {"grid", "T2", .rank = FV_RANK_AS("X")}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_INT("align_corners", 0),
               FV_A_STRING("mode", "linear"),
               FV_A_STRING("padding_mode", "zeros"),
               {.name = "mode",
                .kind = FV_ATTR_STRING,
                .s = "bilinear",
                .has_default = true,
                .until = 16}},
     .types = {{"T1", FV_SET_NUMBER | FV_SET(BOOL)}, {"T2", FV_SET_FLOAT}},
     .infer = infer_grid_sample,
     .define = define_grid_sample},
    {.domain = "com.microsoft",
     .name = "GridSample",
     .since = {1},
     .decides = true,
     .doc = "GridSample, before it became part of the standard",
     .in = {{"X", "T1", .rank = FV_RANK_FROM(3)}, {"Grid", "T1", .rank = FV_RANK_AS("X")}},
     .out = {{"Y", "T2"}},
     .attrs = {FV_A_INT("align_corners", 0), FV_A_STRING("mode", "bilinear"),
               FV_A_STRING("padding_mode", "zeros")},
     .types = {{"T1", FV_SET_FLOAT}, {"T2", FV_SET_FLOAT}},
     .infer = infer_grid_sample,
     .define = define_grid_sample},
    {.domain = "fv",
     .name = "Crops",
     .id = FV_OP_fv_Crops,
     .since = {1},
     .decides = true,
     .doc =
         "for each image, its part within the box [y1, x1, y2, x2], resized; coordinates are in "
         "units of the index of the last element, and a given value is used outside of the image",
     .in = {{"X", "T", .rank = FV_RANK(4)}, {"boxes", "T", .rank = FV_RANK(2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("size", DIMS), FV_A_FLOAT("extrapolation_value", 0.0f),
               FV_A_INT("nearest", 0)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_crops,
     .formula = "y = " CROP_AT("i", "2", "0", "2") "; x = " CROP_AT(
         "j", "3", "1",
         "3") "; "
              "ok = 0.0 <= y & y <= T(dim(X, 2)) - 1.0 & 0.0 <= x & x <= T(dim(X, 3)) - 1.0; "
              "t = i64(floor(y)); b = i64(ceil(y)); l = i64(floor(x)); e = i64(ceil(x)); "
              "fy = y - floor(y); fx = x - floor(x); "
              "tl = X[r, c, t, l] else 0.0; te = X[r, c, t, e] else 0.0; bl = X[r, c, b, l] else "
              "0.0; be = X[r, c, b, e] else 0.0; "
              "top = tl + (te - tl) * fx; bottom = bl + (be - bl) * fx; "
              "n = X[r, c, " CROP_ROUNDED("y") ", " CROP_ROUNDED(
                  "x") "] else 0.0; "
                       "Y[r, c, i, j] = select(ok, select(nearest != 0, n, top + (bottom - top) * "
                       "fy), extrapolation_value)"},
    {.domain = "com.microsoft",
     .name = "CropAndResize",
     .id = FV_OP_com_microsoft_CropAndResize,
     .since = {1},
     .doc = "boxes cut from images and resized to one size; a constant "
            "value outside of the image",
     .in = {{"X", "T1", .rank = FV_RANK(4)},
            {"rois", "T1", .rank = FV_RANK(2)},
            {"batch_indices", "T2", .rank = FV_RANK(1)},
            {"crop_size", "T2", .rank = FV_LIST_OF(FV_FIXED_LENGTH, 2)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_FLOAT("extrapolation_value", 0.0f), FV_A_STRING("mode", "bilinear")},
     .types = {{"T1", FV_SET_FLOAT}, {"T2", FV_SET(I32)}},
     .infer = infer_crop,
     .decompose = decompose_crop},

    {0}};
