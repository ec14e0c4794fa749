/* test_places.c - rows that are stored within another value: in an image with a border, or with
 * space between them; and copies of the caller's rows with such space.
 *
 * Each consumer must compute the same as the interpreter, which must compute what the naive
 * schedule does, within an error. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/lower.h"
#include "backend/lowering/why.h"
#include "ir/base/diag.h"
#include "ir/graph/parse.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/consumers/consumers.h"
#include "tests/sample.h"

static fv_session *session;
static fv_arena *arena;

static void set_up(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
}

static void tear_down(void) {
    fv_session_free(session);
}

TestSuite(places, .init = set_up, .fini = tear_down, .timeout = 300);

enum { MOST_OUTPUT = 1 << 16 };

static void show_messages(void) {
    for (const fv_message *m = fv_messages(session); m; m = m->next)
        fprintf(stderr, "%s\n", fv_message_str(arena, m));
}

static fv_program *lower(const char *text, const char *target, bool naive, fv_reasons *reasons) {
    fv_lower_options o = {
        .target = fv_target_find(target), .naive = naive, .verify = true, .reasons = reasons};
    fv_module *m = fv_module_parse(
        session, fv_printf(arena, "fovea-ir 1\nmodule \"m\"\nsymbol n 0..64\n%s", text), NULL);
    bool passed = m && fv_run_passes(m, fv_pipeline('2'), NULL);
    fv_program *p = passed ? fv_lower(m, &o) : NULL;
    show_messages();
    cr_assert(p && fv_program_verify(session, p), "%s", text);
    fv_program_expand(p);
    return p;
}

static int64_t count_of(int rank, const fv_dim *const *dims, int64_t n) {
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= fv_dim_is_const(dims[i]) ? dims[i]->value : n;
    return count;
}

/* The output of a program with one symbol, which is n; memory that nobody writes is not zero. */
static const float *run(opened *o, const fv_program *p, int64_t n, int64_t *count) {
    const void *in[4];
    int64_t out_dims[32];
    size_t bytes = 0;
    cr_assert(p->noutputs == 1 && p->ninputs <= 4);
    for (int i = 0; i < p->ninputs; i++) {
        int64_t elements = count_of(p->inputs[i].rank, p->inputs[i].dims, n);
        float *x = fv_alloc_aligned(arena, (size_t)(elements + 16) * sizeof *x, 64);
        for (int64_t e = 0; e < elements; e++)
            x[e] = (float)(sin((double)(e * 7 + i * 131) * 0.7) * 1.25);
        in[i] = x;
    }
    *count = count_of(p->outputs[0].rank, p->outputs[0].dims, n);
    cr_assert_lt(*count, MOST_OUTPUT);
    float *out = fv_alloc_aligned(arena, MOST_OUTPUT * sizeof *out, 64);
    memset(out, 0x5a, MOST_OUTPUT * sizeof *out);
    cr_assert_eq(o->plan(o, &n, &bytes, out_dims), FV_OK);
    void *workspace = fv_alloc_aligned(arena, bytes + 64, 64);
    memset(workspace, 0x5a, bytes);
    int status = o->run(o, &n, in, (void *[]){out}, out_dims, workspace, bytes, NULL);
    cr_assert_eq(status, FV_OK, "%s", o->fault(o) ? o->fault(o) : "");
    return out;
}

/* Has one value both reasons? */
static bool has_both(const fv_reasons *r, fv_why first, fv_why second) {
    for (int i = 0; i < r->n; i++)
        for (int k = 0; k < r->n; k++)
            if (r->all[i].why == first && r->all[k].why == second &&
                r->all[i].about == r->all[k].about)
                return true;
    return false;
}

static void check_near(const char *text, int64_t n, const float *got, const float *want,
                       int64_t count) {
    for (int64_t i = 0; i < count; i++)
        cr_assert(fabsf(got[i] - want[i]) <= 1e-4f + 1e-4f * fabsf(want[i]),
                  "n = %lld: element %lld is %g, naive %g: %s", (long long)n, (long long)i,
                  (double)got[i], (double)want[i], text);
}

static const int64_t rows[] = {0, 1, 12, 13};
enum { NROWS = sizeof rows / sizeof *rows };

static opened *open_by(const consumer *c, const fv_program *p) {
    opened *o = c->open(arena, p);
    cr_assert(o, "%s does not open it", c->name);
    return o;
}

/* A value of the program must have the two reasons. */
static void check(const char *text, const char *target, fv_why first, fv_why second) {
    fv_reasons reasons;
    int64_t count[NROWS];
    const float *want[NROWS];
    const fv_program *p = lower(text, target, false, &reasons),
                     *naive = lower(text, target, true, NULL);
    cr_assert(has_both(&reasons, first, second), "no value has both reasons: %s", text);
    opened *interp = open_by(consumers(), p), *plain = open_by(consumers(), naive);
    for (int i = 0; i < NROWS; i++) {
        if (!sample_has(text, (size_t)i, 1, 2))
            continue;
        want[i] = run(interp, p, rows[i], &count[i]);
        check_near(text, rows[i], want[i], run(plain, naive, rows[i], &count[i]), count[i]);
    }
    interp->close(interp);
    plain->close(plain);
    for (const consumer *c = consumers() + 1; c->name && fv_target_runs_here(p->target); c++) {
        opened *o = open_by(c, p);
        for (int i = 0; i < NROWS; i++) {
            size_t at;
            if (!sample_has(text, (size_t)i, 1, 2))
                continue;
            const float *got = run(o, p, rows[i], &count[i]);
            cr_assert(same_elements(FV_F32, got, want[i], (size_t)count[i] * sizeof *got, &at),
                      "%s, n = %d: element %zu: %s", c->name, (int)rows[i], at, text);
        }
        o->close(o);
    }
}

Test(places, softmax_with_space_behind_rows) {
    check("func @main(%x: f32[n, 1024], %w: f32[1024, 16]) -> (%y) {\n  %p = Softmax(%x)\n"
          "  %y = MatMul(%p, %w)\n  return %y\n}\n",
          "x86-64-v3", FV_WHY_keeps, FV_WHY_strides);
}

Test(places, softmax_of_a_batch_with_space_behind_rows) {
    check("func @main(%x: f32[2, n, 1024], %w: f32[1024, 16]) -> (%y) {\n  %p = Softmax(%x)\n"
          "  %y = MatMul(%p, %w)\n  return %y\n}\n",
          "x86-64-v3", FV_WHY_keeps, FV_WHY_strides);
}

Test(places, norm_with_space_behind_rows) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "const @g: f32[1024] = [0.5");
    for (int i = 1; i < 1024; i++)
        fv_text_printf(&t, ", %d", i % 7 - 3);
    fv_text_put(&t, "]\nfunc @main(%x: f32[n, 1024], %w: f32[1024, 16]) -> (%y) {\n"
                    "  %t = Tanh(%x)\n  %p = LayerNormalization(%t, @g, @g) {axis = -1}\n"
                    "  %y = MatMul(%p, %w)\n  return %y\n}\n");
    check(t.s, "x86-64-v3", FV_WHY_keeps, FV_WHY_strides);
}

Test(places, attention_with_space_behind_rows) {
    check("func @main(%q: f32[n, 1024], %k: f32[1024, 30], %v: f32[30, 1024], %w: f32[1024, 16]) "
          "-> (%y) {\n  %s = MatMul(%q, %k)\n  %p = Softmax(%s)\n  %h = MatMul(%p, %v)\n"
          "  %y = MatMul(%h, %w)\n  return %y\n}\n",
          "x86-64-v3", FV_WHY_tasks_heads, FV_WHY_strides);
}

/* The image has channels last, whose softmax runs along the rows. */
Test(places, softmax_within_a_border) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "const @p: f32[16, 16, 1, 1] = [0.25");
    for (int i = 1; i < 16 * 16; i++)
        fv_text_printf(&t, ", %d", i % 7 - 3);
    fv_text_put(&t, "]\nconst @d: f32[16, 1, 3, 3] = [0.5");
    for (int i = 1; i < 16 * 9; i++)
        fv_text_printf(&t, ", %d", i % 5 - 2);
    fv_text_put(&t, "]\nfunc @main(%x: f32[n, 16, 8, 8]) -> (%y) {\n  %h = Conv(%x, @p)\n"
                    "  %i = Transpose(%h) {perm = [0, 2, 3, 1]}\n  %s = Softmax(%i)\n"
                    "  %q = Transpose(%s) {perm = [0, 3, 1, 2]}\n"
                    "  %c = Conv(%q, @d) {group = 16, pads = [1, 1, 1, 1]}\n"
                    "  %y = Conv(%c, @p)\n  return %y\n}\n");
    check(t.s, "x86-64-v3", FV_WHY_keeps, FV_WHY_pads);
}

/* ---- the caller's rows: tiles of 12 rows do not fit into the ways of a set ---- */

Test(places, copy_with_space) {
    check("func @main(%x: f32[n, 1024], %w: f32[1024, 64]) -> (%y) {\n  %y = MatMul(%x, %w)\n"
          "  return %y\n}\n",
          "x86-64-v4", FV_WHY_operand_apart, FV_WHY_contracts);
}

Test(places, copy_of_a_batch_with_space) {
    check("func @main(%x: f32[2, n, 1024], %w: f32[2, 1024, 64]) -> (%y) {\n"
          "  %y = MatMul(%x, %w)\n  return %y\n}\n",
          "x86-64-v4", FV_WHY_operand_apart, FV_WHY_contracts);
}
