/* The cost of compiling grows linearly with the model: with twice the layers, passes, lowering and
 * verifier make at most 2.2 times the allocations (nodes, definitions, statements), and the
 * program, written as trees, is at most 2.2 times as long. Neither depends on the machine. */
#include <criterion/criterion.h>

#include "backend/lower.h"
#include "ir/base/session.h"
#include "ir/graph/parse.h"
#include "ir/kernel/program_print.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"
#include "tests/sample.h"

TestSuite(growth, .init = open_session, .fini = close_session);

/* Several times the layers of a chain that one kernel takes: below that, its cost grows faster. */
enum { LAYERS = SAMPLE_HAS_ASAN ? 160 : 320 };

typedef struct family {
    const char *name, *head; /* declarations and parameters */
    const char *layer;       /* the lines from %h< to %h>, where < stands for i and > for i + 1 */
    bool all;                /* each layer's value is joined at the end */
} family;

static const family families[] = {
    {"elementwise chain", "func @main(%h0: f32[n, 16]) -> (%y) {\n",
     "  %t< = Tanh(%h<)\n  %h> = Sigmoid(%t<)\n", false},
    {"residual", "func @main(%h0: f32[n, 16]) -> (%y) {\n",
     "  %t< = Softmax(%h<) {axis = -1}\n  %h> = Add(%h<, %t<)\n", false},
    {"convolutions", "func @main(%h0: f32[b, 4, n, n], %w: f32[4, 4, 3, 3]) -> (%y) {\n",
     "  %c< = Conv(%h<, %w) {pads = [1, 1, 1, 1]}\n  %r< = Relu(%c<)\n  %h> = Add(%r<, %h<)\n",
     false},
    {"fan-out and concat", "func @main(%h0: f32[n, 16]) -> (%y) {\n",
     "  %s< = Softmax(%h<) {axis = -1}\n  %h> = Relu(%s<)\n", true},
    {"encoder", "func @main(%h0: f32[b, n, 16], %w: f32[16, 16]) -> (%y) {\n",
     "  %q< = MatMul(%h<, %w)\n  %k< = Transpose(%q<) {perm = [0, 2, 1]}\n  %s< = MatMul(%h<, "
     "%k<)\n"
     "  %p< = Softmax(%s<) {axis = -1}\n  %v< = MatMul(%p<, %q<)\n  %a< = Add(%v<, %h<)\n"
     "  %d< = Shape(%a<)\n  %e< = Reshape(%a<, %d<)\n  %h> = Relu(%e<)\n",
     false},
    {"data decides", "func @main(%h0: f32[n, 16], %s: i64[2]) -> (%y) {\n",
     "  %r< = Reshape(%h<, %s)\n  %t< = Transpose(%r<) {perm = [1, 0]}\n  %h> = Softmax(%t<) {axis "
     "= -1}\n",
     false},
};

static void put_layer(fv_text *t, const char *layer, int i) {
    for (const char *c = layer; *c; c++)
        if (*c == '<' || (*c == '>' && c[-1] != '-'))
            fv_text_printf(t, "%d", i + (*c == '>'));
        else
            fv_text_putn(t, c, 1);
}

static const char *model_of(const family *f, int layers) {
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "fovea-ir 1\nmodule \"m\"\nsymbol n 1..1024\nsymbol b 1..64\n%s", f->head);
    for (int i = 0; i < layers; i++)
        put_layer(&t, f->layer, i);
    if (!f->all)
        fv_text_printf(&t, "  %%y = Neg(%%h%d)\n", layers);
    else
        for (int i = 0; i <= layers; i++)
            fv_text_printf(&t, "%s%%h%d%s", i ? ", " : "  %y = Concat(", i,
                           i < layers ? "" : ") {axis = 1}\n");
    fv_text_put(&t, "  return %y\n}\n");
    return t.s;
}

typedef struct cost {
    double allocations, text;
} cost;

static cost compile(const char *text) {
    const int64_t many = INT64_C(1) << 60;
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = fv_target_find("x86-64-v3")};
    fv_session_fail_at(session, many);
    fv_module *m = fv_module_parse(session, text, NULL);
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s", said());
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s", said());
    double allocations = (double)(many - session->memory.fail_in);
    fv_session_fail_at(session, 0);
    fv_text t = {.arena = arena};
    fv_program_print(&t, p);
    return (cost){allocations, (double)t.n};
}

Test(growth, linear) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const family *f = &families[i];
        if (!sample_has("growth", i, 2, 3))
            continue;
        cost once = compile(model_of(f, LAYERS)), twice = compile(model_of(f, 2 * LAYERS));
        cr_expect(twice.allocations <= 2.2 * once.allocations,
                  "%s: %g allocations, of twice the layers %g", f->name, once.allocations,
                  twice.allocations);
        cr_expect(twice.text <= 2.2 * once.text, "%s: %g bytes of program, of twice the layers %g",
                  f->name, once.text, twice.text);
    }
}

/* A sum of inputs each of which may have one row, or as many as the others: dims become longer with
 * the number of inputs, but must not double with each. */
Test(growth, broadcasts) {
    fv_text t = {.arena = arena};
    int n = 62;
    fv_text_put(&t, "fovea-ir 1\nmodule \"m\"\n");
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "symbol n%d 0..1024\n", i);
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%%x%d: f32[n%d, 16]", i ? ", " : "func @main(", i, i);
    fv_text_put(&t, ") -> (%y) {\n  %h1 = Add(%x0, %x1)\n");
    for (int i = 2; i < n; i++)
        fv_text_printf(&t, "  %%h%d = Add(%%h%d, %%x%d)\n", i, i - 1, i);
    fv_text_printf(&t, "  %%y = Softmax(%%h%d) {axis = -1}\n  return %%y\n}\n", n - 1);
    cr_expect(compile(t.s).text < 1e6);
}
