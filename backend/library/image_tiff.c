/* image_tiff.c - TIFF, by libtiff: the first image of a file. Gray, RGB and CMYK with 8 or 16 bits
 * per sample are read directly; libtiff converts all others to RGB. */
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "backend/library/image.h"

static const char damaged[] = "the TIFF is damaged, or of a kind that is not supported";
enum { MOST_SAMPLES = 16, MOST_BYTES = 1 << 30 };

/* ---- bytes in memory as a file ---- */

typedef struct source {
    fv_bytes file;
    uint64_t at;
    /* whether a read went beyond the end of the file; libtiff itself continues in some cases */
    bool ends;
} source;

static tmsize_t take(thandle_t user, void *to, tmsize_t n) {
    source *s = user;
    uint64_t left = s->at < s->file.n ? s->file.n - s->at : 0,
             some = (uint64_t)n < left ? (uint64_t)n : left;
    if (n <= 0)
        return 0;
    s->ends |= some < (uint64_t)n;
    memcpy(to, s->file.at + s->at * (some > 0), some);
    s->at += some;
    return (tmsize_t)some;
}

static tmsize_t put(thandle_t user, void *from, tmsize_t n) {
    (void)user;
    (void)from;
    (void)n;
    return 0;
}

static toff_t seek(thandle_t user, toff_t to, int from) {
    source *s = user;
    uint64_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? s->at : s->file.n;
    if (__builtin_add_overflow(base, to, &s->at))
        s->at = UINT64_MAX;
    return s->at;
}

static toff_t size_of(thandle_t user) {
    return ((source *)user)->file.n;
}

static int close_(thandle_t user) {
    (void)user;
    return 0;
}

static int say_nothing(TIFF *t, void *user, const char *module, const char *format, va_list args) {
    (void)t;
    (void)user;
    (void)module;
    (void)format;
    (void)args;
    return 1;
}

static TIFF *open_tiff(source *s) {
    TIFFOpenOptions *o = TIFFOpenOptionsAlloc();
    if (!o)
        return NULL;
    TIFFOpenOptionsSetErrorHandlerExtR(o, say_nothing, NULL);
    TIFFOpenOptionsSetWarningHandlerExtR(o, say_nothing, NULL);
    TIFFOpenOptionsSetMaxSingleMemAlloc(o, MOST_BYTES);
    TIFF *t = TIFFClientOpenExt("image", "rm", s, take, put, seek, close_, size_of, NULL, NULL, o);
    TIFFOpenOptionsFree(o);
    return t;
}

/* ---- samples as they are ---- */

typedef struct layout {
    TIFF *t;
    int64_t width, height;
    uint16_t photometric, bits, samples, planar, orientation, format;
    int taken;     /* number of samples of a pixel that are used, without alpha */
    bool apart;    /* whether each sample has a plane of its own */
    uint8_t *line; /* memory for a row or tile of the file */
} layout;

static bool is_straight(const layout *l) {
    int wanted = l->photometric == PHOTOMETRIC_RGB         ? 3
                 : l->photometric == PHOTOMETRIC_SEPARATED ? 4
                                                           : 1;
    bool known = l->photometric == PHOTOMETRIC_RGB || l->photometric == PHOTOMETRIC_SEPARATED ||
                 l->photometric == PHOTOMETRIC_MINISBLACK ||
                 l->photometric == PHOTOMETRIC_MINISWHITE;
    return known && (l->bits == 8 || l->bits == 16) && l->samples >= wanted &&
           l->samples <= MOST_SAMPLES && l->format == SAMPLEFORMAT_UINT;
}

/* Copies the samples from number `first` on of n pixels to `to`, which has `taken` bytes for each
 * pixel. */
static void take_samples(const layout *l, const uint8_t *from, int64_t n, int first, uint8_t *to) {
    int per_pixel = l->apart ? 1 : l->samples, count = l->apart ? 1 : l->taken;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < count; k++) {
            size_t at = (size_t)(i * per_pixel + k);
            uint16_t wide;
            memcpy(&wide, from + 2 * at * (l->bits == 16), sizeof wide * (l->bits == 16));
            to[i * l->taken + first + k] = l->bits == 16 ? (uint8_t)(wide >> 8) : from[at];
        }
}

static const char *read_rows(layout *l, int plane, uint8_t *all) {
    int per_pixel = l->apart ? 1 : l->samples;
    tmsize_t bytes = TIFFScanlineSize(l->t);
    if (bytes < l->width * per_pixel * (l->bits / 8))
        return damaged;
    l->line = calloc(1, (size_t)bytes);
    if (!l->line)
        return fv_image_no_memory;
    for (int64_t y = 0; y < l->height; y++) {
        if (TIFFReadScanline(l->t, l->line, (uint32_t)y, (uint16_t)plane) < 0)
            return damaged;
        take_samples(l, l->line, l->width, plane, all + y * l->width * l->taken);
    }
    return NULL;
}

static const char *read_tiles(layout *l, int plane, uint8_t *all) {
    uint32_t w = 0, h = 0;
    int per_pixel = l->apart ? 1 : l->samples;
    TIFFGetField(l->t, TIFFTAG_TILEWIDTH, &w);
    TIFFGetField(l->t, TIFFTAG_TILELENGTH, &h);
    tmsize_t bytes = TIFFTileSize(l->t), row = TIFFTileRowSize(l->t);
    if (!w || !h || row < (tmsize_t)w * per_pixel * (l->bits / 8) || bytes / h < row ||
        bytes > MOST_BYTES)
        return damaged;
    l->line = calloc(1, (size_t)bytes);
    if (!l->line)
        return fv_image_no_memory;
    for (int64_t y = 0; y < l->height; y += h)
        for (int64_t x = 0; x < l->width; x += w) {
            if (TIFFReadTile(l->t, l->line, (uint32_t)x, (uint32_t)y, 0, (uint16_t)plane) < 0)
                return damaged;
            int64_t rows = l->height - y < h ? l->height - y : h,
                    n = l->width - x < w ? l->width - x : w;
            for (int64_t i = 0; i < rows; i++)
                take_samples(l, l->line + i * row, n, plane,
                             all + ((y + i) * l->width + x) * l->taken);
        }
    return NULL;
}

/* Reads all planes into pixels of `taken` bytes. */
static const char *read_samples(layout *l, uint8_t *all) {
    const char *problem = NULL;
    for (int plane = 0; plane < (l->apart ? l->taken : 1) && !problem; plane++) {
        problem = TIFFIsTiled(l->t) ? read_tiles(l, plane, all) : read_rows(l, plane, all);
        free(l->line);
        l->line = NULL;
    }
    return problem;
}

static const char *read_straight(layout *l, fv_image *image) {
    if (l->photometric != PHOTOMETRIC_SEPARATED) {
        const char *problem = read_samples(l, image->pixels);
        size_t n = fv_image_row(image) * (size_t)image->height;
        for (size_t i = 0; l->photometric == PHOTOMETRIC_MINISWHITE && !problem && i < n; i++)
            image->pixels[i] = (uint8_t)(255 - image->pixels[i]);
        return problem;
    }
    uint8_t *cmyk = calloc((size_t)l->height, 4 * (size_t)l->width);
    const char *problem = cmyk ? read_samples(l, cmyk) : fv_image_no_memory;
    for (int64_t i = 0; !problem && i < l->width * l->height; i++)
        fv_cmyk_to_rgb(cmyk + 4 * i, image->pixels + 3 * i);
    free(cmyk);
    return problem;
}

/* ---- other parts of the format ---- */

/* Reads an image by libtiff's conversion to RGB, in the order of rows that the file has; it is
 * rotated later. */
static const char *read_other(layout *l, fv_image *image) {
    char text[1024] = "";
    TIFFRGBAImage rgba;
    uint32_t *pixels = calloc((size_t)l->height, 4 * (size_t)l->width);
    if (!pixels)
        return fv_image_no_memory;
    bool begun = TIFFRGBAImageOK(l->t, text) && TIFFRGBAImageBegin(&rgba, l->t, 1, text),
         ok = begun;
    if (begun) {
        rgba.req_orientation = rgba.orientation;
        ok = TIFFRGBAImageGet(&rgba, pixels, (uint32_t)l->width, (uint32_t)l->height);
        TIFFRGBAImageEnd(&rgba);
    }
    for (int64_t i = 0; ok && i < l->width * l->height; i++) {
        uint8_t *to = image->pixels + 3 * i;
        to[0] = (uint8_t)TIFFGetR(pixels[i]);
        to[1] = (uint8_t)TIFFGetG(pixels[i]);
        to[2] = (uint8_t)TIFFGetB(pixels[i]);
    }
    free(pixels);
    return ok ? NULL : damaged;
}

/* ---- all ---- */

/* Turns an image whose first pixel belongs to another corner (orientations 2 to 8 are reflections
 * and rotations), so that its top left pixel comes first. */
static const char *turn(fv_image *image, int orientation) {
    bool swap = orientation >= ORIENTATION_LEFTTOP, from_right = false, from_below = false;
    switch (orientation) {
    case ORIENTATION_TOPRIGHT:
    case ORIENTATION_RIGHTTOP: from_right = true; break;
    case ORIENTATION_BOTRIGHT:
    case ORIENTATION_RIGHTBOT: from_right = from_below = true; break;
    case ORIENTATION_BOTLEFT:
    case ORIENTATION_LEFTBOT: from_below = true; break;
    default: break;
    }
    if (!swap && !from_right && !from_below)
        return NULL;
    fv_image out;
    const char *problem =
        fv_image_begin(&out, swap ? image->height : image->width,
                       swap ? image->width : image->height, image->channels, true);
    if (problem)
        return problem;
    size_t n = (size_t)image->channels;
    for (int64_t y = 0; y < image->height; y++)
        for (int64_t x = 0; x < image->width; x++) {
            /* if axes are swapped, rows of the file become columns */
            int64_t to_x = swap ? y : x, to_y = swap ? x : y;
            to_x = from_right ? out.width - 1 - to_x : to_x;
            to_y = from_below ? out.height - 1 - to_y : to_y;
            memcpy(out.pixels + n * (size_t)(to_y * out.width + to_x),
                   image->pixels + n * (size_t)(y * image->width + x), n);
        }
    out.palette = image->palette;
    free(image->pixels);
    *image = out;
    return NULL;
}

static const char *read_head(layout *l) {
    uint32_t width = 0, height = 0;
    if (!TIFFGetField(l->t, TIFFTAG_IMAGEWIDTH, &width) ||
        !TIFFGetField(l->t, TIFFTAG_IMAGELENGTH, &height) ||
        !TIFFGetField(l->t, TIFFTAG_PHOTOMETRIC, &l->photometric))
        return damaged;
    TIFFGetFieldDefaulted(l->t, TIFFTAG_BITSPERSAMPLE, &l->bits);
    TIFFGetFieldDefaulted(l->t, TIFFTAG_SAMPLESPERPIXEL, &l->samples);
    TIFFGetFieldDefaulted(l->t, TIFFTAG_PLANARCONFIG, &l->planar);
    TIFFGetFieldDefaulted(l->t, TIFFTAG_ORIENTATION, &l->orientation);
    TIFFGetFieldDefaulted(l->t, TIFFTAG_SAMPLEFORMAT, &l->format);
    l->width = width;
    l->height = height;
    l->apart = l->planar == PLANARCONFIG_SEPARATE && l->samples > 1;
    l->taken = l->photometric == PHOTOMETRIC_RGB         ? 3
               : l->photometric == PHOTOMETRIC_SEPARATED ? 4
                                                         : 1;
    if (l->orientation < ORIENTATION_TOPLEFT || l->orientation > ORIENTATION_LEFTBOT)
        l->orientation = ORIENTATION_TOPLEFT;
    return NULL;
}

static const char *decode(layout *l, bool whole, fv_image *image) {
    const char *problem = read_head(l);
    if (problem)
        return problem;
    bool straight = is_straight(l), swap = l->orientation >= ORIENTATION_LEFTTOP;
    int channels = straight && l->taken == 1 ? 1 : 3;
    if (!whole)
        return fv_image_begin(image, swap ? l->height : l->width, swap ? l->width : l->height,
                              channels, false);
    problem = fv_image_begin(image, l->width, l->height, channels, true);
    if (!problem)
        problem = straight ? read_straight(l, image) : read_other(l, image);
    image->palette = l->photometric == PHOTOMETRIC_PALETTE;
    return problem ? problem : turn(image, l->orientation);
}

const char *fv_decode_tiff(fv_bytes file, bool whole, fv_image *image) {
    source s = {file, 0};
    layout l = {.t = open_tiff(&s)};
    if (!l.t)
        return s.ends ? fv_image_ends : damaged;
    const char *problem = decode(&l, whole, image);
    TIFFClose(l.t);
    return s.ends ? fv_image_ends : problem;
}
