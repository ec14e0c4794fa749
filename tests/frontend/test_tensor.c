/* Tensors of all types in TensorProto messages and .npy files, read and written. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/data.h"
#include "frontend/tensor_proto.h"
#include "ir/base/limits.h"
#include "model_text.h"
#include "tests/session.h"

TestSuite(tensor, .init = open_session, .fini = close_session);
TestSuite(npy, .init = open_session, .fini = close_session);

/* Twelve elements of any type, none of whose bits are all alike. */
static fv_tensor *sample(fv_elem e) {
    fv_tensor *t = fv_tensor_new(arena, e, 3, (int64_t[]){2, 3, 2});
    uint8_t *bytes = (uint8_t *)(uintptr_t)t->data;
    if (e == FV_STRING) {
        static const char *const words[] = {"", "a", "two words", "\xC3\xA9t\xC3\xA9"};
        fv_string *strings = (fv_string *)(uintptr_t)t->data;
        for (size_t i = 0; i < t->count; i++)
            strings[i] = (fv_string){words[i % 4], strlen(words[i % 4])};
        return t;
    }
    for (size_t i = 0; i < t->bytes; i++)
        bytes[i] = (uint8_t)(e == FV_BOOL ? i % 3 == 0 : i * 37 + 5);
    return t;
}

#define FOR_EACH_ELEM(e) for (fv_elem e = (fv_elem)1; e < FV_ELEM_END; e = (fv_elem)(e + 1))

/* ---- TensorProto ---- */

Test(tensor, proto_round_trip) {
    FOR_EACH_ELEM(e) {
        const fv_tensor *t = sample(e);
        fv_text out = {.arena = arena};
        fv_tensor_to_pb(&out, t, "name");
        const fv_tensor *back = fv_tensor_from_pb(session, arena, (uint8_t *)out.s, out.n, "file");
        cr_assert(back, "%s: %s", fv_elem_name(e), last_message());
        cr_expect(fv_tensor_equal(t, back), "%s", fv_elem_name(e));
    }
}

/* Writes the elements as the standard has them in typed fields. */
static fv_text typed_proto(const fv_tensor *t, bool packed) {
    fv_text out = {.arena = arena}, list = {.arena = arena};
    size_t unit = fv_elem_unit(t->elem);
    bool as_float = t->elem == FV_F32 || t->elem == FV_C64;
    bool as_double = t->elem == FV_F64 || t->elem == FV_C128;
    unsigned field = as_float                                 ? 4
                     : as_double                              ? 10
                     : t->elem == FV_I64                      ? 7
                     : t->elem == FV_U32 || t->elem == FV_U64 ? 11
                                                              : 5;
    for (int i = 0; i < t->rank; i++)
        put_int(&out, 1, t->dims[i]);
    put_int(&out, 2, t->elem);
    for (size_t i = 0; i < t->bytes; i += unit) {
        const char *p = (const char *)t->data + i;
        int64_t v = 0;
        memcpy(&v, p, unit);
        if (fv_elem_is_signed(t->elem) && unit < 8 && v >> (unit * 8 - 1)) /* extends its sign */
            v -= (int64_t)1 << unit * 8;
        fv_text *to = packed ? &list : &out;
        if (!packed)
            put_varint(to, field << 3 | (as_float ? 5u : as_double ? 1u : 0u));
        if (as_float || as_double)
            fv_text_putn(to, p, unit);
        else
            put_varint(to, (uint64_t)v);
    }
    if (packed)
        put_message(&out, field, &list);
    return out;
}

Test(tensor, typed_fields) {
    FOR_EACH_ELEM(e) {
        for (int packed = 0; packed < 2 && e != FV_STRING; packed++) {
            const fv_tensor *t = sample(e);
            fv_text out = typed_proto(t, packed);
            const fv_tensor *back =
                fv_tensor_from_pb(session, arena, (uint8_t *)out.s, out.n, "file");
            cr_assert(back, "%s: %s", fv_elem_name(e), last_message());
            cr_expect(fv_tensor_equal(t, back), "%s, packed %d", fv_elem_name(e), packed);
            if (fv_elem_is_packed(e))
                continue; /* a last byte may be cut anywhere */
            out.n--;
            cr_expect(!fv_tensor_from_pb(session, arena, (uint8_t *)out.s, out.n, "file"));
        }
    }
}

/* A tensor of these dims with these raw bytes. */
static const fv_tensor *raw(fv_elem e, int rank, const int64_t *dims, const void *bytes, size_t n) {
    fv_text out = {.arena = arena};
    for (int i = 0; i < rank; i++)
        put_int(&out, 1, dims[i]);
    put_int(&out, 2, e);
    put_bytes(&out, 9, bytes, n);
    return fv_tensor_from_pb(session, arena, (uint8_t *)out.s, out.n, "file");
}

Test(tensor, sizes) {
    static const char bytes[64];
    cr_expect(raw(FV_F32, 1, (int64_t[]){4}, bytes, 16));
    cr_expect(!raw(FV_F32, 1, (int64_t[]){4}, bytes, 15));
    cr_expect(!raw(FV_F32, 1, (int64_t[]){4}, bytes, 17));
    cr_expect_str_eq(last_message(), "tensor '': raw_data has 17 bytes, its type and dims need 16");
    cr_expect(raw(FV_I4, 1, (int64_t[]){3}, bytes, 2));
    cr_expect(!raw(FV_I4, 1, (int64_t[]){3}, bytes, 3));
    cr_expect(raw(FV_U2, 1, (int64_t[]){5}, bytes, 2));
    cr_expect(raw(FV_F32, 0, NULL, bytes, 4));
    cr_expect(raw(FV_F32, 2, (int64_t[]){0, FV_DIM_MAX}, bytes, 0));
    cr_expect(!raw(FV_F32, 2, (int64_t[]){FV_DIM_MAX, FV_DIM_MAX}, bytes, 4));
    cr_expect(!raw(FV_F32, 1, (int64_t[]){-1}, bytes, 4));
    cr_expect(!raw(FV_F32, 1, (int64_t[]){INT64_MAX}, bytes, 4));
    cr_expect(!raw((fv_elem)99, 1, (int64_t[]){1}, bytes, 4));
    cr_expect_str_eq(last_message(), "tensor '': element type 99 is not known");
    cr_expect(!raw(FV_STRING, 1, (int64_t[]){1}, bytes, 4));
}

Test(tensor, two_storages_are_one_too_many) {
    fv_text out = {.arena = arena};
    put_int(&out, 1, 1);
    put_int(&out, 2, FV_I32);
    put_int(&out, 5, 7);
    put_bytes(&out, 9, "abcd", 4);
    cr_expect(!fv_tensor_from_pb(session, arena, (uint8_t *)out.s, out.n, "file"));
    cr_expect_str_eq(last_message(), "tensor '': has both int32_data and raw_data");
}

Test(tensor, bools_are_0_or_1) {
    const fv_tensor *t = raw(FV_BOOL, 1, (int64_t[]){3}, "\x02\x00\xFF", 3);
    cr_assert(t);
    cr_expect(memcmp(t->data, "\x01\x00\x01", 3) == 0);
}

/* Small tensors are aligned at whatever address they are in the file; large ones point into the
 * bytes. */
Test(tensor, alignment) {
    size_t large = FV_FOLD_BYTES + 8;
    char *bytes = fv_alloc(arena, large + 64, 1);
    for (size_t shift = 0; shift < 8; shift++) {
        const uint8_t *at = (uint8_t *)bytes + shift;
        int64_t few = 4, many = (int64_t)large / 8;
        const fv_tensor *t = fv_tensor_of_bytes(arena, FV_F64, 1, &few, at, false);
        cr_expect((uintptr_t)t->data % 8 == 0);
        t = fv_tensor_of_bytes(arena, FV_F64, 1, &many, at, false);
        cr_expect(t->data == at);
    }
}

/* What a host of the other byte order does. */
Test(tensor, byte_order) {
    const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    int64_t one = 1, two = 2;
    const fv_tensor *t = fv_tensor_of_bytes(arena, FV_I32, 1, &two, bytes, true);
    cr_expect(fv_tensor_int(t, 0) == 0x01020304 && fv_tensor_int(t, 1) == 0x05060708);
    t = fv_tensor_of_bytes(arena, FV_I64, 1, &one, bytes, true);
    cr_expect(fv_tensor_int(t, 0) == 0x0102030405060708);
    t = fv_tensor_of_bytes(arena, FV_I16, 1, &two, bytes, true);
    cr_expect(fv_tensor_int(t, 0) == 0x0102 && fv_tensor_int(t, 1) == 0x0304);
    t = fv_tensor_of_bytes(arena, FV_C128, 1, &one, bytes, true); /* halves stay in order */
    cr_expect(memcmp(t->data, (uint8_t[]){8, 7, 6, 5, 4, 3, 2, 1, 16, 15, 14, 13, 12, 11, 10, 9},
                     16) == 0);
    t = fv_tensor_of_bytes(arena, FV_I4, 1, &two, bytes, true);
    cr_expect(t->data == bytes); /* bytes have no order */
}

Test(tensor, sequences_are_recognised) {
    fv_text tensor = {.arena = arena}, sequence = {.arena = arena};
    fv_tensor_to_pb(&tensor, sample(FV_F32), "t");
    put_int(&sequence, 2, 1);
    put_message(&sequence, 3, &tensor);
    cr_expect(!fv_tensor_from_pb(session, arena, (uint8_t *)sequence.s, sequence.n, "file"));
    cr_expect_str_eq(last_message(), "'file' holds a sequence or an optional, expected a tensor");
}

/* ---- strings ---- */

Test(tensor, strings_are_a_text_and_ends) {
    const fv_tensor *parts[2], *strings = sample(FV_STRING), *again;
    cr_assert(fv_text_from_strings(arena, strings, parts));
    cr_expect(parts[0]->elem == FV_U8 && parts[0]->rank == 1 && parts[1]->elem == FV_I64 &&
              parts[1]->count == strings->count);
    again = fv_strings_from_text(arena, parts[0], parts[1]);
    cr_expect(again && fv_tensor_equal(strings, again));
    fv_tensor *ends = fv_tensor_new(arena, FV_I64, 1, (int64_t[]){2});
    fv_tensor_set_int(ends, 0, 1);
    cr_expect_null(fv_strings_from_text(arena, parts[0], ends),
                   "the second string ends before the first");
    fv_tensor_set_int(ends, 1, (int64_t)parts[0]->count + 1);
    cr_expect_null(fv_strings_from_text(arena, parts[0], ends), "a string ends behind the text");
}

/* ---- sequences and optionals ---- */

static fv_text sequence_of(int n, fv_tensor *const *tensors) {
    fv_text out = {.arena = arena};
    put_text(&out, 1, "s");
    put_int(&out, 2, 1);
    for (int i = 0; i < n; i++) {
        fv_text t = {.arena = arena};
        fv_tensor_to_pb(&t, tensors[i], "");
        put_message(&out, 3, &t);
    }
    return out;
}

static bool parts_of(const fv_text *bytes, fv_elem e, int n, const fv_tensor **parts) {
    return fv_parts_from_pb(session, arena, (const uint8_t *)bytes->s, bytes->n, "file", e, n,
                            parts);
}

static fv_tensor *numbers(int64_t n) {
    fv_tensor *t = fv_tensor_new(arena, FV_I64, 1, &n);
    for (int64_t i = 0; i < n; i++)
        fv_tensor_set_int(t, (size_t)i, i);
    return t;
}

Test(tensor, sequences_are_two_tensors) {
    const fv_tensor *parts[3];
    fv_text bytes = sequence_of(3, (fv_tensor *[]){numbers(2), numbers(0), sample(FV_I64)});
    cr_assert(parts_of(&bytes, FV_I64, 2, parts));
    cr_expect(parts[0]->rank == 1 && parts[0]->dims[0] == 14 && fv_tensor_int(parts[0], 1) == 1);
    cr_expect(!memcmp((const char *)parts[0]->data + 16, sample(FV_I64)->data, 96));
    static const int64_t shapes[] = {1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1,
                                     1, 1, 1, 1, 3, 2, 3, 2, 1, 1, 1, 1, 1};
    cr_expect(parts[1]->dims[0] == 3 && parts[1]->dims[1] == 9 &&
              !memcmp(parts[1]->data, shapes, sizeof shapes));
    bytes = sequence_of(0, NULL);
    cr_assert(parts_of(&bytes, FV_I64, 2, parts));
    cr_expect(parts[0]->count == 0 && parts[1]->dims[0] == 0);
    fv_text alone = {.arena = arena};
    fv_tensor_to_pb(&alone, numbers(4), "t");
    cr_assert(parts_of(&alone, FV_I64, 2, parts));
    cr_expect(parts[0]->count == 4 && parts[1]->dims[0] == 1);
}

Test(tensor, optional_sequences_are_three) {
    const fv_tensor *parts[3];
    fv_text bytes = sequence_of(1, (fv_tensor *[]){numbers(2)}), there = {.arena = arena},
            none = {.arena = arena};
    put_int(&there, 2, 3);
    put_message(&there, 5, &bytes);
    cr_assert(parts_of(&there, FV_I64, 3, parts));
    cr_expect(parts[0]->count == 2 && parts[1]->dims[0] == 1 && fv_tensor_int(parts[2], 0) == 1);
    cr_assert(parts_of(&bytes, FV_I64, 3, parts)); /* what it holds will do */
    cr_expect(parts[0]->count == 2 && fv_tensor_int(parts[2], 0) == 1);
    put_int(&none, 2, 3);
    cr_assert(parts_of(&none, FV_I64, 3, parts));
    cr_expect(parts[0]->count == 0 && parts[1]->dims[0] == 0 && fv_tensor_int(parts[2], 0) == 0);
}

Test(tensor, sequences_that_cannot_be) {
    const fv_tensor *parts[3];
    fv_text bytes = sequence_of(2, (fv_tensor *[]){numbers(2), sample(FV_F32)}),
            nested = {.arena = arena}, twice = {.arena = arena};
    cr_expect(!parts_of(&bytes, FV_I64, 2, parts));
    cr_expect_str_eq(last_message(), "'file' holds a tensor of f32, expected i64");
    int64_t many[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    bytes = sequence_of(1, (fv_tensor *[]){fv_tensor_new(arena, FV_I64, 9, many)});
    cr_expect(!parts_of(&bytes, FV_I64, 2, parts));
    cr_expect_str_eq(last_message(),
                     "'file' holds a tensor of rank 9, at most 8 is supported there");
    bytes = sequence_of(1, (fv_tensor *[]){sample(FV_U4)});
    cr_expect(!parts_of(&bytes, FV_U4, 2, parts));
    cr_expect_str_eq(last_message(),
                     "'file' holds tensors of u4, which cannot be read from a sequence");
    put_message(&nested, 5, &bytes);
    put_message(&nested, 5, &bytes);
    cr_expect(!parts_of(&nested, FV_I64, 2, parts));
    cr_expect_str_eq(last_message(),
                     "'file' holds something else than tensors in a sequence or an optional");
    put_bytes(&twice, 3, "\xff", 1);
    cr_expect(!parts_of(&twice, FV_I64, 2, parts));
}

Test(tensor, bits_of_a_sequence_flipped) {
    const fv_tensor *parts[3];
    fv_text out = sequence_of(2, (fv_tensor *[]){numbers(2), numbers(3)});
    for (size_t bit = 0; bit < out.n * 8; bit++) { /* it must not crash */
        out.s[bit / 8] = (char)(out.s[bit / 8] ^ 1 << bit % 8);
        bool read = parts_of(&out, FV_I64, 2, parts);
        (void)read;
        out.s[bit / 8] = (char)(out.s[bit / 8] ^ 1 << bit % 8);
    }
}

/* ---- maps ---- */

static fv_maps maps_of(fv_elem key, const int64_t *ends, int n) {
    fv_tensor *keys = fv_tensor_new(arena, key, 1, (int64_t[]){3}),
              *values = fv_tensor_new(arena, FV_F16, 1, (int64_t[]){3}), *e = NULL;
    for (size_t i = 0; i < 3; i++) {
        fv_tensor_set_float(values, i, (double)i / 2);
        if (key == FV_STRING)
            ((fv_string *)(uintptr_t)keys->data)[i] = (fv_string){&"cab"[i], 1};
        else
            fv_tensor_set_int(keys, i, 3 - (int64_t)i * 2); /* 3, 1, -1 */
    }
    if (ends)
        e = fv_tensor_new(arena, FV_I64, 1, (int64_t[]){n});
    for (int i = 0; i < n; i++)
        fv_tensor_set_int(e, (size_t)i, ends[i]);
    return (fv_maps){keys, values, e};
}

static bool same_maps(const fv_maps *a, const fv_maps *b) {
    return fv_tensor_equal(a->keys, b->keys) && fv_tensor_equal(a->values, b->values) &&
           !a->ends == !b->ends && (!a->ends || fv_tensor_equal(a->ends, b->ends));
}

static bool maps_from(const fv_text *bytes, fv_elem key, bool sequence, fv_maps *out) {
    return fv_maps_from_pb(session, arena, (const uint8_t *)bytes->s, bytes->n, "file", key, FV_F16,
                           sequence, out);
}

Test(tensor, maps_round_trip) {
    static const fv_elem keys[] = {FV_STRING, FV_I8, FV_U16, FV_I32, FV_I64, FV_U64};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (int sequence = 0; sequence < 2; sequence++) {
            fv_maps m = maps_of(keys[i], sequence ? (int64_t[]){2, 2, 3} : NULL, sequence * 3),
                    back;
            fv_text out = {.arena = arena};
            fv_maps_to_pb(&out, &m, "m");
            cr_assert(maps_from(&out, keys[i], sequence, &back), "%s: %s", fv_elem_name(keys[i]),
                      last_message());
            cr_expect(same_maps(&m, &back), "%s", fv_elem_name(keys[i]));
        }
}

Test(tensor, maps_in_order) {
    fv_maps m = maps_of(FV_I64, NULL, 0), s = fv_maps_sorted(arena, &m);
    cr_expect(fv_tensor_int(s.keys, 0) == -1 && fv_tensor_int(s.keys, 2) == 3 &&
              fv_tensor_float(s.values, 0) == 1);
    m = maps_of(FV_U64, NULL, 0);
    s = fv_maps_sorted(arena, &m);
    cr_expect(fv_tensor_int(s.keys, 0) == 1 && fv_tensor_int(s.keys, 2) == -1,
              "without a sign it is the largest");
    m = maps_of(FV_STRING, (int64_t[]){1, 3}, 2);
    s = fv_maps_sorted(arena, &m);
    cr_expect(((const fv_string *)s.keys->data)[0].s[0] == 'c' &&
                  fv_tensor_float(s.values, 1) == 0.5,
              "each map by itself");
}

Test(tensor, maps_that_are_none) {
    fv_maps m = maps_of(FV_I64, (int64_t[]){2, 1, 3}, 3);
    cr_expect(!fv_maps_are_whole(&m), "ends go back");
    m = maps_of(FV_I64, (int64_t[]){-1, 3}, 2);
    cr_expect(!fv_maps_are_whole(&m), "an end before the first entry");
    m = maps_of(FV_I64, (int64_t[]){2}, 1);
    cr_expect(!fv_maps_are_whole(&m), "entries behind the last end");
    m = maps_of(FV_I64, (int64_t[]){3, 3}, 2);
    cr_expect(fv_maps_are_whole(&m));
}

Test(tensor, bits_of_maps_flipped) {
    fv_maps m = maps_of(FV_STRING, (int64_t[]){2, 3}, 2), back;
    fv_text out = {.arena = arena};
    fv_maps_to_pb(&out, &m, "m");
    for (size_t bit = 0; bit < out.n * 8; bit++) { /* it must not crash */
        out.s[bit / 8] = (char)(out.s[bit / 8] ^ 1 << bit % 8);
        bool read = maps_from(&out, FV_STRING, true, &back);
        (void)read;
        out.s[bit / 8] = (char)(out.s[bit / 8] ^ 1 << bit % 8);
    }
}

/* ---- .npy ---- */

/* What a type is read as when nobody says what is expected. */
static fv_elem plain(fv_elem e) {
    if (e == FV_BF16)
        return FV_U16;
    if (e == FV_I4 || e == FV_I2)
        return FV_I8;
    return fv_elem_is_packed(e) || (FV_SET_FLOAT8 >> e & 1) ? FV_U8 : e;
}

Test(npy, round_trip) {
    FOR_EACH_ELEM(e) {
        const fv_tensor *t = sample(e);
        fv_text out = {.arena = arena};
        cr_assert(fv_tensor_to_npy(&out, session, t));
        const fv_tensor *back =
            fv_tensor_from_npy(session, arena, (uint8_t *)out.s, out.n, e, "file");
        cr_assert(back, "%s: %s", fv_elem_name(e), last_message());
        cr_expect(fv_tensor_equal(t, back), "%s", fv_elem_name(e));
        back = fv_tensor_from_npy(session, arena, (uint8_t *)out.s, out.n, FV_NO_ELEM, "file");
        cr_assert(back);
        cr_expect(back->elem == plain(e), "%s", fv_elem_name(e));
        for (size_t n = 0; n < out.n; n += 1 + (n > 200)) /* every beginning is refused */
            cr_expect(!fv_tensor_from_npy(session, arena, (uint8_t *)out.s, n, e, "file"));
    }
}

/* A file of version 1, 2 or 3 with this header and these bytes. */
static const fv_tensor *npy(int version, const char *header, const void *data, size_t n,
                            fv_elem want) {
    fv_text out = {.arena = arena};
    size_t length = strlen(header);
    fv_text_putn(&out, "\x93NUMPY", 6);
    fv_text_putn(&out, (char[]){(char)version, 0, (char)length, (char)(length >> 8), 0, 0},
                 version == 1 ? 4 : 6);
    fv_text_put(&out, header);
    fv_text_putn(&out, data, n);
    return fv_tensor_from_npy(session, arena, (uint8_t *)out.s, out.n, want, "file");
}

static void npy_is(const fv_tensor *t, const char *expected) {
    fv_text out = {.arena = arena};
    cr_assert(t, "%s", last_message());
    fv_text_printf(&out, "%s", fv_elem_name(t->elem));
    for (int i = 0; i < t->rank; i++)
        fv_text_printf(&out, " %d", (int)t->dims[i]);
    fv_text_put(&out, ":");
    for (size_t i = 0; i < t->count; i++)
        if (t->elem == FV_STRING)
            fv_text_printf(&out, " %.*s", (int)((const fv_string *)t->data)[i].n,
                           ((const fv_string *)t->data)[i].s);
        else
            fv_text_printf(&out, " %g", fv_tensor_float(t, i));
    cr_expect_str_eq(out.s, expected);
}

/* Bytes that are no text stay what they are. */
Test(npy, strings_that_are_no_unicode) {
    const fv_tensor *t = npy(1, "{'descr': '|S3', 'fortran_order': False, 'shape': (2,)}",
                             "\xFF\xC3"
                             "ab\0\0",
                             6, FV_NO_ELEM);
    fv_text out = {.arena = arena};
    cr_assert(t && fv_tensor_to_npy(&out, session, t));
    const fv_tensor *again =
        fv_tensor_from_npy(session, arena, (uint8_t *)out.s, out.n, FV_STRING, "file");
    cr_expect(again && fv_tensor_equal(t, again));
}

Test(npy, what_numpy_writes) {
    const char *i2 = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }   \n";
    const uint8_t data[] = {1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0};
    for (int version = 1; version <= 3; version++)
        npy_is(npy(version, i2, data, 12, FV_NO_ELEM), "i16 2 3: 1 2 3 4 5 6");
    npy_is(npy(1, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3)}", data, 12, FV_NO_ELEM),
           "i16 2 3: 1 3 5 2 4 6");
    npy_is(npy(1, "{'descr': '>i2', 'fortran_order': False, 'shape': (3,), }", data + 1, 6,
               FV_NO_ELEM),
           "i16 3: 2 3 4");
    npy_is(npy(1, "{'shape': (), 'descr': '|u1', 'fortran_order': False}", data, 1, FV_NO_ELEM),
           "u8: 1");
    npy_is(npy(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2L,)}", data, 2, FV_NO_ELEM),
           "bool 2: 1 0");
    npy_is(
        npy(1, "{'descr': '|S3', 'fortran_order': False, 'shape': (2,)}", "ab\0cde", 6, FV_NO_ELEM),
        "string 2: ab cde");
    npy_is(npy(1, "{'descr': '<U2', 'fortran_order': False, 'shape': (1,)}", "\xE9\0\0\0\0\0\0", 8,
               FV_NO_ELEM),
           "string 1: \xC3\xA9");
    npy_is(npy(1, "{'descr': '>U1', 'fortran_order': False, 'shape': (1,)}", "\0\x01\xF6", 4,
               FV_NO_ELEM),
           "string 1: \xF0\x9F\x98\x80");
    npy_is(
        npy(1, "{'descr': '|V2', 'fortran_order': False, 'shape': (1,)}", "\x80\x3F", 2, FV_BF16),
        "bf16 1: 1");
    npy_is(
        npy(1, "{'descr': '|V1', 'fortran_order': False, 'shape': (3,)}", "\x0F\xFF\x07", 3, FV_I4),
        "i4 3: -1 -1 7");
    npy_is(npy(1, "{'descr': '<u2', 'fortran_order': False, 'shape': (1,)}", "\x00\x3C", 2, FV_F16),
           "f16 1: 1");
    npy_is(npy(1, "{'descr': '|i1', 'fortran_order': False, 'shape': (2,)}", "\x07\xF8", 2, FV_I4),
           "i4 2: 7 -8");
}

static void npy_refused(const char *header, size_t n, fv_elem want, const char *why) {
    static const char data[64] = {99, 99};
    cr_expect(!npy(1, header, data, n, want), "accepted, though %s", why);
    cr_expect(strstr(last_message(), why), "is       %s\nexpected %s", last_message(), why);
}

Test(npy, refused) {
#define HEAD(descr, shape) "{'descr': " descr ", 'fortran_order': False, 'shape': " shape "}"
    npy_refused(HEAD("'<f4'", "(2,)"), 7, FV_NO_ELEM,
                "it has 7 bytes of elements, its header says 8");
    npy_refused(HEAD("'|O'", "(2,)"), 16, FV_NO_ELEM, "Python objects");
    npy_refused(HEAD("[('a', '<f4')]", "(2,)"), 8, FV_NO_ELEM, "structured");
    npy_refused(HEAD("'<f3'", "(2,)"), 8, FV_NO_ELEM, "a width that is not supported");
    npy_refused(HEAD("'<f16'", "(1,)"), 16, FV_NO_ELEM, "a width that is not supported");
    npy_refused(HEAD("'<M8'", "(1,)"), 16, FV_NO_ELEM, "dtype '<M8' is not supported");
    npy_refused(HEAD("'|V2'", "(1,)"), 2, FV_NO_ELEM, "raw bytes");
    npy_refused(HEAD("'|V2'", "(1,)"), 2, FV_F32, "raw bytes");
    npy_refused(HEAD("'|u1'", "(1,)"), 1, FV_I4, "element 0 does not fit i4");
    npy_refused(HEAD("'<f4'", "(1099511627776, 1099511627776, 4)"), 8, FV_NO_ELEM, "too large");
    npy_refused(HEAD("'<f4'", "(99999999999999999999,)"), 8, FV_NO_ELEM, "shape");
    npy_refused(HEAD("'<f4'", "(-1,)"), 8, FV_NO_ELEM, "shape");
    npy_refused(HEAD("'|S0'", "(99999999,)"), 0, FV_NO_ELEM, "too many elements without width");
    npy_refused(HEAD("'<f4'", "3"), 8, FV_NO_ELEM, "no tuple");
    npy_refused("{'descr': '<f4', 'shape': (1,)}", 4, FV_NO_ELEM, "lacks");
    npy_refused("{'descr': '<f4', 'descr': '<f4'}", 4, FV_NO_ELEM, "twice");
    npy_refused("{'descr': '<f4', 'odd': 3}", 4, FV_NO_ELEM, "not known");
    npy_refused("", 0, FV_NO_ELEM, "no dict");
    npy_refused("{", 0, FV_NO_ELEM, "not legal");
    cr_expect(!npy(9, "{}", "", 0, FV_NO_ELEM));
    cr_expect(strstr(last_message(), "format version 9.0"));
}

Test(npy, bits_flipped) {
    fv_text out = {.arena = arena};
    cr_assert(fv_tensor_to_npy(&out, session, sample(FV_I32)));
    for (size_t bit = 0; bit < 128 * 8; bit++) { /* it must not crash */
        out.s[bit / 8] = (char)(out.s[bit / 8] ^ 1 << bit % 8);
        (void)fv_tensor_from_npy(session, arena, (uint8_t *)out.s, out.n, FV_NO_ELEM, "file");
        out.s[bit / 8] = (char)(out.s[bit / 8] ^ 1 << bit % 8);
    }
}

/* ---- files ---- */

Test(npy, files) {
    char folder[] = "/tmp/fovea-test-XXXXXX";
    cr_assert(mkdtemp(folder));
    const fv_tensor *t = sample(FV_I32);
    const char *names[] = {"x.npy", "x.pb"};
    for (int i = 0; i < 2; i++) {
        const char *path = fv_printf(arena, "%s/%s", folder, names[i]);
        cr_assert(fv_tensor_write(session, path, t, "x"));
        cr_assert(fv_tensor_write(session, path, t, "x")); /* over the old one */
        const fv_tensor *back = fv_tensor_read(session, arena, path, FV_NO_ELEM);
        cr_expect(back && fv_tensor_equal(t, back));
        unlink(path);
    }
    const char *odd = fv_printf(arena, "%s/none/x.npy", folder);
    cr_expect(!fv_tensor_write(session, odd, t, "x"));
    cr_expect(!fv_tensor_read(session, arena, odd, FV_NO_ELEM));
    cr_expect(!fv_tensor_write(session, folder, t, "x"));
    cr_expect(!fv_tensor_read(session, arena, folder, FV_NO_ELEM));
    cr_expect(rmdir(folder) == 0, "something is left behind");
}
