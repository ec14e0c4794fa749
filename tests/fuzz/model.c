/* model.c - models, as ONNX and as text: import, passes, lowering by both schedules, a run of
 * both. */
#include <string.h>

#include "backend/lower.h"
#include "frontend/frontend.h"
#include "ir/graph/parse.h"
#include "ir/graph/print.h"
#include "ir/graph/verify.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/fuzz/fuzz.h"

typedef struct input {
    const uint8_t *data;
    size_t size;
    const char *text; /* NULL: the bytes of a model */
    uint64_t hash;
} input;

static fv_module *read_input(fv_session *s, const input *in) {
    fv_module *m = in->text ? fv_module_parse(s, in->text, NULL)
                            : fv_onnx_import_bytes(s, in->data, in->size, NULL, "input", NULL);
    if (!m != (fv_error_count(s) > 0))
        fuzz_finding(s, "%s", m ? "accepted, with errors" : "refused without a word");
    return m;
}

static bool is_whole(const fv_module *m) { /* its text says all of it */
    fv_arena *a = fv_arena_new(m->session);
    fv_text t = {.arena = a};
    fv_module_print(&t, m, NULL, NULL);
    bool whole = !strstr(t.s, "...");
    fv_arena_free(a);
    return whole;
}

/* What is printed parses, and prints the same. */
static void print_again(const fv_module *m) {
    fv_session *s = m->session;
    fv_arena *a = fv_arena_new(s);
    fv_text once = {.arena = a}, twice = {.arena = a};
    if (is_whole(m)) {
        fv_module_print(&once, m, NULL, NULL);
        fv_module *again = fv_module_parse(s, once.s, NULL);
        if (!again)
            fuzz_finding(s, "what is printed does not parse:\n%s", once.s);
        fv_module_print(&twice, again, NULL, NULL);
        fuzz_same_text(s, once.s, twice.s);
        fv_module_free(again);
    }
    fv_arena_free(a);
}

static bool says(const fv_session *s, const char *what) {
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        if (strstr(m->text, what))
            return true;
    return false;
}

/* NULL: refused, with a reason. */
static fv_program *lower(fv_session *s, const input *in, bool naive) {
    static const char *const targets[] = {"x86-64-v3", "x86-64-v4", "x86-64-v2",
                                          "generic",   "aarch64",   "cortex-m4"};
    fv_messages_clear(s);
    fv_module *m = read_input(s, in);
    fv_lower_options o = {.naive = naive, .target = fv_target_find(targets[in->hash % 6])};
    if (!m)
        return NULL;
    if (!fv_module_verify(m, "import")) {
        if (!in->text)
            fuzz_finding(s, "the importer made an illegal module");
        return NULL; /* a text may be illegal */
    }
    print_again(m);
    if (!fv_run_passes(m, fv_pipeline(naive ? '0' : '2'), &(fv_pipeline_options){.verify = true})) {
        if (!fv_error_count(s) || says(s, "broke the module"))
            fuzz_finding(s, "passes fail");
        return NULL;
    }
    print_again(m);
    fv_program *p = fv_lower(m, &o);
    if (!p != (fv_error_count(s) > 0))
        fuzz_finding(s, "%s", p ? "lowered, with errors" : "not lowered, without a word");
    if (p && !fv_program_verify(s, p))
        fuzz_finding(s, "lowering made an illegal program");
    return p;
}

static void compile(fv_session *s, const input *in) {
    for (int naive = 0; naive < 2; naive++) {
        fv_program *p = lower(s, in, naive);
        if (!p)
            return;
        fuzz_program(s, p, true, in->hash);
    }
}

void fuzz_onnx(fv_session *s, const uint8_t *data, size_t size) {
    compile(s, &(input){data, size, NULL, fuzz_hash(data, size)});
}

void fuzz_graph(fv_session *s, const uint8_t *data, size_t size) {
    const char *text = fuzz_text(fv_arena_new(s), data, size);
    if (text)
        compile(s, &(input){data, size, text, fuzz_hash(data, size)});
}
