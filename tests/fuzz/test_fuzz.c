/* Inputs that fuzzing found, stored in regressions/TARGET/; and, without libFuzzer, a sample of the
 * corpus from our own tests, and mutations of it. FV_SEED chooses others, FV_ROUNDS sets the number
 * of mutations of each input; FOVEA_ALL=1 takes the whole corpus. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/corpus.h"
#include "tests/sample.h"

enum { MAX_INPUT = 1 << 15 };

/* ---- regressions ---- */

static void run_file(const fuzz_target *t, const char *path) {
    static uint8_t bytes[1 << 20];
    FILE *f = fopen(path, "rb");
    cr_assert(f, "cannot read %s", path);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    fprintf(stderr, "%s\n", path); /* seen where it ends the process */
    uint8_t *exact = malloc(n ? n : 1);
    memcpy(exact, bytes, n);
    fuzz_run(t, exact, n);
    free(exact);
}

Test(fuzz, regressions, .timeout = 900) {
    for (const fuzz_target *t = fuzz_targets; t->name; t++) {
        char pattern[512];
        glob_t found = {0};
        snprintf(pattern, sizeof pattern, FV_SOURCE_ROOT "/tests/fuzz/regressions/%s/*", t->name);
        if (glob(pattern, 0, NULL, &found) == 0)
            for (size_t i = 0; i < found.gl_pathc; i++)
                run_file(t, found.gl_pathv[i]);
        globfree(&found);
    }
}

/* ---- mutations ---- */

typedef struct walk {
    uint64_t seed, rounds;
    size_t apart; /* under sanitizers one input in so many is taken, else one in half as many */
    int inputs;
} walk;

static void mutate_bytes(uint8_t *data, size_t size, uint64_t *random) {
    for (uint64_t i = 0, n = 1 + fuzz_below(random, 3); i < n; i++)
        data[fuzz_below(random, size)] ^= (uint8_t)(1 << fuzz_below(random, 8));
}

static void run_mutations(corpus *c, const char *target, const uint8_t *data, size_t size) {
    static uint8_t bytes[MAX_INPUT];
    walk *w = c->user;
    const fuzz_target *t = fuzz_find(target);
    if (!sample_has("", (size_t)fuzz_hash(data, size), (w->apart + 1) / 2, w->apart))
        return;
    fuzz_run(t, data, size);
    uint64_t random = w->seed + fuzz_hash(data, size);
    for (uint64_t i = 0; i < w->rounds; i++) {
        memcpy(bytes, data, size);
        size_t n = i % 4 ? fuzz_mutate(t, bytes, size, sizeof bytes, fuzz_random(&random)) : 0;
        if (!n)
            mutate_bytes(bytes, n = size, &random);
        fuzz_run(t, bytes, n);
    }
    w->inputs++;
}

static void mutations(const char *target, uint64_t rounds, size_t apart) {
    walk w = {.seed = sample_seed(1), .rounds = sample_rounds(rounds, rounds), .apart = apart};
    corpus c = {.root = FV_SOURCE_ROOT, .target = target, .add = run_mutations, .user = &w};
    corpus_walk(&c);
    cr_expect_gt(w.inputs, 0);
}

Test(fuzz, onnx, .timeout = 900) {
    mutations("onnx", 4, 40);
}
Test(fuzz, graph, .timeout = 900) {
    mutations("graph", 4, 40);
}
Test(fuzz, definitions, .timeout = 900) {
    mutations("definitions", 2, 40);
}
Test(fuzz, kernel, .timeout = 900) {
    mutations("kernel", 4, 40);
}
Test(fuzz, tuning, .timeout = 900) {
    mutations("tuning", 4, 1);
}
Test(fuzz, profile, .timeout = 900) {
    mutations("profile", 4, 1);
}
Test(fuzz, npy, .timeout = 900) {
    mutations("npy", 4, 1);
}
Test(fuzz, pb, .timeout = 900) {
    mutations("pb", 4, 1);
}
