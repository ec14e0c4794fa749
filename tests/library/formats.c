/* formats.c - each kind of image file: its known pixels, in colour and converted to gray. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <tiffio.h>

#include "backend/library/library.h"
#include "tests/library/encode.h"

TestSuite(images);

static uint8_t gray(const uint8_t *p) {
    return (uint8_t)((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16);
}
static uint8_t gray_of_palette(const uint8_t *p) {
    return (uint8_t)((p[0] * 299 + p[1] * 587 + p[2] * 114) / 1000);
}

static int call(fv_library_id id, file f, void *out, const int64_t *dims, int n, const char **why) {
    int64_t extents[4] = {(int64_t)f.n};
    for (int i = 0; i < n; i++)
        extents[1 + i] = dims[i];
    return fv_library_look(fv_library_fn_of(id))((void *[]){f.at, out}, extents, why);
}

/* height, width: what it should have */
static uint8_t *pixels(file f, int height, int width, int channels) {
    int64_t size[2] = {0}, dims[3] = {height, width, channels}, two = 2;
    const char *why = "";
    cr_assert_eq(call(FV_LIBRARY_image_size, f, size, &two, 1, &why), FV_OK, "%s", why);
    cr_assert(size[0] == height && size[1] == width, "%lld x %lld", (long long)size[0],
              (long long)size[1]);
    uint8_t *y = malloc((size_t)(height * width * channels));
    cr_assert_eq(call(FV_LIBRARY_image_pixels, f, y, dims, 3, &why), FV_OK, "%s", why);
    return y;
}

typedef void colour_fn(int x, int y, uint8_t *rgb);

/* As RGB, and as gray, which is made of it. */
static void becomes_gray(file f, const char *name, colour_fn *want,
                         uint8_t (*made)(const uint8_t *)) {
    uint8_t *rgb = pixels(f, HEIGHT, WIDTH, 3), *g = pixels(f, HEIGHT, WIDTH, 1), p[3];
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        want(i % WIDTH, i / WIDTH, p);
        cr_assert(!memcmp(rgb + 3 * i, p, 3), "%s: %d, %d is %d %d %d, not %d %d %d", name,
                  i % WIDTH, i / WIDTH, rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], p[0], p[1],
                  p[2]);
        cr_assert_eq(g[i], made(p), "%s: gray %d, not %d", name, g[i], made(p));
    }
    free(rgb);
    free(g);
    free(f.at);
}

static void becomes(file f, const char *name, colour_fn *want) {
    becomes_gray(f, name, want, gray);
}

static void coloured(int x, int y, uint8_t *rgb) {
    for (int k = 0; k < 3; k++)
        rgb[k] = (uint8_t)sample(x, y, k);
}

static void same(uint8_t *rgb, int v) {
    memset(rgb, v, 3);
}
static void one(int x, int y, uint8_t *rgb) {
    same(rgb, sample(x, y, 0));
}
static void inverse(int x, int y, uint8_t *rgb) {
    same(rgb, 255 - sample(x, y, 0));
}
static void of_1(int x, int y, uint8_t *rgb) {
    same(rgb, sample(x, y, 0) >> 7 ? 255 : 0);
}
static void of_2(int x, int y, uint8_t *rgb) {
    same(rgb, (sample(x, y, 0) >> 6) * 85);
}
static void of_4(int x, int y, uint8_t *rgb) {
    same(rgb, (sample(x, y, 0) >> 4) * 17);
}

static void colour(int i, uint8_t *rgb) {
    rgb[0] = (uint8_t)(255 - i);
    rgb[1] = (uint8_t)(i * 7);
    rgb[2] = (uint8_t)(i * 3);
}
static void of_256(int x, int y, uint8_t *rgb) {
    colour(sample(x, y, 0), rgb);
}
static void of_16(int x, int y, uint8_t *rgb) {
    colour(sample(x, y, 0) >> 4, rgb);
}
static void of_two(int x, int y, uint8_t *rgb) {
    colour(sample(x, y, 0) >> 7, rgb);
}

static void ink(int x, int y, uint8_t *rgb) {
    int white = 255 - sample(x, y, 3);
    for (int k = 0; k < 3; k++)
        rgb[k] = (uint8_t)(white - (int)(sample(x, y, k) * white / 255.0 + 0.5));
}

Test(images, png) {
    for (int i = 0; i < 2; i++) {
        becomes(make_png(PNG_COLOR_TYPE_GRAY, 1, i), "gray 1", of_1);
        becomes(make_png(PNG_COLOR_TYPE_GRAY, 2, i), "gray 2", of_2);
        becomes(make_png(PNG_COLOR_TYPE_GRAY, 4, i), "gray 4", of_4);
        becomes(make_png(PNG_COLOR_TYPE_GRAY, 8, i), "gray 8", one);
        becomes(make_png(PNG_COLOR_TYPE_GRAY, 16, i), "gray 16", one);
        becomes(make_png(PNG_COLOR_TYPE_GRAY_ALPHA, 8, i), "gray and alpha", one);
        becomes(make_png(PNG_COLOR_TYPE_GRAY_ALPHA, 16, i), "gray and alpha 16", one);
        becomes(make_png(PNG_COLOR_TYPE_RGB, 8, i), "rgb 8", coloured);
        becomes(make_png(PNG_COLOR_TYPE_RGB, 16, i), "rgb 16", coloured);
        becomes(make_png(PNG_COLOR_TYPE_RGB_ALPHA, 8, i), "rgba 8", coloured);
        becomes(make_png(PNG_COLOR_TYPE_RGB_ALPHA, 16, i), "rgba 16", coloured);
        becomes_gray(make_png(PNG_COLOR_TYPE_PALETTE, 8, i), "palette 8", of_256, gray_of_palette);
        becomes_gray(make_png(PNG_COLOR_TYPE_PALETTE, 4, i), "palette 4", of_16, gray_of_palette);
        becomes_gray(make_png(PNG_COLOR_TYPE_PALETTE, 1, i), "palette 1", of_two, gray_of_palette);
    }
}

Test(images, webp) {
    becomes(make_webp(3), "rgb", coloured);
    becomes(make_webp(4), "rgba", coloured);
    becomes(make_webp_of_frames(), "frames", coloured);
}

Test(images, jpeg2000) {
    for (int bare = 0; bare < 2; bare++) {
        becomes(make_jpeg2000(3, 8, bare, false), "rgb", coloured);
        becomes(make_jpeg2000(4, 8, bare, false), "rgba", coloured);
        becomes(make_jpeg2000(1, 8, bare, false), "gray", one);
        becomes(make_jpeg2000(2, 8, bare, false), "gray and alpha", one);
        becomes(make_jpeg2000(3, 12, bare, false), "rgb 12", coloured);
    }
}

/* Luma and chroma, with one chroma sample for four pixels: a gray of 128 means no colour. */
Test(images, jpeg2000_in_ycc) {
    file f = make_jpeg2000(3, 8, false, true);
    uint8_t *rgb = pixels(f, HEIGHT, WIDTH, 3);
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        int x = i % WIDTH, y = i / WIDTH, cb = sample(x & ~1, y & ~1, 1) - 128,
            cr = sample(x & ~1, y & ~1, 2) - 128;
        double want[3] = {sample(x, y, 0) + 1.402 * cr,
                          sample(x, y, 0) - 0.344136 * cb - 0.714136 * cr,
                          sample(x, y, 0) + 1.772 * cb};
        for (int k = 0; k < 3; k++) {
            double clipped = want[k] < 0 ? 0 : want[k] > 255 ? 255 : want[k];
            cr_assert(rgb[3 * i + k] - clipped < 1 && clipped - rgb[3 * i + k] < 1,
                      "%d, %d: %d, not %g", x, y, rgb[3 * i + k], clipped);
        }
    }
    free(rgb);
    free(f.at);
}

/* It loses some: what is smooth, at the highest quality, a little. */
static void is_near(file f, int channels) {
    uint8_t *rgb = pixels(f, HEIGHT, WIDTH, 3), *g = pixels(f, HEIGHT, WIDTH, 1);
    for (int i = 0; i < 3 * WIDTH * HEIGHT; i++) {
        int x = i / 3 % WIDTH, y = i / 3 / WIDTH, k = channels == 1 ? 0 : i % 3,
            base = 10 * x + 3 * y;
        double want = base + 5 * k;
        if (channels == 4) /* inverted: what is written is the paper that ink leaves */
            want = (base + 5 * k) * (base + 15) / 255.0;
        cr_assert(rgb[i] - want < 5 && want - rgb[i] < 5, "%d channels: %d, %d, %d is %d, not %g",
                  channels, x, y, k, rgb[i], want);
    }
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        cr_assert_eq(g[i], gray(rgb + 3 * i));
    free(rgb);
    free(g);
    free(f.at);
}

Test(images, jpeg) {
    for (int progressive = 0; progressive < 2; progressive++) {
        is_near(make_jpeg(1, progressive), 1);
        is_near(make_jpeg(3, progressive), 3);
        is_near(make_jpeg(4, progressive), 4);
    }
}

Test(images, tiff) {
    for (int i = 0; i < 16; i++) {
        tiff_kind k = {.tiled = i & 1,
                       .apart = (i & 2) != 0,
                       .big = (i & 4) != 0,
                       .bits = i & 8 ? 16 : 8,
                       .compression = i & 4 ? COMPRESSION_ADOBE_DEFLATE : COMPRESSION_NONE};
        k.samples = 1;
        k.photometric = PHOTOMETRIC_MINISBLACK;
        becomes(make_tiff(k), "gray", one);
        k.photometric = PHOTOMETRIC_MINISWHITE;
        becomes(make_tiff(k), "white is 0", inverse);
        k.photometric = PHOTOMETRIC_MINISBLACK;
        k.samples = 2;
        becomes(make_tiff(k), "gray and alpha", one);
        k.photometric = PHOTOMETRIC_RGB;
        k.samples = 3;
        becomes(make_tiff(k), "rgb", coloured);
        k.samples = 4;
        becomes(make_tiff(k), "rgba", coloured);
        k.photometric = PHOTOMETRIC_SEPARATED;
        becomes(make_tiff(k), "cmyk", ink);
    }
    for (int tiled = 0; tiled < 2; tiled++) {
        tiff_kind k = {.photometric = PHOTOMETRIC_PALETTE,
                       .samples = 1,
                       .bits = 8,
                       .tiled = tiled,
                       .compression = COMPRESSION_LZW};
        becomes_gray(make_tiff(k), "palette", of_256, gray_of_palette);
    }
}

/* The position of the file's first row and column varies; the decoded image must always be the
 * same. */
Test(images, tiff_that_is_turned) {
    for (int o = 1; o <= 8; o++)
        for (int palette = 0; palette < 2; palette++) {
            tiff_kind k = {.photometric = palette ? PHOTOMETRIC_PALETTE : PHOTOMETRIC_RGB,
                           .samples = palette ? 1 : 3,
                           .bits = 8,
                           .orientation = o};
            file f = make_tiff(k);
            int h = o > 4 ? WIDTH : HEIGHT, w = o > 4 ? HEIGHT : WIDTH;
            uint8_t *rgb = pixels(f, h, w, 3), want[3];
            for (int i = 0; i < w * h; i++) {
                int x = i % w, y = i / w;
                /* TIFF 6.0, Orientation: what row 0 and column 0 of the file are */
                int right = w - 1 - x, below = h - 1 - y;
                int row[9] = {0, y, y, below, below, x, right, right, x},
                    column[9] = {0, x, right, right, x, y, y, below, below};
                (palette ? of_256 : coloured)(column[o], row[o], want);
                cr_assert(!memcmp(rgb + 3 * i, want, 3), "orientation %d: %d, %d", o, x, y);
            }
            free(rgb);
            free(f.at);
        }
}

/* ---- BMP ---- */

/* head: bytes of it; how: of its compression. */
static file bmp(int head, int bits, int how, int height, const uint32_t *masks) {
    file f = {0};
    int colours = bits <= 8 ? 1 << bits : 0, after = masks && head == 40 ? 12 : 0;
    add(&f, "BM", 2);
    add_little(&f, 0, 8);
    add_little(&f, (uint32_t)(14 + head + after + colours * (head == 12 ? 3 : 4)), 4);
    add_little(&f, (uint32_t)head, 4);
    int size = head == 12 ? 2 : 4;
    add_little(&f, WIDTH, size);
    add_little(&f, (uint32_t)height, size);
    add_little(&f, 1, 2);
    add_little(&f, (uint32_t)bits, 2);
    if (head > 12) {
        add_little(&f, (uint32_t)how, 4);
        for (int i = 0; i < 5; i++)
            add_little(&f, 0, 4);
        for (int i = 40; i < head + after; i += 4)
            add_little(&f, masks && i < 52 ? masks[(i - 40) / 4] : 0, 4);
    }
    for (int i = 0; i < colours; i++) {
        uint8_t rgb[3];
        colour(i, rgb);
        add(&f, (uint8_t[]){rgb[2], rgb[1], rgb[0], 0}, head == 12 ? 3 : 4);
    }
    return f;
}

static uint32_t packed(int x, int y, const int *bits) {
    uint32_t v = 0;
    for (int k = 0; k < 3; k++)
        v = v << bits[k] | (uint32_t)sample(x, y, k) >> (8 - bits[k]);
    return v;
}

static void add_rows(file *f, int bits, bool from_top, const int *parts) {
    for (int i = 0; i < HEIGHT; i++) {
        int y = from_top ? i : HEIGHT - 1 - i;
        uint8_t row[4 * WIDTH + 4] = {0};
        for (int x = 0; x < WIDTH; x++) {
            if (bits <= 8)
                row[x * bits / 8] |=
                    (uint8_t)(sample(x, y, 0) >> (8 - bits) << (8 - bits - x * bits % 8));
            uint32_t v = bits > 8 ? packed(x, y, parts) : 0;
            for (int k = 0; bits > 8 && k < bits / 8; k++)
                row[x * bits / 8 + k] = (uint8_t)(v >> (8 * k));
        }
        add(f, row, (size_t)(WIDTH * bits + 31) / 32 * 4);
    }
}

static void of_555(int x, int y, uint8_t *rgb) {
    for (int k = 0; k < 3; k++)
        rgb[k] = (uint8_t)((sample(x, y, k) >> 3) * 255 / 31);
}

static void of_565(int x, int y, uint8_t *rgb) {
    of_555(x, y, rgb);
    rgb[1] = (uint8_t)((sample(x, y, 1) >> 2) * 255 / 63);
}

Test(images, bmp) {
    static const int heads[] = {12, 40, 52, 56, 64, 108, 124}, eights[] = {8, 8, 8},
                     fives[] = {5, 5, 5}, five_six[] = {5, 6, 5};
    static const uint32_t masks[] = {0xf800, 0x7e0, 0x1f}, whole[] = {0xff0000, 0xff00, 0xff};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (int top = 0; top < (heads[i] == 12 ? 1 : 2); top++) {
            int height = top ? -HEIGHT : HEIGHT, h = heads[i];
            file f[8] = {bmp(h, 1, 0, height, NULL), bmp(h, 4, 0, height, NULL),
                         bmp(h, 8, 0, height, NULL), bmp(h, 24, 0, height, NULL)};
            add_rows(&f[0], 1, top, NULL);
            add_rows(&f[1], 4, top, NULL);
            add_rows(&f[2], 8, top, NULL);
            add_rows(&f[3], 24, top, eights);
            becomes_gray(f[0], "1 bit", of_two, gray_of_palette);
            becomes_gray(f[1], "4 bits", of_16, gray_of_palette);
            becomes_gray(f[2], "8 bits", of_256, gray_of_palette);
            becomes(f[3], "24 bits", coloured);
            if (h == 12)
                continue;
            f[4] = bmp(h, 16, 0, height, NULL);
            f[5] = bmp(h, 32, 0, height, NULL);
            f[6] = bmp(h, 16, 3, height, masks);
            f[7] = bmp(h, 32, 3, height, whole);
            add_rows(&f[4], 16, top, fives);
            add_rows(&f[5], 32, top, eights);
            add_rows(&f[6], 16, top, five_six);
            add_rows(&f[7], 32, top, eights);
            becomes(f[4], "16 bits", of_555);
            becomes(f[5], "32 bits", coloured);
            becomes(f[6], "16 bits, masks", of_565);
            becomes(f[7], "32 bits, masks", coloured);
        }
}

/* A run, literals of an even and an odd number, a move to the right, the end of each row. */
static void runs(int x, int y, uint8_t *rgb) {
    colour(x < 5                   ? 3
           : x < 9                 ? 1 + x - 5
           : x < 12                ? 7 + x - 9
           : x < 14                ? 0
           : x == 14 && y < HEIGHT ? 2
                                   : 0,
           rgb);
}

Test(images, bmp_in_runs) {
    for (int small = 0; small < 2; small++) {
        file f = bmp(40, small ? 4 : 8, small ? 2 : 1, HEIGHT, NULL);
        for (int y = 0; y < HEIGHT; y++) {
            add(&f, (uint8_t[]){5, small ? 0x33 : 3}, 2);
            if (small)
                add(&f, (uint8_t[]){0, 4, 0x12, 0x34, 0, 3, 0x78, 0x90}, 8);
            else
                add(&f, (uint8_t[]){0, 4, 1, 2, 3, 4, 0, 3, 7, 8, 9, 0}, 12);
            add(&f, (uint8_t[]){0, 2, 2, 0, 1, small ? 0x22 : 2, 0, y == HEIGHT - 1}, 8);
        }
        becomes_gray(f, small ? "runs of 4 bits" : "runs of 8 bits", runs, gray_of_palette);
    }
}

/* ---- PNM ---- */

static void text(file *f, const char *format, int v) {
    char s[40];
    snprintf(s, sizeof s, format, v);
    add(f, s, strlen(s));
}

static file pnm(int kind, int most) {
    file f = {0};
    text(&f, "P%d # a comment\n", kind);
    text(&f, "%d\t", WIDTH);
    text(&f, "# 7 8 9\n %d\n", HEIGHT);
    if (kind != 1 && kind != 4)
        text(&f, "%d\n", most);
    for (int y = 0; y < HEIGHT; y++) {
        uint8_t row[WIDTH] = {0};
        for (int i = 0; i < WIDTH * (kind % 3 ? 1 : 3); i++) {
            int n = kind % 3 ? 1 : 3, v = sample(i / n, y, i % n);
            v = most == 65535 ? v * 257 : most < 255 ? v * most / 255 : v;
            if (kind == 1)
                text(&f, i % 2 ? "%d" : "%d ", v < 128);
            else if (kind == 4)
                row[i / 8] |= (uint8_t)((v < 128) << (7 - i % 8));
            else if (kind < 4)
                text(&f, "%d\r\n", v);
            else if (most > 255)
                add(&f, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
            else
                add(&f, &(uint8_t){(uint8_t)v}, 1);
        }
        if (kind == 4)
            add(&f, row, (WIDTH + 7) / 8);
    }
    return f;
}

/* Of a largest value 2 the one in the middle is 127.5: the even one is 128. */
static void of_three(int x, int y, uint8_t *rgb) {
    static const int all[] = {0, 128, 255};
    same(rgb, all[sample(x, y, 0) * 2 / 255]);
}

Test(images, pnm) {
    becomes(pnm(1, 255), "P1", of_1);
    becomes(pnm(4, 255), "P4", of_1);
    static const int most[] = {255, 65535};
    for (int i = 0; i < 2; i++) {
        becomes(pnm(2, most[i]), "P2", one);
        becomes(pnm(3, most[i]), "P3", coloured);
        becomes(pnm(5, most[i]), "P5", one);
        becomes(pnm(6, most[i]), "P6", coloured);
    }
    becomes(pnm(2, 2), "P2 of 3 values", of_three);
    becomes(pnm(5, 2), "P5 of 3 values", of_three);
}

/* ---- what is refused ---- */

static void refused(const void *bytes, size_t n, const char *want) {
    int64_t size[2] = {-7, -7}, two = 2, dims[3] = {2, 1, 3};
    uint8_t y[6] = {9, 9, 9, 9, 9, 9};
    const char *why = NULL;
    file f = {(uint8_t *)(uintptr_t)bytes, n};
    cr_expect_eq(call(FV_LIBRARY_image_size, f, size, &two, 1, &why), FV_BAD_FILE, "%s", want);
    cr_expect(why && strstr(why, want), "'%s', not '%s'", why ? why : "", want);
    cr_expect_eq(call(FV_LIBRARY_image_pixels, f, y, dims, 3, NULL), FV_BAD_FILE, "%s", want);
    cr_expect(size[0] == -7 && size[1] == -7 && y[0] == 9 && y[5] == 9, "%s: results are as before",
              want);
}
#define REFUSED(bytes, want) refused(bytes, sizeof bytes - 1, want)

Test(images, refused) {
    refused(NULL, 0, "the file is empty");
    REFUSED("GIF89a", "it is no BMP, JPEG, JPEG 2000, PNG, PNM, TIFF or WebP");
    REFUSED("P", "it is no BMP");
    REFUSED("P7\n1 1", "it is no BMP");
    REFUSED("P6x1 1 255\nabc", "no white space");
    REFUSED("P6 1 1\n", "no width, height and largest value");
    REFUSED("P6 1 1 0\nabc", "no width, height and largest value");
    REFUSED("P6 1 1 65536\nabcabc", "no width, height and largest value");
    REFUSED("P6 0 1 255\n", "larger than 2^28 pixels, or has none");
    REFUSED("P6 65536 65536 255\n", "larger than 2^28 pixels");
    REFUSED("P6 99999999999999999999 1 255\n", "no width, height");
    REFUSED("P6 1 2 255\nabcde", "ends before");
    REFUSED("P4 16384 16384\nabcde", "ends before");
    REFUSED("P1 16384 16384\n0101", "ends before");
    REFUSED("BM", "ends before");
    REFUSED("\xff\xd8\xff", "the JPEG is damaged");
    REFUSED("\x89PNG\r\n\x1a\n", "ends before");
    REFUSED("RIFF\0\0\0\0WEBP", "the WebP is damaged");
    REFUSED("II*\0", "ends before");
    REFUSED("\xff\x4f\xff\x51", "the JPEG 2000 is damaged");
}

/* Headers with large sizes that no data follow. */
Test(images, bombs) {
    file f = make_png(PNG_COLOR_TYPE_RGB, 8, false);
    for (int i = 0; i < 2; i++) { /* width and height 16000 */
        memcpy(f.at + 16 + 4 * i, (uint8_t[]){0, 0, 0x3e, 0x80}, 4);
    }
    const char *why = "";
    int64_t size[2], two = 2;
    cr_expect_eq(call(FV_LIBRARY_image_size, f, size, &two, 1, &why), FV_BAD_FILE);
    free(f.at);
    f = bmp(40, 24, 0, HEIGHT, NULL);
    add_rows(&f, 24, false, (int[]){8, 8, 8});
    /* the least numbers there are */
    memcpy(f.at + 18, (uint8_t[]){0, 0, 0, 0x80, 0, 0, 0, 0x80}, 8);
    cr_expect_eq(call(FV_LIBRARY_image_size, f, size, &two, 1, &why), FV_BAD_FILE, "%s", why);
    memcpy(f.at + 18, (uint8_t[]){0, 0x40, 0, 0, 0, 0x3e, 0, 0}, 8);
    cr_expect_eq(call(FV_LIBRARY_image_size, f, size, &two, 1, &why), FV_BAD_FILE, "%s", why);
    cr_expect_str_eq(why, "the file ends before its image does");
    free(f.at);
}

/* A kernel gives extents that it may have from anywhere. */
Test(images, extents) {
    file f = make_png(PNG_COLOR_TYPE_RGB, 8, false);
    static uint8_t y[WIDTH * HEIGHT * 4];
    int64_t size[3] = {0}, dims[3] = {HEIGHT, WIDTH, 4};
    const char *why = NULL;
    cr_expect_eq(call(FV_LIBRARY_image_size, f, size, &(int64_t){3}, 1, NULL), FV_INTERNAL);
    cr_expect_eq(call(FV_LIBRARY_image_pixels, f, y, dims, 3, NULL), FV_INTERNAL);
    dims[2] = 3;
    dims[0]--;
    cr_expect_eq(call(FV_LIBRARY_image_pixels, f, y, dims, 3, &why), FV_BAD_FILE);
    cr_expect_str_eq(why, "the image has another size");
    for (size_t i = 0; i < sizeof y; i++)
        cr_assert_eq(y[i], 0);
    free(f.at);
}
