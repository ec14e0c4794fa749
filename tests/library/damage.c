/* damage.c - files that end early, and files with changed bytes: they are decoded or refused, and
 * sanitizers find no access outside of the memory. FV_SEED=N chooses other changes, FV_DAMAGES=N
 * makes more of them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <tiffio.h>

#include "backend/library/library.h"
#include "tests/library/encode.h"
#include "tests/sample.h"

enum { MARK = 0x5a, MOST = 1 << 22 };

static uint64_t state;

static uint32_t any(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % n;
}

/* In memory of its own size, where reading on is seen. Counts what decodes. */
static int decode(const uint8_t *bytes, size_t n) {
    uint8_t *f = malloc(n ? n : 1);
    memcpy(f, bytes, n);
    int64_t extents[4] = {(int64_t)n, 2}, size[2] = {-1, -1};
    const char *why = NULL;
    int status = fv_library_look(fv_library_fn_of(FV_LIBRARY_image_size))((void *[]){f, size},
                                                                          extents, &why);
    cr_assert(status == FV_OK || status == FV_BAD_FILE || status == FV_NO_MEMORY, "%d", status);
    cr_assert_eq(status == FV_OK, why == NULL);
    cr_assert(status == FV_OK ? size[0] > 0 && size[1] > 0 && size[0] <= (1 << 28) / size[1]
                              : size[0] == -1 && size[1] == -1);
    if (status == FV_OK && size[0] * size[1] <= MOST) {
        int channels = any(2) ? 3 : 1;
        size_t all = (size_t)(size[0] * size[1] * channels);
        uint8_t *y = malloc(all);
        memset(y, MARK, all);
        extents[1] = size[0];
        extents[2] = size[1];
        extents[3] = channels;
        status = fv_library_look(fv_library_fn_of(FV_LIBRARY_image_pixels))((void *[]){f, y},
                                                                            extents, NULL);
        cr_assert(status == FV_OK || status == FV_BAD_FILE || status == FV_NO_MEMORY, "%d", status);
        for (size_t i = 0; status != FV_OK && i < all; i++)
            cr_assert_eq(y[i], MARK, "a result of what failed");
        free(y);
    }
    free(f);
    return status == FV_OK;
}

static void change(file *f) {
    int n = 1 + (int)any(4);
    for (int i = 0; i < n; i++) {
        uint32_t at = any(any(2) ? (uint32_t)f->n : f->n < 100 ? (uint32_t)f->n : 100);
        switch (any(4)) {
        case 0: f->at[at] = (uint8_t)any(256); break;
        case 1: f->at[at] ^= (uint8_t)(1 << any(8)); break;
        case 2: f->at[at] = any(2) ? 0xff : 0; break;
        case 3:
            if (at + 4 <= f->n)
                memset(f->at + at, any(2) ? 0xff : 0x7f, 4);
            break;
        }
    }
}

static void damage(file f, const char *name) {
    const char *times = getenv("FV_DAMAGES");
    int n = times ? atoi(times) : 120, whole = 0;
    cr_assert(decode(f.at, f.n), "%s", name);
    for (size_t cut = 0; cut < f.n; cut++)
        whole += decode(f.at, cut);
    cr_expect(whole * 10 < (int)f.n * 4 + 10, "%s: %d of %zu files that end early decode", name,
              whole, f.n);
    for (int i = 0; i < n; i++) {
        file g = {0};
        add(&g, f.at, f.n);
        change(&g);
        decode(g.at, any(8) ? g.n : any((uint32_t)g.n));
        free(g.at);
    }
    free(f.at);
}

static void begin(void) {
    state = sample_seed(1);
    fprintf(stderr, "FV_SEED=%llu\n", (unsigned long long)state);
}

TestSuite(damage, .init = begin);

Test(damage, png) {
    damage(make_png(PNG_COLOR_TYPE_RGB, 8, true), "rgb");
    damage(make_png(PNG_COLOR_TYPE_PALETTE, 4, false), "palette");
    damage(make_png(PNG_COLOR_TYPE_GRAY_ALPHA, 16, false), "gray and alpha");
}

Test(damage, jpeg) {
    damage(make_jpeg(3, false), "rgb");
    damage(make_jpeg(4, true), "cmyk");
    damage(make_jpeg(1, true), "gray");
}

Test(damage, webp) {
    damage(make_webp(3), "rgb");
    damage(make_webp_of_frames(), "frames");
}

Test(damage, jpeg2000) {
    damage(make_jpeg2000(3, 8, false, false), "rgb");
    damage(make_jpeg2000(3, 8, true, false), "codestream");
    damage(make_jpeg2000(3, 8, false, true), "ycc");
}

Test(damage, tiff) {
    damage(make_tiff((tiff_kind){.photometric = PHOTOMETRIC_RGB,
                                 .samples = 3,
                                 .bits = 8,
                                 .compression = COMPRESSION_ADOBE_DEFLATE}),
           "rgb");
    damage(make_tiff((tiff_kind){.photometric = PHOTOMETRIC_SEPARATED,
                                 .samples = 4,
                                 .bits = 16,
                                 .tiled = true,
                                 .apart = true}),
           "cmyk");
    damage(make_tiff((tiff_kind){.photometric = PHOTOMETRIC_PALETTE,
                                 .samples = 1,
                                 .bits = 8,
                                 .compression = COMPRESSION_LZW}),
           "palette");
    damage(make_tiff((tiff_kind){.photometric = PHOTOMETRIC_RGB,
                                 .samples = 3,
                                 .bits = 8,
                                 .big = true,
                                 .orientation = 6}),
           "big");
}

static file of_text(const char *text, size_t n) {
    file f = {0};
    add(&f, text, n);
    return f;
}

Test(damage, pnm) {
    static const char *const plain = "P3 #c\n 2 2 9 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6",
                             *const bits = "P1\n5 3\n0 1 1 0 1\n00111\n11000\n";
    damage(of_text(plain, strlen(plain)), "plain");
    damage(of_text(bits, strlen(bits)), "bits");
    damage(of_text("P6\n2 2 255\nabcdefghijkl", 23), "raw");
    damage(of_text("P4\n9 3\nabcdef", 13), "raw bits");
}

Test(damage, bmp) {
    for (int runs = 0; runs < 3; runs++) {
        file f = {0};
        add(&f, "BM", 2);
        add_little(&f, 0, 8);
        add_little(&f, 14 + 40 + (runs ? 4 * (runs == 1 ? 256 : 16) : 0), 4);
        add_little(&f, 40, 4);
        add_little(&f, 9, 4);
        add_little(&f, 5, 4);
        add_little(&f, 1, 2);
        add_little(&f, runs == 0 ? 24 : runs == 1 ? 8 : 4, 2);
        add_little(&f, (uint32_t)runs, 4);
        for (int i = 0; i < 5; i++)
            add_little(&f, 0, 4);
        for (int i = 0; runs && i < (runs == 1 ? 256 : 16); i++)
            add_little(&f, (uint32_t)i * 0x10305, 4);
        for (int y = 0; y < 5; y++) {
            for (int i = 0; !runs && i < 28; i++)
                add_little(&f, (uint32_t)(i * y), 1);
            if (runs)
                add(&f, (uint8_t[]){3, 0x12, 0, 4, 1, 2, 3, 4, 0, 2, 1, 0, 0, 0},
                    runs == 1 ? 14 : 14);
        }
        if (runs)
            add(&f, (uint8_t[]){0, 1}, 2);
        damage(f, runs ? "runs" : "24 bits");
    }
}
