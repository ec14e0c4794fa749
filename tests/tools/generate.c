/* generate.c - how ids are chosen, and generators with wrong arguments. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/fovea.h"
#include "tools/generate/sample.h"

enum { MOST = 400 };

/* ---- samples ---- */

static int64_t sample(double temperature, int64_t k, double p, fv_random *r, int64_t n,
                      const double *logits) {
    fv_candidate scratch[MOST];
    return fv_sample(&(fv_sampling){temperature, k, p}, r, n, logits, scratch);
}

/* Checks the share that each of n ids has in many draws. */
static void has_shares(int64_t k, double p, int n, const double *logits, const double *want) {
    enum { DRAWS = 40000 };
    int count[MOST] = {0};
    fv_random r = {7};
    for (int i = 0; i < DRAWS; i++)
        count[sample(1, k, p, &r, n, logits)]++;
    for (int i = 0; i < n; i++) {
        double share = (double)count[i] / (double)DRAWS;
        cr_expect(want[i] > 0 ? fabs(share - want[i]) < 0.01 : count[i] == 0,
                  "top_k %d, top_p %g: id %d has %g, expected %g", (int)k, p, i, share, want[i]);
    }
}

Test(sample, exp_is_close) {
    cr_expect_eq(fv_sample_exp(0), 1.0);
    cr_expect_eq(fv_sample_exp(-709), 0.0);
    cr_expect_eq(fv_sample_exp(-(double)INFINITY), 0.0);
    for (double x = 0; x > -708; x -= 0.0137) {
        double want = exp(x);
        cr_assert_lt(fabs(fv_sample_exp(x) - want), want * 0x1p-50, "exp(%g)", x);
    }
}

Test(sample, greedy) {
    fv_random r = {1};
    const double nan = (double)NAN, inf = (double)INFINITY;
    cr_expect_eq(sample(0, 0, 1, &r, 4, (double[]){1, 3, 3, 2}), 1, "the first of equal ones");
    cr_expect_eq(sample(0, 0, 1, &r, 3, (double[]){nan, -5, nan}), 1);
    cr_expect_eq(sample(0, 0, 1, &r, 2, (double[]){-inf, -inf}), 0);
    cr_expect_eq(sample(0, 0, 1, &r, 2, (double[]){5, inf}), 1);
    cr_expect_eq(sample(0, 0, 1, &r, 2, (double[]){nan, nan}), -1);
    cr_expect_eq(r.state, 1, "nothing is drawn");
}

Test(sample, shares) {
    const double logits[] = {log(1), log(5), (double)NAN, log(2), -(double)INFINITY};
    has_shares(0, 1, 5, logits, (double[]){0.125, 0.625, 0, 0.25, 0});
    has_shares(2, 1, 5, logits, (double[]){0, 5.0 / 7, 0, 2.0 / 7, 0});
    has_shares(1, 1, 5, logits, (double[]){0, 1, 0, 0, 0});
    has_shares(9, 1, 5, logits, (double[]){0.125, 0.625, 0, 0.25, 0});
    has_shares(0, 0.6, 5, logits, (double[]){0, 1, 0, 0, 0});
    has_shares(0, 0.65, 5, logits, (double[]){0, 5.0 / 7, 0, 2.0 / 7, 0});
    has_shares(0, 0.9, 5, logits, (double[]){0.125, 0.625, 0, 0.25, 0});
    has_shares(0, 1e-9, 5, logits, (double[]){0, 1, 0, 0, 0});
    has_shares(2, 0.7, 5, logits, (double[]){0, 1, 0, 0, 0});
    has_shares(2, 0.72, 5, logits, (double[]){0, 5.0 / 7, 0, 2.0 / 7, 0});
}

Test(sample, temperature) {
    const double logits[] = {0, 2 * log(3)};
    fv_random r = {3};
    int second = 0;
    for (int i = 0; i < 40000; i++)
        second += sample(2, 0, 1, &r, 2, logits) == 1;
    cr_expect(fabs(second / 40000.0 - 0.75) < 0.01, "%d", second);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(sample(1e-300, 0, 1, &r, 2, logits), 1, "nearly 0");
    cr_expect_eq(sample(1, 0, 1, &r, 2, (double[]){1, (double)INFINITY}), 1);
}

/* With top_k an id is drawn if and only if fewer than k ids come before it. */
Test(sample, the_k_largest) {
    fv_random r = {11};
    double logits[MOST];
    for (int round = 0; round < 200; round++) {
        int n = 1 + (int)(fv_random_next(&r) % MOST), k = 1 + (int)(fv_random_next(&r) % 12);
        for (int i = 0; i < n; i++) /* few values, so that many are equal */
            logits[i] = (double)(fv_random_next(&r) % 40) / 8;
        for (int draw = 0; draw < 50; draw++) {
            int64_t id = sample(1.5, k, 1, &r, n, logits);
            int before = 0;
            for (int i = 0; i < n; i++)
                before += logits[i] > logits[id] || (logits[i] == logits[id] && i < id);
            cr_assert_lt(before, k, "id %d of %d, top_k %d", (int)id, n, k);
        }
    }
}

/* These ids must be the same on every machine. */
Test(sample, same_everywhere) {
    static const int want[] = {59, 54, 35, 54, 67, 89, 16, 16, 81, 62, 16, 51,
                               81, 43, 81, 97, 91, 8,  81, 62, 43, 70, 8,  62};
    double logits[100];
    fv_random r = {2024};
    for (int i = 0; i < 100; i++)
        logits[i] = (double)((i * 37) % 100) / 16;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        cr_expect_eq(sample(0.9, i % 2 ? 20 : 0, i % 3 ? 0.9 : 1, &r, 100, logits), want[i],
                     "draw %zu", i);
}

/* ---- generators ---- */

static char folder[] = "/tmp/fovea-generate-XXXXXX", place[64];
static fv_log *messages;

static void begin(void) {
    cr_assert(mkdtemp(folder));
    setenv("FOVEA_CACHE_DIR", "", 1);
    snprintf(place, sizeof place, "%s/m.fvir", folder);
    messages = fv_log_new();
}

static void end(void) {
    fv_log_free(messages);
    unlink(place);
    cr_assert_eq(rmdir(folder), 0);
}

TestSuite(generator, .init = begin, .fini = end);

/* A decoder whose logits at each position are the row `table`[id], and whose cache has the ids. */
static fv_artifact *decoder(const char *table) {
    FILE *f = fopen(place, "w");
    fv_artifact *a = NULL;
    fv_compile_options o = {.size = sizeof o, .backend = FV_BACKEND_INTERP};
    cr_assert(f);
    fprintf(f,
            "fovea-ir 1\nmodule \"next\"\nsymbol b 1..8\nsymbol s 1..4\nsymbol p 0..6\n"
            "const @table: f32[3, 3] = %s\n"
            "func @main(%%input_ids: i64[b, s], %%past: f32[b, p, 3]) -> (%%logits, %%present) {\n"
            "  %%logits = Gather(@table, %%input_ids)\n"
            "  %%present = Concat(%%past, %%logits) {axis = 1}\n"
            "  return %%logits, %%present\n}\n",
            table);
    fclose(f);
    cr_assert_eq(fv_compile_decoder(place, &o, messages, &a), FV_OK, "%s", fv_log_text(messages));
    return a;
}

/* 0 is followed by 1, 1 by 2, 2 by 0. */
#define NEXT "[0, 1, 0,  0, 0, 1,  1, 0, 0]"

static void says(int status, int want, const char *text) {
    cr_expect_eq(status, want, "%d: %s", status, fv_log_text(messages));
    cr_expect(strstr(fv_log_text(messages), text), "expected '%s', got '%s'", text,
              fv_log_text(messages));
    fv_log_clear(messages);
}

Test(generator, sequences) {
    fv_artifact *a = decoder(NEXT);
    const fv_prompt prompts[] = {
        {(int64_t[]){0, 1}, 2}, {(int64_t[]){2}, 1}, {(int64_t[]){1, 0}, 2}};
    const fv_generate_options o = {
        .size = sizeof o, .tokens = 3, .stop = (int64_t[]){2}, .nstop = 1};
    static const int64_t want[][2] = {{0, 2}, {2, 1}, {2, 2}, {1, 0}, {1, 1}, {1, 2}};
    fv_generator *g;
    fv_generate_report r;
    int sequence;
    int64_t id;
    cr_assert_eq(fv_generator_new(a, 3, prompts, &o, messages, &g), FV_OK, "%s",
                 fv_log_text(messages));
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(fv_generator_next(g, &sequence, &id, messages), FV_OK);
        cr_expect(sequence == want[i][0] && id == want[i][1], "%d: %d of sequence %d", i, (int)id,
                  sequence);
    }
    cr_expect_eq(fv_generator_next(g, &sequence, &id, messages), FV_OK);
    cr_expect_eq(sequence, -1);
    fv_generator_report(g, &r);
    cr_expect(r.caches == 1 && r.in_place == 1 && r.prompt_ids == 5 && r.ids == 3, "%d %d %d %d",
              r.caches, r.in_place, (int)r.prompt_ids, (int)r.ids);
    fv_generator_free(g);
    fv_artifact_free(a);
}

Test(generator, wrong_arguments) {
    fv_artifact *a = decoder(NEXT);
    fv_generator *g;
    const fv_generate_options good = {.size = sizeof good, .tokens = 2};
    const fv_prompt one = {(int64_t[]){0}, 1}, none = {NULL, 0}, high = {(int64_t[]){0, 3}, 2};
    fv_generate_options o = good;
    int64_t id;
    says(fv_generator_new(NULL, 1, &one, &o, messages, &g), FV_BAD_ARGUMENT, "'a' is NULL");
    says(fv_generator_new(a, 1, &one, NULL, messages, &g), FV_BAD_ARGUMENT, "'o' is NULL");
    says(fv_generator_new(a, 0, &one, &o, messages, &g), FV_BAD_ARGUMENT, "no prompt");
    says(fv_generator_new(a, 1, &none, &o, messages, &g), FV_BAD_ARGUMENT, "prompt 1 has no ids");
    says(fv_generator_new(a, 1, &high, &o, messages, &g), FV_BAD_ARGUMENT,
         "prompt 1: id 3 is not in the vocabulary, of 0 to 2");
    cr_expect_null(g);
#define WITH(member, text)                                                                         \
    do {                                                                                           \
        o = good;                                                                                  \
        o.member;                                                                                  \
        says(fv_generator_new(a, 1, &one, &o, messages, &g), FV_BAD_ARGUMENT, text);               \
    } while (0)
    WITH(size = 7, "not those of this library");
    WITH(tokens = 0, "is 0, expected at least 1");
    WITH(tokens = 8, "at most 7 positions; a prompt of 1 ids and 8 more need 8");
    WITH(tokens = INT64_MAX, "positions");
    WITH(temperature = -1, "the temperature is -1, expected");
    WITH(temperature = (double)NAN, "temperature");
    WITH(top_k = 1, "temperature 0");
    WITH(top_k = -1, "top_k is -1, expected at least 1");
    WITH(top_p = 1.5, "top_p is 1.5, expected");
    WITH(chunk = -1, "a chunk of the prompt has -1 ids");
    WITH(stop = (int64_t[]){-4}; o.nstop = 1, "stop: id -4 is not in the vocabulary");
    says(fv_generator_next(NULL, &(int){0}, &id, messages), FV_BAD_ARGUMENT, "'g' is NULL");
    fv_generator_free(NULL);
    fv_artifact_free(a);
}

Test(generator, logits_that_are_nan) {
    fv_artifact *a = decoder("[0, 1, 0,  nan, nan, nan,  1, 0, 0]");
    const fv_generate_options o = {.size = sizeof o, .tokens = 3};
    fv_generator *g;
    int sequence;
    int64_t id;
    cr_assert_eq(fv_generator_new(a, 1, &(fv_prompt){(int64_t[]){0}, 1}, &o, messages, &g), FV_OK);
    cr_assert_eq(fv_generator_next(g, &sequence, &id, messages), FV_OK);
    cr_expect_eq(id, 1);
    says(fv_generator_next(g, &sequence, &id, messages), FV_BAD_MODEL,
         "the logits after 2 ids of sequence 1 are all NaN");
    says(fv_generator_next(g, &sequence, &id, messages), FV_BAD_ARGUMENT, "failed before");
    fv_generator_free(g);
    fv_artifact_free(a);
}

Test(generator, freed_after_its_artifact_and_before_its_end) {
    fv_artifact *a = decoder(NEXT);
    const fv_generate_options o = {.size = sizeof o, .tokens = 3};
    fv_generator *g;
    int sequence;
    int64_t id;
    cr_assert_eq(fv_generator_new(a, 1, &(fv_prompt){(int64_t[]){0}, 1}, &o, messages, &g), FV_OK);
    cr_assert_eq(fv_generator_next(g, &sequence, &id, messages), FV_OK);
    fv_artifact_free(a);
    fv_generator_free(g);
}
