/* image_make.c - what decoders of all formats use: memory for pixels, conversion of colours. */
#include <stdlib.h>

#include "backend/library/image.h"
#include "ir/base/limits.h"

const char fv_image_no_memory[] = "no memory";
const char fv_image_ends[] = "the file ends before its image does";
const char fv_image_too_large[] = "the image is larger than 2^28 pixels, or has none";
_Static_assert(FV_MAX_PIXELS == 1 << 28, "the text above has it as a number");

const char *fv_image_begin(fv_image *image, int64_t width, int64_t height, int channels,
                           bool whole) {
    if (width < 1 || height < 1 || width > FV_MAX_PIXELS || height > FV_MAX_PIXELS / width)
        return fv_image_too_large;
    *image = (fv_image){.width = width, .height = height, .channels = channels};
    if (whole)
        image->pixels = calloc((size_t)height, fv_image_row(image));
    return whole && !image->pixels ? fv_image_no_memory : NULL;
}

/* a * b / 255, rounded */
static int scaled(int a, int b) {
    int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

void fv_cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb) {
    int white = 255 - cmyk[3];
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)(white - scaled(cmyk[i], white));
}
