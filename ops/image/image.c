/* image.c - decodes image files as tensors. Their size depends on data: one kernel reads it from
 * the file, the next one has a result of that size. */
#include <string.h>

#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/dims.h"

extern const char *const fv_image_kernels; /* image.fvk */

static bool is(fv_string s, const char *text) {
    return s.n == strlen(text) && memcmp(s.s, text, s.n) == 0;
}

/* The number of channels; 0: the format is unknown. */
static int channels_of(fv_string format) {
    return is(format, "RGB") || is(format, "BGR") ? 3 : is(format, "Grayscale") ? 1 : 0;
}

static bool infer_decoder(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    fv_string format = fv_op_string(op, "pixel_format");
    int channels = channels_of(format);
    if (!channels)
        return fv_op_error(op, "pixel_format is '%.*s', expected RGB, BGR or Grayscale",
                           (int)(format.n > 40 ? 40 : format.n), format.s);
    /* dims have no bounds: with bounds, callers would have to provide memory of that size */
    const fv_dim *dims[3] = {NULL, NULL, fv_dim_const(t, channels)};
    fv_infer_run_time(op, 0, FV_U8, 3, dims);
    return true;
}

static bool infer_size(fv_op *op) {
    const fv_dim *two = fv_dim_const(fv_op_module(op)->dims, 2);
    fv_infer_out(op, 0, FV_I64, 1, &two);
    return true;
}

static bool infer_pixels(fv_op *op) {
    const fv_attr *d = fv_op_find_attr(op, "dims");
    if (d->n != 3)
        return fv_op_error(op, "has %d dims, expected 3", d->n);
    const fv_dim *c = d->u.dims[2];
    if (!fv_dim_is_const(c) || (c->value != 1 && c->value != 3))
        return fv_op_error(op, "has %s channels, expected 1 or 3",
                           fv_dim_str(fv_op_module(op)->arena, c));
    fv_infer_out(op, 0, FV_U8, 3, d->u.dims);
    return true;
}

static bool kernel_size(fv_custom *c, fv_op *op) {
    fv_custom_text(c, fv_image_kernels, "image_size", 2, (fv_value *[]){op->in[0], op->out[0]});
    return true;
}

static bool kernel_pixels(fv_custom *c, fv_op *op) {
    fv_custom_text(c, fv_image_kernels, "image_pixels", 2, (fv_value *[]){op->in[0], op->out[0]});
    return true;
}

/* Reverses the last axis, since in BGR blue comes first. */
static fv_value *reversed(fv_rewriter *w, fv_value *x) {
    fv_dims *t = w->module->dims;
    const fv_dim *zero = fv_dim_const(t, 0), *one = fv_dim_const(t, 1);
    return fv_w_slice(w, x, (const fv_dim *[]){zero, zero, fv_dim_const(t, 2)},
                      (const fv_dim *[]){one, one, fv_dim_const(t, -1)}, x->type->dims);
}

static bool decompose_decoder(fv_rewriter *w, fv_op *op) {
    const fv_type *t = op->out[0]->type;
    fv_w_bind(w, FV_W1(w, FV_OP_fv_ImageSize, op->in[0]), 2, t->dims);
    fv_attr a = fv_attr_dims(w->module, "dims", 3, t->dims);
    fv_value *y = fv_w_op(w, FV_OP_fv_ImagePixels, 1, op->in, 1, &a);
    if (y && is(fv_op_string(op, "pixel_format"), "BGR"))
        y = reversed(w, y);
    fv_w_result(w, 0, y);
    return true;
}

#define FILE_IN                                                                                    \
    {                                                                                              \
        {                                                                                          \
            "file", "T", .rank = FV_RANK(1)                                                        \
        }                                                                                          \
    }

const fv_opdef fv_ops_image[] = {
    {.domain = "",
     .name = "ImageDecoder",
     .id = FV_OP_ImageDecoder,
     .since = {20},
     .doc = "the pixels of a file that is an image: BMP, JPEG, JPEG 2000, PNG, PNM, TIFF or WebP; "
            "by libraries, not in generated C",
     .in = {{"encoded_stream", "T", .rank = FV_RANK(1)}},
     .out = {{"image", "T"}},
     .attrs = {FV_A_STRING("pixel_format", "RGB")},
     .types = {{"T", FV_SET(U8)}},
     .infer = infer_decoder,
     .decompose = decompose_decoder},
    {.domain = "fv",
     .name = "ImageSize",
     .id = FV_OP_fv_ImageSize,
     .since = {1},
     .doc = "height and width of an image, from the content of its file",
     .in = FILE_IN,
     .out = {{"Y", "I"}},
     .types = {{"T", FV_SET(U8)}, {"I", FV_SET(I64)}},
     .infer = infer_size,
     .kernel = kernel_size},
    {.domain = "fv",
     .name = "ImagePixels",
     .id = FV_OP_fv_ImagePixels,
     .since = {1},
     .doc = "the pixels of an image, from the content of its file: height, width, and 1 for gray "
            "or 3 for red, green and blue",
     .in = FILE_IN,
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET(U8)}},
     .infer = infer_pixels,
     .kernel = kernel_pixels},

    {0}};
