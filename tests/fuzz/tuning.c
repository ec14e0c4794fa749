/* tuning.c - tuning files: what is read prints, and reads back as the same. */
#include "ir/schedule/tuning.h"
#include "ir/base/diag.h"
#include "tests/fuzz/fuzz.h"

static const char *read_and_print(fv_session *s, fv_arena *a, const char *text) {
    fv_text t = {.arena = a};
    const fv_tuning *u = fv_tuning_parse(s, a, text);
    if (!u != (fv_error_count(s) > 0))
        fuzz_finding(s, "%s", u ? "read, with errors" : "refused without a word");
    if (!u)
        return NULL;
    for (int i = 0; i < u->n; i++)
        if (fv_tuning_find(u, u->kernels[i].key) != &u->kernels[i])
            fuzz_finding(s, "kernel \"%s\" is there twice", u->kernels[i].key);
    fv_tuning_print(&t, u);
    return t.s;
}

void fuzz_tuning(fv_session *s, const uint8_t *data, size_t size) {
    fv_arena *a = fv_arena_new(s);
    const char *text = fuzz_text(a, data, size), *once = text ? read_and_print(s, a, text) : NULL;
    if (!once)
        return;
    const char *twice = read_and_print(s, a, once);
    if (!twice)
        fuzz_finding(s, "what is printed is not read:\n%s", once);
    fuzz_same_text(s, once, twice);
}
