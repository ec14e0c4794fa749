/* quoted.c - see quoted.h. */
#include "ir/base/quoted.h"

#include <stdint.h>
#include <string.h>

/* ---- visible characters ---- */

/* Ranges of characters that do not show: control characters (Cc), separators of lines and
 * paragraphs (Zl, Zp), interlinear annotations, the noncharacters U+FFFE and U+FFFF, and
 * Default_Ignorable_Code_Point (direction marks, joiners, fillers, variation selectors, tags),
 * which fonts draw as nothing. From DerivedCoreProperties.txt, Unicode 16. The functions of the C
 * library are not used because they depend on the locale. */
static const uint32_t hidden[][2] = {
    {0x0000, 0x001f}, {0x007f, 0x009f}, {0x00ad, 0x00ad},   {0x034f, 0x034f},   {0x061c, 0x061c},
    {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},
    {0x2060, 0x206f}, {0x3164, 0x3164}, {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static bool is_hidden(uint32_t code) {
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (code >= hidden[i][0] && code <= hidden[i][1])
            return true;
    return false;
}

/* Decodes one character; returns the length of its UTF-8 sequence in bytes, 0 if s does not begin
 * with a valid one (shortest form, no surrogate). */
static size_t decode(const unsigned char *s, size_t n, uint32_t *code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t bytes = *s < 0x80 ? 1 : *s >> 5 == 6 ? 2 : *s >> 4 == 14 ? 3 : *s >> 3 == 30 ? 4 : 0;
    if (bytes == 0 || bytes > n)
        return 0;
    *code = bytes == 1 ? *s : *s & (0xffu >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (s[i] & 0x3f);
    }
    return *code < least[bytes] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0
                                                                                           : bytes;
}

size_t fv_char_bytes(const char *s, size_t n, bool *shows) {
    uint32_t code = 0;
    size_t bytes = decode((const unsigned char *)s, n, &code);
    *shows = bytes && !is_hidden(code);
    return bytes ? bytes : 1;
}

bool fv_is_utf8(const char *s, size_t n) {
    uint32_t code = 0;
    for (size_t bytes; n; s += bytes, n -= bytes)
        if (!(bytes = decode((const unsigned char *)s, n, &code)))
            return false;
    return true;
}

/* ---- writing ---- */

static size_t escape_byte(char *out, unsigned char c) {
    static const char digits[] = "0123456789abcdef";
    out[0] = '\\';
    if (c == '\n') {
        out[1] = 'n';
        return 2;
    }
    out[1] = 'x';
    out[2] = digits[c >> 4];
    out[3] = digits[c & 15];
    return 4;
}

size_t fv_char_escape(char out[FV_LONGEST_ESCAPE], const char *s, size_t bytes, bool shows,
                      char quote) {
    size_t n = 0;
    if (shows) {
        if (quote && (*s == quote || *s == '\\'))
            out[n++] = '\\';
        memcpy(out + n, s, bytes);
        return n + bytes;
    }
    for (size_t i = 0; i < bytes; i++)
        n += escape_byte(out + n, (unsigned char)s[i]);
    return n;
}

/* ---- reading ---- */

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    char low = (char)(c | 32);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

size_t fv_char_unescape(const char *s, char *out) {
    switch (*s) {
    case 'n': *out = '\n'; return 1;
    case 't': *out = '\t'; return 1;
    case 'r': *out = '\r'; return 1;
    case '0': *out = '\0'; return 1;
    case '\\':
    case '"':
    case '`': *out = *s; return 1;
    case 'x': {
        int hi = hex_value(s[1]), lo = hi < 0 ? -1 : hex_value(s[2]);
        *out = (char)(hi * 16 + lo);
        return lo < 0 ? 0 : 3;
    }
    default: return 0;
    }
}

/* Reads one byte of a quoted string, which may be an escape, into *c. Returns the position after
 * it; NULL: the string ends here or the escape is unknown. */
static const char *next_byte(const char *s, char quote, char *c) {
    *c = *s;
    if (!*s || *s == quote || *s == '\n')
        return NULL;
    if (*s != '\\')
        return s + 1;
    size_t n = fv_char_unescape(s + 1, c);
    return n ? s + 1 + n : NULL;
}

const char *fv_quoted_read(const char *s, char quote, char *out, size_t *n) {
    char c;
    *n = 0;
    for (const char *next; (next = next_byte(s, quote, &c)); s = next, ++*n)
        if (out)
            out[*n] = c;
    return s;
}

bool fv_quoted_is(const char *s, char quote, const char *name) {
    char c;
    for (const char *next; (next = next_byte(s, quote, &c)); s = next)
        if (!*name || c != *name++)
            return false;
    return *s == quote && !*name;
}
