/* image.h - decodes image files; private to this folder.
 *
 * A decoder reads bytes from untrusted sources: it checks sizes before it allocates memory, and
 * returns a complete image or none. Other kinds of pixels become 8-bit gray or RGB as by Pillow's
 * convert: alpha is dropped, the upper bits of 16 are kept, CMYK and palettes become RGB. Samples
 * of a PNM, which states its largest value, are scaled to 255. */
#ifndef FV_BACKEND_LIBRARY_IMAGE_H
#define FV_BACKEND_LIBRARY_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef FV_HAVE_IMAGES
#define FV_HAVE_IMAGES 0 /* images are disabled in this build; only library.c is compiled */
#endif

typedef struct fv_bytes {
    const uint8_t *at;
    size_t n;
} fv_bytes;

typedef struct fv_image {
    int64_t width, height;
    int channels;    /* number of bytes per pixel: 1 for gray, 3 for red, green, blue */
    bool palette;    /* the colours are those of a palette */
    uint8_t *pixels; /* to be freed by free; NULL: only the size was requested */
} fv_image;

/* Decodes one format. `whole`: with pixels, otherwise only the size. Returns NULL, or a text that
 * states the error; pixels may have been allocated in both cases. */
typedef const char *fv_decoder(fv_bytes file, bool whole, fv_image *image);
fv_decoder fv_decode_bmp, fv_decode_jpeg, fv_decode_jpeg2000, fv_decode_png, fv_decode_pnm,
    fv_decode_tiff, fv_decode_webp;

/* The result of a decoder if memory runs out, which is not an error of the file; it is compared by
 * its address. */
extern const char fv_image_no_memory[];
/* Errors that are the same for all formats. */
extern const char fv_image_ends[], fv_image_too_large[];

/* Sets the size, and allocates pixels (all 0) if `whole`. Returns NULL, or a text that states the
 * error. */
const char *fv_image_begin(fv_image *image, int64_t width, int64_t height, int channels,
                           bool whole);
/* The number of bytes of a row of pixels. */
static inline size_t fv_image_row(const fv_image *image) {
    return (size_t)image->width * (size_t)image->channels;
}

/* Converts a CMYK pixel to RGB. */
void fv_cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb);

/* ---- fv_library_call of library.def ---- */

int fv_call_image_size(void *const *buffers, const int64_t *extents, const char **why);
int fv_call_image_pixels(void *const *buffers, const int64_t *extents, const char **why);

#endif
