/* resize.c - resampling along axes: Resize, and Upsample, its former name.
 *
 * Both become a chain of fv.Resample, one for each axis that changes: the standard's interpolation
 * in n axes is the product of those along each axis. */
#include "ops/image/resample.h"

#include <math.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/whole.h"
#include "ir/graph/infer.h"
#include "ops/common/attribute.h"

static bool string_is(fv_string s, const char *text) {
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}

/* Checks that the attribute is one of these texts. Upsample has the mode only. */
static bool one_of(fv_op *op, const char *name, const char *const *texts) {
    if (!fv_opdef_attr(op->def, name))
        return true;
    fv_string s = fv_op_string(op, name);
    for (int i = 0; texts[i]; i++)
        if (string_is(s, texts[i]))
            return true;
    return fv_op_error(op, "%s '%.*s' is not known", name, (int)s.n, s.s);
}

static bool check_words(fv_op *op) {
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const char *const nearest[] = {
        "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "opset10", NULL};
    static const char *const coordinates[] = {
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",   "align_corners",
        "asymmetric", "tf_crop_and_resize",   "tf_half_pixel_for_nn", NULL};
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
    return one_of(op, "mode", modes) && one_of(op, "nearest_mode", nearest) &&
           one_of(op, "coordinate_transformation_mode", coordinates) &&
           one_of(op, "keep_aspect_ratio_policy", policies);
}

/* ---- the operands of a Resize ---- */

enum { ROI = 1, SCALES = 2, SIZES = 3 };

static int scales_of(const fv_op *op) {
    return fv_op_is(op, FV_OP_Upsample) ? 1 : SCALES;
}

typedef struct request {
    int n; /* number of axes that are resized */
    int axes[FV_MAX_RANK];
    bool by_sizes, common; /* common: one scale for all axes, which keeps the aspect ratio */
    bool crop;             /* whether a region of the input, roi, is resized */
} request;

/* Whether the operand is present; an empty tensor counts as absent. */
static bool is_given(const fv_op *op, int in) {
    const fv_type *t = fv_in_type(op, in);
    return t && !(t->rank == 1 && t->dims[0]->hi == 0);
}

static bool read_axes(fv_op *op, request *r) {
    int rank = fv_in_type(op, 0)->rank, n;
    const int64_t *axes = fv_op_ints(op, "axes", &n);
    bool seen[FV_MAX_RANK] = {0};
    r->n = axes ? n : rank;
    if (r->n > rank)
        return fv_op_error(op, "has %d axes for a tensor of rank %d", r->n, rank);
    for (int i = 0; i < r->n; i++) {
        if (!fv_infer_axis(op, axes ? axes[i] : i, rank, &r->axes[i]))
            return false;
        if (seen[r->axes[i]])
            return fv_op_error(op, "axis %d is there twice", r->axes[i]);
        seen[r->axes[i]] = true;
    }
    return true;
}

static bool read_request(fv_op *op, request *r) {
    if (!check_words(op) || !read_axes(op, r))
        return false;
    r->by_sizes = is_given(op, SIZES);
    r->common = r->by_sizes && !fv_attr_is(op, "keep_aspect_ratio_policy", "stretch");
    r->crop = fv_attr_is(op, "coordinate_transformation_mode", "tf_crop_and_resize");
    if (r->by_sizes == is_given(op, scales_of(op)))
        return fv_op_error(op, "needs either scales or sizes");
    if (r->crop && !is_given(op, ROI))
        return fv_op_error(op, "tf_crop_and_resize needs input 'roi'");
    return !r->crop || fv_infer_length(op, ROI, 2 * r->n);
}

/* Converts a float to the fraction num / den, where den is a power of two; false if they are not
 * small. */
static bool as_fraction(double s, int64_t *num, int64_t *den) {
    *den = 1;
    for (; *den < (INT64_C(1) << 30) && s != floor(s); s *= 2)
        *den *= 2;
    *num = fv_whole(s);
    return s == floor(s) && s > 0 && s < 0x1p30;
}

static bool constant_scale(const fv_op *op, int i, float *s) {
    const fv_value *v = fv_op_in(op, scales_of(op));
    if (!v || v->kind != FV_VALUE_CONST)
        return false;
    *s = (float)fv_tensor_float(v->tensor, (size_t)i);
    return true;
}

/* floor(d * s), with the product rounded to f32 as in other runtimes; NULL: the run computes it. */
static const fv_dim *scaled_dim(fv_dims *t, const fv_dim *d, float s) {
    int64_t num, den;
    if (fv_dim_is_const(d)) {
        float n = floorf((float)d->value * s);
        return fv_dim_const(t, n < (float)FV_DIM_MAX ? fv_whole((double)n) : FV_DIM_MAX);
    }
    if (!as_fraction((double)s, &num, &den) || num >= 1024)
        return NULL;
    return fv_dim_floordiv(t, fv_dim_mul(t, d, fv_dim_const(t, num)), fv_dim_const(t, den));
}

/* The smallest or largest size[i] / dim[i], if these are constants. */
static bool common_scale(const fv_op *op, const request *r, const fv_dim *const *sizes,
                         double *scale) {
    const fv_type *x = fv_in_type(op, 0);
    bool larger = fv_attr_is(op, "keep_aspect_ratio_policy", "not_smaller");
    for (int i = 0; i < r->n; i++) {
        const fv_dim *d = x->dims[r->axes[i]];
        if (!fv_dim_is_const(d) || !fv_dim_is_const(sizes[i]))
            return false;
        double s = (double)sizes[i]->value / (double)d->value;
        *scale = !i ? s : larger ? fmax(*scale, s) : fmin(*scale, s);
    }
    return true;
}

static bool infer_resize(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK], *const *sizes = NULL;
    request r;
    float s = 0;
    double scale = 0;
    int n;
    if (!read_request(op, &r) || (r.by_sizes && !fv_int_operand(op, SIZES, &n, &sizes)))
        return false;
    bool known = r.common && common_scale(op, &r, sizes, &scale);
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    for (int i = 0; i < r.n; i++) {
        const fv_dim **d = &dims[r.axes[i]];
        if (!r.by_sizes && constant_scale(op, i, &s) && !(s > 0))
            return fv_op_error(op, "scale %d is %g, expected more than 0", i, (double)s);
        if (r.by_sizes && !r.common)
            *d = sizes[i];
        else if (r.common)
            *d = known ? fv_dim_const(m->dims, fv_whole(floor(scale * (double)(*d)->value + 0.5)))
                       : NULL;
        else
            *d = constant_scale(op, i, &s) && !r.crop ? scaled_dim(m->dims, *d, s) : NULL;
    }
    fv_infer_run_time(op, 0, x->elem, x->rank, dims);
    for (int i = 0; i < x->rank; i++) /* an empty axis cannot be enlarged */
        if (!fv_infer_resized(op, i, dims[i]))
            return false;
    return true;
}

/* ---- values that are computed from data: dims, a common scale, the width of a filter ---- */

/* fv.ResizeDims computes scaled dims; fv.ResizeScale the common scale */
static bool infer_resize_dims(fv_op *op) {
    int count = fv_op_find_attr(op, "dims")->n;
    const fv_dim *n = fv_dim_const(fv_op_module(op)->dims, count);
    bool scale = fv_op_is(op, FV_OP_fv_ResizeScale),
         one = !scale && fv_in_type(op, 0)->elem == FV_F64;
    if (scale && !count)
        return fv_op_error(op, "has no dims");
    if (scale)
        fv_infer_out(op, 0, FV_F64, 0, NULL);
    else
        fv_infer_out(op, 0, FV_I64, 1, &n);
    if (one && fv_in_type(op, 0)->rank == 0)
        return true;
    return fv_infer_length(op, 0, one ? 1 : count) && (scale || fv_infer_length(op, 1, 2 * count));
}

/* The length of the region along axis i: roi has the starts of all n axes, then the ends. */
static fv_expr *roi_length(fv_definer *d, int in, fv_expr *i, int n) {
    fv_arena *a = d->arena;
    fv_expr *end = fv_x_bin(a, FV_X_ADD, i, fv_x_int(a, n));
    return fv_x_convert(a, FV_F32,
                        fv_x_bin(a, FV_X_SUB, fv_d_load(d, in, &end), fv_d_load(d, in, &i)));
}

static bool define_resize_dims(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    const fv_attr *dims = fv_op_find_attr(op, "dims");
    fv_expr *i = fv_x_var(a, def->index[0]), *in = fv_d_pick_dim(d, i, dims->n, dims->u.dims);
    fv_expr *zero = fv_x_int(a, 0);
    /* one common scale; sizes are rounded to the nearest integer */
    if (fv_in_type(op, 0)->elem == FV_F64) {
        in = fv_x_bin(a, FV_X_MUL, fv_d_load(d, 0, &zero), fv_x_convert(a, FV_F64, in));
        in = fv_x_bin(a, FV_X_ADD, in, fv_x_const(a, FV_F64, 0.5));
    } else {
        in = fv_x_convert(a, FV_F32, in);
        if (fv_op_in(op, 1))
            in = fv_x_bin(a, FV_X_MUL, in, roi_length(d, 1, i, dims->n));
        in = fv_x_bin(a, FV_X_MUL, in, fv_d_load(d, 0, &i));
    }
    def->body = fv_x_bin(a, FV_X_MAX, zero, fv_x_convert(a, FV_I64, fv_x_un(a, FV_X_FLOOR, in)));
    return true;
}

static bool define_resize_scale(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    const fv_attr *dims = fv_op_find_attr(op, "dims");
    fv_expr_op f = fv_op_int(op, "larger") ? FV_X_MAX : FV_X_MIN;
    for (int k = 0; k < dims->n; k++) {
        fv_expr *i = fv_x_int(a, k), *size = fv_x_convert(a, FV_F64, fv_d_load(d, 0, &i));
        fv_expr *s =
            fv_x_bin(a, FV_X_DIV, size, fv_x_convert(a, FV_F64, fv_x_dim(a, dims->u.dims[k])));
        def->body = k ? fv_x_bin(a, f, def->body, s) : s;
    }
    return dims->n > 0;
}

static bool infer_taps(fv_op *op) {
    fv_infer_out(op, 0, FV_I64, 0, NULL);
    return fv_infer_fits(op, 0, 0, NULL);
}

/* ---- Resize to a chain of fv.Resample ---- */

typedef struct resizer {
    fv_rewriter *w;
    fv_op *op;
    request r;
    fv_value *scale; /* the common scale, or a vector of scales, as f64 */
    int support;     /* radius of the filter in elements */
} resizer;

/* The scale of the i-th resized axis: as a fraction if possible, else *fraction is NULL and *scale
 * is an f64. */
static void scale_of(resizer *z, int i, const fv_dim **fraction, fv_value **scale) {
    fv_module *m = z->w->module;
    int axis = z->r.axes[i];
    int64_t num, den;
    float s;
    fraction[0] = NULL;
    *scale = z->scale;
    if (z->r.by_sizes && !z->r.common) {
        fraction[0] = z->op->out[0]->type->dims[axis];
        fraction[1] = fv_in_type(z->op, 0)->dims[axis];
    } else if (!z->r.common && constant_scale(z->op, i, &s) && as_fraction((double)s, &num, &den)) {
        fraction[0] = fv_dim_const(m->dims, num);
        fraction[1] = fv_dim_const(m->dims, den);
    } else if (!z->r.common) {
        const fv_dim *at = fv_dim_const(m->dims, i), *one = fv_dim_const(m->dims, 1);
        *scale = fv_w_reshape(z->w, fv_w_slice(z->w, z->scale, &at, &one, &one), 0, NULL);
    }
}

/* The number of elements that a filter covers; with antialias it is wider for scales below 1. */
static const fv_dim *taps_of(resizer *z, const fv_dim *const *fraction, fv_value *scale) {
    fv_dims *t = z->w->module->dims;
    const fv_dim *support = fv_dim_const(t, z->support), *two = fv_dim_const(t, 2);
    if (!fv_op_int(z->op, "antialias") || !z->support)
        return fv_dim_mul(t, two, support);
    if (fraction[0]) {
        const fv_dim *wide = fv_dim_ceildiv(t, fv_dim_mul(t, support, fraction[1]), fraction[0]);
        return fv_dim_mul(t, two, fv_dim_max(t, support, wide));
    }
    const fv_dim *n = fv_dim_fresh(t, "taps", 0, FV_DIM_MAX, true);
    fv_attr a = fv_attr_int(z->w->module, "support", z->support);
    fv_w_bind(z->w, fv_w_op(z->w, FV_OP_fv_ResizeTaps, 1, &scale, 1, &a), 1, &n);
    return n;
}

/* Resizes the i-th of the named axes; other axes keep the dims that they have in x. */
static fv_value *resample(resizer *z, fv_value *x, int i) {
    static const char *const words[] = {"mode", "nearest_mode", "coordinate_transformation_mode"};
    fv_module *m = z->w->module;
    int axis = z->r.axes[i], n = 0;
    const fv_dim *fraction[2], *dims[FV_MAX_RANK];
    fv_value *in[3] = {x, NULL, NULL};
    fv_attr a[12];
    if (!x)
        return NULL;
    scale_of(z, i, fraction, &in[1]);
    for (int k = 0; k < 3; k++) {
        fv_string s = fv_op_string(z->op, words[k]);
        a[n++] = fv_attr_string(m, words[k], fv_strndup(m->arena, s.s, s.n));
    }
    if (fraction[0]) {
        in[1] = NULL;
        a[n++] = fv_attr_dims(m, "scale", 2, fraction);
        if (fraction[0] == fraction[1] && !z->r.crop &&
            !string_is(a[2].u.s, "tf_half_pixel_for_nn"))
            return x;
    }
    const fv_dim *taps = taps_of(z, fraction, in[1]);
    for (int k = 0; k < x->type->rank; k++)
        dims[k] = k == axis ? z->op->out[0]->type->dims[k] : x->type->dims[k];
    if (z->r.crop) {
        const fv_dim *start = fv_dim_const(m->dims, i), *step = fv_dim_const(m->dims, z->r.n);
        const fv_dim *two = fv_dim_const(m->dims, 2);
        in[2] = fv_w_slice(z->w, fv_w_cast(z->w, z->op->in[ROI], FV_F64), &start, &step, &two);
        a[n++] = fv_attr_float(m, "extrapolation_value", fv_op_float(z->op, "extrapolation_value"));
    }
    a[n++] = fv_attr_dims(m, "taps", 1, &taps);
    a[n++] = fv_attr_dims(m, "dims", x->type->rank, dims);
    a[n++] = fv_attr_int(m, "axis", axis);
    a[n++] = fv_attr_int(m, "antialias", fv_op_int(z->op, "antialias"));
    a[n++] = fv_attr_int(m, "exclude_outside", fv_op_int(z->op, "exclude_outside"));
    a[n++] = fv_attr_float(m, "cubic_coeff_a", fv_op_float(z->op, "cubic_coeff_a"));
    return fv_w_op(z->w, FV_OP_fv_Resample, in[2] ? 3 : in[1] ? 2 : 1, in, n, a);
}

/* Computes and binds the dims that only the run knows, and computes the scales as f64. The dims
 * have symbols since types were inferred, even if the scales have become constant since then. */
static void prepare(resizer *z) {
    fv_rewriter *w = z->w;
    const fv_type *x = fv_in_type(z->op, 0), *y = z->op->out[0]->type;
    const fv_dim *in[FV_MAX_RANK], *out[FV_MAX_RANK];
    bool known = !z->r.crop;
    float s;
    if (z->r.by_sizes && !z->r.common)
        return;
    for (int i = 0; i < z->r.n; i++) {
        in[i] = x->dims[z->r.axes[i]];
        out[i] = y->dims[z->r.axes[i]];
        known &= !z->r.common && constant_scale(z->op, i, &s) &&
                 scaled_dim(w->module->dims, in[i], s) == out[i];
    }
    fv_attr a[2] = {fv_attr_dims(w->module, "dims", z->r.n, in),
                    fv_attr_int(w->module, "larger",
                                fv_attr_is(z->op, "keep_aspect_ratio_policy", "not_smaller"))};
    fv_value *from[2] = {z->op->in[SCALES], z->r.crop ? z->op->in[ROI] : NULL};
    if (z->r.common)
        from[0] = z->scale = fv_w_op(w, FV_OP_fv_ResizeScale, 1, &z->op->in[SIZES], 2, a);
    else
        z->scale = fv_w_cast(w, z->op->in[SCALES], FV_F64);
    if (!known && !fv_dims_are_const(z->r.n, out))
        fv_w_bind(w, fv_w_op(w, FV_OP_fv_ResizeDims, !z->r.common && from[1] ? 2 : 1, from, 1, a),
                  z->r.n, out);
}

/* The type in which interpolation is computed; between axes, nothing is rounded to a narrower
 * type. */
static fv_elem work_type(fv_elem e) {
    bool wide = e == FV_F64 || (fv_elem_is_int(e) && fv_elem_bits(e) > 16);
    return wide ? FV_F64 : FV_F32;
}

static bool decompose_resize(fv_rewriter *w, fv_op *op) {
    resizer z = {.w = w, .op = op};
    fv_string mode = fv_op_string(op, "mode");
    z.support = string_is(mode, "linear") ? 1 : string_is(mode, "cubic") ? 2 : 0;
    fv_elem e = fv_in_type(op, 0)->elem;
    if (!read_request(op, &z.r))
        return false;
    prepare(&z);
    fv_value *x = z.support ? fv_w_cast(w, op->in[0], work_type(e)) : op->in[0];
    for (int i = 0; i < z.r.n; i++)
        x = resample(&z, x, i);
    fv_w_result(w, 0, z.support ? fv_w_cast(w, x, e) : x);
    return true;
}

/* ---- older versions ---- */

/* Before opset 11 positions were i / scale, and there was no region. */
static bool upgrade_resize(fv_op *op, int version) {
    if (version >= 11)
        return true;
    fv_value *scales = fv_op_in(op, 1);
    fv_op_set_in(op, 2, scales);
    fv_op_set_in(op, 1, NULL);
    fv_op_set_string(op, "coordinate_transformation_mode", "asymmetric");
    fv_op_set_string(op, "nearest_mode", "opset10");
    return true;
}

static bool decompose_upsample(fv_rewriter *w, fv_op *op) {
    fv_string mode = fv_op_string(op, "mode");
    fv_attr a[3] = {fv_attr_string(w->module, "mode", fv_strndup(w->module->arena, mode.s, mode.n)),
                    fv_attr_string(w->module, "coordinate_transformation_mode", "asymmetric"),
                    fv_attr_string(w->module, "nearest_mode", "opset10")};
    fv_value *in[3] = {op->in[0], NULL, op->in[1]};
    fv_w_result(w, 0, fv_w_op(w, FV_OP_Resize, 3, in, 3, a));
    return true;
}

/* The scales were an attribute, or two attributes in the first version. */
static bool upgrade_upsample(fv_op *op, int version) {
    fv_module *m = fv_op_module(op);
    float first[4] = {1, 1, fv_op_float_of(op, "height_scale", version),
                      fv_op_float_of(op, "width_scale", version)};
    const fv_attr *scales = fv_op_find_attr(op, "scales");
    int64_t n = version < 7 ? 4 : scales ? scales->n : 0;
    if (string_is(fv_op_string(op, "mode"), "bilinear"))
        fv_op_set_string(op, "mode", "linear");
    if (version >= 9)
        return true;
    if (!n)
        return fv_op_error(op, "needs scales");
    fv_tensor *t = fv_tensor_new(m->arena, FV_F32, 1, &n);
    for (int64_t i = 0; i < n; i++)
        fv_tensor_set_float(t, (size_t)i, (double)(version < 7 ? first[i] : scales->u.floats[i]));
    fv_op_set_in(op, 1, fv_const_new(m, "scales", t));
    fv_op_drop_attr(op, "scales");
    fv_op_drop_attr(op, "height_scale");
    fv_op_drop_attr(op, "width_scale");
    return true;
}

/* An empty list is that of scales or sizes which is not given. */
#define UNLESS_EMPTY FV_LIST_OF(FV_AXES_LENGTH, .times = 1, .of = "X", .none = true)

const fv_opdef fv_ops_resize[] = {
    {.domain = "fv",
     .name = "ResizeDims",
     .id = FV_OP_fv_ResizeDims,
     .since = {1},
     .doc = "dims, or lengths of the region roi, times scales, rounded down; or times one scale, "
            "rounded to nearest",
     .in = {{"scales", "S", .rank = FV_RANKS(0, 1)},
            {"roi", "R", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS)},
     .types = {{"S", FV_SET(F32) | FV_SET(F64)}, {"R", FV_SET_FLOAT}, {"T", FV_SET(I64)}},
     .infer = infer_resize_dims,
     .define = define_resize_dims},
    {.domain = "fv",
     .name = "ResizeScale",
     .id = FV_OP_fv_ResizeScale,
     .since = {1},
     .doc = "the smallest or largest quotient of sizes and dims",
     .in = {{"sizes", "T", .rank = FV_RANK(1)}},
     .out = {{"Y", "D"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS), FV_A_INT("larger", 0)},
     .types = {{"T", FV_SET(I64)}, {"D", FV_SET(F64)}},
     .infer = infer_resize_dims,
     .define = define_resize_scale},
    {.domain = "fv",
     .name = "ResizeTaps",
     .id = FV_OP_fv_ResizeTaps,
     .since = {1},
     .doc = "the number of elements that a filter covers, which is wider for scales below 1",
     .in = {{"scale", "D"}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("support", INT)},
     .types = {{"D", FV_SET(F64)}, {"T", FV_SET(I64)}},
     .infer = infer_taps,
     .formula = "Y = 2 * i64(ceil(support / min(scale, 1)))"},
    {.domain = "",
     .name = "Resize",
     .id = FV_OP_Resize,
     .since = {10, 11, 13, 18, 19},
     .doc = "resized by scales or to sizes",
     .in = {{"X", "T1"},
            {"roi", "T2", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)},
            {"scales", "S", FV_OPTIONAL_OPERAND, .rank = UNLESS_EMPTY},
            {"sizes", "I", FV_OPTIONAL_OPERAND, .rank = UNLESS_EMPTY}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_RESAMPLE_ATTRS, FV_A_OPTIONAL("axes", INTS),
               FV_A_STRING("keep_aspect_ratio_policy", "stretch")},
     .types = {{"T1", FV_RESAMPLE_TYPES},
               {"T2", FV_SET(F16) | FV_SET(F32) | FV_SET(F64)},
               {"S", FV_SET(F32)},
               {"I", FV_SET(I64)}},
     .infer = infer_resize,
     .upgrade = upgrade_resize,
     .moved = 10,
     .decompose = decompose_resize},
    {.domain = "",
     .name = "Upsample",
     .id = FV_OP_Upsample,
     .since = {1, 7, 9, 10},
     .doc = "Resize by its first name",
     .in = {{"X", "T"}, {"scales", "S", .rank = FV_PER_AXIS(1, "X")}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("mode", "nearest"),
               FV_A_REQUIRED_UNTIL(1, "height_scale", FLOAT),
               FV_A_REQUIRED_UNTIL(1, "width_scale", FLOAT),
               {.name = "scales", .kind = FV_ATTR_FLOATS, .until = 7}},
     .types = {{"T", FV_RESAMPLE_TYPES}, {"S", FV_SET(F32)}},
     .infer = infer_resize,
     .upgrade = upgrade_upsample,
     .decompose = decompose_upsample},

    {0}};
