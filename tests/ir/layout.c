/* layout.c - layouts: their text, addresses compared with a reference, copying into them, and
 * layouts that are refused. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/diag.h"
#include "ir/layout/layout.h"

static fv_session *session;
static fv_arena *arena;

static void setup(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
}

static void teardown(void) {
    fv_session_free(session);
}

TestSuite(layout, .init = setup, .fini = teardown);

static fv_layout *parse(const char *text) {
    fv_lexer x;
    fv_lex_init(&x, session, arena, text);
    return fv_layout_parse(&x, arena);
}

static fv_layout *legal(const char *text) {
    fv_layout *l = parse(text);
    const fv_message *m = fv_messages(session);
    cr_assert(l, "%s: %s", text, m ? m->text : "");
    return l;
}

static const char *text_of(const fv_layout *l) {
    fv_text t = {.arena = arena};
    fv_layout_print(&t, l);
    return t.s;
}

/* One of each kind that the compiler uses, small enough to look at every element. */
static const char *const kinds[] = {
    "layout i 7, k 5: i k bits 32",                            /* the order of the type */
    "layout k 6, j 37: j/16 k j%16 bits 32",                   /* panels */
    "layout e 3, k 6, j 37: e j/16 k j%16 bits 16",            /* of a batch */
    "layout k 10, f 2, j 37: j/16 k f j%16 bits 32",           /* of two factors */
    "layout k 10, j 37: j/16 k/4 j%16 k%4 bits 8",             /* dot products of 4 bytes */
    "layout k 9, j 5: j/4 k/2 j%4 k%2 bits 16",                /* ... of 2 halves */
    "layout k 7, j 37: j/16 k/2 j%16 k%2 bits 4",              /* int4 */
    "layout k 9, j 3: j k/4 k%4 bits 2",                       /* int2 */
    "layout k 70, j 20: j/16 k/32 j%16 k%32 stride 0 bits 32", /* scales of blocks */
    "layout h 3, s 5, d 4: h stride 32 s d bits 32",           /* a cache with room for 8 */
    "layout n 2, c 3, h 4, w 5: n h w c bits 32",              /* channels last */
    "layout o 7, t 3: o stride 1 t bits 32",                   /* im2col in one dimension */
    "layout i 9, k 100: i stride 112 k bits 32",               /* rows apart */
    "layout k 70, j 90: j/64 k/8 j%64/16 k%8 j%16 bits 8",     /* blocks of blocks */
    "layout k 70, j 20: j/16 k/2 j%16 k%2 bits 4; scale j/16 k/32 j%16 k%32 stride 0 bits 32; "
    "`zero point` j/16 j%16 k stride 0 bits 8",
};
enum { KINDS = sizeof kinds / sizeof *kinds };

Test(layout, text_reads_back) {
    for (int i = 0; i < KINDS; i++) {
        fv_layout *l = legal(kinds[i]);
        cr_expect_str_eq(text_of(l), kinds[i]);
        cr_expect(fv_layout_equal(l, legal(text_of(l))));
        cr_expect_eq(fv_layout_hash(l), fv_layout_hash(legal(kinds[i])));
        for (int k = 0; k < i; k++)
            cr_expect(!fv_layout_equal(l, legal(kinds[k])), "%s and %s", kinds[i], kinds[k]);
    }
    /* a stride that is stated, and is that of the levels inside */
    cr_expect_str_eq(text_of(legal("layout i 7, k 5: i stride 5 k stride 1 bits 32")), kinds[0]);
}

/* ---- addresses ---- */

/* The next index of the axes; false: that was the last one. */
static bool next(const fv_layout *l, int64_t *index) {
    for (int i = l->rank; i-- > 0; index[i] = 0)
        if (++index[i] < l->axis[i].extent)
            return true;
    return false;
}

/* The address as a walk over the levels would find it: the levels from the innermost one on, each
 * as far apart as the elements inside it take. */
static int64_t reference(const fv_layout *l, const int64_t *index) {
    int64_t at = 0, size = 1;
    for (int i = l->nlevels; i-- > 0;) {
        const fv_layout_level *v = &l->level[i];
        int64_t n = v->modulus ? v->modulus : l->axis[v->axis].extent, q = 0;
        for (int64_t x = 0; x < index[v->axis]; x++) /* counted, not divided */
            q = v->modulus && (x + 1) % v->modulus == 0 ? 0 : q + ((x + 1) % v->divisor == 0);
        at += q * (v->stride == size ? size : v->stride);
        size = v->stride ? v->stride * ((n + v->divisor - 1) / v->divisor) : size;
    }
    return at;
}

Test(layout, addresses_are_those_of_a_walk) {
    for (int i = 0; i < KINDS; i++)
        for (const fv_layout *l = legal(kinds[i]); l; l = l->companion) {
            int64_t index[FV_MAX_RANK] = {0};
            size_t bytes;
            cr_assert(fv_layout_bytes(l, &bytes));
            do {
                int64_t at = fv_layout_element(l, index);
                cr_expect_eq(at, reference(l, index), "%s", kinds[i]);
                cr_expect(at >= 0 && ((size_t)(at + 1) * (size_t)l->bits + 7) / 8 <= bytes);
            } while (next(l, index));
        }
}

static int64_t element(const char *text, int64_t a, int64_t b) {
    return fv_layout_element(legal(text), (int64_t[]){a, b});
}

Test(layout, addresses_of_known_elements) {
    cr_expect_eq(element(kinds[1], 5, 36), 2 * 6 * 16 + 5 * 16 + 4); /* panel 2, k 5, column 4 */
    cr_expect_eq(element(kinds[4], 6, 17), 3 * 64 + 1 * 64 + 1 * 4 + 2);
    cr_expect_eq(element(kinds[6], 3, 2), (1 * 16 + 2) * 2 + 1); /* the high half of a byte */
    cr_expect_eq(element(kinds[8], 63, 17), 3 * 16 + 1 * 16 + 1);
    cr_expect_eq(element(kinds[11], 4, 2), 6);
}

static size_t bytes_of(const char *text) {
    size_t bytes;
    cr_assert(fv_layout_bytes(legal(text), &bytes));
    return bytes;
}

Test(layout, sizes) {
    cr_expect_eq(bytes_of(kinds[1]), 3u * 6 * 16 * 4);
    cr_expect_eq(bytes_of(kinds[6]), 3u * 4 * 16); /* half a byte an element, k padded to 8 */
    cr_expect_eq(bytes_of(kinds[8]), 2u * 3 * 16 * 4);
    cr_expect_eq(bytes_of("layout k 0, j 4: k j bits 32"), 0u);
    cr_expect_eq(bytes_of("layout k 1: k bits 4"), 1u);
    cr_expect(fv_layout_is_packed(legal(kinds[6])));
    cr_expect(!fv_layout_is_packed(legal(kinds[8])));
    cr_expect(!fv_layout_is_packed(legal(kinds[12])));
    cr_expect_eq(fv_layout_first_in_byte(legal(kinds[6])), 3);
    cr_expect_eq(fv_layout_first_in_byte(legal(kinds[1])), 3);
}

/* ---- laying out ---- */

/* The tensor in the order of its axes; elements of less than a byte have a byte each. */
static fv_layout_source source_of(const fv_layout *l, const uint8_t *data) {
    fv_layout_source s = {.data = data};
    int64_t stride[FV_MAX_RANK], n = 1;
    for (int i = l->rank; i-- > 0; n *= l->axis[i].extent) {
        stride[i] = n;
        s.to[i] = l->axis[i].extent;
    }
    for (int i = 0; i < l->nlevels; i++)
        s.by[i] = stride[l->level[i].axis] * l->level[i].divisor;
    return s;
}

static unsigned stored(const fv_layout *l, const uint8_t *from, int64_t element) {
    if (l->bits >= 8)
        return from[element * (l->bits / 8)];
    int64_t bit = element * l->bits;
    return (unsigned)from[bit / 8] >> bit % 8 & ((1u << l->bits) - 1);
}

Test(layout, what_is_laid_out_is_at_its_address) {
    for (int i = 0; i < KINDS; i++) {
        const fv_layout *l = legal(kinds[i]);
        if (strstr(kinds[i], "stride 0 bits 32") == kinds[i] + strlen(kinds[i]) - 16 ||
            strstr(kinds[i], "stride 1 t"))
            continue; /* elements that share an address are equal in what is laid out so */
        size_t bytes, size = l->bits < 8 ? 1 : (size_t)l->bits / 8, n = 1;
        for (int k = 0; k < l->rank; k++)
            n *= (size_t)l->axis[k].extent;
        cr_assert(fv_layout_bytes(l, &bytes));
        uint8_t *from = calloc(n, size), *to = calloc(bytes + 1, 1);
        for (size_t k = 0; k < n; k++)
            from[k * size] = (uint8_t)(k * 37 + k / 200);
        to[bytes] = 0xa5;
        fv_layout_source s = source_of(l, from);
        fv_layout_copy(l, &s, to);
        int64_t index[FV_MAX_RANK] = {0}, k = 0;
        do {
            unsigned mask = l->bits < 8 ? (1u << l->bits) - 1 : 255;
            cr_expect_eq(stored(l, to, fv_layout_element(l, index)), from[(size_t)k * size] & mask,
                         "%s", kinds[i]);
            k++;
        } while (next(l, index));
        cr_expect_eq(to[bytes], 0xa5, "%s", kinds[i]);
        free(from);
        free(to);
    }
}

Test(layout, only_what_is_in_range_is_laid_out) {
    const fv_layout *l = legal("layout k 3, j 20: j/8 k j%8 bits 8");
    uint8_t from[60], to[72] = {0};
    memset(from, 1, sizeof from);
    fv_layout_source s = source_of(l, from);
    s.from[1] = 5;
    s.to[1] = 18;
    fv_layout_copy(l, &s, to);
    for (int64_t k = 0; k < 3; k++)
        for (int64_t j = 0; j < 20; j++)
            cr_expect_eq(to[fv_layout_element(l, (int64_t[]){k, j})], j >= 5 && j < 18);
}

Test(layout, elements_of_packed_tensors) {
    uint8_t from[6] = {0x21, 0x43, 0x65, 0x87, 0xa9, 0xcb}, halves[6] = {0}, bytes[12] = {0};
    const fv_layout *half = legal("layout k 3, j 4: j k bits 4"),
                    *byte = legal("layout k 3, j 4: j k bits 8");
    fv_layout_source s = source_of(half, from);
    s.packed = 4;
    fv_layout_copy(half, &s, halves);
    fv_layout_copy(byte, &s, bytes);
    for (int64_t k = 0; k < 3; k++)
        for (int64_t j = 0; j < 4; j++) {
            int64_t at = fv_layout_element(byte, (int64_t[]){k, j});
            cr_expect_eq(bytes[at], k * 4 + j + 1);
            cr_expect_eq(stored(half, halves, at), (unsigned)(k * 4 + j + 1));
        }
}

/* Layouts of weights, with axes that groups do not divide. */
static const char *const weights[] = {
    "layout k 44, j 72: j/32 k j%32 bits 32",
    "layout k 44, j 72: j/32 k/2 j%32 k%2 bits 16",
    "layout k 44, j 72: j/32 k/4 j%32 k%4 bits 8",
    "layout k 44, j 72: j/32 k/8 j%32 k%8/4 stride 1 k%4 stride 2 bits 4",
    "layout k 44, j 72: j/16 k/16 j%16 k%16 bits 4",
    "layout k 44, j 72: j/32 k/8 j%32 k%8 stride 0 bits 64",
};

static void put(const fv_layout *l, uint8_t *to, int64_t element, unsigned x) {
    if (l->bits >= 8)
        to[element * (l->bits / 8)] = (uint8_t)x;
    else
        to[element * l->bits / 8] |= (uint8_t)(x << element * l->bits % 8);
}

/* The value of an element, which is the same for all that share an address. */
static unsigned value_at(const fv_layout *l, int64_t k, int64_t j) {
    int64_t at = fv_layout_element(l, (int64_t[]){k, j});
    return (unsigned)(at * 37 + at / 200) & (l->bits < 8 ? (1u << l->bits) - 1 : 255);
}

/* Lays out a tensor of [k, j], or [j, k] if `transposed`, in elements of 4 bits if `packed`, and
 * compares all bytes with what single elements give. */
static void compare(const fv_layout *l, bool transposed, bool packed, int64_t first, int64_t end) {
    enum { K = 44, J = 72 };
    size_t bytes, size = packed || l->bits < 8 ? 1 : (size_t)l->bits / 8;
    cr_assert(fv_layout_bytes(l, &bytes));
    uint8_t *from = calloc((size_t)K * J, size), *to = calloc(bytes, 1),
            *expected = calloc(bytes, 1);
    for (int64_t k = 0; k < K; k++)
        for (int64_t j = 0; j < J; j++) {
            int64_t i = transposed ? j * K + k : k * J + j;
            unsigned x = value_at(l, k, j);
            if (packed)
                from[i / 2] |= (uint8_t)(x << i % 2 * 4);
            else
                from[(size_t)i * size] = (uint8_t)x;
            if (j >= first && j < end &&
                !stored(l, expected, fv_layout_element(l, (int64_t[]){k, j})))
                put(l, expected, fv_layout_element(l, (int64_t[]){k, j}), x);
        }
    fv_layout_source s = {
        .data = from, .packed = packed ? 4 : 0, .from = {0, first}, .to = {K, end}};
    for (int i = 0; i < l->nlevels; i++) {
        const fv_layout_level *v = &l->level[i];
        s.by[i] = v->divisor * (v->axis ? (transposed ? K : 1) : transposed ? 1 : J);
    }
    fv_layout_copy(l, &s, to);
    cr_expect_arr_eq(to, expected, bytes, "%s, %d, %d, %d to %d", text_of(l), transposed, packed,
                     (int)first, (int)end);
    free(from);
    free(to);
    free(expected);
}

Test(layout, weights_are_laid_out_like_single_elements) {
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        for (int transposed = 0; transposed < 2; transposed++)
            for (int packed = 0; packed <= (legal(weights[i])->bits == 4); packed++) {
                compare(legal(weights[i]), transposed, packed, 0, 72);
                compare(legal(weights[i]), transposed, packed, 5, 67);
                compare(legal(weights[i]), transposed, packed, 32, 33);
            }
}

/* ---- what is refused ---- */

static void refused(const char *text, const char *why) {
    fv_messages_clear(session);
    fv_layout *l = parse(text);
    cr_expect(!l, "%s", text);
    const fv_message *m = fv_messages(session);
    cr_assert(m, "%s", text);
    cr_expect(strstr(m->text, why), "%s: %s", text, m->text);
}

Test(layout, illegal_texts) {
    refused("", "expected 'layout'");
    refused("layout", "expected an axis");
    refused("layout k", "expected an integer");
    refused("layout k 4", "expected ','");
    refused("layout k 4: k", "expected an axis");
    refused("layout k 4: j bits 8", "the layout has no axis 'j'");
    refused("layout k 4, k 4: k bits 8", "two axes 'k'");
    refused("layout k 4, j 4: k bits 8", "axis 'j' has no level");
    refused("layout k 4: k/2 bits 8", "its levels end with groups of 2");
    refused("layout k 4: k k bits 8", "modulo 0, expected 1");
    refused("layout k 4: k%2 bits 8", "modulo 2, expected 0");
    refused("layout k 8: k/4 k%2 bits 8", "modulo 2, expected 4");
    refused("layout k 8: k/3 k%3/2 bits 8", "3 is no multiple of 2");
    refused("layout k 4: k bits 5", "elements of 5 bits");
    refused("layout k 4: k bits 4294967304", "elements of 0 bits");
    refused("layout k -1: k bits 8", "axis 'k' has extent -1");
    refused("layout k 4: k/0 bits 8", "below its range");
    refused("layout k 4: k%-4 bits 8", "below its range");
    refused("layout k 4: k stride -2 bits 8", "below its range");
    refused("layout k 4: k bits 8; s k bits 8; s k bits 8", "two companions 's'");
    refused("layout k 4: k bits 8; s j bits 8", "the layout has no axis 'j'");
    refused("layout k 99999999999999999999: k bits 8", "");
    refused("layout k 4611686018427387904, j 4: k j bits 64", "too large");
    refused("layout k 4611686018427387904: k bits 64", "more bytes than");
    refused("layout k 4, j 2: k stride 9223372036854775807 j bits 8", "");
}

Test(layout, no_more_axes_than_there_is_room_for) {
    fv_text t = {.arena = arena}, u = {.arena = arena};
    fv_text_put(&t, "layout ");
    for (int i = 0; i <= FV_MAX_RANK; i++)
        fv_text_printf(&t, "%sa%d 1", i ? ", " : "", i);
    refused(t.s, "more than 32 axes");
    fv_text_put(&u, "layout k 1: k/4");
    for (int i = 0; i <= FV_LAYOUT_LEVELS; i++)
        fv_text_put(&u, " k%4/4");
    refused(u.s, "more than 64 levels");
}
