/* roi.c - pools regions of images, whose corners are data, to a fixed size: RoiAlign and
 * MaxRoiPool. The number of elements that a result depends on is data as well, so these are
 * loops. */
#include <math.h>

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/common/attribute.h"
#include "ops/image/resample.h"
#include "ops/nn/window.h"

enum { IMAGES, REGIONS, WHICH };

enum {
    /* channels of which a task computes an element at the same time, so that positions and weights
     * are computed once for all of them */
    CHANNELS = 8,
    /* limit for the samples along an axis for each result; if a region needs more, an index is out
     * of range */
    MOST_SAMPLES = 4096
};

/* A block of channels: its index, its channels, of which the last block may have fewer, and the
 * channels of the images. */
typedef struct block {
    fv_expr *index;
    int64_t width;
    fv_expr *channels;
} block;

/* The state of building a kernel: the current region, block of channels and position of the
 * result. */
typedef struct pooling {
    fv_custom *c;
    fv_arena *a;
    fv_elem e;
    fv_buf *x, *regions, *y;
    fv_expr *region, *place[2];
    block block;
    fv_buf *result;         /* a tile: an element of each channel of the block */
    fv_expr *image, *known; /* the index of the image, and the condition that it is in range */
    fv_expr *size[2];       /* sizes of images, i64 */
    float scale;
} pooling;

static fv_expr *bin(const pooling *s, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(s->a, op, x, y);
}

static fv_expr *num(const pooling *s, double v) {
    return fv_x_const(s->a, s->e, v);
}

static fv_expr *whole(const pooling *s, fv_expr *x) {
    return fv_x_convert(s->a, FV_I64, x);
}

static fv_expr *real(const pooling *s, fv_expr *x) {
    return fv_x_convert(s->a, s->e, x);
}

static fv_expr *let(const pooling *s, const char *name, fv_expr *x) {
    return fv_kb_let(&s->c->b, name, x);
}

static bool infer_pooled(fv_op *op, int columns, int64_t height, int64_t width) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, IMAGES), *regions = fv_in_type(op, REGIONS),
                  *which = fv_in_type(op, WHICH);
    if (height < 1 || width < 1 || height > FV_DIM_MAX || width > FV_DIM_MAX)
        return fv_op_error(op, "regions become %lld by %lld, expected at least 1",
                           (long long)height, (long long)width);
    if (!fv_module_assume(m, regions->dims[1], fv_dim_const(m->dims, columns),
                          "corners of a region"))
        return fv_op_error(op, "rois is %s, expected %d columns", fv_type_str(m->arena, regions),
                           columns);
    if (which && !fv_same_dim(op, which->dims[0], regions->dims[0], "an image for each region"))
        return false;
    const fv_dim *dims[4] = {regions->dims[0], x->dims[1], fv_dim_const(m->dims, height),
                             fv_dim_const(m->dims, width)};
    fv_infer_out(op, 0, x->elem, 4, dims);
    return true;
}

/* Channels of a block: as many in each block as possible. */
static int64_t block_of(const fv_dim *channels) {
    if (!fv_dim_is_const(channels) || channels->value < 1)
        return CHANNELS;
    int64_t blocks = (channels->value + CHANNELS - 1) / CHANNELS;
    return (channels->value + blocks - 1) / blocks;
}

static void open_loops(pooling *s, const fv_type *y) {
    fv_custom *c = s->c;
    s->block.width = block_of(y->dims[1]);
    s->block.channels = fv_custom_dim(c, y->dims[1]);
    fv_expr *blocks = bin(s, FV_X_FLOORDIV,
                          bin(s, FV_X_ADD, s->block.channels, fv_x_int(s->a, s->block.width - 1)),
                          fv_x_int(s->a, s->block.width));
    s->region = fv_custom_for(c, FV_PARALLEL, "r", y->dims[0]);
    s->block.index = fv_kb_for(&c->b, FV_PARALLEL, "block", fv_x_int(s->a, 0), blocks, 1);
    s->place[0] = fv_custom_for(c, FV_SERIAL, "h", y->dims[2]);
    s->place[1] = fv_custom_for(c, FV_SERIAL, "w", y->dims[3]);
}

/* Opens the loops. The index of the image is in operand WHICH, or in the first column of the
 * regions. */
static pooling begin(fv_custom *c, fv_op *op, const char *stem) {
    pooling s = {.c = c,
                 .a = c->arena,
                 .e = fv_elem_arith(fv_in_type(op, IMAGES)->elem),
                 .scale = fv_op_float(op, "spatial_scale")};
    const fv_type *x = fv_in_type(op, IMAGES), *y = op->out[0]->type;
    fv_custom_begin(c, stem);
    s.x = fv_custom_in(c, IMAGES);
    s.regions = fv_custom_in(c, REGIONS);
    fv_buf *which = fv_op_in(op, WHICH) ? fv_custom_in(c, WHICH) : NULL;
    s.y = fv_custom_out(c, 0);
    fv_expr *images = fv_custom_dim(c, x->dims[0]), *zero = fv_x_int(s.a, 0);
    s.size[0] = fv_custom_dim(c, x->dims[2]);
    s.size[1] = fv_custom_dim(c, x->dims[3]);
    open_loops(&s, y);
    fv_expr *number = which ? fv_custom_load(c, which, &s.region)
                            : fv_custom_load(c, s.regions, (fv_expr *[]){s.region, zero});
    number = let(&s, "number", number);
    s.image = let(&s, "image", whole(&s, number));
    s.known = bin(&s, FV_X_AND, bin(&s, FV_X_LE, zero, s.image), bin(&s, FV_X_LT, s.image, images));
    if (!which) /* excludes NaN, which is 0 as an integer */
        s.known = bin(&s, FV_X_AND, s.known, bin(&s, FV_X_EQ, number, number));
    s.known = let(&s, "known", fv_x_un(s.a, FV_X_REQUIRE, s.known));
    return s;
}

/* A loop over the channels of the block; *inside: is the current one a channel of the images? */
static fv_expr *each_channel(const pooling *s, fv_expr **inside) {
    fv_expr *i =
        fv_kb_for(&s->c->b, FV_UNROLL, "c", fv_x_int(s->a, 0), fv_x_int(s->a, s->block.width), 1);
    fv_expr *c =
        bin(s, FV_X_ADD, bin(s, FV_X_MUL, s->block.index, fv_x_int(s->a, s->block.width)), i);
    *inside = bin(s, FV_X_LT, c, s->block.channels);
    return i;
}

/* Channel i of the block, or the last channel of the images if it has fewer. */
static fv_expr *channel_at(const pooling *s, fv_expr *i) {
    fv_expr *c =
        bin(s, FV_X_ADD, bin(s, FV_X_MUL, s->block.index, fv_x_int(s->a, s->block.width)), i);
    int64_t n;
    if (fv_x_is_int(s->block.channels, &n) && n % s->block.width == 0)
        return c;
    return bin(s, FV_X_MIN, c, bin(s, FV_X_SUB, s->block.channels, fv_x_int(s->a, 1)));
}

/* Combines the result of channel i with x. */
static void combine(const pooling *s, fv_expr_op op, fv_expr *i, fv_expr *x) {
    fv_kb_store(&s->c->b, s->result, &i, bin(s, op, fv_x_load(s->a, s->result, &i), x), NULL);
}

/* A corner of the region, in units of elements: rois has x before y. */
static fv_expr *corner(const pooling *s, int column) {
    fv_expr *at[2] = {s->region, fv_x_int(s->a, column)};
    return bin(s, FV_X_MUL, fv_custom_load(s->c, s->regions, at), num(s, (double)s->scale));
}

static fv_expr *element(const pooling *s, fv_expr *channel, fv_expr *i, fv_expr *j) {
    fv_expr *at[4] = {s->image, channel, i, j};
    return fv_custom_load(s->c, s->x, at);
}

static void begin_results(pooling *s, double first) {
    s->result = fv_kb_tile(&s->c->b, "result", s->e, 1, &s->block.width, num(s, first));
}

/* Stores what `finish` makes of each result. */
typedef fv_expr *finish_fn(const pooling *s, fv_expr *result, fv_expr *given);

static void end(const pooling *s, finish_fn *finish, fv_expr *given) {
    fv_expr *inside, *i = each_channel(s, &inside);
    fv_expr *c =
        bin(s, FV_X_ADD, bin(s, FV_X_MUL, s->block.index, fv_x_int(s->a, s->block.width)), i);
    fv_expr *to[4] = {s->region, c, s->place[0], s->place[1]};
    int64_t n;
    if (fv_x_is_int(s->block.channels, &n) && n % s->block.width == 0)
        inside = NULL;
    fv_custom_store(s->c, s->y, to, finish(s, fv_x_load(s->a, s->result, &i), given), inside);
    for (int k = 0; k < 5; k++)
        fv_kb_end(&s->c->b);
    fv_custom_end(s->c);
}

/* ---- RoiAlign ---- */

static bool infer_roi_align(fv_op *op) {
    if (!fv_attr_is(op, "mode", "avg") && !fv_attr_is(op, "mode", "max"))
        return fv_op_error(op, "mode is neither avg nor max");
    if (!fv_attr_is(op, "coordinate_transformation_mode", "half_pixel") &&
        !fv_attr_is(op, "coordinate_transformation_mode", "output_half_pixel"))
        return fv_op_error(
            op, "coordinate_transformation_mode is neither half_pixel nor output_half_pixel");
    if (fv_op_int(op, "sampling_ratio") < 0 || fv_op_int(op, "sampling_ratio") > MOST_SAMPLES)
        return fv_op_error(op, "sampling_ratio is %lld, expected 0 to %d",
                           (long long)fv_op_int(op, "sampling_ratio"), MOST_SAMPLES);
    return infer_pooled(op, 4, fv_op_int(op, "output_height"), fv_op_int(op, "output_width"));
}

/* Evenly spaced samples along an axis in one part of the region: the position of the first, the
 * distance between them, and their number. */
typedef struct samples {
    fv_expr *start, *step, *count;
} samples;

static samples samples_along(const pooling *s, const fv_op *op, int axis) {
    bool half = fv_attr_is(op, "coordinate_transformation_mode", "half_pixel");
    int64_t ratio = fv_op_int(op, "sampling_ratio");
    fv_expr *from = corner(s, 1 - axis), *to = corner(s, 3 - axis),
            *parts = num(s, (double)op->out[0]->type->dims[2 + axis]->value);
    samples r;
    if (half) {
        from = bin(s, FV_X_SUB, from, num(s, 0.5));
        to = bin(s, FV_X_SUB, to, num(s, 0.5));
    }
    from = let(s, "from", from);
    fv_expr *length = bin(s, FV_X_SUB, to, from);
    if (!half)
        length = bin(s, FV_X_MAX, length, num(s, 1));
    fv_expr *part = let(s, "part", bin(s, FV_X_DIV, length, parts));
    r.count = fv_x_int(s->a, ratio);
    if (!ratio) {
        r.count = let(s, "count", whole(s, fv_x_un(s->a, FV_X_CEIL, part)));
        fv_expr *few = let(
            s, "few",
            fv_x_un(s->a, FV_X_REQUIRE, bin(s, FV_X_LE, r.count, fv_x_int(s->a, MOST_SAMPLES))));
        r.count = let(s, "count", fv_x_select(s->a, few, r.count, fv_x_int(s->a, 0)));
    }
    r.step = let(s, "step", bin(s, FV_X_DIV, part, real(s, r.count)));
    r.start =
        let(s, "start", bin(s, FV_X_ADD, from, bin(s, FV_X_MUL, real(s, s->place[axis]), part)));
    return r;
}

/* For a sample along an axis: whether it is within the image, and the neighbouring elements with
 * their weights. */
typedef struct sample {
    fv_expr *inside, *at[2], *weight[2];
} sample;

static sample sample_at(const pooling *s, const samples *r, int axis, fv_expr *i) {
    fv_expr *zero = fv_x_int(s->a, 0), *one = fv_x_int(s->a, 1), *n = s->size[axis];
    fv_expr *p = bin(s, FV_X_ADD, r->start,
                     bin(s, FV_X_MUL, bin(s, FV_X_ADD, real(s, i), num(s, 0.5)), r->step));
    sample x;
    p = let(s, "p", p);
    x.inside = bin(s, FV_X_AND, bin(s, FV_X_LE, num(s, -1), p), bin(s, FV_X_LE, p, real(s, n)));
    x.inside = let(s, "inside", bin(s, FV_X_AND, x.inside, bin(s, FV_X_LT, zero, n)));
    p = let(s, "p", bin(s, FV_X_MAX, p, num(s, 0)));
    fv_expr *last = bin(s, FV_X_MAX, bin(s, FV_X_SUB, n, one), zero),
            *base = let(s, "base", whole(s, p));
    fv_expr *beyond = let(s, "beyond", bin(s, FV_X_LE, last, base));
    x.at[0] = let(s, "low", bin(s, FV_X_MAX, zero, bin(s, FV_X_MIN, base, last)));
    x.at[1] = let(s, "high", bin(s, FV_X_MIN, bin(s, FV_X_ADD, x.at[0], one), last));
    x.weight[1] =
        let(s, "f", fv_x_select(s->a, beyond, num(s, 0), bin(s, FV_X_SUB, p, real(s, base))));
    x.weight[0] = let(s, "g", bin(s, FV_X_SUB, num(s, 1), x.weight[1]));
    return x;
}

/* The value of a sample: the sum of its four weighted neighbours; or the largest of these products,
 * as in the standard's reference. */
static fv_expr *value_of(const pooling *s, const sample *y, const sample *x, fv_expr *const *weight,
                         fv_expr *channel, bool most) {
    fv_expr *v = NULL;
    for (int i = 0; i < 4; i++) {
        fv_expr *term =
            bin(s, FV_X_MUL, weight[i], element(s, channel, y->at[i / 2], x->at[i % 2]));
        v = v ? bin(s, most ? FV_X_MAX : FV_X_ADD, v, term) : term;
    }
    return v;
}

/* Adds the value of a sample to the result of each channel, or takes the larger of both. */
static void add_sample(const pooling *s, const sample *y, const sample *x, bool most) {
    fv_expr *weight[4], *inside;
    for (int i = 0; i < 4; i++)
        weight[i] = let(s, "weight", bin(s, FV_X_MUL, y->weight[i / 2], x->weight[i % 2]));
    fv_expr *i = each_channel(s, &inside);
    fv_expr *v = value_of(s, y, x, weight, let(s, "channel", channel_at(s, i)), most);
    combine(s, most ? FV_X_MAX : FV_X_ADD, i, v);
    fv_kb_end(&s->c->b);
}

static fv_expr *mean(const pooling *s, fv_expr *sum, fv_expr *count) {
    return bin(s, FV_X_DIV, sum, real(s, bin(s, FV_X_MAX, count, fv_x_int(s->a, 1))));
}

static fv_expr *largest(const pooling *s, fv_expr *most, fv_expr *count) {
    fv_expr *none = bin(s, FV_X_EQ, count, fv_x_int(s->a, 0));
    return fv_x_select(s->a, none, num(s, 0), most);
}

/* A sample outside of the image counts as zero. */
static bool kernel_roi_align(fv_custom *c, fv_op *op) {
    bool most = fv_attr_is(op, "mode", "max");
    pooling s = begin(c, op, "roi_align");
    fv_kbuilder *b = &c->b;
    fv_expr *zero = fv_x_int(s.a, 0), *inside;
    samples r[2] = {samples_along(&s, op, 0), samples_along(&s, op, 1)};
    begin_results(&s, most ? -INFINITY : 0);
    fv_kb_if(b, s.known);
    fv_expr *i = fv_kb_for(b, FV_SERIAL, "i", zero, r[0].count, 1);
    sample y = sample_at(&s, &r[0], 0, i);
    fv_expr *j = fv_kb_for(b, FV_SERIAL, "j", zero, r[1].count, 1);
    sample x = sample_at(&s, &r[1], 1, j);
    fv_kb_if(b, bin(&s, FV_X_AND, y.inside, x.inside));
    add_sample(&s, &y, &x, most);
    if (most) {
        fv_kb_else(b);
        combine(&s, FV_X_MAX, each_channel(&s, &inside), num(&s, 0));
        fv_kb_end(b);
    }
    for (int k = 0; k < 4; k++)
        fv_kb_end(b);
    fv_expr *count = let(&s, "all",
                         bin(&s, FV_X_MUL, bin(&s, FV_X_MAX, r[0].count, zero),
                             bin(&s, FV_X_MAX, r[1].count, zero)));
    end(&s, most ? largest : mean, count);
    return true;
}

/* Before opset 16 positions were not shifted by half an element. */
static bool upgrade_roi_align(fv_op *op, int version) {
    if (version < 16)
        fv_op_set_string(op, "coordinate_transformation_mode", "output_half_pixel");
    return true;
}

/* ---- MaxRoiPool ---- */

static bool infer_roi_pool(fv_op *op) {
    int64_t size[2];
    return fv_window_list(op, "pooled_shape", 2, 1, 1, size) &&
           infer_pooled(op, 5, size[0], size[1]);
}

/* Rounds to the nearest integer; halves away from zero. */
static fv_expr *rounded(const pooling *s, fv_expr *x) {
    fv_expr *half = fv_x_select(s->a, bin(s, FV_X_LT, x, num(s, 0)), num(s, -0.5), num(s, 0.5));
    return whole(s, bin(s, FV_X_ADD, x, half));
}

/* The range of elements [to[0], to[1]) of part `place` of the region along an axis; parts may
 * overlap. */
static void part_of(const pooling *s, const fv_op *op, int axis, fv_expr **to) {
    fv_expr *first = let(s, "first", rounded(s, let(s, "at", corner(s, 2 - axis))));
    fv_expr *last = let(s, "last", rounded(s, let(s, "at", corner(s, 4 - axis)))),
            *zero = fv_x_int(s->a, 0), *one = fv_x_int(s->a, 1);
    fv_expr *length = bin(s, FV_X_MAX, bin(s, FV_X_ADD, bin(s, FV_X_SUB, last, first), one), one);
    fv_expr *part = let(
        s, "part",
        bin(s, FV_X_DIV, real(s, length), num(s, (double)op->out[0]->type->dims[2 + axis]->value)));
    for (int i = 0; i < 2; i++) {
        fv_expr *edge =
            bin(s, FV_X_MUL, real(s, bin(s, FV_X_ADD, s->place[axis], fv_x_int(s->a, i))), part);
        edge = bin(s, FV_X_ADD, whole(s, fv_x_un(s->a, i ? FV_X_CEIL : FV_X_FLOOR, edge)), first);
        to[i] = let(s, i ? "end" : "begin",
                    bin(s, FV_X_MAX, zero, bin(s, FV_X_MIN, edge, s->size[axis])));
    }
}

static fv_expr *zero_if_empty(const pooling *s, fv_expr *most, fv_expr *empty) {
    return fv_x_select(s->a, empty, num(s, 0), most);
}

static bool kernel_roi_pool(fv_custom *c, fv_op *op) {
    pooling s = begin(c, op, "roi_pool");
    fv_kbuilder *b = &c->b;
    fv_expr *rows[2], *columns[2], *inside;
    part_of(&s, op, 0, rows);
    part_of(&s, op, 1, columns);
    begin_results(&s, -INFINITY);
    fv_kb_if(b, s.known);
    fv_expr *i = fv_kb_for(b, FV_SERIAL, "i", rows[0], rows[1], 1);
    fv_expr *j = fv_kb_for(b, FV_SERIAL, "j", columns[0], columns[1], 1);
    fv_expr *k = each_channel(&s, &inside);
    combine(&s, FV_X_MAX, k, element(&s, let(&s, "channel", channel_at(&s, k)), i, j));
    for (int open = 0; open < 4; open++)
        fv_kb_end(b);
    fv_expr *empty = let(&s, "empty",
                         bin(&s, FV_X_OR, bin(&s, FV_X_LE, rows[1], rows[0]),
                             bin(&s, FV_X_LE, columns[1], columns[0])));
    end(&s, zero_if_empty, empty);
    return true;
}

const fv_opdef fv_ops_roi[] = {
    {.domain = "",
     .name = "RoiAlign",
     .id = FV_OP_RoiAlign,
     .since = {10, 16, 22},
     .decides = true,
     .doc = "regions of images, resized to one size: means, or maxima, of samples between elements",
     .in = {{"X", "T1", .rank = FV_RANK(4)},
            {"rois", "T1", .rank = FV_RANK(2)},
            {"batch_indices", "T2", .rank = FV_RANK(1)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_STRING("coordinate_transformation_mode", "half_pixel"),
               FV_A_STRING("mode", "avg"), FV_A_INT("output_height", 1),
               FV_A_INT("output_width", 1), FV_A_INT("sampling_ratio", 0),
               FV_A_FLOAT("spatial_scale", 1.0f)},
     .types = {{"T1", FV_SET_FLOAT}, {"T2", FV_SET(I64)}},
     .infer = infer_roi_align,
     .kernel = kernel_roi_align,
     .upgrade = upgrade_roi_align},
    {.domain = "",
     .name = "MaxRoiPool",
     .since = {1, 22},
     .decides = true,
     .doc = "regions of images, pooled to one size: the largest element of each part",
     .in = {{"X", "T", .rank = FV_RANK(4)}, {"rois", "T", .rank = FV_RANK(2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("pooled_shape", INTS), FV_A_FLOAT("spatial_scale", 1.0f)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_roi_pool,
     .kernel = kernel_roi_pool},

    {0}};
