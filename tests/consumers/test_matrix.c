/* test_matrix.c - products of matrices of bytes have the same bits on all consumers and targets,
 * with an instruction and as loops: of all signs, numbers of rows, words and columns. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backend/consumer/protocol.h"
#include "backend/expand/expand.h"
#include "ir/kernel/matrix.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/print.h"
#include "ir/kernel/verify.h"
#include "tests/consumers/consumers.h"
#include "tests/consumers/gen.h"
#include "tests/sample.h"
#include "tests/session.h"

TestSuite(matrix, .init = open_session, .fini = close_session);

/* Rows of A have BYTES bytes, which is no multiple of a word; the first word of a product is at
 * byte OFFSET. There are WORDS words of columns, in two groups. */
enum { ROWS = 40, WORDS = 64, BYTES = 4 * WORDS + 7, OFFSET = 3, COLUMNS = 32, PRODUCTS = 9 };

typedef struct io {
    uint8_t a[ROWS * BYTES], b[WORDS * COLUMNS * 4];
    int32_t c[ROWS * COLUMNS], result[ROWS * COLUMNS];
} io;

/* A product of the test: a sum of `first` words, to which those of `second` words are added in
 * another statement (0: there is none). unpacked: the words of the columns are copied as i32.
 * lines: the number of elements that each statement prefetches (NULL: none). */
typedef struct product {
    const char *name, *types, *dot;
    bool a_signed, b_signed;
    int first, second, groups;
    bool adds, outlined, columns_apart, unpacked;
    const char *lines;
} product;

static const product products[PRODUCTS] = {
    {"us", "A: u8, B: i8", "dot_u8_i8(ROW, COLUMN, acc)", false, true, 32, 0, 2, false, false,
     false, false},
    {"su", "A: i8, B: u8", "dot_u8_i8(COLUMN, ROW, acc)", true, false, 16, 5, 2, true, false, true,
     false},
    {"ss", "A: i8, B: i8", "dot_i8_i8(ROW, COLUMN, acc)", true, true, 48, 16, 2, false, true, false,
     false},
    {"ss2", "A: i8, B: i8", "dot_i8_i8(COLUMN, ROW, acc)", true, true, 9, 1, 1, true, false, false,
     false},
    {"uu", "A: u8, B: u8", "dot_u8_u8(ROW, COLUMN, acc)", false, false, 1, 0, 1, false, true, true,
     false},
    {"us3", "A: u8, B: i8", "dot_u8_i8(ROW, COLUMN, acc)", false, true, 64, 0, 1, true, false, true,
     false},
    {"su2", "A: i8, B: u8", "dot_u8_i8(COLUMN, ROW, acc)", true, false, 16, 8, 2, true, false,
     false, true},
    {"us4", "A: u8, B: i8", "dot_u8_i8(ROW, COLUMN, acc)", false, true, 48, 4, 2, false, false,
     false, false, "n - 17"},
    {"ss3", "A: i8, B: i8", "dot_i8_i8(ROW, COLUMN, acc)", true, true, 64, 0, 2, true, true, false,
     false, "5"},
};

/* ---- kernels ---- */

static const char *replaced(const char *text, const char *word, const char *by) {
    const char *at = strstr(text, word);
    cr_assert(at);
    return fv_printf(arena, "%.*s%s%s", (int)(at - text), text, by, at + strlen(word));
}

/* One statement: n words from number `from` on. */
static const char *statement_of(const product *p, int from, int n) {
    const char *row = fv_printf(arena, "bits_i32(A[first + r, %d + 4 * q:4])", OFFSET + 4 * from);
    const char *column = p->unpacked ? fv_printf(arena, "W[q + %d, g * 16 + c]", from)
                         : p->columns_apart
                             ? fv_printf(arena, "bits_i32(B[g, %d + q, 4 * c:4])", from)
                             : fv_printf(arena, "bits_i32(B[q + %d, (g * 16 + c) * 4:4])", from);
    const char *dot = replaced(replaced(p->dot, "ROW", row), "COLUMN", column);
    const char *prefetches =
        p->lines ? fv_printf(arena,
                             "        for line < %s {\n"
                             "          prefetch B[max(0, first - 8) + line, 2 * line + %d] to 2\n"
                             "        }\n",
                             p->lines, from)
                 : "";
    return fv_printf(arena,
                     "      matrix {\n%s"
                     "        for r < rows { for g < %d { for c < 16 {\n"
                     "          tile acc: i32 = %s\n"
                     "          for q < %d { acc = %s }\n"
                     "          sums[2 * r, g * 16 + c] = acc\n"
                     "        } } }\n"
                     "      }\n",
                     prefetches, p->groups, from || p->adds ? "sums[2 * r, g * 16 + c]" : "0", n,
                     dot);
}

/* A kernel that computes the product for n rows, in tiles of 32. Rows of sums are 2 apart, so the
 * rows between them must stay as they are. */
static fv_kernel *kernel_of(const product *p) {
    const char *shape = p->columns_apart ? "[2, 64, 64]" : "[64, 128]";
    const char *types = replaced(p->types, ", B", fv_printf(arena, "[n, %d], B", BYTES));
    const char *both = fv_printf(arena, "%s%s", statement_of(p, 0, p->first),
                                 p->second ? statement_of(p, p->first, p->second) : "");
    const char *text =
        fv_printf(arena,
                  "kernel product_%s(%s%s, C: i32[n, 32], out D: i32[n, 32]; n in 0..40) {\n"
                  "  parallel part < (n + 31) floordiv 32 {\n"
                  "    let first = part * 32\n"
                  "    let rows = min(32, n - first)\n"
                  "    tile sums: i32[64, 32] = 7\n"
                  "    for r < rows { vector c < 32 { sums[2 * r, c] = C[first + r, c] } }\n"
                  "%s    %s\n%s    %s\n"
                  "    for r < rows { vector c < 32 {\n"
                  "      D[first + r, c] = sums[2 * r, c] + sums[2 * r + 1, c] - 7 } }\n"
                  "  }\n"
                  "}\n",
                  p->name, types, shape,
                  p->unpacked ? "    tile W: i32[64, 32]\n    for q < 64 { vector c < 32 {\n"
                                "      W[q, c] = bits_i32(B[q, 4 * c:4]) } }\n"
                              : "",
                  p->outlined ? "outline {" : "", both, p->outlined ? "}" : "");
    fv_kernel *k = fv_kernel_parse(arena, text);
    cr_assert(k && fv_kernel_verify(session, k), "%s%s", text, fv_messages(session)->text);
    return k;
}

/* ---- expected sums ---- */

static int64_t byte(uint8_t x, bool is_signed) {
    return is_signed && x > 127 ? x - 256 : x;
}

static int32_t expected(const io *d, const product *p, int row, int column) {
    int group = column / 16, within = column % 16;
    int64_t sum = p->adds || group >= p->groups ? d->c[row * COLUMNS + column] : 0;
    if (group >= p->groups)
        return (int32_t)sum;
    for (int k = 0; k < 4 * (p->first + p->second); k++) {
        int q = k / 4, at = p->columns_apart ? ((group * WORDS + q) * 16 + within) * 4 + k % 4
                                             : (q * COLUMNS + column) * 4 + k % 4;
        sum += byte(d->a[row * BYTES + OFFSET + k], p->a_signed) * byte(d->b[at], p->b_signed);
    }
    return (int32_t)(uint32_t)(uint64_t)sum;
}

static io *make_io(void) {
    io *d = calloc(1, sizeof *d);
    cr_assert(d);
    rng r = {31};
    for (size_t i = 0; i < sizeof d->a; i++)
        d->a[i] = i % 3 ? (uint8_t)rng_next(&r) : 0x80;
    for (size_t i = 0; i < sizeof d->b; i++)
        d->b[i] = i % 5 ? (uint8_t)rng_next(&r) : 0x80;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        d->c[i] = i % 3 ? (int32_t)(uint32_t)rng_next(&r) : i % 2 ? INT32_MAX : INT32_MIN;
    return d;
}

/* ---- consumers ---- */

static void check_rows(const consumer *c, opened *o, const product *p, io *d, int64_t n) {
    const void *in[] = {d->a, d->b, d->c};
    void *out[] = {d->result};
    memset(d->result, 0x55, sizeof d->result);
    cr_assert_eq(o->run(o, &n, in, out, NULL, NULL, 0, NULL), 0, "%s: %s", c->name, p->name);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            cr_assert_eq(d->result[i * COLUMNS + j], i < n ? expected(d, p, i, j) : 0x55555555,
                         "%s: %s of %d rows: sum %d, %d", c->name, p->name, (int)n, i, j);
}

static void check_consumer(const consumer *c, const fv_program *program, const product *p, io *d) {
    static const int64_t rows[] = {0, 1, 15, 16, 17, 31, 32, 33, 40};
    opened *o = c->open(arena, program);
    cr_assert(o, "%s for %s: %s", c->name, program->target->name, fv_messages(session)->text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_rows(c, o, p, d, rows[i]);
    o->close(o);
}

static const fv_target *target_of(const char *text) {
    const char *why = "";
    const fv_target *t = fv_target_read(arena, text, &why);
    cr_assert(t, "%s", why);
    return t;
}

static void check_target(const fv_target *t, const product *p, io *d) {
    const char *text = t->name;
    fv_kernel *k = fv_kernel_expand(arena, kernel_of(p), t);
    cr_assert(k);
    bool kept = fv_matrix_first(&k->body) != NULL;
    cr_assert_eq(kept, fv_target_has(t, FV_FEATURE_amx_int8), "%s", text);
    fv_program *program = program_of(arena, t, 1, &k);
    fv_program_protocol(program);
    cr_assert(fv_program_verify(session, program), "%s", fv_messages(session)->text);
    for (int i = 0; consumer_for(t, i); i++)
        check_consumer(consumer_for(t, i), program, p, d);
}

Test(matrix, same_bits_everywhere) {
    static const char *const targets[] = {"x86-64-v4+vnni+amx-int8", "x86-64-v4+vnni", "x86-64-v3",
                                          "aarch64+dotprod", "generic"};
    io *d = make_io();
    for (int i = 0; i < PRODUCTS; i++)
        for (size_t k = 0; k < sizeof targets / sizeof *targets; k++)
            if (sample_has("products", (size_t)i + k, 1, 3))
                check_target(target_of(targets[k]), &products[i], d);
    free(d);
}

/* Rows that would evict the columns from a small cache are loaded by other instructions. */
Test(matrix, rows_that_evict_columns) {
    fv_target small = *target_of("x86-64-v4+vnni+amx-int8");
    io *d = make_io();
    int evict = 0;
    small.caches.l1_bytes = 2 * COLUMNS * 4 * WORDS;
    for (int i = 0; i < PRODUCTS; i++) {
        fv_matrix m;
        fv_kernel *k = kernel_of(&products[i]);
        cr_assert_null(fv_matrix_read(fv_matrix_first(&k->body), &m));
        evict += fv_matrix_rows_evict(&m, &small.caches);
        check_target(&small, &products[i], d);
    }
    cr_expect_eq(evict, 1);
    free(d);
}

/* A kernel that was expanded for a target with matrices is legal for one without, and there its
 * loops are executed. */
Test(matrix, loops_are_the_meaning) {
    io *d = make_io();
    const product *p = &products[0];
    fv_kernel *k = fv_kernel_expand(arena, kernel_of(p), target_of("x86-64-v4+vnni+amx-int8"));
    cr_assert(k && fv_matrix_first(&k->body));
    fv_program *program = program_of(arena, target_of("x86-64-v4+vnni"), 1, &k);
    fv_program_protocol(program);
    cr_assert(fv_program_verify(session, program), "%s", fv_messages(session)->text);
    for (int i = 0; consumer_for(program->target, i); i++)
        check_consumer(consumer_for(program->target, i), program, p, d);
    free(d);
}

/* ---- numbers of rows and indices of every kind ---- */

/* A product of 16 words whose rows have that number, and read that row of A: with `rows` rows of
 * sums, each of row `row` of A (-1: of its own). The text `before` precedes the statement. */
typedef struct count {
    const char *before, *most, *at;
    int rows, row;
    bool kept; /* whether a target with an instruction executes it */
} count;

enum { COUNT_ROWS = 20 };
/* The element of R, far below what 32 bits hold; added to 2^32, it is 8. */
static const int64_t far_below = -4294967288;

static const count counts[] = {
    {"", "-4294967288", "r", 0, -1, true},
    {"", "-9223372036854775807", "r", 0, -1, true},
    {"", "0", "r", 0, -1, true},
    {"", "3", "r", 3, -1, true},
    {"", "min(n, n - 4294967292)", "r", 0, -1, true},
    {"let most = min(32, n - 4294967290)", "most", "r", 0, -1, true},
    {"", "min(32, R[0])", "r", 0, -1, true},
    {"", "min(32, R[0] + 4294967296)", "r", 8, -1, true},
    {"", "select(R[0] < 0, 17, 0)", "r floordiv 1", 17, -1, true},
    {"", "min(n, max(0, i64(exp(1.0))))", "r", 2, -1, false},
    {"", "n", "min(n - 1, max(0, i64(exp(f32(n))))) + 0 * r", COUNT_ROWS, COUNT_ROWS - 1, false},
    {"", "n", "min(n - 1, max(0, i64(f32(bf16(f32(n)))))) + 0 * r", COUNT_ROWS, COUNT_ROWS - 1,
     false},
    {"let x = i64(exp(f32(n)))", "n", "min(n - 1, x) + 0 * r", COUNT_ROWS, COUNT_ROWS - 1, true},
    {"", "min(0, n)", "100 floordiv (n - 20)", 0, -1, true},
};

static fv_kernel *kernel_of_count(const count *c) {
    const char *text = fv_printf(arena,
                                 "kernel f(A: u8[n, %d], B: i8[64, 128], R: i64[1], "
                                 "out D: i32[n, 32]; n in 1..32) {\n"
                                 "  tile sums: i32[32, 32] = 7\n"
                                 "  %s\n"
                                 "  matrix { for r < %s { for g < 2 { for c < 16 {\n"
                                 "    tile acc: i32 = 0\n"
                                 "    for q < 16 { acc = dot_u8_i8(bits_i32(A[%s, 4 * q:4]),\n"
                                 "      bits_i32(B[q, (g * 16 + c) * 4:4]), acc) }\n"
                                 "    sums[r, g * 16 + c] = acc\n"
                                 "  } } } }\n"
                                 "  for r < n { vector c < 32 { D[r, c] = sums[r, c] } }\n"
                                 "}\n",
                                 BYTES, c->before, c->most, c->at);
    fv_kernel *k = fv_kernel_parse(arena, text);
    cr_assert(k && fv_kernel_verify(session, k), "%s%s", text, fv_messages(session)->text);
    return k;
}

static int32_t sum_of_words(const io *d, int row, int column) {
    int64_t sum = 0;
    for (int k = 0; k < 64; k++)
        sum += byte(d->a[row * BYTES + k], false) *
               byte(d->b[(k / 4 * COLUMNS + column) * 4 + k % 4], true);
    return (int32_t)sum;
}

static void check_count(const consumer *by, const fv_program *program, const count *c, io *d) {
    const int64_t n = COUNT_ROWS;
    const void *in[] = {d->a, d->b, &far_below};
    void *out[] = {d->result};
    opened *o = by->open(arena, program);
    cr_assert(o, "%s for %s: %s: %s", by->name, program->target->name, c->most,
              fv_messages(session)->text);
    cr_assert_eq(o->run(o, &n, in, out, NULL, NULL, 0, NULL), 0, "%s: %s", by->name, c->most);
    for (int i = 0; i < COUNT_ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            cr_assert_eq(d->result[i * COLUMNS + j],
                         i < c->rows ? sum_of_words(d, c->row < 0 ? i : c->row, j) : 7,
                         "%s for %s: %s rows, of row %s: sum %d, %d", by->name,
                         program->target->name, c->most, c->at, i, j);
    o->close(o);
}

/* Numbers of rows may be far below 0. Statements with operations that need expansion are executed
 * as loops. */
Test(matrix, any_number_of_rows_and_any_index) {
    static const char *const targets[] = {"x86-64-v4+vnni+amx-int8", "x86-64-v3"};
    io *d = make_io();
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t k = 0; k < sizeof targets / sizeof *targets; k++) {
            if (!sample_has("counts", i + k, 1, 3))
                continue;
            const fv_target *t = target_of(targets[k]);
            fv_kernel *e = fv_kernel_expand(arena, kernel_of_count(&counts[i]), t);
            cr_assert(e, "%s", fv_messages(session)->text);
            cr_expect_eq(fv_matrix_first(&e->body) != NULL, k == 0 && counts[i].kept, "%s, %s",
                         counts[i].most, counts[i].at);
            fv_program *program = program_of(arena, t, 1, &e);
            fv_program_protocol(program);
            cr_assert(fv_program_verify(session, program), "%s", fv_messages(session)->text);
            for (const consumer *c = consumers(); c->name; c++)
                if (fv_target_runs_here(t) || !c->native)
                    check_count(c, program, &counts[i], d);
        }
    free(d);
}

/* ---- which instruction ---- */

static const char *instruction(const product *p) {
    fv_matrix m;
    const fv_matrix_instruction *row = NULL;
    if (!fv_matrix_read(fv_matrix_first(&kernel_of(p)->body), &m))
        row = fv_matrix_find(target_of("x86-64-v4+amx-int8"), m.op, m.operand);
    return row ? row->name : "none";
}

Test(matrix, each_sign_has_an_instruction) {
    cr_expect_str_eq(instruction(&products[0]), "tdpbusd");
    cr_expect_str_eq(instruction(&products[1]), "tdpbsud");
    cr_expect_str_eq(instruction(&products[2]), "tdpbssd");
    cr_expect_str_eq(instruction(&products[3]), "tdpbssd");
    cr_expect_str_eq(instruction(&products[4]), "tdpbuud");
    cr_expect_null(fv_matrix_find(target_of("x86-64-v4+vnni"), FV_X_DOT_U8_I8, 0));
}
