/* No tuning changes a bit: models of products, attention, norms and filters give the same results
 * with random legal schedules for their kernels as without, with one thread and with two. FV_SEED
 * chooses other tunings, FV_ROUNDS sets how many for each model. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/have.h"
#include "backend/lower.h"
#include "ir/graph/parse.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"
#include "tests/sample.h"
#include "tests/tuning/any_tuning.h"
#include "tools/driver/driver.h"
#include "tools/measure/alternatives.h"

enum { MOST_OUTPUTS = 4, SEQ = 37 };

static fv_random random_numbers;

/* ---- models ---- */

static const char *constant(const char *name, const char *dims, int count) {
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "const @%s: f32[%s] = [", name, dims);
    for (int i = 0; i < count; i++)
        fv_text_printf(&t, "%s%.9g", i ? ", " : "", (double)(float)(sin(i * 0.7 + name[0]) * 1.25));
    fv_text_put(&t, "]\n");
    return t.s;
}

typedef struct model {
    const char *name;
    struct {
        const char *name, *dims;
        int count;
    } constants[4];
    const char *text;
} model;

static const model models[] = {
    {"a product with weights",
     {{"w", "64, 90", 5760}, {"b", "90", 90}},
     "func @main(%x: f32[2, n, 64]) -> (%y) {\n  %a = MatMul(%x, @w)\n  %s = Add(%a, @b)\n  %y = "
     "Relu(%s)\n  return %y\n}\n"},
    {"a product with many steps",
     {{"w", "1408, 33", 1408 * 33}},
     "func @main(%x: f32[n, 1408]) -> (%y) {\n  %y = MatMul(%x, @w)\n  return %y\n}\n"},
    {"a product with one row",
     {{"w", "64, 200", 12800}},
     "func @main(%x: f32[1, 64]) -> (%y) {\n  %y = MatMul(%x, @w)\n  return %y\n}\n"},
    {"a product of few rows",
     {{"w", "50, 33", 1650}},
     "func @main(%x: f32[5, 33]) -> (%y) {\n  %y = Gemm(%x, @w) {transB = 1, alpha = 0.5}\n  "
     "return %y\n}\n"},
    {"a product of computed factors",
     {{0}},
     "func @main(%x: f32[3, n, 40], %w: f32[3, 40, n]) -> (%y) {\n  %y = MatMul(%x, %w)\n  return "
     "%y\n}\n"},
    {"a product with what lies across",
     {{0}},
     "func @main(%x: f32[n, 40], %w: f32[50, 40]) -> (%y) {\n  %t = Transpose(%w) {perm = [1, "
     "0]}\n  %y = MatMul(%x, %t)\n"
     "  return %y\n}\n"},
    {"a product in f64",
     {{0}},
     "func @main(%x: f64[n, 40], %w: f64[40, 50]) -> (%y) {\n  %y = MatMul(%x, %w)\n  return "
     "%y\n}\n"},
    {"two layers",
     {{"w", "48, 96", 4608}, {"v", "96, 48", 4608}},
     "func @main(%x: f32[n, 48]) -> (%y) {\n  %a = MatMul(%x, @w)\n  %b = Sigmoid(%a)\n  %c = "
     "Mul(%a, %b)\n"
     "  %e = MatMul(%c, @v)\n  %y = Add(%e, %x)\n  return %y\n}\n"},
    {"attention",
     {{0}},
     "func @main(%q: f32[n, 24], %k: f32[n, 24], %v: f32[n, 20]) -> (%y) {\n  %t = Transpose(%k) "
     "{perm = [1, 0]}\n"
     "  %s = MatMul(%q, %t)\n  %p = Softmax(%s)\n  %y = MatMul(%p, %v)\n  return %y\n}\n"},
    {"attention of heads with a mask and a scale",
     {{"c", "", 1}},
     "func @main(%q: f32[2, 3, n, 16], %k: f32[2, 3, n, 16], %v: f32[2, 3, n, 16], %m: f32[2, 1, "
     "1, n]) -> (%y) {\n"
     "  %t = Transpose(%k) {perm = [0, 1, 3, 2]}\n  %s = MatMul(%q, %t)\n  %a = Mul(%s, @c)\n  %b "
     "= Add(%a, %m)\n"
     "  %p = Softmax(%b)\n  %o = MatMul(%p, %v)\n  %y = Transpose(%o) {perm = [0, 2, 1, 3]}\n  "
     "return %y\n}\n"},
    {"a filter of many channels",
     {{"w", "32, 8, 3, 3", 2304}, {"b", "32", 32}},
     "func @main(%x: f32[2, 8, 13, n]) -> (%y) {\n  %a = Conv(%x, @w, @b) {pads = [1, 1, 1, 1]}\n  "
     "%y = Relu(%a)\n"
     "  return %y\n}\n"},
    {"a filter of few channels",
     {{"w", "6, 3, 3, 3", 162}},
     "func @main(%x: f32[1, 3, 20, n]) -> (%y) {\n  %y = Conv(%x, @w) {strides = [2, 2]}\n  return "
     "%y\n}\n"},
    {"a filter for each channel",
     {{"w", "24, 1, 3, 3", 216}, {"v", "24, 24, 1, 1", 576}},
     "func @main(%x: f32[1, 24, 11, n]) -> (%y) {\n  %a = Conv(%x, @v)\n  %r = Relu(%a)\n"
     "  %y = Conv(%r, @w) {group = 24, pads = [1, 1, 1, 1]}\n  return %y\n}\n"},
    {"a norm",
     {{"g", "72", 72}, {"b", "72", 72}},
     "func @main(%x: f32[2, n, 72]) -> (%y) {\n  %y = LayerNormalization(%x, @g, @b) {axis = -1}\n "
     " return %y\n}\n"},
    {"a softmax of one long row",
     {{0}},
     "func @main(%x: f32[n, 5000]) -> (%y, %z) {\n  %y = Softmax(%x)\n  %r = fv.Reshape(%y) {dims "
     "= [n * 5000]}\n"
     "  %z = Sigmoid(%r)\n  return %y, %z\n}\n"},
    {"a transpose",
     {{0}},
     "func @main(%x: f32[3, n, 45]) -> (%y, %z) {\n  %y = Transpose(%x) {perm = [0, 2, 1]}\n  %t = "
     "Exp(%x)\n"
     "  %z = Transpose(%t) {perm = [2, 1, 0]}\n  return %y, %z\n}\n"},
    {"element by element",
     {{"b", "700", 700}},
     "func @main(%x: f32[n, 700]) -> (%y, %z) {\n  %a = Add(%x, @b)\n  %y = Tanh(%a)\n  %z = "
     "ReduceSum(%x) {keepdims = 0}\n"
     "  return %y, %z\n}\n"},
};
enum { NMODELS = sizeof models / sizeof *models };

static const char *text_of(const model *m) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "fovea-ir 1\nmodule \"m\"\nsymbol n 0..4096\n");
    for (int i = 0; i < 4 && m->constants[i].name; i++)
        fv_text_put(&t,
                    constant(m->constants[i].name, m->constants[i].dims, m->constants[i].count));
    fv_text_put(&t, m->text);
    return t.s;
}

/* ---- runs ---- */

typedef struct program {
    fv_artifact *artifact;
    fv_choices choices;
} program;

static program compile(const char *text, const fv_target *target, const fv_tuning *tuned) {
    program p = {0};
    fv_driver_options o = {
        .target.of = target, .level = '1', .tuning.tuned = tuned, .answers.choices = &p.choices};
    fv_source source = {.kind = FV_FILE_GRAPH, .hash = ""};
    source.module = fv_module_parse(session, text, NULL);
    cr_assert(source.module, "%s", said());
    fv_program *lowered = fv_driver_lower(session, &source, &o);
    cr_assert(lowered, "%s", said());
    (void)said(); /* kernels that operands no longer have */
    p.artifact = fv_driver_artifact(session, lowered,
                                    FV_HAVE_LLVM ? FV_BACKEND_JIT : FV_BACKEND_INTERP, '1');
    cr_assert(p.artifact, "%s", said());
    return p;
}

static void run(const program *p, int threads, fv_array *out) {
    const fv_model *table = fv_artifact_model(p->artifact);
    fv_array in[8] = {0};
    fv_run_options o = {.size = sizeof o, .threads = threads};
    fv_log *log = fv_log_new();
    for (int i = 0; i < table->ninputs; i++) {
        const fv_port_info *port = &table->inputs[i];
        in[i] = (fv_array){.type = port->type, .rank = port->rank};
        int64_t count = 1;
        for (int k = 0; k < port->rank; k++)
            count *= in[i].dims[k] = port->dims[k] && strcmp(port->dims[k], "n")
                                         ? strtoll(port->dims[k], NULL, 10)
                                         : SEQ;
        bool wide = port->type == FV_F64;
        in[i].data = fv_alloc_aligned(arena, (size_t)count * (wide ? 8 : 4) + 64, 64);
        for (int64_t e = 0; e < count; e++) {
            double x = sin((double)(e * 7 + i * 131) * 0.7) * 1.25;
            if (wide)
                ((double *)in[i].data)[e] = x;
            else
                ((float *)in[i].data)[e] = (float)x;
        }
    }
    memset(out, 0, MOST_OUTPUTS * sizeof *out);
    int status = fv_artifact_run(p->artifact, in, out, &o, log);
    cr_assert_eq(status, FV_OK, "%s", fv_log_text(log));
    fv_log_free(log);
}

/* ---- tunings ---- */

static void compare(const program *p, int n, const fv_array *want, const char *what) {
    for (int threads = 1; threads <= 2; threads++) {
        fv_array out[MOST_OUTPUTS];
        run(p, threads, out);
        for (int i = 0; i < n; i++) {
            cr_assert_eq(fv_array_bytes(&out[i]), fv_array_bytes(&want[i]));
            cr_assert(!memcmp(out[i].data, want[i].data, fv_array_bytes(&want[i])),
                      "output %d, %d threads, %s", i, threads, what);
            fv_array_free(&out[i]);
        }
    }
}

static int check_model(const model *m, const fv_target *target, uint64_t rounds) {
    const char *text = text_of(m);
    program plain = compile(text, target, NULL);
    fv_array want[MOST_OUTPUTS];
    int n = fv_artifact_model(plain.artifact)->noutputs, tuned = 0;
    /* else an entry that states less could not be legal */
    for (int i = 0; i < plain.choices.n; i++)
        cr_expect(any_tuning_is_legal(arena, &plain.choices.at[i], &plain.choices.at[i].how),
                  "%s: kernel %d", m->name, i);
    run(&plain, 1, want);
    for (uint64_t i = 0; i < rounds; i++) {
        fv_tuning u = any_tuning(arena, &random_numbers, &plain.choices);
        program p = compile(text, target, &u);
        compare(
            &p, n, want,
            fv_printf(arena, "%s for %s:\n%s", m->name, target->name, any_tuning_text(arena, &u)));
        fv_artifact_free(p.artifact);
        tuned += u.n;
    }
    for (int i = 0; i < n; i++)
        fv_array_free(&want[i]);
    fv_artifact_free(plain.artifact);
    return tuned;
}

/* Models whose weights are more than the second-level cache, and prefetched, among them. */
static void check_target(const char *name) {
    uint64_t rounds = sample_rounds(3, 1);
    random_numbers.state = sample_seed(1);
    const fv_target *t = fv_target_find(name);
    for (int i = 0; i < NMODELS && fv_target_runs_here(t); i++) {
        open_session();
        fv_target target = *t;
        target.caches.l2_bytes = i % 2 ? 4 << 10 : t->caches.l2_bytes;
        cr_expect_gt(check_model(&models[i], &target, rounds), 0, "%s", models[i].name);
        close_session();
    }
}

Test(tunings, v2, .timeout = 900) {
    check_target("x86-64-v2");
}
Test(tunings, v3, .timeout = 900) {
    check_target("x86-64-v3");
}
Test(tunings, native, .timeout = 900) {
    check_target("native");
}

/* Chunks of queries are whole tiles: if they are rounded up, the last chunks have no queries. */
Test(tunings, chunks, .timeout = 900) {
    const char *text =
        "fovea-ir 1\nmodule \"m\"\nfunc @main(%q: f32[24, 8], %k: f32[24, 8], %v: f32[24, 8]) -> "
        "(%y) {\n  %t = Transpose(%k) {perm = [1, 0]}\n  %s = MatMul(%q, %t)\n  %p = Softmax(%s)\n"
        "  %y = MatMul(%p, %v)\n  return %y\n}\n";
    const fv_target *target = fv_target_find("generic");
    open_session();
    program plain = compile(text, target, NULL);
    fv_array want[MOST_OUTPUTS];
    run(&plain, 1, want);
    int found = 0;
    for (int i = 0; i < plain.choices.n; i++) {
        const fv_choice *c = &plain.choices.at[i];
        for (int tasks = 1; tasks <= 24 && c->how.kind == FV_SCHEDULE_attend; tasks++) {
            fv_tuned_kernel k = {.key = c->key, .line = 1, .column = 1, .schedule = {c->how.kind}};
            fv_tuning u = {.path = "tuning", .n = 1, .kernels = &k};
            fv_schedule_set(&k.schedule, FV_PARAMETER_tasks, tasks);
            fv_schedule_set(&k.schedule, FV_PARAMETER_block, c->how.value[FV_PARAMETER_score_rows]);
            program p = compile(text, target, &u);
            compare(&p, 1, want, any_tuning_text(arena, &u));
            fv_artifact_free(p.artifact);
            found++;
        }
    }
    cr_expect_eq(found, 24);
    fv_array_free(&want[0]);
    fv_artifact_free(plain.artifact);
    close_session();
}

/* Rows of a copy have space between them if they would compete for sets of the cache in tiles of 6
 * rows. In tiles of 3 rows they would not. An entry with a key matches the kernel that reads the
 * copy; one that names nodes matches before the copy is chosen. */
Test(tunings, no_other_kernels, .timeout = 900) {
    const char *text = "fovea-ir 1\nmodule \"m\"\nfunc @main(%x: f32[12, 1024], %w: f32[1024, 64]) "
                       "-> (%y) {\n  %h = Relu(%x)\n  %y = MatMul(%h, %w)\n  return %y\n}\n";
    open_session();
    program plain = compile(text, fv_target_find("x86-64-v3"), NULL);
    fv_tuned_kernel k = {.node = "", .line = 1, .column = 1, .schedule = {FV_SCHEDULE_contract}};
    fv_tuning u = {.path = "tuning", .n = 1, .kernels = &k};
    fv_schedule_set(&k.schedule, FV_PARAMETER_rows, 3);
    fv_schedule_set(&k.schedule, FV_PARAMETER_block, 12);
    for (int i = 0; i < 2; i++) {
        program p = compile(text, fv_target_find("x86-64-v3"), &u);
        int tuned = 0;
        cr_assert_eq(p.choices.n, plain.choices.n);
        for (int j = 0; j < p.choices.n; j++) {
            const fv_choice *c = &p.choices.at[j];
            cr_expect_str_eq(c->key, plain.choices.at[j].key);
            if (c->how.kind != FV_SCHEDULE_contract)
                continue;
            tuned++;
            cr_expect_eq(c->how.value[FV_PARAMETER_rows], 3);
            k.key = c->key;
            k.node = NULL;
        }
        cr_expect_eq(tuned, 1);
        fv_artifact_free(p.artifact);
    }
    fv_artifact_free(plain.artifact);
    close_session();
}

/* ---- what is tried ---- */

static void note_tried(const fv_choices *all, unsigned *asked, unsigned *tried) {
    for (int i = 0; i < all->n; i++) {
        fv_schedule s;
        int found;
        *asked |= all->at[i].limits.choices;
        for (int k = 0; (found = fv_alternative(arena, &all->at[i], 3, k, &s)) >= 0; k++)
            *tried |= found ? s.stated : 0;
    }
}

/* `fovea tune` tries other values of each parameter that is a choice, for a kernel of these
 * models. */
Test(tunings, all_are_tried, .timeout = 900) {
    unsigned asked = 0, tried = 0;
    fv_target target = *fv_target_find("x86-64-v3");
    target.caches.l2_bytes = 4 << 10; /* so that weights are prefetched */
    open_session();
    for (int i = 0; i < NMODELS; i++) {
        fv_choices all = {0};
        fv_module *m = fv_module_parse(session, text_of(&models[i]), NULL);
        fv_lower_options o = {.target = &target, .choices = &all};
        cr_assert(m && fv_run_passes(m, fv_pipeline('2'), NULL) && fv_lower(m, &o), "%s", said());
        note_tried(&all, &asked, &tried);
    }
    for (int p = 0; p < FV_NPARAMETERS; p++)
        if (fv_parameter_is_tuned((fv_parameter)p)) {
            cr_expect(asked >> p & 1, "'%s' is no choice of any kernel",
                      fv_parameter_name((fv_parameter)p));
            cr_expect(tried >> p & 1, "'%s' is not tried", fv_parameter_name((fv_parameter)p));
        }
    close_session();
}
