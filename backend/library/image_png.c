/* image_png.c - PNG, by libpng, which leaves by longjmp if a file is damaged. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "backend/library/image.h"
#include "ir/base/limits.h"

enum {
    /* most bytes of a chunk that is read as a whole, and most chunks that are kept */
    MOST_CHUNK = 8 << 20,
    MOST_CHUNKS = 1000
};
enum { DEFLATE_MOST = 1032 }; /* most bytes that one compressed byte can expand to */

typedef struct decoding {
    fv_bytes left;
    const char *problem;
    fv_image *image;
    png_bytep *rows;
} decoding;

static void leave(png_structp png, png_const_charp text) {
    decoding *d = png_get_error_ptr(png);
    if (!d->problem)
        d->problem = strstr(text, "emory") ? fv_image_no_memory : "the PNG is damaged";
    png_longjmp(png, 1);
}

static void say_nothing(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void take(png_structp png, png_bytep to, size_t n) {
    decoding *d = png_get_io_ptr(png);
    if (n > d->left.n) {
        d->problem = fv_image_ends;
        png_error(png, d->problem);
    }
    memcpy(to, d->left.at, n);
    d->left.at += n;
    d->left.n -= n;
}

/* Requests 8-bit gray or RGB from libpng. */
static void ask_for_bytes(png_structp png) {
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
}

static const char *decode(decoding *d, png_structp png, png_infop info, size_t bytes, bool whole) {
    png_set_user_limits(png, FV_MAX_PIXELS, FV_MAX_PIXELS);
    png_set_chunk_malloc_max(png, MOST_CHUNK);
    png_set_chunk_cache_max(png, MOST_CHUNKS);
    png_set_benign_errors(png, 1);
    png_read_info(png, info);
    png_uint_32 width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    int colour = png_get_color_type(png, info);
    bool gray = !(colour & PNG_COLOR_MASK_COLOR);
    const char *problem = fv_image_begin(d->image, width, height, gray ? 1 : 3, false);
    if (!problem && png_get_rowbytes(png, info) * (size_t)height / DEFLATE_MOST > bytes)
        problem = fv_image_ends;
    if (problem || !whole ||
        (problem = fv_image_begin(d->image, width, height, gray ? 1 : 3, true)))
        return problem;
    d->image->palette = colour == PNG_COLOR_TYPE_PALETTE;
    ask_for_bytes(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != fv_image_row(d->image))
        return "the PNG is of a kind that is not supported";
    d->rows = malloc((size_t)height * sizeof *d->rows);
    if (!d->rows)
        return fv_image_no_memory;
    for (size_t y = 0; y < height; y++)
        d->rows[y] = d->image->pixels + fv_image_row(d->image) * y;
    png_read_image(png, d->rows);
    return NULL;
}

const char *fv_decode_png(fv_bytes file, bool whole, fv_image *image) {
    decoding d = {.left = file, .image = image};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, leave, say_nothing);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    const char *volatile problem = fv_image_no_memory;
    if (info && !setjmp(png_jmpbuf(png))) {
        png_set_read_fn(png, &d, take);
        problem = decode(&d, png, info, file.n, whole);
    } else if (info) {
        problem = d.problem;
    }
    png_structp *all = &(png_structp){png};
    png_destroy_read_struct(all, info ? &info : NULL, NULL);
    free(d.rows);
    return problem;
}
