/* image_pnm.c - portable bitmaps, graymaps and pixmaps, plain (P1 to P3) and raw (P4 to P6). */
#include <string.h>

#include "backend/library/image.h"

typedef struct reader {
    fv_bytes file;
    size_t at;
} reader;

static bool is_space(uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Skips white space and comments. */
static void skip(reader *r) {
    while (r->at < r->file.n && (is_space(r->file.at[r->at]) || r->file.at[r->at] == '#')) {
        if (r->file.at[r->at] == '#')
            while (r->at < r->file.n && r->file.at[r->at] != '\n' && r->file.at[r->at] != '\r')
                r->at++;
        else
            r->at++;
    }
}

static bool is_digit(const reader *r) {
    return r->at < r->file.n && r->file.at[r->at] >= '0' && r->file.at[r->at] <= '9';
}

/* Reads a decimal number of at most `most`; negative: there is none. */
static int64_t number(reader *r, int64_t most) {
    skip(r);
    if (!is_digit(r))
        return -1;
    int64_t n = 0;
    for (; is_digit(r); r->at++)
        if ((n = 10 * n + (r->file.at[r->at] - '0')) > most)
            return -1;
    return n;
}

/* value / most * 255, rounded to nearest, ties to even. */
static uint8_t scaled(int64_t value, int64_t most) {
    int64_t quotient = value * 255 / most, rest = 2 * (value * 255 % most);
    return (uint8_t)(quotient + (rest > most || (rest == most && (quotient & 1))));
}

static const char *read_plain(reader *r, int64_t most, fv_image *image) {
    size_t n = fv_image_row(image) * (size_t)image->height;
    for (size_t i = 0; i < n; i++) {
        int64_t value = number(r, most);
        if (value < 0)
            return r->at == r->file.n ? fv_image_ends
                                      : "a sample of the PNM is no number, or too large";
        image->pixels[i] = scaled(value, most);
    }
    return NULL;
}

static bool has(const reader *r, size_t bytes) {
    return bytes <= r->file.n - r->at;
}

static const char *read_raw(reader *r, int64_t most, fv_image *image) {
    size_t n = fv_image_row(image) * (size_t)image->height, wide = most > 255;
    const uint8_t *from = r->file.at + r->at;
    if (!has(r, n << wide))
        return fv_image_ends;
    for (size_t i = 0; i < n; i++) {
        int64_t value = wide ? from[2 * i] << 8 | from[2 * i + 1] : from[i];
        image->pixels[i] = scaled(value < most ? value : most, most);
    }
    return NULL;
}

/* Reads a bitmap, in which 1 is black. In plain files digits need no separators; in raw files each
 * row begins with a byte. */
static const char *read_bits(reader *r, bool raw, fv_image *image) {
    size_t width = (size_t)image->width, height = (size_t)image->height, row = (width + 7) / 8;
    if (raw && !has(r, row * height))
        return fv_image_ends;
    for (size_t i = 0; i < width * height; i++) {
        size_t x = i % width;
        int bit;
        if (raw) {
            bit = r->file.at[r->at + i / width * row + x / 8] >> (7 - x % 8) & 1;
        } else {
            skip(r);
            if (r->at == r->file.n)
                return fv_image_ends;
            bit = r->file.at[r->at++] - '0';
            if (bit != 0 && bit != 1)
                return "a bit of the PNM is neither 0 nor 1";
        }
        image->pixels[i] = bit ? 0 : 255;
    }
    return NULL;
}

const char *fv_decode_pnm(fv_bytes file, bool whole, fv_image *image) {
    reader r = {file, 2};
    char kind = (char)file.at[1];
    bool raw = kind >= '4', bits = kind == '1' || kind == '4', colour = kind == '3' || kind == '6';
    if (file.n < 3 || (!is_space(file.at[2]) && file.at[2] != '#'))
        return "no white space follows the PNM's first two letters";
    int64_t width = number(&r, INT32_MAX), height = number(&r, INT32_MAX),
            most = bits ? 1 : number(&r, 65535);
    if (width < 0 || height < 0 || most < 1)
        return "the head of the PNM has no width, height and largest value";
    if (raw && (r.at == file.n || !is_space(file.at[r.at])))
        return fv_image_ends;
    r.at += raw;
    const char *problem = fv_image_begin(image, width, height, colour ? 3 : 1, false);
    /* each sample takes at least a byte of the file, or a bit in a raw bitmap, so the length of the
     * file limits the memory that is allocated */
    size_t least = bits && raw ? (size_t)height * (((size_t)width + 7) / 8) : 0;
    if (!problem && !has(&r, least ? least : fv_image_row(image) * (size_t)height))
        problem = fv_image_ends;
    if (problem || !whole)
        return problem;
    problem = fv_image_begin(image, width, height, colour ? 3 : 1, true);
    if (problem)
        return problem;
    return bits  ? read_bits(&r, raw, image)
           : raw ? read_raw(&r, most, image)
                 : read_plain(&r, most, image);
}
