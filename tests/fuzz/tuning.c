/* tuning.c - tuning files and profiles of machines: a text that was read prints, and parses to the
 * same. */
#include "ir/schedule/tuning.h"
#include "ir/base/diag.h"
#include "ir/target/machine.h"
#include "tests/fuzz/fuzz.h"

/* The text of what was read; NULL: it was refused, with a message. */
typedef const char *text_reader(fv_session *s, fv_arena *a, const char *text);

static void refused_aloud(fv_session *s, bool refused) {
    if (refused != (fv_error_count(s) > 0))
        fuzz_finding(s, "%s", refused ? "refused without a word" : "read, with errors");
}

static const char *tuning(fv_session *s, fv_arena *a, const char *text) {
    fv_text t = {.arena = a};
    const fv_tuning *u = fv_tuning_parse(s, a, text);
    refused_aloud(s, !u);
    if (!u)
        return NULL;
    for (int i = 0; i < u->n; i++)
        if (fv_tuning_find(u, u->kernels[i].key) != &u->kernels[i])
            fuzz_finding(s, "kernel \"%s\" is there twice", u->kernels[i].key);
    fv_tuning_print(&t, u);
    return t.s;
}

static const char *profile(fv_session *s, fv_arena *a, const char *text) {
    fv_text t = {.arena = a};
    const fv_machine *p = fv_machine_parse(s, a, text);
    refused_aloud(s, !p);
    if (!p)
        return NULL;
    for (int i = 0; i < FV_NPROPERTIES; i++) {
        const fv_property_info *is = fv_property_at(i);
        int value = fv_property_get(&p->processor, i);
        bool absent = is->is_cache && !value; /* of the processor generic */
        if (!absent && (value < is->least || value > is->most))
            fuzz_finding(s, "%s is %d", is->name, value);
    }
    fv_machine_print(&t, p);
    return t.s;
}

static void same_twice(fv_session *s, const uint8_t *data, size_t size, text_reader *read) {
    fv_arena *a = fv_arena_new(s);
    const char *text = fuzz_text(a, data, size), *once = text ? read(s, a, text) : NULL;
    if (!once)
        return;
    const char *twice = read(s, a, once);
    if (!twice)
        fuzz_finding(s, "what is printed is not read:\n%s", once);
    fuzz_same_text(s, once, twice);
}

void fuzz_tuning(fv_session *s, const uint8_t *data, size_t size) {
    same_twice(s, data, size, tuning);
}

void fuzz_profile(fv_session *s, const uint8_t *data, size_t size) {
    same_twice(s, data, size, profile);
}
