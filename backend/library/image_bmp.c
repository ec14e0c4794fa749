/* image_bmp.c - Windows and OS/2 bitmaps with 1 to 32 bits per pixel: plain, with masks, or
 * run-length encoded. */
#include <string.h>

#include "backend/library/image.h"

/* encodings of pixels, as in the header */
enum { PLAIN, RUNS_OF_8, RUNS_OF_4, MASKS, MASKS_AND_ALPHA = 6 };
enum { FILE_HEAD = 14, CORE_HEAD = 12, INFO_HEAD = 40, MOST_COLOURS = 256 };

typedef struct bmp {
    fv_bytes file;
    int64_t width, height;
    bool from_top;
    int bits, how;
    size_t pixels_at;
    int ncolours;
    uint8_t colour[MOST_COLOURS][3]; /* palette: red, green, blue */
    uint32_t mask[3];
} bmp;

static uint32_t little(const uint8_t *p, int bytes) {
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint32_t)p[i] << (8 * i);
    return v;
}

/* ---- the head ---- */

static const char *read_palette(bmp *b, size_t at, uint32_t colours, int bytes) {
    b->ncolours = 1 << b->bits;
    if (colours && colours < (uint32_t)b->ncolours)
        b->ncolours = (int)colours;
    if (at > b->file.n || (size_t)b->ncolours * (size_t)bytes > b->file.n - at)
        return fv_image_ends;
    for (int i = 0; i < b->ncolours; i++)
        for (int k = 0; k < 3; k++)
            b->colour[i][k] = b->file.at[at + (size_t)(i * bytes + 2 - k)];
    return NULL;
}

/* Reads the masks, which are at the same offset in all headers: after a header of 40 bytes, or
 * within a larger one. */
static const char *read_masks(bmp *b) {
    static const uint32_t of_16[] = {0x7c00, 0x3e0, 0x1f}, of_32[] = {0xff0000, 0xff00, 0xff};
    memcpy(b->mask, b->bits == 16 ? of_16 : of_32, sizeof b->mask);
    if (b->how != MASKS && b->how != MASKS_AND_ALPHA)
        return NULL;
    size_t at = FILE_HEAD + INFO_HEAD;
    if (b->file.n < at + 12)
        return fv_image_ends;
    for (int i = 0; i < 3; i++) {
        b->mask[i] = little(b->file.at + at + 4 * i, 4);
        uint32_t low = b->mask[i] & (0 - b->mask[i]);
        if (!b->mask[i] || (b->mask[i] & (b->mask[i] + low)) ||
            (b->bits == 16 && b->mask[i] > 0xffff))
            return "a mask of the BMP is no row of bits of a pixel";
    }
    return NULL;
}

static bool is_stored_so(const bmp *b) {
    switch (b->bits) {
    case 1: return b->how == PLAIN;
    case 4: return b->how == PLAIN || b->how == RUNS_OF_4;
    case 8: return b->how == PLAIN || b->how == RUNS_OF_8;
    case 24: return b->how == PLAIN;
    case 16:
    case 32: return b->how == PLAIN || b->how == MASKS || b->how == MASKS_AND_ALPHA;
    default: return false;
    }
}

static const char *read_head(bmp *b) {
    const uint8_t *p = b->file.at;
    if (b->file.n < FILE_HEAD + CORE_HEAD)
        return fv_image_ends;
    size_t head = little(p + 14, 4), palette_at;
    uint32_t colours = 0;
    b->pixels_at = little(p + 10, 4);
    if (head != CORE_HEAD && (head < INFO_HEAD || head > b->file.n))
        return "the head of the BMP is of no known size";
    if (b->file.n < FILE_HEAD + head)
        return fv_image_ends;
    if (head == CORE_HEAD) {
        b->width = little(p + 18, 2);
        b->height = little(p + 20, 2);
        b->bits = (int)little(p + 24, 2);
    } else {
        b->width = (int32_t)little(p + 18, 4);
        b->height = (int32_t)little(p + 22, 4);
        b->bits = (int)little(p + 28, 2);
        uint32_t how = little(p + 30, 4);
        b->how = how > MASKS_AND_ALPHA ? -1 : (int)how;
        colours = little(p + 46, 4);
    }
    b->from_top = b->height < 0;
    b->height = b->from_top ? -b->height : b->height;
    if (!is_stored_so(b))
        return "the BMP is of a kind that is not supported";
    palette_at = FILE_HEAD + head;
    if (b->bits <= 8)
        return read_palette(b, palette_at, colours, head == CORE_HEAD ? 3 : 4);
    return read_masks(b);
}

/* ---- pixels ---- */

static uint8_t *place(const bmp *b, fv_image *image, int64_t x, int64_t y) {
    int64_t row = b->from_top ? y : b->height - 1 - y;
    return image->pixels + 3 * (row * b->width + x);
}

static void put_colour(const bmp *b, uint8_t *to, int index) {
    memcpy(to, b->colour[index < b->ncolours ? index : 0], 3);
}

static uint8_t part(uint32_t pixel, uint32_t mask) {
    int shift = __builtin_ctz(mask);
    uint64_t most = mask >> shift;
    return (uint8_t)((uint64_t)((pixel & mask) >> shift) * 255 / most);
}

static size_t row_bytes(const bmp *b) {
    return ((size_t)b->width * (size_t)b->bits + 31) / 32 * 4;
}

/* The bytes of plain pixels. The padding of the last row may be missing. */
static size_t plain_bytes(const bmp *b) {
    return row_bytes(b) * (size_t)(b->height - 1) + ((size_t)b->width * (size_t)b->bits + 7) / 8;
}

static bool has_pixels(const bmp *b, size_t n) {
    return b->pixels_at <= b->file.n && n <= b->file.n - b->pixels_at;
}

static void read_plain(const bmp *b, fv_image *image) {
    for (int64_t y = 0; y < b->height; y++) {
        const uint8_t *row = b->file.at + b->pixels_at + row_bytes(b) * (size_t)y;
        for (int64_t x = 0; x < b->width; x++) {
            uint8_t *to = place(b, image, x, y);
            size_t bit = (size_t)x * (size_t)b->bits;
            if (b->bits <= 8) {
                put_colour(b, to,
                           row[bit / 8] >> (8 - b->bits - (int)(bit % 8)) & ((1 << b->bits) - 1));
                continue;
            }
            uint32_t pixel = little(row + bit / 8, b->bits / 8);
            for (int k = 0; k < 3; k++)
                to[k] = (uint8_t)(b->bits == 24 ? pixel >> (16 - 8 * k) : part(pixel, b->mask[k]));
        }
    }
}

/* ---- runs ---- */

typedef struct runs {
    const bmp *b;
    fv_image *image;
    size_t at;
    int64_t x, y;
} runs;

/* Stores a pixel; pixels outside of the image are ignored. */
static void put(runs *r, int index) {
    if (r->x < r->b->width && r->y < r->b->height)
        put_colour(r->b, place(r->b, r->image, r->x, r->y), index);
    r->x++;
}

static int half(int byte, int i) {
    return i & 1 ? byte & 15 : byte >> 4;
}

/* Stores n literal pixels, whose bytes are padded to an even number. */
static bool put_literal(runs *r, int n) {
    bool small = r->b->bits == 4;
    size_t bytes = small ? ((size_t)n + 1) / 2 : (size_t)n, all = (bytes + 1) / 2 * 2;
    const uint8_t *from = r->b->file.at + r->at;
    if (bytes > r->b->file.n - r->at)
        return false;
    for (int i = 0; i < n; i++)
        put(r, small ? half(from[i / 2], i) : from[i]);
    r->at += all < r->b->file.n - r->at ? all : r->b->file.n - r->at;
    return true;
}

/* Decodes runs. Pixels that no run covers have colour 0. */
static const char *read_runs(const bmp *b, fv_image *image) {
    runs r = {.b = b, .image = image, .at = b->pixels_at};
    for (int64_t i = 0; i < b->width * b->height; i++)
        put_colour(b, image->pixels + 3 * i, 0);
    while (r.y < b->height && b->file.n - r.at >= 2) {
        int n = b->file.at[r.at], what = b->file.at[r.at + 1];
        r.at += 2;
        if (n) {
            for (int i = 0; i < n; i++)
                put(&r, b->bits == 4 ? half(what, i) : what);
        } else if (what == 0) {
            r.x = 0;
            r.y++;
        } else if (what == 1) {
            return NULL;
        } else if (what == 2) {
            if (b->file.n - r.at < 2)
                return fv_image_ends;
            r.x += b->file.at[r.at];
            r.y += b->file.at[r.at + 1];
            r.at += 2;
        } else if (!put_literal(&r, what)) {
            return fv_image_ends;
        }
    }
    return r.y < b->height ? fv_image_ends : NULL;
}

const char *fv_decode_bmp(fv_bytes file, bool whole, fv_image *image) {
    bmp b = {.file = file};
    const char *problem = read_head(&b);
    problem = problem ? problem : fv_image_begin(image, b.width, b.height, 3, false);
    bool in_runs = b.how == RUNS_OF_8 || b.how == RUNS_OF_4;
    if (!problem && !has_pixels(&b, in_runs ? 0 : plain_bytes(&b)))
        problem = fv_image_ends;
    if (problem || !whole || (problem = fv_image_begin(image, b.width, b.height, 3, true)))
        return problem;
    image->palette = b.bits <= 8;
    if (in_runs)
        return read_runs(&b, image);
    read_plain(&b, image);
    return NULL;
}
