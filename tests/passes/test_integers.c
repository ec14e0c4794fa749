/* test_integers.c - a quantized network computes the same integers, up to one step, with the rules
 * of passes/integers.rules as with sums of floats, and with these rules it has no product of floats
 * at any level. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/base/text.h"
#include "ir/catalogue/op.h"
#include "passes/passes.h"
#include "tests/passes/support.h"

enum { CHANNELS = 8, SIZE = 6, NELEMENTS = CHANNELS * SIZE * SIZE };

static uint64_t state;

static int next(int n) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)(state >> 33) % n;
}

/* A constant of n random integers from lo to hi. */
static void put_ints(fv_text *t, const char *name, const char *type, int n, int lo, int hi) {
    fv_text_printf(t, "const @%s: %s = [", name, type);
    for (int i = 0; i < n; i++)
        fv_text_printf(t, "%s%d", i ? ", " : "", lo + next(hi - lo + 1));
    fv_text_put(t, "]\n");
}

static void put_scales(fv_text *t, const char *name, int n, double unit) {
    fv_text_printf(t, "const @%s: f32[%d] = [", name, n);
    for (int i = 0; i < n; i++)
        fv_text_printf(t, "%s%.9g", i ? ", " : "", unit * (1 + next(1000) / 1000.0));
    fv_text_put(t, "]\n");
}

static void put_filter(fv_text *t, const char *name, const char *shape, int n, double unit) {
    put_ints(t, name, fv_printf(arena, "i8%s", shape), n, -127, 127);
    put_scales(t, fv_printf(arena, "%s_s", name), CHANNELS, unit);
    put_ints(t, fv_printf(arena, "%s_z", name), fv_printf(arena, "i8[%d]", CHANNELS), CHANNELS, 0,
             0);
    put_ints(t, fv_printf(arena, "%s_b", name), fv_printf(arena, "i32[%d]", CHANNELS), CHANNELS,
             -500, 500);
}

static const char body[] = "func @main(%x: u8[1, 8, 6, 6]) -> (%y, %p, %o) {\n"
                           "  %x0 = DequantizeLinear(%x, @s0, @z0)\n"
                           "  %w1 = DequantizeLinear(@a, @a_s, @a_z) {axis = 0}\n"
                           "  %b1 = DequantizeLinear(@a_b, @a_s) {axis = 0}\n"
                           "  %c1 = Conv(%x0, %w1, %b1) {pads = [1, 1, 1, 1]}\n"
                           "  %r1 = Relu(%c1)\n"
                           "  %q1 = QuantizeLinear(%r1, @s1, @z1)\n"
                           "  %x1 = DequantizeLinear(%q1, @s1, @z1)\n"
                           "  %w2 = DequantizeLinear(@d, @d_s, @d_z) {axis = 0}\n"
                           "  %b2 = DequantizeLinear(@d_b, @d_s) {axis = 0}\n"
                           "  %c2 = Conv(%x1, %w2, %b2) {pads = [1, 1, 1, 1], group = 8}\n"
                           "  %r2 = Clip(%c2, @lo, @hi)\n"
                           "  %q2 = QuantizeLinear(%r2, @s2, @z1)\n"
                           "  %x2 = DequantizeLinear(%q2, @s2, @z1)\n"
                           "  %w3 = DequantizeLinear(@e, @e_s, @e_z) {axis = 0}\n"
                           "  %c3 = Conv(%x2, %w3)\n"
                           "  %q3 = QuantizeLinear(%c3, @s3, @z3)\n"
                           "  %x3 = DequantizeLinear(%q3, @s3, @z3)\n"
                           "  %sum = Add(%x3, %x0)\n"
                           "  %y = QuantizeLinear(%sum, @s4, @z3)\n"
                           "  %x4 = DequantizeLinear(%y, @s4, @z3)\n"
                           "  %m = MaxPool(%x4) {kernel_shape = [2, 2], strides = [2, 2]}\n"
                           "  %p = QuantizeLinear(%m, @s4, @z3)\n"
                           "  %x5 = DequantizeLinear(%p, @s4, @z3)\n"
                           "  %f = Flatten(%x5)\n"
                           "  %w6 = DequantizeLinear(@u, @u_s, @u_z) {axis = 0}\n"
                           "  %h = Gemm(%f, %w6) {transB = 1}\n"
                           "  %o = QuantizeLinear(%h, @s6, @z3)\n"
                           "  return %y, %p, %o\n"
                           "}\n";

/* Scales are such that most results are within the range of the integers. */
static const char *network(void) {
    fv_text t = {.arena = arena};
    static const char *const numbers[] = {
        "s0: f32[] = 0.021", "z0: u8[] = 117",    "s1: f32[] = 0.13", "z1: u8[] = 0",
        "s2: f32[] = 0.031", "lo: f32[] = 0.0",   "hi: f32[] = 8.0",  "s3: f32[] = 0.023",
        "z3: u8[] = 128",    "s4: f32[] = 0.033", "s6: f32[] = 0.09"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        fv_text_printf(&t, "const @%s\n", numbers[i]);
    put_filter(&t, "a", "[8, 8, 3, 3]", 576, 0.004);
    put_filter(&t, "d", "[8, 1, 3, 3]", 72, 0.001);
    put_filter(&t, "e", "[8, 8, 1, 1]", 64, 0.002);
    put_filter(&t, "u", "[8, 72]", 576, 0.004);
    fv_text_put(&t, body);
    return t.s;
}

/* ---- running ---- */

static void run(const fv_module *of, const uint8_t *x, int nout, fv_tensor **y) {
    fv_lower_options o = {.target = fv_target_find("generic"), .naive = true};
    fv_program *p = fv_lower((fv_module *)(uintptr_t)of, &o);
    cr_assert(p, "%s", said());
    fv_program_expand(p);
    fv_interp *interp = fv_interp_new(p->arena, p);
    cr_assert(interp && p->noutputs == nout, "%s", said());
    void *out[4];
    const void *in[] = {x};
    for (int i = 0; i < nout; i++) {
        int64_t dims[FV_MAX_RANK];
        for (int k = 0; k < p->outputs[i].rank; k++)
            dims[k] = p->outputs[i].dims[k]->value;
        y[i] = fv_tensor_new(arena, p->outputs[i].elem, p->outputs[i].rank, dims);
        out[i] = (void *)(uintptr_t)y[i]->data;
    }
    size_t bytes = 0;
    cr_assert_eq(fv_interp_plan(interp, NULL, &bytes, NULL), 0);
    void *work = fv_alloc_aligned(arena, bytes + 64, 64);
    cr_assert_eq(fv_interp_run(interp, NULL, in, out, NULL, work, bytes, NULL), 0);
    fv_arena_free(p->arena);
}

static int products_of_floats(const fv_module *m) {
    int n = 0;
    for (const fv_op *op = m->funcs->body->first; op; op = op->next)
        n += (fv_op_is(op, FV_OP_fv_Conv) || fv_op_is(op, FV_OP_fv_MatMul)) &&
             fv_elem_is_float(op->out[0]->type->elem);
    return n;
}

static const char *const without_integers[] = {"legalise", "remove-dead", NULL};

/* The share of elements that are neither of the ends of the range, so that the test says
 * something. */
static double share_within(const fv_tensor *t) {
    double n = 0;
    for (size_t i = 0; i < t->count; i++)
        n += fv_tensor_int(t, i) > 0 && fv_tensor_int(t, i) < 255;
    return n / (double)t->count;
}

Test(integers, differ_by_one_at_most, .init = open_session, .fini = close_session) {
    uint8_t x[NELEMENTS];
    fv_tensor *floats[3], *integers[3];
    state = 7;
    const char *text = network();
    for (int i = 0; i < NELEMENTS; i++)
        x[i] = (uint8_t)next(256);
    fv_module *one = module_of(text), *two = module_of(text);
    cr_assert(fv_run_passes(one, without_integers, NULL), "%s", said());
    cr_assert(fv_run_passes(two, fv_pipeline('2'), NULL), "%s", said());
    cr_expect_eq(products_of_floats(one), 4);
    cr_expect_eq(products_of_floats(two), 0);
    for (const char *level = "013s"; *level; level++) {
        fv_module *m = module_of(text);
        cr_assert(fv_run_passes(m, fv_pipeline(*level), NULL), "%s", said());
        cr_expect_eq(products_of_floats(m), 0, "-O%c", *level);
    }
    run(one, x, 3, floats);
    run(two, x, 3, integers);
    for (int i = 0; i < 3; i++) {
        cr_expect_gt(share_within(integers[i]), 0.5, "result %d: %g", i, share_within(integers[i]));
        for (size_t k = 0; k < floats[i]->count; k++) {
            long long a = fv_tensor_int(floats[i], k), b = fv_tensor_int(integers[i], k);
            cr_expect_leq(llabs(a - b), 1, "result %d, element %zu: %lld, %lld", i, k, a, b);
        }
    }
}

/* ---- bytes on a microcontroller ---- */

static fv_program *program_for(const char *text, const char *target) {
    fv_module *m = module_of(text);
    cr_assert(fv_run_passes(m, fv_pipeline('2'), NULL), "%s", said());
    fv_program *p = fv_lower(m, &(fv_lower_options){.target = fv_target_find(target)});
    cr_assert(p, "%s", said());
    return p;
}

static int64_t value_of(const fv_expr *x) {
    int64_t n = -1;
    cr_assert(x && fv_x_is_int(x, &n));
    return n;
}

static size_t weights_of(const fv_program *p) {
    size_t n = 0;
    for (int i = 0; i < p->memory.nconstants; i++)
        n += p->memory.constants[i].bytes;
    return n;
}

/* The bytes of the workspace that hold elements of more than 8 bits, of the largest such buffer. */
static int64_t widest(const fv_program *p) {
    int64_t most = 0;
    for (int i = 0; i < p->memory.nbuffers; i++) {
        const fv_buf *b = p->memory.buffers[i];
        if (b->role == FV_BUF_WORK && fv_elem_bits(b->elem) > 8 && value_of(b->bytes) > most)
            most = value_of(b->bytes);
    }
    return most;
}

/* The filters have 1288 elements. What is added to them are, for each of 32 channels, the quotient
 * of scales, the bias and at most the sum of the weights for the zero point, and the padding of
 * panels. As floats the filters would have 5152 bytes. */
Test(integers, have_a_byte_each_on_a_microcontroller, .init = open_session, .fini = close_session) {
    state = 7;
    fv_program *p = program_for(network(), "cortex-m4");
    size_t bytes = weights_of(p);
    cr_expect_leq(bytes, 1288 + 32 * 3 * 4 + 128, "%zu bytes of weights", bytes);
    fv_arena_free(p->arena);
}

/* A mean over integers with a zero point is computed from the integers: no copy of them as floats
 * is made. */
Test(integers, are_averaged_where_they_are_stored, .init = open_session, .fini = close_session) {
    static const char text[] = "const @s: f32[] = 0.03\n"
                               "const @z: i8[] = -128\n"
                               "const @axes: i64[1] = [1]\n"
                               "func @main(%x: i8[1, 125, 64]) -> (%y) {\n"
                               "  %r = DequantizeLinear(%x, @s, @z)\n"
                               "  %m = ReduceMean(%r, @axes) {keepdims = 0}\n"
                               "  %y = QuantizeLinear(%m, @s, @z)\n"
                               "  return %y\n"
                               "}\n";
    fv_program *p = program_for(text, "cortex-m4");
    cr_expect_lt(widest(p), 125 * 64, "%lld bytes", (long long)widest(p));
    fv_arena_free(p->arena);
}

/* ---- constants that the model quantizes ---- */

/* Multiples of half a step, half of which are between two integers, beyond both ends of the
 * range. */
static void put_halves(fv_text *t, const char *name, const char *shape, int n) {
    fv_text_printf(t, "const @%s: f32%s = [", name, shape);
    for (int i = 0; i < n; i++)
        fv_text_printf(t, "%s%.9g", i ? ", " : "", (next(1100) - 550) * 0.0625);
    fv_text_put(t, "]\n");
}

static const char constants[] = "const @one: f32[] = 0.1\n"
                                "const @s: f32[3] = [0.125, 0.25, 0.1]\n"
                                "const @b: i8[3] = [0, 5, -128]\n"
                                "const @u: u8[3] = [0, 128, 255]\n"
                                "const @w: i16[] = -7\n"
                                "func @main(%x: u8[1]) -> (%p, %q, %r) {\n"
                                "  %p = QuantizeLinear(@a, @s, @b) {axis = 0}\n"
                                "  %q = QuantizeLinear(@a, @s, @u) {axis = 1}\n"
                                "  %r = QuantizeLinear(@a, @one, @w)\n"
                                "  return %p, %q, %r\n"
                                "}\n";

static int conversions(const fv_module *m) {
    int n = 0;
    for (const fv_op *op = m->funcs->body->first; op; op = op->next)
        n += fv_op_is(op, FV_OP_fv_Quantize);
    return n;
}

Test(integers, quantized_constants_are_those_of_the_run, .init = open_session,
     .fini = close_session) {
    fv_tensor *run_time[3], *folded[3];
    const uint8_t x = 0;
    fv_text t = {.arena = arena};
    state = 11;
    put_halves(&t, "a", "[3, 3, 40]", 360);
    fv_text_put(&t, constants);
    fv_module *one = module_of(t.s), *two = module_of(t.s);
    cr_assert(fv_run_passes(one, without_integers, NULL), "%s", said());
    cr_assert(fv_run_passes(two, fv_pipeline('2'), NULL), "%s", said());
    cr_expect_eq(conversions(one), 3);
    cr_expect_eq(conversions(two), 0);
    run(one, &x, 3, run_time);
    run(two, &x, 3, folded);
    for (int i = 0; i < 3; i++)
        cr_expect(fv_tensor_equal(run_time[i], folded[i]), "result %d", i);
}
