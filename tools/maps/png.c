/* png.c - writes small images as PNG files (ISO/IEC 15948), without compression (stored blocks of
 * RFC 1951). */
#include <string.h>

#include "tools/maps/maps.h"

enum { STORED = 65535 }; /* largest number of bytes in a stored block */

static void put_u32(fv_text *t, uint32_t v) {
    const char bytes[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    fv_text_putn(t, bytes, 4);
}

/* The CRC of ISO 3309, with the reflected polynomial 0xedb88320. */
static uint32_t crc_of(const char *s, size_t n) {
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        c ^= (uint8_t)s[i];
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
    }
    return ~c;
}

static void put_chunk(fv_text *t, const char *kind, const void *data, size_t n) {
    put_u32(t, (uint32_t)n);
    size_t from = t->n;
    fv_text_putn(t, kind, 4);
    fv_text_putn(t, data, n);
    put_u32(t, crc_of(t->s + from, t->n - from));
}

/* The Adler-32 checksum of RFC 1950. */
static uint32_t adler_of(const char *s, size_t n) {
    enum { MODULUS = 65521 };
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) {
        a = (a + (uint8_t)s[i]) % MODULUS;
        b = (b + a) % MODULUS;
    }
    return b << 16 | a;
}

static void put_stored(fv_text *t, const char *s, size_t n) {
    fv_text_putn(t, "\x78\x01", 2);
    for (size_t at = 0; at < n; at += STORED) {
        size_t part = n - at < STORED ? n - at : STORED;
        const char head[5] = {at + part == n, (char)part, (char)(part >> 8), (char)~part,
                              (char)(~part >> 8)};
        fv_text_putn(t, head, 5);
        fv_text_putn(t, s + at, part);
    }
    put_u32(t, adler_of(s, n));
}

static void put_base64(fv_text *t, const char *s, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t three = 0;
        char four[4];
        for (size_t k = 0; k < 3; k++)
            three = three << 8 | (i + k < n ? (uint8_t)s[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            four[k] = i + k <= n ? digits[three >> (18 - 6 * k) & 63] : '=';
        fv_text_putn(t, four, 4);
    }
}

void fv_png_base64(fv_text *out, int width, int height, const uint8_t *pixels,
                   const fv_palette *palette) {
    fv_arena *a = fv_arena_new(fv_arena_session(out->arena));
    fv_text rows = {.arena = a}, data = {.arena = a}, head = {.arena = a}, png = {.arena = a};
    for (int y = 0; y < height; y++) {
        fv_text_putn(&rows, "\0", 1); /* the row's filter type, 0: none */
        fv_text_putn(&rows, (const char *)pixels + (size_t)y * (size_t)width, (size_t)width);
    }
    put_stored(&data, rows.s, rows.n);
    put_u32(&head, (uint32_t)width);
    put_u32(&head, (uint32_t)height);
    /* the image has bit depth 8 and colour type palette */
    fv_text_putn(&head, "\x08\x03\0\0\0", 5);
    fv_text_putn(&png, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(&png, "IHDR", head.s, head.n);
    put_chunk(&png, "PLTE", palette->rgb, sizeof palette->rgb);
    put_chunk(&png, "IDAT", data.s, data.n);
    put_chunk(&png, "IEND", "", 0);
    put_base64(out, png.s, png.n);
    fv_arena_free(a);
}
