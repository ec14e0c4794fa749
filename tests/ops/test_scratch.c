/* Memory of tasks: kernels that have memory for one line in each task have it for as many tasks as
 * the target runs at the same time, and never for more than there are lines. */
#include <criterion/criterion.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/graph/parse.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

TestSuite(scratch, .init = open_session, .fini = close_session);

static fv_program *lower(const char *target, const char *text) {
    fv_module *m = fv_module_parse(session, text, NULL);
    fv_lower_options lo = {.target = fv_target_find(target)};
    fv_pipeline_options po = {.verify = true};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s\n%s", said(), text);
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s\n%s", said(), text);
    fv_program_expand(p);
    return p;
}

/* %d: the number of lines. */
static const char *const models[] = {
    "const @k: i64[1] = [40]\n"
    "func @main(%%x: f32[%d, 9000]) -> (%%v, %%i) {\n"
    "  %%v, %%i = TopK(%%x, @k)\n"
    "  return %%v, %%i\n}\n",
    "func @main(%%x: f32[%d, 60, 1]) -> (%%y) {\n"
    "  %%y = DFT(%%x) {onesided = 1}\n"
    "  return %%y\n}\n",
    "const @step: i64[] = [700]\n"
    "func @main(%%x: f32[%d, 700, 1]) -> (%%y) {\n"
    "  %%y = STFT(%%x, @step, _, @step)\n"
    "  return %%y\n}\n",
    "const @most: i64[1] = [5]\n"
    "const @limit: f32[1] = [0.5]\n"
    "func @main(%%b: f32[1, 50, 4], %%s: f32[1, %d, 50]) -> (%%y) {\n"
    "  %%y = NonMaxSuppression(%%b, %%s, @most, @limit)\n"
    "  return %%y\n}\n",
};
enum { NMODELS = sizeof models / sizeof *models };

static const struct {
    const char *name;
    int most; /* tasks that run at the same time */
} targets[] = {{"cortex-m0", 1}, {"cortex-m4", 1},  {"cortex-m55", 1}, {"esp32c3", 1},
               {"generic", 16},  {"x86-64-v3", 16}, {"aarch64", 16}};

/* Does the buffer belong to tasks of a kernel? */
static bool is_of_tasks(const fv_buf *b) {
    static const char *const names[] = {"keys", "planes", "struck", "places", "lows", "work", NULL};
    const char *dot = strrchr(b->name, '.');
    for (int i = 0; names[i] && dot; i++)
        if (b->role == FV_BUF_WORK && !strncmp(dot + 1, names[i], strlen(names[i])))
            return true;
    return false;
}

static fv_program *program(const char *target, int model, int lines) {
    char text[1024];
    int n = snprintf(text, sizeof text, "fovea-ir 1\nmodule \"m\"\n");
    snprintf(text + n, sizeof text - (size_t)n, models[model], lines);
    return lower(target, text);
}

Test(scratch, as_many_tasks_as_run_and_as_lines) {
    static const int lines[] = {1, 3, 40};
    for (int m = 0; m < NMODELS; m++)
        for (size_t t = 0; t < sizeof targets / sizeof *targets; t++)
            for (int l = 0; l < 3; l++) {
                fv_program *p = program(targets[t].name, m, lines[l]);
                int64_t most = targets[t].most < lines[l] ? targets[t].most : lines[l], n = 0;
                int found = 0;
                for (int i = 0; i < p->memory.nbuffers; i++) {
                    const fv_buf *b = p->memory.buffers[i];
                    if (!is_of_tasks(b))
                        continue;
                    found++;
                    cr_expect(fv_x_is_int(b->extent[0], &n) && n == most,
                              "model %d, %s, %d lines: '%s' is for %lld tasks, not %lld", m,
                              targets[t].name, lines[l], b->name, (long long)n, (long long)most);
                }
                /* targets without vectors sort in another way */
                cr_expect(found || m == 0, "model %d, %s", m, targets[t].name);
            }
}

static void *take(void *user, size_t bytes) {
    (void)user;
    return fv_alloc_aligned(arena, bytes, 64);
}

static void leave(void *user, void *p) {
    (void)user;
    (void)p;
}

/* The elements of all outputs after a run of the program on fixed numbers. */
static void run(const fv_program *p, float *out) {
    static float in[2][40 * 9000];
    const void *inputs[2] = {in[0], in[1]};
    void *outputs[2] = {out, out + 40 * 9000};
    int64_t actual[32] = {0};
    const fv_env env = {.size = sizeof env, .alloc = take, .free = leave};
    size_t work;
    for (int i = 0; i < 2 * 40 * 9000; i++)
        in[i & 1][i / 2] = (float)((unsigned)i * 2654435761u >> 16) / 65536.0f;
    for (int i = 0; i < 32; i++)
        actual[i] = 40 * 9000 / 4;
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert_eq(fv_interp_plan(interp, NULL, &work, NULL), FV_OK);
    int status = fv_interp_run(interp, NULL, inputs, outputs, actual,
                               fv_alloc_aligned(arena, work + 64, 64), work, &env);
    cr_assert_eq(status, FV_OK, "status %d of %s", status, p->target->name);
}

Test(scratch, the_same_bits) {
    static float one[2 * 40 * 9000], many[2 * 40 * 9000];
    for (int m = 0; m < NMODELS; m++) {
        memset(one, 0, sizeof one);
        memset(many, 0, sizeof many);
        run(program("cortex-m55", m, 40), one);
        run(program("x86-64-v3", m, 40), many);
        cr_expect(!memcmp(one, many, sizeof one), "model %d", m);
    }
}
