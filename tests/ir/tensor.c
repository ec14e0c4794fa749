/* Elements of tensors, bits of narrow floats, and types. */
#include "ir/base/limits.h"
#include "ir/base/mapping.h"
#include "ir/graph/graph.h"
#include "ir/type/float_bits.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static fv_session *session;
static fv_arena *arena;

static void setup(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
}
static void teardown(void) {
    fv_session_free(session);
}
TestSuite(tensor, .init = setup, .fini = teardown);

static const fv_elem floats[] = {FV_F16,    FV_BF16,       FV_F8E4M3FN, FV_F8E4M3FNUZ,
                                 FV_F8E5M2, FV_F8E5M2FNUZ, FV_F4E2M1,   FV_F8E8M0};
enum { FLOATS = sizeof floats / sizeof *floats };

/* Every value encodes to its own bits. */
Test(tensor, floats_round_trip) {
    for (int k = 0; k < FLOATS; k++)
        for (uint64_t bits = 0; bits < UINT64_C(1) << fv_elem_bits(floats[k]); bits++) {
            double v = fv_float_decode(floats[k], bits);
            uint64_t back = fv_float_encode(floats[k], v);
            cr_assert(isnan(v) ? isnan(fv_float_decode(floats[k], back)) : back == bits,
                      "%s 0x%llx is %g, which is 0x%llx", fv_elem_name(floats[k]),
                      (unsigned long long)bits, v, (unsigned long long)back);
        }
}

/* A number between two neighbours is rounded to the nearer one, the middle to the even one. */
Test(tensor, floats_round_to_nearest_even) {
    for (int k = 0; k < FLOATS; k++) {
        fv_elem e = floats[k];
        uint64_t half = UINT64_C(1) << (fv_elem_bits(e) - (e != FV_F8E8M0));
        for (uint64_t bits = 0; bits + 1 < half; bits++) {
            double a = fv_float_decode(e, bits), b = fv_float_decode(e, bits + 1);
            if (isnan(a) || isinf(a) || isnan(b) || isinf(b))
                continue;
            double middle = a + (b - a) / 2;
            cr_assert_eq(fv_float_encode(e, nextafter(middle, a)), bits, "%s %llu", fv_elem_name(e),
                         (unsigned long long)bits);
            cr_assert_eq(fv_float_encode(e, nextafter(middle, b)), bits + 1);
            cr_assert_eq(fv_float_encode(e, middle), bits + (bits & 1));
        }
    }
}

static void encodes(fv_elem e, double v, uint64_t bits) {
    cr_expect_eq(fv_float_encode(e, v), bits, "%s of %g is 0x%llx", fv_elem_name(e), v,
                 (unsigned long long)fv_float_encode(e, v));
}

Test(tensor, floats_out_of_range) {
    encodes(FV_F16, 65519.0, 0x7bff);
    encodes(FV_F16, 65520.0, 0x7c00);
    encodes(FV_F16, -1e300, 0xfc00);
    encodes(FV_F16, (double)NAN, 0x7e00);
    encodes(FV_F16, -0.0, 0x8000);
    encodes(FV_F16, 1e-300, 0);
    encodes(FV_BF16, (double)INFINITY, 0x7f80);
    encodes(FV_F8E4M3FN, 1e9, 0x7e);
    encodes(FV_F8E4M3FN, -(double)INFINITY, 0xfe);
    encodes(FV_F8E4M3FN, (double)NAN, 0x7f);
    encodes(FV_F8E4M3FNUZ, -0.0, 0);
    encodes(FV_F8E4M3FNUZ, -1e-9, 0);
    encodes(FV_F8E4M3FNUZ, (double)NAN, 0x80);
    encodes(FV_F8E5M2, 1e9, 0x7c);
    encodes(FV_F8E5M2FNUZ, 1e9, 0x7f);
    encodes(FV_F4E2M1, 100, 7);
    encodes(FV_F4E2M1, -0.25, 8);
    encodes(FV_F4E2M1, 5, 6);
    encodes(FV_F8E8M0, 0, 0);
    encodes(FV_F8E8M0, 3, 128);
    encodes(FV_F8E8M0, 6, 130);
    encodes(FV_F8E8M0, 1e300, 254);
    encodes(FV_F32, 1e300, 0x7f800000);
    encodes(FV_F32, 0.1, 0x3dcccccd);
    encodes(FV_F64, 0.1, 0x3fb999999999999a);
}

/* The F32 path is that of the machine. */
Test(tensor, f32_is_as_the_compiler_rounds) {
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        uint64_t bits = state;
        if (i & 1) /* exponents that floats have */
            bits = (bits & ~(UINT64_C(0x7ff) << 52)) | (UINT64_C(850) + bits % 350) << 52;
        double v;
        memcpy(&v, &bits, sizeof v);
        float f = (float)v;
        uint32_t expected;
        memcpy(&expected, &f, sizeof f);
        if (!isnan(v))
            cr_assert_eq(fv_float_encode(FV_F32, v), expected, "%a", v);
    }
}

Test(tensor, elements_of_integers) {
    static const fv_elem ints[] = {FV_U2,  FV_I2,  FV_U4,  FV_I4,  FV_U8,  FV_I8,
                                   FV_U16, FV_I16, FV_U32, FV_I32, FV_U64, FV_I64};
    for (size_t k = 0; k < sizeof ints / sizeof *ints; k++) {
        fv_tensor *t = fv_tensor_new(arena, ints[k], 1, (int64_t[]){9});
        int bits = fv_elem_bits(ints[k]);
        int64_t lowest = !fv_elem_is_signed(ints[k]) ? 0 : (int64_t)(UINT64_MAX << (bits - 1));
        for (size_t i = 0; i < 9; i++)
            fv_tensor_set_int(t, i, i & 1 ? lowest : (int64_t)i % 2 + 1);
        for (size_t i = 0; i < 9; i++)
            cr_expect_eq(fv_tensor_int(t, i), i & 1 ? lowest : 1, "%s", fv_elem_name(ints[k]));
    }
    fv_tensor *t = fv_tensor_new(arena, FV_U64, 0, NULL);
    fv_tensor_set_int(t, 0, -1);
    cr_expect_eq(fv_tensor_float(t, 0), 18446744073709551616.0);
    fv_tensor *b = fv_tensor_new(arena, FV_BOOL, 0, NULL);
    fv_tensor_set_int(b, 0, 256);
    cr_expect_eq(fv_tensor_int(b, 0), 1);
}

Test(tensor, packed_from_the_low_bits) {
    fv_tensor *t = fv_tensor_new(arena, FV_U4, 1, (int64_t[]){3});
    for (size_t i = 0; i < 3; i++)
        fv_tensor_set_int(t, i, (int64_t)i + 1);
    const unsigned char *p = t->data;
    cr_expect(t->bytes == 2 && p[0] == 0x21 && p[1] == 0x03);
    fv_tensor *u = fv_tensor_new(arena, FV_U4, 1, (int64_t[]){3});
    memcpy((void *)(uintptr_t)u->data, (unsigned char[]){0x21, 0xf3}, 2);
    cr_expect(fv_tensor_equal(t, u)); /* what follows the last element does not count */
    fv_tensor_set_int(u, 1, 5);
    cr_expect(!fv_tensor_equal(t, u));
}

Test(tensor, equality) {
    fv_tensor *a = fv_tensor_new(arena, FV_F32, 1, (int64_t[]){2});
    fv_tensor *b = fv_tensor_new(arena, FV_F32, 1, (int64_t[]){2});
    cr_expect(fv_tensor_equal(a, b));
    fv_tensor_set_float(b, 0, -0.0);
    cr_expect(!fv_tensor_equal(a, b));
    cr_expect(!fv_tensor_equal(a, fv_tensor_new(arena, FV_F32, 2, (int64_t[]){1, 2})));
    cr_expect(!fv_tensor_equal(a, fv_tensor_new(arena, FV_I32, 1, (int64_t[]){2})));
}

Test(tensor, sizes) {
    size_t count, bytes;
    const int64_t huge[] = {INT64_C(1) << 40, INT64_C(1) << 40}, minus[] = {-1};
    int64_t ones[FV_MAX_RANK + 1];
    for (int i = 0; i <= FV_MAX_RANK; i++)
        ones[i] = 1;
    cr_expect(!fv_tensor_size(FV_F32, 2, huge, &count, &bytes));
    cr_expect(!fv_tensor_size(FV_F32, 1, minus, &count, &bytes));
    cr_expect(!fv_tensor_size(FV_F32, FV_MAX_RANK + 1, ones, &count, &bytes));
    cr_expect(fv_tensor_size(FV_F32, FV_MAX_RANK, ones, &count, &bytes) && bytes == 4);
    cr_expect(fv_tensor_size(FV_I2, 1, (int64_t[]){5}, &count, &bytes) && bytes == 2);
    cr_expect(fv_tensor_size(FV_F32, 2, (int64_t[]){0, 9}, &count, &bytes) && !count && !bytes);
    cr_expect_null(fv_tensor_new(arena, FV_U8, 1, (int64_t[]){INT64_MAX}));
}

/* ---- types ---- */

Test(tensor, element_types) {
    fv_elem e;
    for (int i = 1; i < FV_ELEM_END; i++) {
        const char *name = fv_elem_name((fv_elem)i);
        cr_expect(fv_elem_parse(name, strlen(name), &e) && e == (fv_elem)i, "%s", name);
    }
    cr_expect(!fv_elem_parse("f3", 2, &e) && !fv_elem_parse("f321", 4, &e));
    cr_expect_eq(fv_elem_arith(FV_F16), FV_F32);
    cr_expect_eq(fv_elem_arith(FV_I2), FV_I8);
    cr_expect(fv_elem_is_float(FV_F8E8M0) && !fv_elem_is_float(FV_C64));
    cr_expect(fv_elem_is_int(FV_U2) && !fv_elem_is_int(FV_BOOL));
    cr_expect(fv_elem_is_signed(FV_I4) && !fv_elem_is_signed(FV_F32));
    cr_expect(fv_elem_is_packed(FV_F4E2M1) && !fv_elem_is_packed(FV_I8));
}

Test(tensor, types_as_text) {
    fv_dims *t = fv_dims_new(arena);
    const fv_dim *dims[] = {fv_dim_symbol(t, "seq"), fv_dim_const(t, 768)};
    const fv_type *x = fv_tensor_type(arena, FV_BF16, 2, dims);
    cr_expect_str_eq(fv_type_str(arena, x), "bf16[seq, 768]");
    const fv_type *s = fv_wrap_type(arena, FV_SEQUENCE, fv_wrap_type(arena, FV_OPTIONAL, x));
    cr_expect_str_eq(fv_type_str(arena, s), "seq(optional(bf16[seq, 768]))");
    cr_expect_str_eq(fv_type_str(arena, fv_tensor_type(arena, FV_I64, 0, NULL)), "i64[]");
    cr_expect(fv_type_equal(s, fv_wrap_type(arena, FV_SEQUENCE, s->of)));
    cr_expect(!fv_type_equal(s, s->of));
    cr_expect(!fv_type_equal(x, fv_tensor_type(arena, FV_BF16, 1, dims)));
}

/* ---- rows ---- */

/* The bytes of t, as they are written. */
static const unsigned char *written(const fv_tensor *t) {
    unsigned char *bytes = FV_NEW(arena, unsigned char, t->bytes + 1);
    FILE *f = tmpfile();
    cr_assert(fv_tensor_write_bytes(session, t, f));
    rewind(f);
    cr_assert(fread(bytes, 1, t->bytes + 1, f) == t->bytes);
    fclose(f);
    return bytes;
}

static fv_tensor *counting(int64_t rows, int64_t columns) {
    fv_tensor *t = fv_tensor_new(arena, FV_U8, 2, (int64_t[]){rows, columns});
    for (size_t i = 0; i < t->count; i++)
        fv_tensor_set_int(t, i, (int64_t)i);
    return t;
}

Test(tensor, rows_of_a_part) {
    const fv_tensor *whole = counting(4, 10);
    fv_tensor_rows r, inner;
    cr_assert(fv_tensor_part_rows(whole, 4, 10, 2, 6, &r)); /* columns 2 to 7 */
    fv_tensor part = {
        .elem = FV_U8, .rank = 2, .dims = (int64_t[]){4, 6}, .count = 24, .bytes = 24, .rows = &r};
    const fv_tensor *copy = fv_tensor_whole(arena, &part);
    for (size_t i = 0; i < 24; i++)
        cr_assert(fv_tensor_int(copy, i) == (int64_t)(i / 6 * 10 + 2 + i % 6));
    cr_assert(!memcmp(written(&part), copy->data, 24));
    cr_assert(!memcmp(fv_tensor_little_endian(arena, &part), copy->data, 24));
    cr_assert(fv_tensor_whole(arena, whole) == whole);
    /* of the part, columns 1 to 2; and rows 1 to 2 */
    cr_assert(fv_tensor_part_rows(&part, 4, 6, 1, 2, &inner));
    cr_assert(inner.n == 4 && inner.bytes == 2 && inner.stride == 10 &&
              inner.first == (const char *)whole->data + 3);
    cr_assert(fv_tensor_part_rows(&part, 1, 24, 6, 12, &inner));
    cr_assert(inner.n == 2 && inner.bytes == 6 && inner.stride == 10 &&
              inner.first == (const char *)whole->data + 12);
    /* blocks that are no rows, or begin within one */
    cr_assert(!fv_tensor_part_rows(&part, 1, 24, 3, 12, &inner));
    cr_assert(!fv_tensor_part_rows(&part, 2, 12, 0, 6, &inner));
}

/* The pages of a mapped file leave the memory, and are read again. */
Test(tensor, rows_of_a_file) {
    enum { ROWS = 40, ROW = 1 << 20, SHARE = 1 << 19 };
    char path[] = "/tmp/fovea_rows_XXXXXX";
    unsigned char *row = malloc(ROW);
    const char *why;
    int fd = mkstemp(path);
    for (int i = 0; i < ROWS; i++) {
        memset(row, i, ROW / 2);
        memset(row + ROW / 2, i + 100, ROW / 2);
        cr_assert(write(fd, row, ROW) == ROW);
    }
    close(fd);
    free(row);
    const fv_mapping *m = fv_map_file(session, arena, path, 0, &why);
    unlink(path);
    const fv_tensor_rows r = {(const char *)m->start + SHARE, ROWS, SHARE, ROW};
    const fv_tensor share = {.elem = FV_U8,
                             .rank = 2,
                             .dims = (int64_t[]){ROWS, SHARE},
                             .count = (size_t)ROWS * SHARE,
                             .bytes = (size_t)ROWS * SHARE,
                             .rows = &r};
    const fv_tensor whole = {.elem = FV_U8,
                             .rank = 1,
                             .dims = (int64_t[]){(int64_t)m->size},
                             .count = m->size,
                             .bytes = m->size,
                             .data = m->start};
    for (int again = 0; again < 2; again++) {
        const unsigned char *of_share = written(&share), *of_whole = written(&whole);
        for (size_t i = 0; i < ROWS; i++) {
            cr_assert(of_share[i * SHARE] == i + 100 && of_share[i * SHARE + SHARE - 1] == i + 100);
            cr_assert(of_whole[i * ROW] == i && of_whole[i * ROW + ROW - 1] == i + 100);
        }
    }
}

#define PAGES "/proc/self/pagemap" /* Linux: an entry for each page of this process */

/* Is the page with the address mapped now? Bit 63 of its entry says so. */
static bool is_present(const void *at) {
    uint64_t entry = 0;
    long page = sysconf(_SC_PAGESIZE);
    FILE *f = fopen(PAGES, "rb");
    cr_assert(f && !fseek(f, (long)((uintptr_t)at / (uintptr_t)page * sizeof entry), SEEK_SET));
    cr_assert_eq(fread(&entry, sizeof entry, 1, f), 1);
    fclose(f);
    return entry >> 63;
}

/* Maps a temporary file of `size` bytes, all of which are `byte`, and reads its last page. */
static const fv_mapping *mapped(size_t size, int byte) {
    char path[] = "/tmp/fovea_mapped_XXXXXX", *bytes = malloc(size);
    const char *why;
    int fd = mkstemp(path);
    memset(bytes, byte, size);
    cr_assert(write(fd, bytes, size) == (ssize_t)size);
    close(fd);
    free(bytes);
    const fv_mapping *m = fv_map_file(session, arena, path, 0, &why);
    unlink(path);
    cr_assert(m && ((const volatile char *)m->start)[size - 1] == byte);
    return m;
}

/* Pages of mapped files leave the memory, those of small tensors, too, and only those of the files
 * that were mapped since a moment. */
Test(tensor, mapped_files_leave_the_memory) {
    enum { FILES = 3, BYTES = 5000 };
    const fv_mapping *m[FILES];
    const char *last[FILES];
    if (access(PAGES, R_OK))
        cr_skip_test("%s is not there", PAGES);
    for (int i = 0; i < FILES; i++) {
        m[i] = mapped(BYTES, i + 1);
        last[i] = (const char *)m[i]->start + BYTES - 1;
        cr_assert(is_present(last[i]));
        cr_assert_eq(fv_mapping_of(session, last[i]), m[i]);
    }
    cr_assert_null(fv_mapping_of(session, m));
    fv_mappings_drop(session, m[0]);
    cr_assert(is_present(last[0]) && !is_present(last[1]) && !is_present(last[2]));
    for (int i = 0; i < FILES; i++)
        cr_assert_eq(*last[i], i + 1, "it is read again");
    fv_mapping_drop_file(m[1]);
    cr_assert(is_present(last[0]) && !is_present(last[1]) && is_present(last[2]));
    fv_mappings_drop(session, NULL);
    for (int i = 0; i < FILES; i++)
        cr_assert(!is_present(last[i]));
}
