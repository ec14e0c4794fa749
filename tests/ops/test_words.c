/* Contractions of bytes in words: matrix products and convolutions of signed and unsigned integers,
 * with zero points, extreme values, and numbers of steps that fill no word, for targets with each
 * dot product and without. They must give the sums computed here, and the results of the naive
 * schedule. */
#include <criterion/criterion.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/graph/parse.h"
#include "ir/kernel/print.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

TestSuite(words, .init = open_session, .fini = close_session);

enum { MOST = 1 << 14 };

/* Of each pair of signs of rows and columns: the dot product that the target has; "": none. */
static const struct target {
    const char *name;
    const char *u8_i8, *i8_u8, *i8_i8, *u8_u8;
} targets[] = {
    {"generic", "", "", "", ""},
    {"aarch64", "", "", "", ""},
    {"x86-64", "dot_i16_i16", "dot_i16_i16", "dot_i16_i16", "dot_i16_i16"},
    {"x86-64-v3", "dot_i16_i16", "dot_i16_i16", "dot_i16_i16", "dot_i16_i16"},
    {"x86-64-v3+avxvnni", "dot_u8_i8", "dot_u8_i8", "dot_u8_i8", "dot_u8_i8"},
    {"x86-64-v3+avxvnniint8", "dot_i8_i8", "dot_u8_u8", "dot_i8_i8", "dot_u8_u8"},
    {"x86-64-v4+vnni", "dot_u8_i8", "dot_u8_i8", "dot_u8_i8", "dot_u8_i8"},
    {"aarch64+dotprod", "dot_i8_i8", "dot_u8_u8", "dot_i8_i8", "dot_u8_u8"},
    {"aarch64+dotprod+i8mm", "dot_u8_i8", "dot_u8_i8", "dot_i8_i8", "dot_u8_u8"},
    {"cortex-m4", "dot_i16_i8_even", "dot_u8_i8", "dot_i16_i8_even", "dot_u8_u8"},
    {"cortex-m55", "dot16_i8_i8", "dot16_u8_u8", "dot16_i8_i8", "dot16_u8_u8"},
    {"cortex-m85", "dot16_i8_i8", "dot16_u8_u8", "dot16_i8_i8", "dot16_u8_u8"},
};
enum { NTARGETS = sizeof targets / sizeof *targets };

/* Does the dot product multiply 16 bytes? */
static bool is_sixteen(const char *dot) {
    return !strncmp(dot, "dot16_", 6);
}

static const char *expected_dot(const struct target *t, bool x, bool w) {
    return x ? (w ? t->i8_i8 : t->i8_u8) : (w ? t->u8_i8 : t->u8_u8);
}

/* ---- data ---- */

/* Element i of an operand, often an extreme one. */
static int value(int i, int k, bool is_signed) {
    unsigned bits = (unsigned)(i * 7919 + k * 104729) * 2654435761u >> 24;
    int x = bits % 3 ? (int)bits : bits % 2 ? 255 : 128;
    return is_signed && x > 127 ? x - 256 : x;
}

static const char *type_of(bool is_signed) {
    return is_signed ? "i8" : "u8";
}

static const char *constant(const char *name, const char *shape, int n, int k, bool is_signed) {
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "const @%s: %s[%s] = [", name, type_of(is_signed), shape);
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%d", i ? ", " : "", value(i, k, is_signed));
    fv_text_put(&t, "]\n");
    return t.s;
}

/* ---- running ---- */

static fv_program *lower(const char *text, const fv_target *target, bool naive) {
    fv_module *m = fv_module_parse(session, text, NULL);
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = target, .naive = naive, .verify = true};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s\n%s", said(), text);
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s\n%s", said(), text);
    return p;
}

/* The text of the last kernel, which is the contraction, contains `what`. */
static bool has(const fv_program *p, const char *what) {
    fv_text t = {.arena = arena};
    for (int i = 0; i < p->nkernels; i++)
        fv_kernel_print(&t, p->kernels[i]);
    return strstr(t.s, what) != NULL;
}

/* The result for `rows` rows of input: of the symbol n. */
static const int32_t *run(fv_program *p, int64_t rows, bool is_signed) {
    static uint8_t x[MOST];
    int64_t out_dims[16];
    size_t bytes;
    int32_t *y = FV_NEW(arena, int32_t, MOST);
    const void *in[] = {x};
    void *out[] = {y};
    for (int i = 0; i < MOST; i++)
        x[i] = (uint8_t)value(i, 1, is_signed);
    fv_program_expand(p);
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert(interp && fv_interp_plan(interp, &rows, &bytes, out_dims) == 0);
    int status = fv_interp_run(interp, &rows, in, out, out_dims,
                               fv_alloc_aligned(arena, bytes + 64, 64), bytes, NULL);
    cr_assert_eq(status, 0, "%s", fv_interp_fault(interp));
    return y;
}

static void check_values(const struct target *t, const char *text, fv_program *p, bool x,
                         int64_t rows, const int32_t *expected, int n) {
    const int32_t *y = run(p, rows, x);
    for (int i = 0; i < n; i++)
        cr_assert_eq(y[i], expected[i], "%s, %d rows: element %d is %d, not %d\n%s", t->name,
                     (int)rows, i, y[i], expected[i], text);
}

static fv_program *lower_for(const struct target *t, const char *text) {
    const char *why = "";
    const fv_target *target = fv_target_read(arena, t->name, &why);
    cr_assert(target, "%s", why);
    return lower(text, target, false);
}

/* ---- matrix products ---- */

/* [n, k] by [k, j], with zero points. Words are used if more than half of each is full, words of 16
 * bytes as well. */
static void check_product(bool x, bool w, int rows, int k, int columns, int target) {
    int32_t *y = FV_NEW(arena, int32_t, MOST);
    int zx = value(3, 5, x), zw[64];
    for (int j = 0; j < columns; j++)
        zw[j] = value(j, 4, w);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            for (int s = 0; s < k; s++)
                y[i * columns + j] +=
                    (value(i * k + s, 1, x) - zx) * (value(s * columns + j, 2, w) - zw[j]);
    const char *text = fv_printf(
        arena,
        "fovea-ir 1\nmodule \"m\"\nsymbol n 0..64\n%s%sconst @zx: %s[] = [%d]\n"
        "func @main(%%x: %s[n, %d]) -> (%%y) {\n  %%y = MatMulInteger(%%x, @w, @zx, @zw)\n"
        "  return %%y\n}\n",
        constant("w", fv_printf(arena, "%d, %d", k, columns), k * columns, 2, w),
        constant("zw", fv_printf(arena, "%d", columns), columns, 4, w), type_of(x), zx, type_of(x),
        k);
    const struct target *t = &targets[target];
    const char *dot = expected_dot(t, x, w);
    bool halves = !strcmp(dot, "dot_i16_i16");
    bool words = columns > 1 && (is_sixteen(dot) ? k > 8 : halves ? k > 1 : k > 2);
    fv_program *p = lower_for(t, text);
    cr_expect_eq(has(p, *dot ? dot : "dot_"), words && *dot, "%s: %s\n%s", t->name, dot, text);
    check_values(t, text, p, x, rows, y, rows * columns);
}

Test(words, products) {
    static const int sizes[][3] = {{5, 7, 24}, {1, 30, 40}, {13, 16, 9}, {2, 3, 16},
                                   {3, 1, 8},  {7, 64, 12}, {4, 45, 8},  {6, 12, 16}};
    for (int i = 0; i < 4 * (int)(sizeof sizes / sizeof *sizes); i++)
        for (int t = 0; t < NTARGETS; t++) {
            const int *s = sizes[i / 4];
            check_product(i & 1, i & 2, s[0], s[1], s[2], t);
        }
}

/* ---- convolutions ---- */

/* Each filter has a zero point of its own. The result is stored with its channels last, so filters
 * are columns. */
static void check_convolution(bool x, bool w, int filters, int channels, int taps,
                              const char *attributes) {
    const char *text =
        fv_printf(arena,
                  "fovea-ir 1\nmodule \"m\"\nsymbol n 0..64\n%s%sconst @zx: %s[] = [%d]\n"
                  "func @main(%%x: %s[n, %d, 6, 7]) -> (%%y) {\n"
                  "  %%c = ConvInteger(%%x, @w, @zx, @zw) {%s}\n"
                  "  %%y = Transpose(%%c) {perm = [0, 2, 3, 1]}\n  return %%y\n}\n",
                  constant("w", fv_printf(arena, "%d, %d, %d, %d", filters, channels, taps, taps),
                           filters * channels * taps * taps, 2, w),
                  constant("zw", fv_printf(arena, "%d", filters), filters, 4, w), type_of(x),
                  value(3, 5, x), type_of(x), channels, attributes);
    const int32_t *naive = run(lower(text, fv_target_find("generic"), true), 2, x);
    for (int t = 0; t < NTARGETS; t++) {
        const char *dot = expected_dot(&targets[t], x, w);
        fv_program *p = lower_for(&targets[t], text);
        /* one channel fills no words; those along such a window exceed it, and overlap in the copy,
         * but not on microcontrollers */
        bool along = taps > 8, small = !strncmp(targets[t].name, "cortex", 6),
             words = *dot && (is_sixteen(dot) ? channels >= 16 || along : !along || !small);
        cr_expect_eq(has(p, *dot ? dot : "dot_"), words, "%s: %s\n%s", targets[t].name, dot, text);
        check_values(&targets[t], text, p, x, 2, naive, 2 * filters * 9);
    }
}

Test(words, convolutions) {
    for (int i = 0; i < 4; i++) {
        check_convolution(i & 1, i & 2, 16, 5, 3, "pads = [1, 1, 1, 1], strides = [2, 2]");
        check_convolution(i & 1, i & 2, 16, 8, 1, "");
        check_convolution(i & 1, i & 2, 16, 64, 3, "pads = [1, 1, 1, 1], strides = [2, 2]");
        check_convolution(i & 1, i & 2, 16, 29, 1, "strides = [2, 3]");
        check_convolution(i & 1, i & 2, 16, 3, 7, "pads = [3, 3, 3, 3], strides = [2, 3]");
        /* for words of 16, windows are copied apart, since their copy is smaller than the result */
        check_convolution(i & 1, i & 2, 48, 1, 9, "pads = [4, 3, 4, 3], strides = [2, 2]");
    }
}

/* A depthwise convolution whose window moves by `stride` pixels. The words of neighbouring pixels
 * of the result are neighbours in a copy. */
static void check_depthwise(bool x, bool w, int taps, int stride) {
    const char *weight = fv_printf(arena, "2, 1, %d, %d", taps, taps);
    const char *text =
        fv_printf(arena,
                  "fovea-ir 1\nmodule \"m\"\nsymbol n 0..64\n%sconst @zx: %s[] = [%d]\n"
                  "func @main(%%x: %s[n, 2, 5, 25]) -> (%%y) {\n  %%y = ConvInteger(%%x, @w, @zx) "
                  "{group = 2, pads = [1, 1, 1, 1], strides = [%d, %d]}\n  return %%y\n}\n",
                  constant("w", weight, 2 * taps * taps, 2, w), type_of(x), value(3, 5, x),
                  type_of(x), stride, stride);
    const int results = 2 * 2 * ((7 - taps) / stride + 1) * ((27 - taps) / stride + 1);
    const int32_t *naive = run(lower(text, fv_target_find("generic"), true), 2, x);
    for (int t = 0; t < NTARGETS; t++) {
        const char *dot = expected_dot(&targets[t], x, w);
        fv_program *p = lower_for(&targets[t], text);
        if (strncmp(targets[t].name, "cortex", 6) != 0)
            cr_expect_eq(has(p, "dot_"), *dot != 0, "%s: %s\n%s", targets[t].name, dot, text);
        check_values(&targets[t], text, p, x, 2, naive, results);
    }
}

Test(words, depthwise) {
    check_depthwise(false, true, 3, 1);
    check_depthwise(false, true, 3, 2);
    check_depthwise(true, true, 5, 2);
    check_depthwise(true, false, 7, 2);
    check_depthwise(false, false, 5, 3);
}

/* The zero point is the border of the image; if it is not `known`, it is computed in the run. The
 * first steps of words may be in the image and the others after it, and words after the last column
 * are not read. */
static void check_border(bool x, bool w, bool known, const char *filter, int weights,
                         const char *attributes, int results) {
    const char *text = fv_printf(
        arena,
        "fovea-ir 1\nmodule \"m\"\nsymbol n 0..64\n%sconst @z: %s[] = [%d]\n"
        "func @main(%%x: %s[n, 5, 8, 31]) -> (%%y) {\n  %%m = ReduceMax(%%x) {keepdims = 0}\n"
        "  %%y = ConvInteger(%%x, @w, %s) {%s}\n  return %%y\n}\n",
        constant("w", filter, weights, 2, w), type_of(x), value(3, 5, x), type_of(x),
        known ? "@z" : "%m", attributes);
    const int32_t *naive = run(lower(text, fv_target_find("generic"), true), 1, x);
    for (int t = 0; t < NTARGETS; t++)
        check_values(&targets[t], text, lower_for(&targets[t], text), x, 1, naive, results);
}

Test(words, borders) {
    for (int i = 0; i < 4; i++) {
        const bool x = i & 1, known = i & 2, w = x != known;
        check_border(x, w, known, "8, 5, 5, 1", 200, "pads = [1, 0, 3, 1], strides = [3, 2]",
                     8 * 3 * 16);
        check_border(x, w, known, "8, 5, 3, 3", 360, "pads = [0, 1, 0, 0]", 8 * 6 * 30);
        check_border(x, w, known, "8, 5, 3, 3", 360, "pads = [0, 0, 0, 1]", 8 * 6 * 30);
    }
}

/* The image is reversed along an axis, so its index falls as the step rises: steps after the last
 * one of a word would be before the image. */
static void check_reversed(int axis, const char *filter, const char *attributes, int results) {
    const char *text =
        fv_printf(arena,
                  "fovea-ir 1\nmodule \"m\"\nsymbol n 0..64\n%sconst @from: i64[1] = [-1]\n"
                  "const @to: i64[1] = [-100]\nconst @axis: i64[1] = [%d]\nconst @z: u8[] = [3]\n"
                  "func @main(%%x: u8[n, 1, 8, 33]) -> (%%y) {\n"
                  "  %%r = Slice(%%x, @from, @to, @axis, @from)\n"
                  "  %%y = ConvInteger(%%r, @w, @z) {%s}\n  return %%y\n}\n",
                  constant("w", filter, 40, 2, false), axis, attributes);
    const int32_t *naive = run(lower(text, fv_target_find("generic"), true), 1, false);
    for (int t = 0; t < NTARGETS; t++)
        check_values(&targets[t], text, lower_for(&targets[t], text), false, 1, naive, results);
}

Test(words, reversed_images) {
    check_reversed(2, "8, 1, 5, 1", "pads = [2, 0, 0, 0]", 8 * 6 * 33);
    check_reversed(3, "8, 1, 1, 5", "pads = [0, 2, 0, 0]", 8 * 8 * 31);
}

/* ---- products in blocks ---- */

/* Scales of which no two are equal. */
static const char *scales(const char *name, int columns, int blocks, double first) {
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "const @%s: f32[%d, %d] = [", name, columns, blocks);
    for (int i = 0; i < columns * blocks; i++)
        fv_text_printf(&t, "%s%.9g", i ? ", " : "", first + (i * 37 % (columns * blocks)) / 64.0);
    fv_text_put(&t, "]\n");
    return t.s;
}

static void check_blocks(int bits, int block, bool zeros, int rows, int k, int columns) {
    const int blocks = (k + block - 1) / block, zero_bytes = (blocks * bits + 7) / 8;
    const char *text = fv_printf(
        arena,
        "fovea-ir 1\nmodule \"m\"\nsymbol n 0..64\n%s%s%sfunc @main(%%x: i8[n, %d]) -> (%%y) {\n"
        "  %%a = Cast(%%x) {to = 1}\n"
        "  %%y = com.microsoft.MatMulNBits(%%a, @w, @s%s) {K = %d, N = %d, bits = %d, "
        "block_size = %d, accuracy_level = 4}\n  return %%y\n}\n",
        constant("w", fv_printf(arena, "%d, %d, %d", columns, blocks, block * bits / 8),
                 columns * blocks * block * bits / 8, 2, false),
        scales("s", columns, blocks, 0.3),
        constant("z", fv_printf(arena, "%d, %d", columns, zero_bytes), columns * zero_bytes, 5,
                 false),
        k, zeros ? ", @z" : "", k, columns, bits, block);
    const int32_t *expected[2] = {NULL}; /* without and with fused multiply-add */
    for (int t = 0; t < NTARGETS; t++) {
        /* numbers of less than 8 bits are bytes of either sign */
        bool same = bits < 8 && !strcmp(targets[t].i8_u8, "dot_u8_u8");
        const char *dot = same ? targets[t].i8_i8 : targets[t].i8_u8;
        if (is_sixteen(dot)) /* not of sums in blocks */
            dot = "dot_u8_i8";
        fv_program *p = lower_for(&targets[t], text);
        cr_expect_eq(has(p, *dot ? dot : "dot_"), *dot != 0, "%s: %s\n%s", targets[t].name, dot,
                     text);
        const int32_t **y =
            &expected[strcmp(targets[t].name, "generic") && strcmp(targets[t].name, "x86-64")];
        if (*y)
            check_values(&targets[t], text, p, true, rows, *y, rows * columns);
        else
            *y = run(p, rows, true);
    }
}

/* The number of constants of bytes in panels. */
static int panels_of_bytes(const fv_program *p) {
    int n = 0;
    for (int i = 0; i < p->memory.nbuffers; i++) {
        const fv_buf *b = p->memory.buffers[i];
        n += b->elem == FV_U8 && strstr(b->name, ".panels") != NULL;
    }
    return n;
}

/* Products of the same weights with other scales, and with the same ones, which share panels. */
static void check_scales_of_words(int rows, int k, int columns) {
    const int blocks = k / 16;
    const char *attributes = fv_printf(
        arena, "K = %d, N = %d, bits = 4, block_size = 16, accuracy_level = 4", k, columns);
    const char *text = fv_printf(
        arena,
        "fovea-ir 1\nmodule \"m\"\nsymbol n 0..64\n%s%s%sfunc @main(%%x: i8[n, %d]) -> (%%y) {\n"
        "  %%a = Cast(%%x) {to = 1}\n"
        "  %%p = com.microsoft.MatMulNBits(%%a, @w, @s) {%s}\n"
        "  %%q = com.microsoft.MatMulNBits(%%a, @w, @u) {%s}\n  %%b = Neg(%%a)\n"
        "  %%r = com.microsoft.MatMulNBits(%%b, @w, @s) {%s}\n"
        "  %%y = Concat(%%p, %%q, %%r) {axis = 1}\n  return %%y\n}\n",
        constant("w", fv_printf(arena, "%d, %d, 8", columns, blocks), columns * blocks * 8, 2,
                 false),
        scales("s", columns, blocks, 0.3), scales("u", columns, blocks, 2.1), k, attributes,
        attributes, attributes);
    const int32_t *expected =
        run(lower_for(&(struct target){.name = "cortex-m7"}, text), rows, true);
    static const struct target vectors[] = {{.name = "x86-64-v4+vnni"},
                                            {.name = "aarch64+dotprod"}};
    for (int t = 0; t < 2; t++) {
        fv_program *p = lower_for(&vectors[t], text);
        cr_expect_eq(panels_of_bytes(p), 2, "%s\n%s", vectors[t].name, text);
        cr_expect(!has(p, "s.panels"), "%s\n%s", vectors[t].name, text);
        check_values(&vectors[t], text, p, true, rows, expected, rows * columns * 3);
    }
}

/* ---- weights that are so small that sums of two products do not saturate ---- */

/* `count` weights, each of which is `least` or `most`. */
static const char *extremes(int count, int columns, int least, int most) {
    fv_text w = {.arena = arena};
    for (int i = 0; i < count; i++)
        fv_text_printf(&w, "%s%d", i ? ", " : "", i / columns % 4 < i % columns % 5 ? most : least);
    return w.s;
}

static const char *product_of_extremes(bool x, int least, int most) {
    return fv_printf(arena,
                     "fovea-ir 1\nmodule \"m\"\nsymbol n 0..64\n"
                     "const @w: i8[14, 9] = [%s]\nfunc @main(%%x: %s[n, 14]) -> (%%y) {\n"
                     "  %%y = MatMulInteger(%%x, @w)\n  return %%y\n}\n",
                     extremes(14 * 9, 9, least, most), type_of(x));
}

/* A convolution whose result is stored with its channels last, so filters are columns. */
static const char *convolution_of_extremes(bool x, int least, int most) {
    return fv_printf(arena,
                     "fovea-ir 1\nmodule \"m\"\nsymbol n 0..64\n"
                     "const @w: i8[16, 8, 3, 3] = [%s]\nconst @zx: %s[] = [7]\n"
                     "func @main(%%x: %s[n, 8, 5, 5]) -> (%%y) {\n"
                     "  %%c = ConvInteger(%%x, @w, @zx) {pads = [1, 1, 1, 1]}\n"
                     "  %%y = Transpose(%%c) {perm = [0, 2, 3, 1]}\n  return %%y\n}\n",
                     extremes(16 * 8 * 9, 8, least, most), type_of(x), type_of(x));
}

/* The same with a scale of the result, as i32 so that results compare like those of the others. */
static const char *qlinear_of_extremes(bool x, int least, int most) {
    return fv_printf(
        arena,
        "fovea-ir 1\nmodule \"m\"\nsymbol n 0..64\nconst @w: i8[16, 8, 3, 3] = [%s]\n"
        "const @zx: %s[] = [7]\nconst @zw: i8[] = [0]\nconst @s: f32[] = [0.25]\n"
        "const @sy: f32[] = [500.0]\nfunc @main(%%x: %s[n, 8, 5, 5]) -> (%%y) {\n"
        "  %%c = QLinearConv(%%x, @s, @zx, @w, @s, @zw, @sy, @zx) {pads = [1, 1, 1, 1]}\n"
        "  %%t = Transpose(%%c) {perm = [0, 2, 3, 1]}\n  %%y = Cast(%%t) {to = 6}\n"
        "  return %%y\n}\n",
        extremes(16 * 8 * 9, 8, least, most), type_of(x), type_of(x));
}

/* Each target, and the dot products that it has for weights that are small and for others. */
static const struct saturating {
    struct target on;
    const char *small, *large;
} saturating[] = {
    {{.name = "x86-64-v3"}, "dot_u8_i8_sat(", "dot_i16_i16("},
    {{.name = "x86-64-v4"}, "dot_u8_i8_sat(", "dot_i16_i16("},
    {{.name = "x86-64"}, "dot_i16_i16(", "dot_i16_i16("},
    {{.name = "x86-64-v3+avxvnni"}, "dot_u8_i8(", "dot_u8_i8("},
    {{.name = "x86-64-v4+vnni"}, "dot_u8_i8(", "dot_u8_i8("},
};

static void check_extremes(const char *text, bool x, bool small, int n) {
    const int32_t *naive = run(lower(text, fv_target_find("generic"), true), 3, x);
    for (size_t t = 0; t < sizeof saturating / sizeof *saturating; t++) {
        const struct saturating *s = &saturating[t];
        fv_program *p = lower_for(&s->on, text);
        cr_expect(has(p, small ? s->small : s->large), "%s: no %s\n%s", s->on.name,
                  small ? s->small : s->large, text);
        cr_expect_eq(has(p, "dot_u8_i8_sat"), small && strstr(s->small, "sat"), "%s\n%s",
                     s->on.name, text);
        check_values(&s->on, text, p, x, 3, naive, n);
    }
}

/* Two products of bytes with weights from -64 to 64 are at most 32640, so none is saturated. */
Test(words, small_weights) {
    static const int ranges[][2] = {{-63, 63}, {-64, 64}, {-64, 63}, {-1, 65}, {-65, 1}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        for (int x = 0; x < 2; x++) {
            int least = ranges[i][0], most = ranges[i][1];
            bool small = least >= -64 && most <= 64;
            check_extremes(product_of_extremes(x, least, most), x, small, 3 * 9);
            check_extremes(convolution_of_extremes(x, least, most), x, small, 3 * 16 * 25);
            check_extremes(qlinear_of_extremes(x, least, most), x, small, 3 * 16 * 25);
        }
}

Test(words, blocks) {
    for (int bits = 2; bits <= 8; bits *= 2) {
        check_blocks(bits, 16, false, 5, 48, 24);
        check_blocks(bits, 32, true, 1, 70, 40);
        check_blocks(bits, 64, true, 14, 64, 9);
        check_blocks(bits, 256, false, 2, 200, 16);
        check_blocks(bits, 32, true, 13, 320, 75);
        check_blocks(bits, 16, false, 5, 64, 45);
        check_blocks(bits, 16, true, 3, 48, 33);
    }
    check_scales_of_words(1, 160, 45);
    check_scales_of_words(14, 32, 70);
}
