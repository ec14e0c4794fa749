/* definitions.c - texts of definitions: a legal text prints, parses to the same, and lowers to a
 * program that runs. */
#include <string.h>

#include "backend/lower.h"
#include "ir/definition/definitions_parse.h"
#include "ir/definition/definitions_print.h"
#include "ir/definition/definitions_verify.h"
#include "ir/graph/verify.h"
#include "ir/kernel/verify.h"
#include "tests/fuzz/fuzz.h"

static fv_module *read_text(fv_session *s, const char *text) {
    fv_module *m = fv_definitions_parse(s, text, NULL, NULL);
    if (!m != (fv_error_count(s) > 0))
        fuzz_finding(s, "%s", m ? "accepted, with errors" : "refused without a word");
    if (!m)
        return NULL;
    bool legal = fv_module_verify(m, NULL) && fv_definitions_verify(m, m->definitions, NULL);
    if (legal != (fv_error_count(s) == 0))
        fuzz_finding(s, "%s", legal ? "legal, with errors" : "illegal without a word");
    return legal ? m : NULL;
}

static const char *printed(fv_arena *a, const fv_module *m) {
    fv_text t = {.arena = a};
    fv_definitions_print(&t, m, m->definitions, NULL, NULL, true);
    return t.s;
}

/* What is printed is legal, and prints the same. */
static void print_again(const fv_module *m) {
    fv_session *s = m->session;
    fv_arena *a = fv_arena_new(s);
    const char *once = printed(a, m);
    fv_module *again = read_text(s, once);
    if (!again)
        fuzz_finding(s, "what is printed is not legal:\n%s", once);
    fuzz_same_text(s, once, printed(a, again));
    fv_module_free(again);
    fv_arena_free(a);
}

static void lower(fv_session *s, const char *text, bool naive, uint64_t hash) {
    static const char *const targets[] = {"x86-64-v3", "x86-64-v4", "x86-64-v2",
                                          "generic",   "aarch64",   "cortex-m4"};
    fv_messages_clear(s);
    fv_module *m = read_text(s, text);
    fv_lower_options o = {
        .naive = naive, .target = fv_target_find(targets[hash % 6]), .verify = true};
    if (!m)
        return;
    if (!naive)
        print_again(m);
    fv_program *p = fv_lower(m, &o);
    if (!p != (fv_error_count(s) > 0))
        fuzz_finding(s, "%s", p ? "lowered, with errors" : "not lowered, without a word");
    for (const fv_message *k = fv_messages(s); k; k = k->next)
        if (strstr(k->text, "broke the definitions"))
            fuzz_finding(s, "a step of lowering fails");
    if (p && !fv_program_verify(s, p))
        fuzz_finding(s, "lowering made an illegal program");
    if (p)
        fuzz_program(s, p, false, hash); /* a load that is not proved to be inside may be outside */
}

void fuzz_definitions(fv_session *s, const uint8_t *data, size_t size) {
    const char *text = fuzz_text(fv_arena_new(s), data, size);
    for (int naive = 0; text && naive < 2; naive++)
        lower(s, text, naive, fuzz_hash(data, size));
}
