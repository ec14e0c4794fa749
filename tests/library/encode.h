/* encode.h - image files made for the tests. All show the same picture: sample(x, y, k). */
#ifndef FV_TESTS_LIBRARY_ENCODE_H
#define FV_TESTS_LIBRARY_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct file {
    uint8_t *at; /* of malloc */
    size_t n;
} file;

enum { WIDTH = 21, HEIGHT = 13 };

/* Channel k at x, y: 0 to 255. */
static inline int sample(int x, int y, int k) {
    return (x * 37 + y * 59 + k * 83 + x * y) & 255;
}

void add(file *f, const void *bytes, size_t n);
void add_little(file *f, uint64_t v, int bytes);

/* Samples of `bits`, whose upper eight are `sample`. colour: of PNG_COLOR_TYPE_; a palette has
 * 2^bits colours. */
file make_png(int colour, int bits, bool interlaced);
/* quality 100; channels 1, 3 or 4 (CMYK, inverted) */
file make_jpeg(int channels, bool progressive);
file make_webp(int channels);
file make_webp_of_frames(void); /* the first one is the picture */
/* One file each; more samples than the photometric has are extra ones. */
typedef struct tiff_kind {
    int photometric, samples, bits, orientation, compression;
    bool tiled, apart, big;
} tiff_kind;
file make_tiff(tiff_kind k);
/* half: the last two at half the resolution, as YCC */
file make_jpeg2000(int channels, int bits, bool bare, bool half);

#endif
