/* npy.c - reads and writes numpy's .npy files: a magic number, a header that is a Python dict, the
 * elements.
 *
 * Format: numpy.lib.format, versions 1.0 to 3.0. Reads both C and Fortran order and both byte
 * orders; writes C order, little-endian, version 1.0. */
#include <string.h>

#include "frontend/data.h"
#include "frontend/tensor_proto.h"
#include "ir/base/diag.h"
#include "ir/base/limits.h"

typedef struct npy {
    fv_session *s;
    fv_arena *a;
    const char *what; /* name of the file in messages */
    /* from the header */
    char order, kind; /* '<' '>' '|'; 'f' 'i' 'u' 'b' 'c' 'V' 'U' 'S' */
    size_t width;     /* bytes of an element */
    bool fortran;
    int rank;
    int64_t dims[FV_MAX_RANK];
    size_t count;
    const uint8_t *data; /* width * count bytes */
} npy;

static bool bad(const npy *f, const char *what) {
    return fv_error(f->s, "'%s' cannot be read: %s", f->what, what);
}

/* ---- the header ---- */

static void skip_spaces(const char **c) {
    while (**c == ' ' || **c == '\t' || **c == '\n')
        ++*c;
}

static bool eat(const char **c, char expected) {
    skip_spaces(c);
    if (**c != expected)
        return false;
    ++*c;
    return true;
}

/* Reads 'text' or "text"; in the headers that are read here numpy writes no escapes. */
static bool quoted(npy *f, const char **c, const char **out) {
    skip_spaces(c);
    char quote = **c;
    if (quote != '\'' && quote != '"')
        return false;
    const char *end = strchr(*c + 1, quote);
    if (!end)
        return false;
    *out = fv_strndup(f->a, *c + 1, (size_t)(end - *c - 1));
    *c = end + 1;
    return true;
}

static bool digits(const char **c, uint64_t limit, uint64_t *out) {
    skip_spaces(c);
    if (**c < '0' || **c > '9')
        return false;
    for (*out = 0; **c >= '0' && **c <= '9'; ++*c) {
        *out = *out * 10 + (uint64_t)(**c - '0');
        if (*out > limit)
            return false;
    }
    return true;
}

static bool parse_shape(npy *f, const char **c) {
    uint64_t dim;
    if (!eat(c, '('))
        return bad(f, "its shape is no tuple");
    while (!eat(c, ')')) {
        if (!digits(c, FV_DIM_MAX, &dim) || f->rank == FV_MAX_RANK)
            return bad(f, "its shape is not legal, or has too many dims");
        f->dims[f->rank++] = (int64_t)dim;
        (void)eat(c, 'L'); /* Python 2 wrote an L after long integers */
        if (!eat(c, ',')) {
            if (!eat(c, ')'))
                return bad(f, "its shape is not legal");
            break;
        }
    }
    return true;
}

static bool parse_descr(npy *f, const char *descr) {
    const char *c = descr;
    uint64_t width;
    f->order = *c == '<' || *c == '>' || *c == '|' || *c == '=' ? *c++ : '=';
    if (f->order == '=')
        f->order = fv_host_is_big_endian() ? '>' : '<';
    f->kind = *c ? *c++ : '?';
    if (f->kind == '?') { /* a former letter for bool */
        f->kind = 'b';
        f->width = 1;
        return *c == 0 || bad(f, "its dtype is not known");
    }
    if (f->kind == 'O')
        return bad(f, "it holds Python objects");
    if (!strchr("fiubcVUS", f->kind) || !digits(&c, 1u << 30, &width) || *c)
        return bad(f, fv_printf(f->a, "dtype '%s' is not supported", descr));
    f->width = (size_t)width * (f->kind == 'U' ? 4 : 1);
    return true;
}

static bool parse_bool(const char **c, bool *out) {
    skip_spaces(c);
    *out = !strncmp(*c, "True", 4);
    if (!*out && strncmp(*c, "False", 5) != 0)
        return false;
    *c += *out ? 4 : 5;
    return true;
}

/* Parses {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } with keys in any order. */
static bool parse_header(npy *f, const char *c) {
    const char *key, *descr = NULL;
    int seen = 0;
    if (!eat(&c, '{'))
        return bad(f, "its header is no dict");
    while (!eat(&c, '}')) {
        if (!quoted(f, &c, &key) || !eat(&c, ':'))
            return bad(f, "its header is not legal");
        if (!strcmp(key, "descr") && !descr) {
            skip_spaces(&c);
            if (*c == '[')
                return bad(f, "structured dtypes are not supported");
            if (!quoted(f, &c, &descr) || !parse_descr(f, descr))
                return descr ? false : bad(f, "its dtype is no string");
            seen |= 1;
        } else if (!strcmp(key, "fortran_order")) {
            if (!parse_bool(&c, &f->fortran))
                return bad(f, "fortran_order is neither True nor False");
            seen |= 2;
        } else if (!strcmp(key, "shape") && !(seen & 4)) {
            if (!parse_shape(f, &c))
                return false;
            seen |= 4;
        } else {
            return bad(f, "its header has a key that is not known, or one twice");
        }
        if (!eat(&c, ',') && !(eat(&c, '}') && (c--, true)))
            return bad(f, "its header is not legal");
    }
    return seen == 7 || bad(f, "its header lacks descr, fortran_order or shape");
}

static bool parse_file(npy *f, const uint8_t *data, size_t size) {
    if (size < 10 || memcmp(data, "\x93NUMPY", 6) != 0)
        return bad(f, "it is no .npy file");
    if (data[6] < 1 || data[6] > 3)
        return bad(f, fv_printf(f->a, "format version %d.%d is not known", data[6], data[7]));
    size_t start = data[6] == 1 ? 10 : 12;
    if (size < start)
        return bad(f, "its header is cut off");
    size_t length = data[6] == 1 ? data[8] | (size_t)data[9] << 8 : fv_wire_u32(data + 8);
    if (length > size - start)
        return bad(f, "its header is cut off");
    const char *header = fv_strndup(f->a, (const char *)data + start, length);
    if (strlen(header) != length)
        return bad(f, "its header holds a NUL byte");
    size_t bytes, have = size - start - length;
    if (!parse_header(f, header))
        return false;
    size_t most; /* size of a tensor of the largest element type */
    if (!fv_tensor_size(FV_STRING, f->rank, f->dims, &f->count, &most) ||
        !fv_mul_size(f->count, f->width, &bytes))
        return bad(f, "its shape is too large");
    /* without bytes per element, the size of the file does not limit the count */
    if (f->width == 0 && f->count > FV_MAX_ELEMS)
        return bad(f, "it has too many elements without width");
    if (bytes > have)
        return bad(
            f, fv_printf(f->a, "it has %zu bytes of elements, its header says %zu", have, bytes));
    f->data = data + start + length;
    return true;
}

/* ---- elements ---- */

static fv_elem plain_elem(char kind, size_t width) {
    static const struct {
        char kind;
        unsigned char width;
        fv_elem elem;
    } table[] = {{'f', 2, FV_F16}, {'f', 4, FV_F32},  {'f', 8, FV_F64}, {'i', 1, FV_I8},
                 {'i', 2, FV_I16}, {'i', 4, FV_I32},  {'i', 8, FV_I64}, {'u', 1, FV_U8},
                 {'u', 2, FV_U16}, {'u', 4, FV_U32},  {'u', 8, FV_U64}, {'b', 1, FV_BOOL},
                 {'c', 8, FV_C64}, {'c', 16, FV_C128}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].kind == kind && table[i].width == width)
            return table[i].elem;
    return FV_NO_ELEM;
}

/* Whether the file has the bits of a type that numpy does not have: bf16 as V2 or u2, 8-bit floats
 * as V1 or u1. */
static bool holds_bits_of(const npy *f, fv_elem want) {
    bool storage = want == FV_BF16 || (FV_SET_FLOAT8 >> want & 1);
    bool half = want == FV_F16 && f->kind != 'f';
    return (storage || half) && (f->kind == 'V' || f->kind == 'u') &&
           f->width * 8 == (size_t)fv_elem_bits(want);
}

/* Whether the file has one byte for each element of a packed type. */
static bool holds_unpacked(const npy *f, fv_elem want) {
    return want != FV_NO_ELEM && fv_elem_is_packed(want) && f->width == 1 &&
           strchr("iuV", f->kind) != NULL;
}

/* Copies column-major elements to row-major order. */
static const uint8_t *to_c_order(npy *f) {
    uint8_t *to = fv_alloc_aligned(f->a, f->count * f->width, 64), *at = to;
    int64_t index[FV_MAX_RANK] = {0};
    for (size_t i = 0; i < f->count; i++, at += f->width) {
        size_t from = 0;
        for (int k = f->rank - 1; k >= 0; k--)
            from = from * (size_t)f->dims[k] + (size_t)index[k];
        memcpy(at, f->data + from * f->width, f->width);
        for (int k = f->rank - 1; k >= 0 && ++index[k] == f->dims[k]; k--)
            index[k] = 0;
    }
    return to;
}

/* The value of a byte that holds one element of a packed type; false if it is out of range. Raw
 * bytes of a signed type may be sign-extended or not, since writers differ. */
static bool unpacked_value(char kind, fv_elem want, uint8_t byte, unsigned *out) {
    int bits = fv_elem_bits(want), v = kind == 'u' || !(byte & 128) ? byte : byte - 256;
    bool is_signed = fv_elem_is_signed(want);
    int lo = is_signed ? -(1 << (bits - 1)) : 0;
    int hi = is_signed && kind != 'V' ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
    *out = byte & ((1u << bits) - 1);
    return v >= lo && v <= hi;
}

static const fv_tensor *read_unpacked(npy *f, fv_elem want) {
    fv_tensor *t = fv_tensor_new(f->a, want, f->rank, f->dims);
    unsigned bits = (unsigned)fv_elem_bits(want), per_byte = 8 / bits, v;
    uint8_t *to = (uint8_t *)(uintptr_t)t->data;
    for (size_t i = 0; i < f->count; i++) {
        if (!unpacked_value(f->kind, want, f->data[i], &v)) {
            bad(f, fv_printf(f->a, "element %zu does not fit %s", i, fv_elem_name(want)));
            return NULL;
        }
        to[i / per_byte] |= (uint8_t)(v << i % per_byte * bits);
    }
    return t;
}

/* Appends a code point as UTF-8; an invalid one becomes U+FFFD. */
static void put_utf8(fv_text *t, uint32_t c) {
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        c = 0xFFFD;
    char b[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        b[i] = (char)(0x80 | (c & 63));
    static const unsigned first[] = {0, 0, 0xC0, 0xE0, 0xF0};
    b[0] = (char)(first[n] | c);
    fv_text_putn(t, b, n);
}

static fv_string read_string(npy *f, const uint8_t *p) {
    size_t n = f->width;
    if (f->kind == 'S') {
        while (n && !p[n - 1])
            n--;
        return (fv_string){(const char *)p, n};
    }
    fv_text t = {.arena = f->a};
    /* strips trailing zeros, which are zero in both byte orders */
    while (n && !fv_wire_u32(p + n - 4))
        n -= 4;
    fv_text_put(&t, "");
    for (size_t i = 0; i < n; i += 4) {
        uint32_t c;
        fv_copy_units(&c, p + i, 1, 4, (f->order == '>') != fv_host_is_big_endian());
        put_utf8(&t, c);
    }
    return (fv_string){t.s, t.n};
}

static const fv_tensor *read_strings(npy *f) {
    fv_tensor *t = fv_tensor_new(f->a, FV_STRING, f->rank, f->dims);
    fv_string *to = (fv_string *)(uintptr_t)t->data;
    for (size_t i = 0; i < f->count; i++)
        to[i] = read_string(f, f->data + i * f->width);
    return t;
}

static const fv_tensor *read_elements(npy *f, fv_elem want) {
    fv_elem e = plain_elem(f->kind, f->width);
    if (f->fortran && f->rank > 1 && f->count)
        f->data = to_c_order(f);
    if (f->kind == 'U' || f->kind == 'S')
        return read_strings(f);
    if (holds_unpacked(f, want))
        return read_unpacked(f, want);
    if (holds_bits_of(f, want))
        e = want;
    if (e == FV_NO_ELEM) {
        bad(f, f->kind == 'V' ? "its elements are raw bytes, whose type the file does not state"
                              : "its dtype has a width that is not supported");
        return NULL;
    }
    return fv_tensor_of_bytes(f->a, e, f->rank, f->dims, f->data, f->order == '>');
}

const fv_tensor *fv_tensor_from_npy(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                                    fv_elem want, const char *what) {
    npy f = {.s = s, .a = a, .what = what};
    return parse_file(&f, data, size) ? read_elements(&f, want) : NULL;
}

const fv_tensor *fv_tensor_read_npy(fv_session *s, fv_arena *a, const char *path, fv_elem want) {
    fv_file f;
    return fv_file_map(s, a, path, &f) ? fv_tensor_from_npy(s, a, f.data, f.size, want, path)
                                       : NULL;
}

/* ---- writing ---- */

/* The numpy type with which an element type is written. Types that numpy does not have are written
 * as integers: bf16 as its 16 bits, those of 8 bits and fewer as one byte for each element. NULL:
 * elements are no numbers. */
static const char *descr_of(fv_elem e) {
    switch ((int)e) {
    case FV_F16: return "<f2";
    case FV_F32: return "<f4";
    case FV_F64: return "<f8";
    case FV_I16: return "<i2";
    case FV_I32: return "<i4";
    case FV_I64: return "<i8";
    case FV_U16:
    case FV_BF16: return "<u2";
    case FV_U32: return "<u4";
    case FV_U64: return "<u8";
    case FV_C64: return "<c8";
    case FV_C128: return "<c16";
    case FV_BOOL: return "|b1";
    default: break;
    }
    int bits = fv_elem_bits(e);
    return bits < 1 || bits > 8 ? NULL : fv_elem_is_signed(e) ? "|i1" : "|u1";
}

static void put_header(fv_text *out, const char *descr, const fv_tensor *t) {
    fv_text h = {.arena = out->arena};
    fv_text_printf(&h, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < t->rank; i++)
        fv_text_printf(&h, "%lld%s", (long long)t->dims[i],
                       t->rank == 1      ? ","
                       : i < t->rank - 1 ? ", "
                                         : "");
    fv_text_put(&h, "), }");
    while ((10 + h.n + 1) % 64)
        fv_text_put(&h, " ");
    fv_text_put(&h, "\n");
    char magic[10] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(h.n & 255), (char)(h.n >> 8)};
    fv_text_putn(out, magic, sizeof magic);
    fv_text_putn(out, h.s, h.n);
}

static void put_unpacked(fv_text *out, const fv_tensor *t) {
    int bits = fv_elem_bits(t->elem), per_byte = 8 / bits;
    for (size_t i = 0; i < t->count; i++) {
        unsigned byte = ((const uint8_t *)t->data)[i / (size_t)per_byte];
        unsigned v = byte >> (unsigned)(i % (size_t)per_byte) * (unsigned)bits & ((1u << bits) - 1);
        if (fv_elem_is_signed(t->elem) && v >> (bits - 1))
            v |= 0xFFu << bits;
        fv_text_putn(out, &(char){(char)(v & 255)}, 1);
    }
}

/* The code point at s[*i], and advances *i. A byte that begins no valid code point is returned
 * unchanged. */
static uint32_t next_code_point(fv_string s, size_t *i) {
    const uint8_t *p = (const uint8_t *)s.s + *i;
    size_t left = s.n - *i, n = p[0] < 0xC0 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    uint32_t c = n == 1 ? p[0] : p[0] & (0xFFu >> (n + 1));
    if (n > left) {
        ++*i;
        return p[0];
    }
    for (size_t k = 1; k < n; k++)
        c = c << 6 | (p[k] & 63);
    *i += n;
    return c;
}

/* Whether encoding its code points again gives the same bytes, that is, whether it is valid
 * UTF-8. */
static bool is_unicode(fv_arena *a, fv_string s) {
    fv_text again = {.arena = a};
    for (size_t at = 0; at < s.n;)
        put_utf8(&again, next_code_point(s, &at));
    return again.n == s.n && (!s.n || !memcmp(again.s, s.s, s.n));
}

static bool are_unicode(fv_arena *a, const fv_tensor *t) {
    for (size_t i = 0; i < t->count; i++)
        if (!is_unicode(a, ((const fv_string *)t->data)[i]))
            return false;
    return true;
}

static bool put_byte_strings(fv_text *out, fv_session *s, const fv_tensor *t) {
    const fv_string *strings = t->data;
    size_t longest = 1;
    for (size_t i = 0; i < t->count; i++)
        longest = strings[i].n > longest ? strings[i].n : longest;
    if (t->count && longest > FV_MAX_STRUCTURE / t->count)
        return fv_error(s, "strings of up to %zu bytes are too long for .npy", longest);
    put_header(out, fv_printf(out->arena, "|S%zu", longest), t);
    for (size_t i = 0; i < t->count; i++) {
        fv_text_putn(out, strings[i].s, strings[i].n);
        for (size_t k = strings[i].n; k < longest; k++)
            fv_text_putn(out, "", 1);
    }
    return true;
}

static bool put_strings(fv_text *out, fv_session *s, const fv_tensor *t) {
    const fv_string *strings = t->data;
    size_t longest = 1;
    if (!are_unicode(out->arena, t))
        return put_byte_strings(out, s, t);
    for (size_t i = 0; i < t->count; i++) {
        size_t n = 0;
        for (size_t at = 0; at < strings[i].n; n++)
            next_code_point(strings[i], &at);
        longest = n > longest ? n : longest;
    }
    if (t->count && longest > FV_MAX_STRUCTURE / 4 / t->count)
        return fv_error(s, "strings of up to %zu characters are too long for .npy", longest);
    put_header(out, fv_printf(out->arena, "<U%zu", longest), t);
    for (size_t i = 0; i < t->count; i++)
        for (size_t at = 0, k = 0; k < longest; k++) {
            uint32_t c = at < strings[i].n ? next_code_point(strings[i], &at) : 0;
            char b[4] = {(char)(c & 255), (char)(c >> 8 & 255), (char)(c >> 16 & 255), 0};
            fv_text_putn(out, b, 4);
        }
    return true;
}

bool fv_tensor_to_npy(fv_text *out, fv_session *s, const fv_tensor *t) {
    if (t->elem == FV_STRING)
        return put_strings(out, s, t);
    put_header(out, descr_of(t->elem), t);
    if (fv_elem_is_packed(t->elem)) {
        put_unpacked(out, t);
        return true;
    }
    fv_text_putn(out, fv_tensor_little_endian(out->arena, t), t->bytes);
    return true;
}

/* Whether a file of this type does not name it, since the format has no name for it, so that a
 * reader must know it. */
static bool is_disguised(fv_elem e) {
    return e == FV_BF16 || fv_elem_is_packed(e) || (e < FV_ELEM_END && (FV_SET_FLOAT8 >> e & 1));
}

bool fv_tensor_write_npy(fv_session *s, const char *path, const fv_tensor *t) {
    if (is_disguised(t->elem))
        fv_warning(s, "'%s' holds the bits of %s as %s: numpy has no such type", path,
                   fv_elem_name(t->elem), descr_of(t->elem) + 1);
    fv_arena *a = fv_arena_new(s);
    fv_text out = {.arena = a};
    bool ok = fv_tensor_to_npy(&out, s, t) && fv_file_write(s, path, out.s, out.n);
    fv_arena_free(a);
    return ok;
}

/* ---- either format ---- */

static bool is_npy(const char *path) {
    size_t n = strlen(path);
    return n >= 4 && !strcmp(path + n - 4, ".npy");
}

const fv_tensor *fv_tensor_read(fv_session *s, fv_arena *a, const char *path, fv_elem want) {
    return is_npy(path) ? fv_tensor_read_npy(s, a, path, want) : fv_tensor_read_pb(s, a, path);
}

bool fv_tensor_write(fv_session *s, const char *path, const fv_tensor *t, const char *name) {
    return is_npy(path) ? fv_tensor_write_npy(s, path, t) : fv_tensor_write_pb(s, path, t, name);
}
