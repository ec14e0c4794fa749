/* image.c - decodes image files: recognises the format, and converts pixels to a tensor. */
#include "backend/library/image.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/fovea_model.h"

/* ---- formats ---- */

typedef struct format {
    const char *magic;
    int n;
    int skip; /* number of bytes from the position `skip_at` on that are not compared */
    int skip_at;
    fv_decoder *decode;
} format;

static const format formats[] = {
    {"\xff\xd8\xff", 3, 0, 0, fv_decode_jpeg},
    {"\x89PNG\r\n\x1a\n", 8, 0, 0, fv_decode_png},
    {"RIFF....WEBP", 12, 4, 4, fv_decode_webp},
    {"II*\0", 4, 0, 0, fv_decode_tiff},
    {"MM\0*", 4, 0, 0, fv_decode_tiff},
    {"II+\0", 4, 0, 0, fv_decode_tiff}, /* BigTIFF, which has offsets of 64 bits */
    {"MM\0+", 4, 0, 0, fv_decode_tiff},
    {"\0\0\0\x0cjP  \r\n\x87\n", 12, 0, 0, fv_decode_jpeg2000},
    /* a JPEG 2000 codestream without a file header */
    {"\xff\x4f\xff\x51", 4, 0, 0, fv_decode_jpeg2000},
    {"BM", 2, 0, 0, fv_decode_bmp},
    {"P1", 2, 0, 0, fv_decode_pnm},
    {"P2", 2, 0, 0, fv_decode_pnm},
    {"P3", 2, 0, 0, fv_decode_pnm},
    {"P4", 2, 0, 0, fv_decode_pnm},
    {"P5", 2, 0, 0, fv_decode_pnm},
    {"P6", 2, 0, 0, fv_decode_pnm},
};

static bool is_of(const format *f, fv_bytes file) {
    if (file.n < (size_t)f->n)
        return false;
    for (int i = 0; i < f->n; i++)
        if ((i < f->skip_at || i >= f->skip_at + f->skip) && file.at[i] != (uint8_t)f->magic[i])
            return false;
    return true;
}

static const char *decode(fv_bytes file, bool whole, fv_image *image) {
    if (file.n == 0)
        return "the file is empty";
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (is_of(&formats[i], file))
            return formats[i].decode(file, whole, image);
    return "it is no BMP, JPEG, JPEG 2000, PNG, PNM, TIFF or WebP";
}

/* ---- pixels ---- */

/* The gray value by ITU-R 601-2, in fixed point with 16 fractional bits. For colours of palettes
 * the coefficients are in thousandths, and the result is rounded down. */
static uint8_t gray_of(const uint8_t *rgb, bool palette) {
    int r = rgb[0], g = rgb[1], b = rgb[2];
    return (uint8_t)(palette ? (r * 299 + g * 587 + b * 114) / 1000
                             : (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16);
}

static void put_pixels(const fv_image *image, int channels, uint8_t *to) {
    size_t n = (size_t)image->width * (size_t)image->height;
    const uint8_t *from = image->pixels;
    if (channels == image->channels) {
        memcpy(to, from, n * (size_t)channels);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (channels == 1)
            to[i] = gray_of(from + 3 * i, image->palette);
        else
            memset(to + 3 * i, from[i], 3);
}

/* ---- calls ---- */

static int failed(const char *problem, const char **why) {
    if (why)
        *why = problem;
    return problem == fv_image_no_memory ? FV_NO_MEMORY : FV_BAD_FILE;
}

int fv_call_image_size(void *const *buffers, const int64_t *extents, const char **why) {
    fv_image image = {0};
    if (extents[0] < 0 || extents[1] != 2)
        return FV_INTERNAL;
    const char *problem = decode((fv_bytes){buffers[0], (size_t)extents[0]}, false, &image);
    free(image.pixels);
    if (problem)
        return failed(problem, why);
    int64_t *size = buffers[1];
    size[0] = image.height;
    size[1] = image.width;
    return FV_OK;
}

int fv_call_image_pixels(void *const *buffers, const int64_t *extents, const char **why) {
    const int64_t *y = extents + 1;
    fv_image image = {0};
    if (extents[0] < 0 || (y[2] != 1 && y[2] != 3))
        return FV_INTERNAL;
    const char *problem = decode((fv_bytes){buffers[0], (size_t)extents[0]}, true, &image);
    if (!problem && (image.height != y[0] || image.width != y[1]))
        problem = "the image has another size";
    if (!problem)
        put_pixels(&image, (int)y[2], buffers[1]);
    free(image.pixels);
    return problem ? failed(problem, why) : FV_OK;
}
