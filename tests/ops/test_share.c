/* Kernels that differ only in literals become one: tests/ops/share.txt states what it reads, and
 * what launches pass to it. Each result must have the bits that it has if it is compiled alone,
 * with every schedule; layers that differ in scales must have as many kernels as equal layers. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "backend/cost/cost.h"
#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/graph/parse.h"
#include "ir/kernel/clone.h"
#include "ir/kernel/verify.h"
#include "ir/type/tensor.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

TestSuite(share, .init = open_session, .fini = close_session);

enum { ELEMENTS = 45, MAX_RESULTS = 8 };

static size_t taken; /* bytes that the last lowering has left in the session */

static fv_program *lower_with(const char *text, const fv_lower_options *lo) {
    fv_module *m =
        fv_module_parse(session, fv_printf(arena, "fovea-ir 1\nmodule \"m\"\n%s", text), NULL);
    fv_pipeline_options po = {.verify = true};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s", said());
    const size_t before = fv_session_taken(session);
    fv_program *p = fv_lower(m, lo);
    taken = fv_session_taken(session) - before;
    cr_assert(p && fv_program_verify(session, p), "%s", said());
    return p;
}

static fv_program *lower(const char *text, const char *target, bool naive) {
    return lower_with(text, &(fv_lower_options){.target = fv_target_find(target), .naive = naive});
}

/* ---- bits ---- */

static double value(int i) {
    static const double some[] = {NAN, INFINITY, -INFINITY, 0.0,   -0.0,   1.0, -1.0,
                                  0.5, 2.5,      -3.5,      127.5, -300.0, 3e9, 1e-40};
    size_t n = sizeof some / sizeof *some;
    return (size_t)i < n ? some[i] : sin(i) * (i % 5 ? 2.0 : 200.0);
}

/* All ports are [n]. */
static void run(fv_program *p, void **out) {
    int64_t n = ELEMENTS, out_dims[2 * MAX_RESULTS];
    const void *in[MAX_RESULTS];
    size_t bytes;
    fv_program_expand(p);
    for (int i = 0; i < p->ninputs; i++) {
        fv_tensor *t = fv_tensor_new(arena, p->inputs[i].elem, 1, &n);
        for (int k = 0; k < ELEMENTS; k++)
            if (fv_elem_is_float(p->inputs[i].elem))
                fv_tensor_set_float(t, (size_t)k, value(k));
            else
                fv_tensor_set_int(t, (size_t)k, k * 31 - 500);
        in[i] = t->data;
    }
    for (int i = 0; i < p->noutputs; i++)
        out[i] = FV_NEW(arena, double, ELEMENTS);
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert(interp && fv_interp_plan(interp, &n, &bytes, out_dims) == 0);
    int status = fv_interp_run(interp, &n, in, out, out_dims,
                               fv_alloc_aligned(arena, bytes + 64, 64), bytes, NULL);
    cr_assert_eq(status, 0, "%d: %s", status, fv_interp_fault(interp));
}

static void expect_same(const fv_port *port, const void *a, const void *b, const char *how) {
    fv_tensor s = {.elem = port->elem, .data = a, .count = ELEMENTS},
              t = {.elem = port->elem, .data = b, .count = ELEMENTS};
    size_t size = (size_t)fv_elem_storage_bytes(port->elem);
    for (size_t i = 0; i < ELEMENTS; i++) {
        bool nan = fv_elem_is_float(port->elem) && isnan(fv_tensor_float(&s, i)) &&
                   isnan(fv_tensor_float(&t, i));
        cr_expect(nan || memcmp((const char *)a + i * size, (const char *)b + i * size, size) == 0,
                  "%s[%zu], %s", port->name, i, how);
    }
}

/* The function with one of its results. */
static const char *alone(const char *text, const char *result) {
    const char *list = strstr(text, "-> (") + 4, *rest = strchr(list, ')'),
               *end = strstr(rest, "  return ");
    return fv_printf(arena, "%.*s%%%s%.*s  return %%%s\n}\n", (int)(list - text), text, result,
                     (int)(end - rest), rest, result);
}

static void check_bits(const char *text) {
    static const struct {
        const char *how, *target;
        bool naive;
    } ways[] = {{"vectors", "x86-64-v3", false},
                {"scalar", "generic", false},
                {"naive", "x86-64-v3", true}};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        void *all[MAX_RESULTS], *one[1];
        fv_program *p = lower(text, ways[w].target, ways[w].naive);
        run(p, all);
        for (int i = 0; i < p->noutputs; i++) {
            run(lower(alone(text, p->outputs[i].name), ways[w].target, ways[w].naive), one);
            expect_same(&p->outputs[i], all[i], one[0], ways[w].how);
        }
    }
}

/* ---- texts ---- */

/* The constants, the kernels, and the run after the checks of its arguments. */
static const char *shared(const char *options, const char *input) {
    (void)options;
    const char *text = program_text(lower(input, "x86-64-v3", false)),
               *kernels = strstr(text, "\nkernel ");
    fv_text t = {.arena = arena};
    for (const char *s = strstr(text, "\nconstant "); s; s = strstr(s + 1, "\nconstant "))
        fv_text_printf(&t, "%.*s\n", (int)strcspn(s + 1, "\n"), s + 1);
    const char *query = strstr(kernels, "\nquery {"), *memory = strstr(kernels, "\n  memory\n");
    fv_text_printf(&t, "%.*s\nrun {%s", (int)(query - kernels - 1), kernels + 1,
                   memory + strlen("\n  memory"));
    check_bits(input);
    return t.s;
}

Test(share, literals) {
    check_golden("../ops/share.txt", shared);
}

/* ---- layers ---- */

static int kernels_of(int layers, bool equal) {
    fv_text t = {.arena = arena}, body = {.arena = arena};
    for (int i = 0; i < layers; i++) {
        int by = equal ? 0 : i;
        fv_text_printf(&t, "const @s%d: f32[] = %g\nconst @z%d: u8[] = %d\n", i, 0.01 + by * 0.003,
                       i, 120 + by);
        fv_text_printf(&body, "  %%q%d = QuantizeLinear(%%y%d, @s%d, @z%d)\n", i, i, i, i);
        fv_text_printf(&body, "  %%d%d = DequantizeLinear(%%q%d, @s%d, @z%d)\n", i, i, i, i);
        fv_text_printf(&body, "  %%p%d = MatMul(%%d%d, %%w)\n  %%m%d = Mul(%%p%d, @s%d)\n", i, i, i,
                       i, i);
        fv_text_printf(&body, "  %%y%d = Softmax(%%m%d)\n", i + 1, i);
    }
    fv_text_printf(
        &t, "func @main(%%y0: f32[n, 64], %%w: f32[64, 64]) -> (%%y%d) {\n%s  return %%y%d\n}\n",
        layers, body.s, layers);
    return lower(t.s, "x86-64-v3", false)->nkernels;
}

Test(share, layers_that_differ_in_scales) {
    int once = kernels_of(4, true);
    cr_expect_eq(kernels_of(4, false), once);
    cr_expect_eq(kernels_of(12, false), once);
}

/* ---- programs in memory of their own ---- */

/* A constant with the elements 0.5, 1, 1.5, ... */
static const char *constant(const char *name, int rows, int columns) {
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "const @%s: f32[%d, %d] = [", name, rows, columns);
    for (int i = 0; i < rows * columns; i++)
        fv_text_printf(&t, "%s%g", i ? ", " : "", 0.5 * (i % 9 + 1));
    fv_text_put(&t, "]\n");
    return t.s;
}

/* A product with panels, a normalization, a softmax, and an index that is checked. */
static const char *layer(void) {
    return fv_printf(arena,
                     "symbol n 1..512\n%s%s%s"
                     "func @main(%%x: f32[n, 24], %%i: i64[n]) -> (%%y, %%z) {\n"
                     "  %%h = MatMul(%%x, @w)\n"
                     "  %%g = Add(%%h, @b)\n"
                     "  %%e = Gather(@t, %%i)\n"
                     "  %%a = Add(%%g, %%e)\n"
                     "  %%y = LayerNormalization(%%a, @b, @b)\n"
                     "  %%z = Softmax(%%g)\n"
                     "  return %%y, %%z\n"
                     "}\n",
                     constant("w", 24, 32), constant("b", 1, 32), constant("t", 10, 32));
}

/* The copy is the program, also for the expansion, which asks for variables of expressions. It
 * refers to nothing that was freed (the address sanitizer sees that), and takes a fraction of the
 * memory. */
Test(share, compact_programs_are_the_same) {
    static const char *const targets[] = {"x86-64-v3", "x86-64-v4", "generic"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        fv_lower_options lo = {.target = fv_target_find(targets[i])};
        fv_program *p = lower_with(layer(), &lo);
        const size_t made = taken;
        lo.saves = FV_SAVES_LOWERING;
        fv_program *q = lower_with(layer(), &lo);
        cr_expect_lt(2 * taken, made, "%s: %zu and %zu bytes", targets[i], taken, made);
        cr_expect_str_eq(program_text(q), program_text(p), "%s", targets[i]);
        fv_program_expand(p);
        fv_program_expand(q);
        cr_expect_str_eq(program_text(q), program_text(p), "%s, expanded", targets[i]);
    }
}

/* A product of signed bytes with a constant, for a target that multiplies bytes of which one is
 * unsigned: lowering makes a constant of sums. */
static const char *products_of_bytes(void) {
    enum { STEPS = 256, COLUMNS = 512 };
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "symbol n 1..64\nconst @w: i8[%d, %d] = hex \"", STEPS, COLUMNS);
    for (int i = 0; i < STEPS * COLUMNS; i++)
        fv_text_printf(&t, "%02x", (unsigned)(i * 7 + i / COLUMNS) & 255);
    fv_text_printf(&t,
                   "\"\nfunc @main(%%x: i8[n, %d]) -> (%%y) {\n"
                   "  %%y = MatMulInteger(%%x, @w)\n  return %%y\n}\n",
                   STEPS);
    return t.s;
}

/* The contents of the constants that lowering makes are not freed with its memory, which the second
 * lowering then uses. */
Test(share, compact_programs_have_constants) {
    const char *why;
    fv_lower_options lo = {.target = fv_target_read(arena, "x86-64-v3+avxvnni", &why),
                           .saves = FV_SAVES_LOWERING};
    const fv_program *q = lower_with(products_of_bytes(), &lo);
    lo.saves = 0;
    const fv_program *p = lower_with(products_of_bytes(), &lo);
    cr_assert(p->memory.nconstants == 2 && q->memory.nconstants == 2);
    for (int i = 0; i < 2; i++) {
        const fv_constant *a = &p->memory.constants[i], *b = &q->memory.constants[i];
        cr_expect(a->bytes == b->bytes &&
                      !memcmp(fv_constant_data(a), fv_constant_data(b), a->bytes),
                  "%s", a->name);
    }
}

static int pending(const fv_program *p) {
    int n = 0;
    for (int i = 0; i < p->memory.nconstants; i++)
        n += fv_constant_is_pending(&p->memory.constants[i]);
    return n;
}

/* Nothing reads the weights in panels before a consumer needs them: neither lowering nor its checks
 * nor expansion nor the prediction of times. */
Test(share, panels_are_made_by_consumers) {
    for (int saves = 0; saves < 2; saves++) {
        fv_lower_options lo = {.target = fv_target_find("x86-64-v3"),
                               .saves = saves ? FV_SAVES_LOWERING : 0};
        fv_program *p = lower_with(layer(), &lo);
        fv_launch_cost *costs;
        cr_expect_eq(pending(p), 1, "there is one product");
        fv_cost_launches(arena, p, &costs);
        fv_program_expand(p);
        cr_expect(fv_program_verify(session, p), "%s", said());
        cr_expect_eq(pending(p), 1, "nothing has read it");
        cr_assert(fv_interp_new(arena, p));
        cr_expect_eq(pending(p), 0, "threads may run it");
    }
}

/* The stages of expansion leave no memory behind: it takes less than twice what a copy of the
 * whole program takes. */
Test(share, expansion_leaves_its_result_only) {
    const fv_lower_options lo = {.target = fv_target_find("x86-64-v3"), .saves = FV_SAVES_LOWERING};
    fv_program_expand(lower_with(layer(), &lo)); /* reads the elementary functions */
    fv_program *p = lower_with(layer(), &lo);
    size_t before = fv_session_taken(session);
    fv_program_expand(p);
    size_t took = fv_session_taken(session) - before;
    before = fv_session_taken(session);
    fv_program_clone(fv_arena_new(session), p);
    size_t copy = fv_session_taken(session) - before;
    cr_expect_lt(took, 2 * copy, "%zu bytes, a copy %zu", took, copy);
}
