/* image.h - decoding files of images; private to this folder.
 *
 * A decoder reads bytes that anybody may have written: it trusts none of them, checks sizes before
 * it asks for memory, and gives a whole image or none. What formats have beyond eight bits of gray
 * or of red, green and blue becomes that as Pillow's convert does it: alpha is left out, of 16 bits
 * the upper ones count, CMYK and palettes become RGB. */
#ifndef FV_BACKEND_LIBRARY_IMAGE_H
#define FV_BACKEND_LIBRARY_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef FV_HAVE_IMAGES
#define FV_HAVE_IMAGES 0 /* the build was configured without: only library.c is compiled */
#endif

typedef struct fv_bytes {
    const uint8_t *at;
    size_t n;
} fv_bytes;

typedef struct fv_image {
    int64_t width, height;
    int channels;    /* 1: gray; 3: red, green, blue */
    bool palette;    /* the colours are those of a palette */
    uint8_t *pixels; /* of malloc; NULL: only the size was asked for */
} fv_image;

/* One format. `whole`: with its pixels, else the size alone. Returns NULL, or what is wrong; pixels
 * may be there in both cases. */
typedef const char *fv_decoder(fv_bytes file, bool whole, fv_image *image);
fv_decoder fv_decode_bmp, fv_decode_jpeg, fv_decode_jpeg2000, fv_decode_png, fv_decode_pnm,
    fv_decode_tiff, fv_decode_webp;

/* What is wrong, where it is no fault of the file: compared as a pointer. */
extern const char fv_image_no_memory[];
/* What is wrong, where every format says the same. */
extern const char fv_image_ends[], fv_image_too_large[];

/* Sets the size, and gets memory for the pixels of a whole image, all 0. NULL, or what is wrong. */
const char *fv_image_begin(fv_image *image, int64_t width, int64_t height, int channels,
                           bool whole);
static inline size_t fv_image_row(const fv_image *image) {
    return (size_t)image->width * (size_t)image->channels;
}

/* Ink on paper: rgb = what c, m, y and k leave. */
void fv_cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb);

/* ---- fv_library_call of library.def ---- */

int fv_call_image_size(void *const *buffers, const int64_t *extents, const char **why);
int fv_call_image_pixels(void *const *buffers, const int64_t *extents, const char **why);

#endif
