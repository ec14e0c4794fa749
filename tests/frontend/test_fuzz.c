/* Models that are truncated or have flipped bits: they are refused or read, without a crash, an
 * endless loop or excessive memory. Built-in models, and some of ../shared if it exists. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "frontend/data.h"
#include "frontend/frontend.h"
#include "ir/graph/print.h"
#include "model_text.h"
#include "tests/sample.h"

enum { MEMORY = 1 << 30 };

static void limit_memory(void) {
#if !SAMPLE_HAS_ASAN
    setrlimit(RLIMIT_AS, &(struct rlimit){MEMORY, MEMORY});
#endif
}
TestSuite(fuzz, .init = limit_memory, .timeout = 900);

static uint64_t next_random(uint64_t *state) { /* xorshift64* */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

/* Imports; true: accepted. What is made of it must be printable. */
static bool import(const char *bytes, size_t n) {
    fv_session *s = fv_session_new();
    fv_door door;
    if (FV_DOOR_OPEN(s, &door)) {
        cr_assert_fail("took more than %d bytes", MEMORY);
        return false;
    }
    fv_module *m = fv_onnx_import_bytes(s, bytes, n, NULL, "fuzz", NULL);
    bool ok = m != NULL;
    cr_assert(ok == (fv_error_count(s) == 0));
    if (m) {
        fv_text text = {.arena = fv_arena_new(s)};
        fv_module_print(&text, m, NULL, NULL);
    }
    fv_door_close(s, &door);
    fv_session_free(s);
    return ok;
}

/* In memory of exactly its size, so that reading beyond it is found. */
static void import_prefix(const char *bytes, size_t n) {
    char *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    import(copy, n);
    free(copy);
}

static void mistreat(char *bytes, size_t n, size_t prefixes, int flips, uint64_t seed) {
    uint64_t random = seed;
    cr_log_info("seed %llu", (unsigned long long)seed);
    for (size_t i = 0; i < n; i += n <= prefixes ? 1 : n / prefixes)
        import_prefix(bytes, i);
    for (int i = 0; i < flips; i++) {
        size_t at[3];
        char old[3];
        int k = 1 + (int)(next_random(&random) % 3);
        for (int j = 0; j < k; j++) {
            at[j] = next_random(&random) % n;
            old[j] = bytes[at[j]];
            bytes[at[j]] = (char)(bytes[at[j]] ^ 1 << next_random(&random) % 8);
        }
        import(bytes, n);
        for (int j = k - 1; j >= 0; j--)
            bytes[at[j]] = old[j];
    }
}

Test(fuzz, built_in) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    fv_text model = model_of_text(
        a, "opset 13 opset local 1\n"
           "function local.F(a, b) -> (c) attrs alpha beta=0.25 {\n"
           "  opset 13\n"
           "  t = \"scale\" LeakyRelu(a) alpha=@alpha\n"
           "  u = LeakyRelu(t) alpha=@beta\n"
           "  k = Constant() value=f32[2, 1]{1 2}\n"
           "  v = Add(u, k)\n"
           "  c = \"sum\" Add(v, b) }\n"
           "input x f32[batch, 4] input i i64[batch, \"batch + 1\"] input q seq(f32[2])\n"
           "init w f32[4] = 1 2 3 4  init n i4[3] typed 1 2\n"
           "init t string[2] typed \"one\" \"two\"\n"
           "sparse z f32[2, 4] at 0 3 = 1 2\n"
           "value h f32[?, 4]  output y f32[batch, 4] output m\n"
           "h = \"call\" local.F(x, w) alpha=0.5\n"
           "y = MatMul(h, r)  r = Transpose(w2) perm=[1, 0]  w2 = Add(w, w3)\n"
           "w3 = Constant() value=f32[4, 4]{1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16}\n"
           "m = Clip(x, \"\", lo)  lo = Constant() value_float=0.5\n");
    cr_expect(import(model.s, model.n));
    mistreat(model.s, model.n, model.n, (int)sample_rounds(20000, 4000), 1);
    fv_session_free(s);
}

/* A copy of a file in FOVEA_SHARED or ../shared; NULL: it does not exist. */
static char *shared_file(const char *name, size_t *n) {
    char path[512];
    const char *shared = getenv("FOVEA_SHARED");
    snprintf(path, sizeof path, "%s/%s", shared ? shared : FV_SOURCE_ROOT "/../shared", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*n);
    bool whole = fread(bytes, 1, *n, f) == *n;
    fclose(f);
    if (whole)
        return bytes;
    free(bytes);
    return NULL;
}

static void mistreat_shared(const char *name) {
    size_t n;
    char *bytes = shared_file(name, &n);
    if (!bytes)
        cr_skip_test("%s is not there", name);
    mistreat(bytes, n, (size_t)sample_rounds(500, 200), (int)sample_rounds(1000, 250), n);
    free(bytes);
}

#define SHARED(name, path)                                                                         \
    Test(fuzz, name) {                                                                             \
        mistreat_shared(path "/model.onnx");                                                       \
    }
SHARED(einsum, "models/mha_einsum_flax_projections")
SHARED(plain, "models/mha_torch_bf_self_plain")
SHARED(functions, "models/fn_torch113_bert_modules")
SHARED(function_attributes, "models/fn_custom_attention_attr")
SHARED(loop, "models/s2s_gru_bahdanau_loop")
SHARED(scan, "models/s2s_scan_bahdanau")
SHARED(nested, "models/npm_silero_vad_v5")
SHARED(kwt, "models/aud_kwt_mcu")
SHARED(sequences, "onnx-suite/node/test_sequence_map_add_2_sequences_expanded")
SHARED(narrow, "onnx-suite/node/test_quantizelinear_int4")

/* ---- small files that ask for much work ---- */

static void refused(fv_text model, const char *why) {
    fv_session *s = fv_session_new();
    fv_door door;
    if (FV_DOOR_OPEN(s, &door)) {
        cr_assert_fail("out of memory, though %s", why);
        return;
    }
    cr_expect(!fv_onnx_import_bytes(s, model.s, model.n, NULL, "bomb", NULL));
    const fv_message *m = fv_messages(s);
    while (m && m->next)
        m = m->next;
    cr_expect(m && strstr(m->text, why), "is       %s\nexpected %s", m ? m->text : "", why);
    fv_door_close(s, &door);
    fv_session_free(s);
}

/* Each function calls the next one twice. */
Test(fuzz, functions_that_double) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    fv_text text = {.arena = a};
    fv_text_put(&text, "opset 13 opset f 1 input x f32[2] output y f32[2] y = f.F0(x)\n");
    for (int i = 0; i < 40; i++)
        fv_text_printf(&text,
                       "function f.F%d(a) -> (c) { opset 13 opset f 1\n"
                       "b = f.F%d(a) c = f.F%d(b) }\n",
                       i, i + 1, i + 1);
    fv_text_put(&text, "function f.F40(a) -> (c) { opset 13 c = Neg(a) }\n");
    refused(model_of_text(a, text.s), "functions and nested loops add more than 250000 nodes");
    fv_session_free(s);
}

Test(fuzz, functions_too_deep) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    fv_text text = {.arena = a};
    fv_text_put(&text, "opset 13 opset f 1 input x f32[2] output y f32[2] y = f.F0(x)\n");
    for (int i = 0; i < 100; i++)
        fv_text_printf(&text, "function f.F%d(a) -> (c) { opset 13 opset f 1 c = f.F%d(a) }\n", i,
                       i + 1);
    fv_text_put(&text, "function f.F100(a) -> (c) { opset 13 c = Neg(a) }\n");
    refused(model_of_text(a, text.s), "nested more than 64 deep");
    fv_session_free(s);
}

/* Nodes in the reverse order, each using the next: the walk must not recurse. */
Test(fuzz, long_chain) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    fv_text text = {.arena = a};
    fv_text_put(&text, "input v100000 f32[2] output v0 f32[2]\n");
    for (int i = 0; i < 100000; i++)
        fv_text_printf(&text, "v%d = Neg(v%d)\n", i, i + 1);
    fv_text model = model_of_text(a, text.s);
    cr_expect(import(model.s, model.n));
    fv_session_free(s);
}

Test(fuzz, many_inputs_and_symbols) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    fv_text text = {.arena = a};
    fv_text_put(&text, "output y f32[2] y = Neg(v0)\n");
    for (int i = 0; i < 20000; i++)
        fv_text_printf(&text, "input v%d f32[?, d%d, e%d]\n", i, i, i % 100);
    fv_text model = model_of_text(a, text.s);
    import(model.s, model.n);
    fv_session_free(s);
}

Test(fuzz, one_value_used_by_all) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    fv_text text = {.arena = a};
    fv_text_put(&text, "input x f32[2] output v0 f32[2]\n");
    for (int i = 0; i < 50000; i++)
        fv_text_printf(&text, "v%d = Add(x, x)\n", i);
    fv_text model = model_of_text(a, text.s);
    cr_expect(import(model.s, model.n));
    fv_session_free(s);
}

/* Every allocation fails once. */
Test(fuzz, out_of_memory) {
    fv_session *s = fv_session_new();
    fv_text model = model_of_text(
        fv_arena_new(s),
        "opset 13 opset local 1\n"
        "function local.F(a, b) -> (c) { opset 13 c = Add(a, b) }\n"
        "input x f32[batch, 4] init w f32[4] = 1 2 3 4 output y f32[batch, 4] y = local.F(x, w)\n");
    bool failed = true;
    for (int64_t nth = 1; failed; nth++) {
        fv_session *t = fv_session_new();
        fv_door door;
        failed = true;
        if (!FV_DOOR_OPEN(t, &door)) {
            fv_session_fail_at(t, nth);
            fv_module *m = fv_onnx_import_bytes(t, model.s, model.n, NULL, "m", NULL);
            fv_session_fail_at(t, 0);
            cr_expect(m);
            fv_door_close(t, &door);
            failed = false;
        }
        fv_session_free(t);
        cr_assert(nth < 100000);
    }
    fv_session_free(s);
}
